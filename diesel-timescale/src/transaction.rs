//! Retries transactions that fail for a transient reason.
//!
//! Transactions that reference events, delete events or apply retention at the same time can end in a deadlock or a
//! serialization failure: the locks that keep references valid cause it. The transaction has changed nothing then, and
//! can be run again.
//!
//! A reference waits for a removal only if both are about the same event. Two transactions deadlock if each references
//! an event and then deletes the event that the other one references, as with any foreign key. Transactions that touch
//! events in the same order, such as by id, do not.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use diesel::connection::{Connection, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::bulk::BulkError;
use crate::error::Error;
use crate::references::ReferenceError;
use crate::trace;

/// An error that can tell whether running the same transaction again may help.
pub trait Transient {
    /// Whether running the same transaction again may help.
    fn is_transient(&self) -> bool;
}

impl Transient for DieselError {
    /// `true` for a serialization failure (40001), a deadlock (40P01), a chunk that was dropped between planning and
    /// running, and retention that could not lock what it drops.
    ///
    /// Diesel has no kind for a deadlock and a dropped chunk, so they are recognised by their English messages
    /// (`lc_messages`).
    fn is_transient(&self) -> bool {
        let Self::DatabaseError(kind, information) = self else { return false };
        matches!(kind, DatabaseErrorKind::SerializationFailure)
            || information.message() == "deadlock detected"
            || information.message().starts_with("could not open relation with OID")
            || information.constraint_name().is_some_and(|code| code.ends_with(":lock_timeout"))
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => error.is_transient(),
            Self::Bulk(error) => error.is_transient(),
            Self::Reference(error) => matches!(error, ReferenceError::LockTimeout { .. }),
            Self::Migration(error) => error.downcast_ref::<DieselError>().is_some_and(Transient::is_transient),
            _ => false,
        }
    }
}

impl Transient for BulkError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => error.is_transient(),
            Self::Batch { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}

/// How often to try, and how long to wait in between.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::transaction::Retry;
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let deleted = Retry::default().transaction(conn, |conn| diesel::delete(readings::table).execute(conn))?;
/// assert_eq!(deleted, 1);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    pause: Duration,
}

impl Default for Retry {
    /// Ten attempts; the pause grows from 5 ms.
    fn default() -> Self {
        Self { attempts: 10, pause: Duration::from_millis(5) }
    }
}

impl Retry {
    /// How often to try in all; at least once.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long the first pause may be. Each pause is a random part of a span that doubles every time.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Runs `work` in a transaction, again for as long as the error is transient and attempts are left.
    ///
    /// Inside a transaction it runs once, because only the outermost transaction can be run again.
    ///
    /// # Errors
    /// The last error of `work` or of the commit.
    pub fn transaction<C, T, E>(self, conn: &mut C, mut work: impl FnMut(&mut C) -> Result<T, E>) -> Result<T, E>
    where
        C: Connection,
        E: From<DieselError> + Transient,
    {
        self.run(conn, |conn| conn.transaction(&mut work))
    }

    /// Runs `work`, which opens its own transaction (such as a serializable one), again for as long as the error is
    /// transient and attempts are left.
    ///
    /// Inside a transaction it runs once.
    ///
    /// # Errors
    /// The last error of `work`.
    pub fn run<C, T, E>(self, conn: &mut C, mut work: impl FnMut(&mut C) -> Result<T, E>) -> Result<T, E>
    where
        C: Connection,
        E: From<DieselError> + Transient,
    {
        let is_nested = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?.is_some();
        let mut attempt = 1;
        loop {
            match work(conn) {
                Err(error) if self.is_worth_another(&error, is_nested, attempt) => {
                    std::thread::sleep(self.told_pause_after(attempt));
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Whether to try again after this attempt.
    pub(crate) fn is_worth_another(self, error: &impl Transient, is_nested: bool, attempt: u32) -> bool {
        error.is_transient() && !is_nested && attempt < self.attempts
    }

    /// How long to wait before the next attempt; said to those who listen.
    pub(crate) fn told_pause_after(self, attempt: u32) -> Duration {
        let pause = self.pause_after(attempt);
        trace::again(attempt, self.attempts, pause);
        pause
    }

    /// A random part of a span that doubles with every attempt, so that two who collided do not meet again.
    fn pause_after(self, attempt: u32) -> Duration {
        let span = self.pause.saturating_mul(1 << (attempt - 1).min(10));
        let random = RandomState::new().build_hasher().finish();
        span.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_a_span_that_doubles() {
        let retry = Retry::default().pause(Duration::from_millis(4));
        for attempt in 1..40 {
            let span = Duration::from_millis(4 << (attempt - 1).min(10));
            assert!(retry.pause_after(attempt) <= span, "attempt {attempt}");
        }
    }
}
