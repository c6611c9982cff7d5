//! What a writer has done, and what it has yet to do.

use std::time::Duration;

use serde::Serialize;

/// What a writer has done with the rows that it was sent, and what it has yet to do.
///
/// `taken` is the sum of `stored`, `unchanged`, `deduplicated`, `rejected`, `dropped` and `waiting`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct WriterStatus {
    /// Rows that were sent, and taken.
    pub taken: u64,
    /// Rows that were inserted, or have changed what was stored.
    pub stored: u64,
    /// Rows that were stored as they are: sent before, or by others. Also those of a batch whose commit was not
    /// answered, so that it was written twice.
    pub unchanged: u64,
    /// Rows that were left out because another row of the same batch has their key.
    pub deduplicated: u64,
    /// Rows that can never be stored, or were not in time; `on_rejected` has received them.
    pub rejected: u64,
    /// Rows that made room for later ones.
    pub dropped: u64,
    /// How often a batch was tried again, connections that could not be had included.
    pub retried: u64,
    /// Rows that were taken and are not stored yet, those that are being written included.
    pub waiting: usize,
    /// The bytes of those, as `holding` counts them.
    pub waiting_bytes: usize,
    /// For how long the oldest of those has waited.
    pub oldest: Option<Duration>,
    /// What went wrong last, if anything did; it may have passed since.
    pub last_error: Option<String>,
}
