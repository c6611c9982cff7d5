//! The buffer behind its lock, and what waits for it.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::buffer::{Buffer, Phase, Turn};
use super::clock::Clock;
use super::confirmation::{Confirm, Confirmation, NotStored};
use super::kind::Kind;
use super::lane::{KindRef, Taken};
use super::options::{OnRejected, Options};
use super::status::WriterStatus;
use super::trace;
use crate::bulk::error::BulkError;
use crate::bulk::values::RowValues;

pub(super) struct Shared<R> {
    pub(super) kind: KindRef<R>,
    pub(super) clock: Clock,
    pub(super) give_up_after: Option<Duration>,
    drops_oldest: bool,
    on_rejected: Option<OnRejected<R>>,
    buffer: Mutex<Buffer<R>>,
}

impl<R> Shared<R> {
    pub(super) fn new(kind: Kind<R>, options: Options<R>, clock: Clock) -> Self {
        let kind = Arc::new(kind);
        Self {
            buffer: Mutex::new(Buffer::new(Arc::clone(&kind), &options)),
            kind,
            clock,
            give_up_after: options.give_up_after,
            drops_oldest: options.drops_oldest,
            on_rejected: options.on_rejected,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer<R>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the buffer, and then wakes whom that concerns.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Buffer<R>) -> T) -> T {
        let mut buffer = self.lock();
        let result = change(&mut buffer);
        let wakes = std::mem::take(&mut buffer.wakes);
        drop(buffer);
        wakes.into_iter().for_each(std::task::Waker::wake);
        result
    }

    pub(super) fn status(&self) -> WriterStatus {
        let now = self.clock.now();
        self.lock().status(now)
    }

    /// Takes a row as soon as there is room. Until then, dropping the future takes nothing.
    pub(super) async fn send(&self, row: R) -> Result<(), BulkError>
    where
        R: Clone,
    {
        self.take(row, None).await
    }

    pub(super) async fn send_and_confirm(&self, row: R) -> Result<Confirmation, BulkError>
    where
        R: Clone,
    {
        let (confirm, confirmation) = Confirm::new();
        self.take(row, Some(confirm)).await?;
        Ok(confirmation)
    }

    async fn take(&self, row: R, confirm: Option<Confirm>) -> Result<(), BulkError>
    where
        R: Clone,
    {
        match self.kind.read(&row) {
            Ok(values) => {
                let bytes = Kind::<R>::bytes(&values);
                self.room(values, Taken { row, bytes, at: Duration::ZERO, confirm }).await
            }
            Err(error) => {
                if self.lock().phase != Phase::Open {
                    return Err(BulkError::WriterClosed);
                }
                let error = Arc::new(error);
                self.with(|buffer| {
                    buffer.status.taken += 1;
                    self.count_rejected(buffer, 1, &error);
                });
                self.give_back(Taken { row, bytes: 0, at: Duration::ZERO, confirm }, error);
                Ok(())
            }
        }
    }

    /// Waits for room, and takes the row.
    async fn room(&self, values: RowValues, taken: Taken<R>) -> Result<(), BulkError> {
        let mut taken = Some(taken);
        let mut ticket = Ticket { shared: self, id: None };
        poll_fn(|context| {
            let now = self.clock.now();
            let mut dropped = Vec::new();
            let result = self.with(|buffer| {
                let Some(bytes) = taken.as_ref().map(|taken| taken.bytes) else { return Poll::Ready(Ok(())) };
                if buffer.phase != Phase::Open {
                    return Poll::Ready(Err(BulkError::WriterClosed));
                }
                if self.drops_oldest {
                    while !buffer.has_room(bytes) {
                        match buffer.drop_oldest() {
                            Some(oldest) => dropped.push(oldest),
                            None => {
                                buffer.status.taken += 1;
                                buffer.status.dropped += 1;
                                dropped.extend(taken.take());
                                return Poll::Ready(Ok(()));
                            }
                        }
                    }
                } else if !buffer.has_room(bytes) || !buffer.is_first(ticket.id) {
                    buffer.wait_for_room(&mut ticket.id, context.waker());
                    return Poll::Pending;
                }
                if let Some(taken) = taken.take() {
                    buffer.push(&values, Taken { at: now, ..taken });
                }
                if let Some(id) = ticket.id.take() {
                    buffer.leave(id);
                }
                Poll::Ready(Ok(()))
            });
            if !dropped.is_empty() {
                trace::dropped(&self.kind.target.table, dropped.len(), &self.status());
            }
            for confirm in dropped.into_iter().filter_map(|taken| taken.confirm) {
                confirm.resolve(Err(NotStored::Dropped));
            }
            result
        })
        .await
    }

    pub(super) fn count_rejected(&self, buffer: &mut Buffer<R>, rows: u64, error: &Arc<BulkError>) {
        buffer.status.rejected += rows;
        buffer.status.last_error = Some(error.to_string());
        if self.on_rejected.is_none() {
            buffer.unheard.get_or_insert_with(|| Arc::clone(error));
        }
    }

    /// Gives a row back that is not stored.
    pub(super) fn give_back(&self, taken: Taken<R>, error: Arc<BulkError>) {
        trace::rejected(&self.kind.target.table, &error);
        let Taken { row, confirm, .. } = taken;
        if let Some(on_rejected) = &self.on_rejected {
            // The panic hook has reported the panic. The rows that follow are not its cause.
            let call = std::panic::AssertUnwindSafe(|| on_rejected(row, &error));
            let _ = std::panic::catch_unwind(call);
        }
        if let Some(confirm) = confirm {
            confirm.resolve(Err(NotStored::Rejected(error)));
        }
    }

    /// What is next for a connection. Gives the moment to wait for, if that is not the one that is known.
    pub(super) async fn turn(&self, lane: usize, known: Option<Duration>) -> Turn<R> {
        poll_fn(|context| {
            let now = self.clock.now();
            self.with(|buffer| match buffer.turn(lane, now) {
                Turn::Sleep if known.is_some() => Poll::Ready(Turn::Sleep),
                Turn::Until(moment) if Some(moment) != known => Poll::Ready(Turn::Until(moment)),
                Turn::Sleep | Turn::Until(_) => {
                    buffer.sleep(lane, context.waker());
                    Poll::Pending
                }
                turn => Poll::Ready(turn),
            })
        })
        .await
    }

    /// Resolves when the writer gives up, or is closed.
    pub(super) async fn stopped(&self) {
        self.watch(|buffer| (buffer.phase >= Phase::GivingUp).then_some(())).await;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().phase >= Phase::GivingUp
    }

    /// Ends taking rows, and waits until none waits.
    pub(super) async fn finish(&self) -> Result<WriterStatus, BulkError> {
        self.enter(Phase::Finishing);
        self.watch(|buffer| match buffer.phase {
            Phase::Closed => Some(Err(BulkError::WriterClosed)),
            _ if buffer.status.waiting > 0 => None,
            _ => Some(buffer.unheard.clone().map_or(Ok(()), |error| Err(BulkError::Rejected(error)))),
        })
        .await?;
        Ok(self.status())
    }

    /// Enters a phase, if it is not behind that already.
    pub(super) fn enter(&self, phase: Phase) {
        self.with(|buffer| {
            if buffer.phase < phase {
                buffer.phase = phase;
                buffer.wake_all();
            }
        });
    }

    /// Gives back what is not being written, as nobody will write it; gives how many rows waited.
    pub(super) fn close(&self) -> usize {
        let (waiting, rest) = self.with(|buffer| (buffer.status.waiting, buffer.close()));
        let last_error = self.lock().status.last_error.clone();
        let error = Arc::new(BulkError::NotInTime { last_error });
        for taken in rest.into_iter().flat_map(|growing| growing.rows) {
            self.with(|buffer| {
                self.count_rejected(buffer, 1, &error);
                buffer.status.waiting -= 1;
                buffer.status.waiting_bytes -= taken.bytes;
            });
            self.give_back(taken, Arc::clone(&error));
        }
        waiting
    }

    /// Waits until there is something to see.
    async fn watch<T>(&self, see: impl Fn(&mut Buffer<R>) -> Option<T>) -> T {
        let mut watching = Watching { shared: self, id: None };
        poll_fn(|context| {
            self.with(|buffer| match see(buffer) {
                Some(seen) => Poll::Ready(seen),
                None => {
                    buffer.watch(&mut watching.id, context.waker());
                    Poll::Pending
                }
            })
        })
        .await
    }
}

/// Somebody who watches, until this is dropped.
struct Watching<'s, R> {
    shared: &'s Shared<R>,
    id: Option<u64>,
}

impl<R> Drop for Watching<'_, R> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.with(|buffer| buffer.watch_no_longer(id));
        }
    }
}

/// A place among those who wait for room, given up when it is dropped.
struct Ticket<'s, R> {
    shared: &'s Shared<R>,
    id: Option<u64>,
}

impl<R> Drop for Ticket<'_, R> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.with(|buffer| buffer.leave(id));
        }
    }
}

impl<R> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}
