//! What a writer holds: rows in lanes, who waits for room, and what was done. Knows no clock, no thread and no task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::kind::Kind;
use super::lane::{Growing, KindRef, Lane, Part, Taken};
use super::options::Options;
use super::status::WriterStatus;
use crate::bulk::error::BulkError;
use crate::bulk::values::RowValues;

/// A batch goes when it has so many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// How far the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// Takes rows.
    Open,
    /// Writes what it has.
    Finishing,
    /// Gives back what is not stored.
    GivingUp,
    /// Has ended, with whatever it had.
    Closed,
}

/// What is next for a connection.
pub(super) enum Turn<R> {
    Write(Box<Part<R>>),
    /// Nothing is due before this moment.
    Until(Duration),
    /// Nothing is to be done before somebody wakes it.
    Sleep,
    End,
}

pub(super) struct Buffer<R> {
    pub(super) phase: Phase,
    pub(super) status: WriterStatus,
    /// The error of the first row that nobody has received.
    pub(super) unheard: Option<Arc<BulkError>>,
    /// Those who wait for another phase, or for the end.
    watchers: Vec<(u64, Waker)>,
    /// Who is to be woken when the lock is released.
    pub(super) wakes: Vec<Waker>,
    kind: KindRef<R>,
    lanes: Vec<Lane<R>>,
    /// The columns of the key that choose the lane; until they are known, all rows are in the first lane.
    route: Option<Vec<usize>>,
    /// Whether the first lane writes rows that may belong to others, which wait for that.
    is_settling: bool,
    /// Who waits for room: the first one is next.
    senders: VecDeque<(u64, Waker)>,
    tickets: u64,
    batch_rows: usize,
    batch_bytes: usize,
    batch_after: Duration,
    max_rows: usize,
    max_bytes: usize,
}

impl<R> Buffer<R> {
    pub(super) fn new(kind: KindRef<R>, options: &Options<R>) -> Self {
        let halves = 2 * options.connections;
        Self {
            phase: Phase::Open,
            status: WriterStatus::default(),
            unheard: None,
            watchers: Vec::new(),
            wakes: Vec::new(),
            kind,
            lanes: (0..options.connections).map(|_| Lane::default()).collect(),
            route: if options.connections == 1 { Some(Vec::new()) } else { None },
            is_settling: false,
            senders: VecDeque::new(),
            tickets: 0,
            batch_rows: options.batch_rows.min(options.max_rows / halves).max(1),
            batch_bytes: BATCH_BYTES.min(options.max_bytes / halves),
            batch_after: options.batch_after,
            max_rows: options.max_rows,
            max_bytes: options.max_bytes,
        }
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let (rows, held) = (self.status.waiting, self.status.waiting_bytes);
        rows == 0 || rows < self.max_rows && held.saturating_add(bytes) <= self.max_bytes
    }

    /// Whether nobody has waited for longer than the holder of this ticket.
    pub(super) fn is_first(&self, ticket: Option<u64>) -> bool {
        self.senders.front().is_none_or(|(first, _)| Some(*first) == ticket)
    }

    /// Lets a sender wait for room. What it waits for is due now.
    pub(super) fn wait_for_room(&mut self, ticket: &mut Option<u64>, waker: &Waker) {
        match self.senders.iter_mut().find(|(id, _)| Some(*id) == *ticket) {
            Some((_, old)) => old.clone_from(waker),
            None => {
                self.tickets += 1;
                *ticket = Some(self.tickets);
                self.senders.push_back((self.tickets, waker.clone()));
            }
        }
        self.wake_workers();
    }

    /// The sender waits no longer.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.senders.retain(|(id, _)| *id != ticket);
        self.wake_sender();
    }

    fn wake_sender(&mut self) {
        if let Some((_, waker)) = self.senders.front() {
            self.wakes.push(waker.clone());
        }
    }

    pub(super) fn wake_workers(&mut self) {
        self.wakes.extend(self.lanes.iter_mut().filter_map(|lane| lane.worker.take()));
    }

    /// Lets somebody watch.
    pub(super) fn watch(&mut self, ticket: &mut Option<u64>, waker: &Waker) {
        match self.watchers.iter_mut().find(|(id, _)| Some(*id) == *ticket) {
            Some((_, old)) => old.clone_from(waker),
            None => {
                self.tickets += 1;
                *ticket = Some(self.tickets);
                self.watchers.push((self.tickets, waker.clone()));
            }
        }
    }

    pub(super) fn watch_no_longer(&mut self, ticket: u64) {
        self.watchers.retain(|(id, _)| *id != ticket);
    }

    fn wake_watchers(&mut self) {
        self.wakes.extend(self.watchers.iter().map(|(_, waker)| waker.clone()));
    }

    /// Wakes all who wait, as another phase has begun.
    pub(super) fn wake_all(&mut self) {
        self.wake_workers();
        self.wake_watchers();
        self.wakes.extend(self.senders.iter().map(|(_, waker)| waker.clone()));
    }

    /// Takes a row.
    pub(super) fn push(&mut self, values: &RowValues, taken: Taken<R>) {
        self.status.taken += 1;
        self.status.waiting += 1;
        self.status.waiting_bytes += taken.bytes;
        let lane = match &self.route {
            None => 0,
            Some(columns) if columns.is_empty() => 0,
            Some(columns) => lane_of(self.kind.hash(columns, values), self.lanes.len()),
        };
        let (max_rows, lane) = (self.batch_rows, &mut self.lanes[lane]);
        let growing = lane.growing(&self.kind, max_rows, self.batch_bytes);
        growing.push(values, taken);
        // Whoever writes sleeps until the first row is due, or the batch is full.
        if growing.rows.len() == 1 || growing.batch.rows >= max_rows || growing.bytes >= self.batch_bytes {
            self.wakes.extend(lane.worker.take());
        }
    }

    /// Drops the oldest row that is not being written; `None` if there is none.
    pub(super) fn drop_oldest(&mut self) -> Option<Taken<R>> {
        let waiting = self.lanes.iter_mut().filter(|lane| lane.waiting_since().is_some());
        let taken = waiting.min_by_key(|lane| lane.waiting_since())?.drop_oldest()?;
        self.status.dropped += 1;
        self.status.waiting -= 1;
        self.status.waiting_bytes -= taken.bytes;
        Some(taken)
    }

    /// What is next for a connection that has nothing to write.
    pub(super) fn turn(&mut self, lane: usize, now: Duration) -> Turn<R> {
        let may_write = lane == 0 || !self.is_settling;
        let may_get_rows = !may_write || self.route.is_none() && self.status.waiting > 0;
        let is_closing = self.phase != Phase::Open || !self.senders.is_empty();
        let (batch_rows, batch_bytes, after) = (self.batch_rows, self.batch_bytes, self.batch_after);
        let (phase, lane) = (self.phase, &mut self.lanes[lane]);
        if phase == Phase::Closed || phase != Phase::Open && lane.queue.is_empty() && !may_get_rows {
            return Turn::End;
        }
        let is_full = |first: &Growing<R>| first.batch.rows >= batch_rows || first.bytes >= batch_bytes;
        let Some(since) = lane.waiting_since().filter(|_| may_write) else { return Turn::Sleep };
        let due = since.saturating_add(after);
        if !is_closing && due > now && lane.queue.len() == 1 && !lane.queue.front().is_some_and(is_full) {
            return Turn::Until(due);
        }
        match lane.queue.pop_front() {
            Some(growing) => {
                lane.writing_since = Some(since);
                Turn::Write(Box::new(Part::new(&self.kind, growing)))
            }
            None => Turn::Sleep,
        }
    }

    /// Lets the connection be woken when there is something to do for it.
    pub(super) fn sleep(&mut self, lane: usize, waker: &Waker) {
        self.lanes[lane].worker = Some(waker.clone());
    }

    /// So many rows of a batch are stored, or were given back; `next` is when the oldest of the others was taken.
    pub(super) fn settled(&mut self, lane: usize, rows: usize, bytes: usize, next: Option<Duration>) {
        self.status.waiting -= rows;
        self.status.waiting_bytes -= bytes;
        self.lanes[lane].writing_since = next;
        if next.is_none() && lane == 0 && self.is_settling {
            self.is_settling = false;
            self.wake_workers();
        }
        self.wake_sender();
        if self.status.waiting == 0 {
            self.wake_watchers();
            self.wake_workers();
        }
    }

    pub(super) fn needs_route(&self) -> bool {
        self.route.is_none()
    }

    /// Deals the waiting rows out. Until the first lane has written what it has begun, the others wait.
    pub(super) fn set_route(&mut self, columns: Vec<usize>) {
        let waiting = std::mem::take(&mut self.lanes[0].queue);
        self.is_settling = self.lanes[0].writing_since.is_some();
        for growing in waiting {
            let first = growing.first();
            for (row, taken) in (first..).zip(growing.rows) {
                let hash = self.kind.hash_in(&columns, &growing.batch, row);
                let lane = if columns.is_empty() { 0 } else { lane_of(hash, self.lanes.len()) };
                let to = self.lanes[lane].growing(&self.kind, self.batch_rows, self.batch_bytes);
                to.batch.push_from(&growing.batch, row);
                to.bytes += taken.bytes;
                to.rows.push_back(taken);
            }
        }
        self.route = Some(columns);
        self.wake_workers();
    }

    pub(super) fn status(&self, now: Duration) -> WriterStatus {
        let oldest = self.lanes.iter().filter_map(Lane::oldest).min();
        WriterStatus { oldest: oldest.map(|since| now.saturating_sub(since)), ..self.status.clone() }
    }

    /// Takes all rows out that are not being written: nobody will.
    pub(super) fn close(&mut self) -> Vec<Growing<R>> {
        self.phase = Phase::Closed;
        self.wake_all();
        self.lanes.iter_mut().flat_map(|lane| std::mem::take(&mut lane.queue)).collect()
    }
}

fn lane_of(hash: u64, lanes: usize) -> usize {
    // The remainder is less than the number of lanes.
    usize::try_from(hash % lanes as u64).unwrap_or(0)
}

impl<R> std::fmt::Debug for Buffer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("phase", &self.phase).field("status", &self.status).finish_non_exhaustive()
    }
}

impl<R> std::fmt::Debug for Kind<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").field("table", &self.target.table).finish_non_exhaustive()
    }
}
