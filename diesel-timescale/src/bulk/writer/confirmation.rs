//! That a row is stored.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::wait;
use crate::bulk::error::BulkError;

/// Resolves when the row is committed, or will never be.
///
/// A future, which may be awaited on any thread; [`wait`](Self::wait) waits for it on this one. Dropping it changes
/// nothing for the row.
#[derive(Debug)]
#[must_use = "tells whether the row is stored"]
pub struct Confirmation(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot(Mutex<Confirmed>);

#[derive(Debug, Default)]
struct Confirmed {
    result: Option<Result<(), NotStored>>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Confirmed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Confirmation {
    /// Waits until the row is committed.
    ///
    /// # Errors
    /// The row will not be stored, and why.
    pub fn wait(self) -> Result<(), BulkError> {
        wait::block_on(self)
    }
}

impl Future for Confirmation {
    type Output = Result<(), BulkError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut confirmed = self.0.lock();
        match &confirmed.result {
            Some(result) => Poll::Ready(result.clone().map_err(BulkError::from)),
            None => {
                confirmed.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Why a row is not stored, for whoever asks, more than once.
#[derive(Debug, Clone)]
pub(super) enum NotStored {
    Closed,
    Dropped,
    Rejected(Arc<BulkError>),
}

impl From<NotStored> for BulkError {
    fn from(reason: NotStored) -> Self {
        match reason {
            NotStored::Closed => Self::WriterClosed,
            NotStored::Dropped => Self::Dropped,
            NotStored::Rejected(error) => Self::Rejected(error),
        }
    }
}

/// Confirms one row. Dropped without that, the row is not stored.
#[derive(Debug)]
pub(super) struct Confirm(Arc<Slot>);

impl Confirm {
    pub(super) fn new() -> (Self, Confirmation) {
        let slot = Arc::new(Slot::default());
        (Self(Arc::clone(&slot)), Confirmation(slot))
    }

    pub(super) fn resolve(self, result: Result<(), NotStored>) {
        self.set(result);
    }

    fn set(&self, result: Result<(), NotStored>) {
        let mut confirmed = self.0.lock();
        let waker = confirmed.waker.take();
        confirmed.result.get_or_insert(result);
        drop(confirmed);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Confirm {
    fn drop(&mut self) {
        self.set(Err(NotStored::Closed));
    }
}
