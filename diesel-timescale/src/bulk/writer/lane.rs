//! The rows that wait for one connection, in batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::confirmation::Confirm;
use super::kind::Kind;
use crate::bulk::batch::Batch;
use crate::bulk::error::BulkError;
use crate::bulk::run::Writing;
use crate::bulk::validation::{InvalidRow, Violations};
use crate::bulk::values::RowValues;

/// A row that was taken.
pub(super) struct Taken<R> {
    pub(super) row: R,
    pub(super) bytes: usize,
    /// When it was taken.
    pub(super) at: Duration,
    pub(super) confirm: Option<Confirm>,
}

/// A batch that grows until it is written.
pub(super) struct Growing<R> {
    pub(super) batch: Batch,
    /// Those rows of the batch that were not dropped: the last ones.
    pub(super) rows: VecDeque<Taken<R>>,
    pub(super) bytes: usize,
}

impl<R> Growing<R> {
    pub(super) fn push(&mut self, values: &RowValues, taken: Taken<R>) {
        self.batch.push(values);
        self.bytes += taken.bytes;
        self.rows.push_back(taken);
    }

    /// Drops the oldest row.
    fn drop_oldest(&mut self) -> Option<Taken<R>> {
        let taken = self.rows.pop_front()?;
        self.bytes -= taken.bytes;
        Some(taken)
    }

    /// The first row of the batch that was not dropped.
    pub(super) fn first(&self) -> usize {
        self.batch.rows - self.rows.len()
    }
}

/// The rows that one connection writes, one batch after the other.
pub(super) struct Lane<R> {
    /// The last one grows, the others are full.
    pub(super) queue: VecDeque<Growing<R>>,
    /// When the oldest row of the batch that is being written was taken.
    pub(super) writing_since: Option<Duration>,
    /// What writes, while it waits for a batch.
    pub(super) worker: Option<Waker>,
}

impl<R> Default for Lane<R> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), writing_since: None, worker: None }
    }
}

impl<R> Lane<R> {
    /// The batch that grows.
    pub(super) fn growing(&mut self, kind: &Kind<R>, max_rows: usize, max_bytes: usize) -> &mut Growing<R> {
        let is_full = |last: &Growing<R>| last.batch.rows >= max_rows || last.bytes >= max_bytes;
        if self.queue.back().is_none_or(is_full) {
            let batch = Batch::empty(&kind.layout, max_rows.min(1_000));
            self.queue.push_back(Growing { batch, rows: VecDeque::new(), bytes: 0 });
        }
        let last = self.queue.len() - 1;
        &mut self.queue[last]
    }

    /// When the oldest row that is not being written was taken.
    pub(super) fn waiting_since(&self) -> Option<Duration> {
        self.queue.front()?.rows.front().map(|taken| taken.at)
    }

    /// When the oldest row was taken.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.writing_since.or_else(|| self.waiting_since())
    }

    /// Drops the oldest row that is not being written.
    pub(super) fn drop_oldest(&mut self) -> Option<Taken<R>> {
        let first = self.queue.front_mut()?;
        let taken = first.drop_oldest();
        if first.rows.is_empty() {
            self.queue.pop_front();
        }
        taken
    }
}

/// Rows that are being written, and what has happened to them.
pub(super) struct Part<R> {
    pub(super) writing: Writing,
    pub(super) rows: Vec<Taken<R>>,
    /// Whether the values were checked.
    is_checked: bool,
    /// When it failed for the first time, if it did.
    pub(super) failing_since: Option<Duration>,
    pub(super) tries: u32,
    /// Whether a statement of it may still run on a connection that was lost.
    pub(super) is_lost: bool,
    /// The transactions that may be that statement's, once they were looked for.
    pub(super) suspects: Option<Vec<String>>,
}

impl<R> Part<R> {
    pub(super) fn new(kind: &Kind<R>, growing: Growing<R>) -> Self {
        let batch = match growing.first() {
            0 => growing.batch,
            first => growing.batch.picked(&(first..growing.batch.rows).collect::<Vec<_>>()),
        };
        Self {
            writing: Writing::new(kind.target.clone(), kind.settings.clone(), batch),
            rows: growing.rows.into(),
            is_checked: false,
            failing_since: None,
            tries: 0,
            is_lost: false,
            suspects: None,
        }
    }

    /// Checks the values, once.
    pub(super) fn check(&mut self) -> Result<(), crate::bulk::error::BulkError> {
        if !self.is_checked {
            self.writing.batch.finish(Violations::default())?;
            self.is_checked = true;
        }
        Ok(())
    }

    /// The first rows of it, and the others: to be written in this order.
    pub(super) fn halves(mut self) -> [Self; 2] {
        let middle = self.rows.len() / 2;
        let rest = self.rows.split_off(middle);
        let of = |range: std::ops::Range<usize>, rows| self.with(&range.collect::<Vec<_>>(), rows);
        let second = of(middle..middle + rest.len(), rest);
        let first_rows = std::mem::take(&mut self.rows);
        [self.with(&(0..middle).collect::<Vec<_>>(), first_rows), second]
    }

    fn with(&self, picked: &[usize], rows: Vec<Taken<R>>) -> Self {
        let Writing { target, settings, batch, .. } = &self.writing;
        Self {
            writing: Writing::new(target.clone(), settings.clone(), batch.picked(picked)),
            rows,
            is_checked: true,
            failing_since: self.failing_since,
            tries: 0,
            is_lost: self.is_lost,
            suspects: self.suspects.clone(),
        }
    }

    /// The rows that are named, each with what is wrong with it; and the others, if there are any.
    pub(super) fn without(mut self, invalid: Vec<InvalidRow>) -> (Vec<(Taken<R>, BulkError)>, Option<Self>) {
        let mut violations: Vec<Vec<_>> = (0..self.rows.len()).map(|_| Vec::new()).collect();
        for mut found in invalid {
            if let Some(of_row) = violations.get_mut(found.row) {
                found.row = 0;
                of_row.push(found);
            }
        }
        let (mut refused, mut kept, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (taken, rows)) in std::mem::take(&mut self.rows).into_iter().zip(violations).enumerate() {
            if rows.is_empty() {
                kept.push(at);
                rest.push(taken);
            } else {
                refused.push((taken, BulkError::InvalidRows(rows)));
            }
        }
        let rest = if rest.is_empty() { None } else { Some(self.with(&kept, rest)) };
        (refused, rest)
    }
}

/// What knows the rows of a writer.
pub(super) type KindRef<R> = Arc<Kind<R>>;
