//! What a writer tells those who listen (feature `tracing`): counts, times and conditions, never a value.
#![cfg_attr(not(feature = "tracing"), allow(dead_code, unused_variables, reason = "nobody listens"))]

use std::time::Duration;

use super::status::WriterStatus;
use crate::bulk::error::BulkError;
use crate::bulk::report::Report;
use crate::trace::Run;

/// What is to be done about a batch that was not stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// After so many attempts, and a pause.
    Again {
        attempt: u32,
        pause: Duration,
    },
    Halves,
    Rejected,
    GivenUp,
}

pub(super) fn stored(run: &Run, report: &Report, status: impl FnOnce() -> WriterStatus) {
    #[cfg(feature = "tracing")]
    if tracing::enabled!(target: "diesel_timescale::writer", tracing::Level::DEBUG) {
        let WriterStatus { waiting, oldest, .. } = status();
        run.scope(|| {
            tracing::debug!(
                target: "diesel_timescale::writer",
                inserted = report.inserted,
                updated = report.updated,
                unchanged = report.unchanged,
                deduplicated = report.deduplicated,
                elapsed_ms = run.milliseconds(),
                waiting,
                oldest_ms = oldest.map(crate::trace::milliseconds),
                "stored"
            );
        });
    }
}

/// A batch was not stored. `condition` is what the error is, without values.
pub(super) fn not_stored(
    run: &Run,
    condition: impl FnOnce() -> String,
    then: Then,
    status: impl FnOnce() -> WriterStatus,
) {
    #[cfg(feature = "tracing")]
    if tracing::enabled!(target: "diesel_timescale::writer", tracing::Level::WARN) {
        let WriterStatus { waiting, oldest, .. } = status();
        let (then, attempt, pause) = match then {
            Then::Again { attempt, pause } => ("tried again", Some(attempt), Some(pause)),
            Then::Halves => ("halved", None, None),
            Then::Rejected => ("rejected", None, None),
            Then::GivenUp => ("given up", None, None),
        };
        run.scope(|| {
            tracing::warn!(
                target: "diesel_timescale::writer",
                condition = condition(),
                then,
                attempt,
                pause_ms = pause.map(crate::trace::milliseconds),
                elapsed_ms = run.milliseconds(),
                waiting,
                oldest_ms = oldest.map(crate::trace::milliseconds),
                "not stored"
            );
        });
    }
}

/// A row can never be stored, or was not in time.
pub(super) fn rejected(table: &str, error: &BulkError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "diesel_timescale::writer", table, condition = condition(error), "rejected");
}

/// So many rows have just made room for later ones: told for the first, and each time that there are twice as many in
/// all.
pub(super) fn dropped(table: &str, rows: usize, status: &WriterStatus) {
    #[cfg(feature = "tracing")]
    {
        let before = status.dropped.saturating_sub(u64::try_from(rows).unwrap_or(u64::MAX));
        if before.checked_ilog2() != status.dropped.checked_ilog2() {
            tracing::warn!(target: "diesel_timescale::writer", table, dropped = status.dropped, "full");
        }
    }
}

/// The writer has ended, with so many rows that nobody will write.
pub(super) fn ended(table: &str, left: usize, status: &WriterStatus) {
    #[cfg(feature = "tracing")]
    {
        let WriterStatus { taken, stored, unchanged, deduplicated, rejected, dropped, retried, .. } = *status;
        tracing::info!(
            target: "diesel_timescale::writer",
            table, taken, stored, unchanged, deduplicated, rejected, dropped, retried, left, "ended"
        );
    }
}

/// What an error is, without the values that its text may have.
#[cfg(feature = "tracing")]
pub(in super::super) fn condition(error: &BulkError) -> String {
    match error {
        BulkError::InvalidRows(invalid) => {
            let mut columns: Vec<_> = invalid.iter().map(|row| row.column.as_str()).collect();
            columns.sort_unstable();
            columns.dedup();
            format!("InvalidRows: {}", columns.join(", "))
        }
        BulkError::Database(error) => {
            super::error::passing(error).map_or_else(|| crate::trace::condition(error), str::to_owned)
        }
        BulkError::Batch { source, .. } => condition(source),
        BulkError::NotInTime { .. } => "NotInTime".to_owned(),
        BulkError::Start(_) => "Start".to_owned(),
        // The others name tables and columns.
        other => other.to_string(),
    }
}

/// Nobody listens.
#[cfg(not(feature = "tracing"))]
pub(in super::super) fn condition(_: &BulkError) -> String {
    String::new()
}
