//! Spans and events of the feature `tracing`: names, counts and times, never a value. Without it, nothing.
//!
//! The texts of errors have values in them: only what PostgreSQL or this crate says without one is told, see
//! [`condition`].
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nobody listens"))]

use std::time::Duration;

use diesel::result::Error as DieselError;

/// A span that starts now; nothing, where nobody listens.
macro_rules! run {
    ($span:expr) => {
        Run {
            #[cfg(feature = "tracing")]
            span: $span,
            #[cfg(feature = "tracing")]
            started: std::time::Instant::now(),
        }
    };
}

/// Something that runs: a span, and an event when it ends.
pub(crate) struct Run {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "tracing")]
    started: std::time::Instant,
}

impl Run {
    /// A call that is one statement, by the name of its type.
    pub(crate) fn call(statement: &'static str) -> Self {
        run!(tracing::debug_span!(target: "diesel_timescale::call", "call", statement = last_part(statement)))
    }

    /// A bulk write of so many rows.
    pub(crate) fn bulk(table: &str, rows: usize) -> Self {
        run!(tracing::debug_span!(target: "diesel_timescale::bulk", "bulk", table, rows))
    }

    /// A migration.
    pub(crate) fn migration(history: &str, version: &str) -> Self {
        run!(tracing::info_span!(target: "diesel_timescale::migrations", "migration", history, version))
    }

    /// One try to write a batch of a writer, from the first.
    pub(crate) fn batch(table: &str, connection: usize, rows: usize, attempt: u32) -> Self {
        run!(tracing::debug_span!(target: "diesel_timescale::writer", "batch", table, connection, rows, attempt))
    }

    /// Does it, within the span.
    pub(crate) fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        work()
    }

    /// Does it, within the span.
    pub(crate) fn of<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let work = tracing::Instrument::instrument(work, self.span.clone());
        work
    }

    /// For how long it has run.
    #[cfg(feature = "tracing")]
    pub(crate) fn milliseconds(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }

    /// It has ended, with so many rows.
    pub(crate) fn done(&self, rows: usize) {
        #[cfg(feature = "tracing")]
        tracing::debug!(
            target: "diesel_timescale::call", parent: &self.span, rows, elapsed_ms = self.milliseconds(), "done"
        );
    }

    /// The migration has run.
    pub(crate) fn migrated(&self) {
        #[cfg(feature = "tracing")]
        tracing::info!(
            target: "diesel_timescale::migrations", parent: &self.span, elapsed_ms = self.milliseconds(), "migrated"
        );
    }

    /// It has failed.
    pub(crate) fn failed(&self, condition: &str) {
        #[cfg(feature = "tracing")]
        tracing::debug!(
            target: "diesel_timescale::call", parent: &self.span, condition, elapsed_ms = self.milliseconds(), "failed"
        );
    }

    /// The end of a statement that gives rows.
    pub(crate) fn end<T>(&self, result: &Result<Vec<T>, DieselError>) {
        #[cfg(feature = "tracing")]
        match result {
            Ok(rows) => self.done(rows.len()),
            Err(error) => self.failed(&condition(error)),
        }
    }
}

/// A transaction that is tried again after a pause.
pub(crate) fn again(attempt: u32, of: u32, pause: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "diesel_timescale::transaction", attempt, of, pause_ms = milliseconds(pause), "tried again"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// The last part of a type's path.
#[cfg(feature = "tracing")]
fn last_part(path: &str) -> &str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// What an error is, without the values that its text may have: Diesel's kind, and the constraint, which is the code
/// of a refusal too.
#[cfg(feature = "tracing")]
pub(crate) fn condition(error: &DieselError) -> String {
    match error {
        DieselError::DatabaseError(kind, information) => match information.constraint_name() {
            Some(constraint) => format!("{kind:?}: {constraint}"),
            None => format!("{kind:?}"),
        },
        DieselError::NotFound => "NotFound".to_owned(),
        DieselError::QueryBuilderError(_) => "QueryBuilderError".to_owned(),
        DieselError::SerializationError(_) => "SerializationError".to_owned(),
        DieselError::DeserializationError(_) => "DeserializationError".to_owned(),
        DieselError::RollbackErrorOnCommit { .. } => "RollbackErrorOnCommit".to_owned(),
        DieselError::BrokenTransactionManager => "BrokenTransactionManager".to_owned(),
        _ => "another error of Diesel".to_owned(),
    }
}
