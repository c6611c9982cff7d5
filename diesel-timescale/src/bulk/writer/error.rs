//! What a writer does about the error of a batch.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::bulk::error::BulkError;

/// What is to be done about a batch that was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The same again, after a pause.
    Again,
    /// The same again on another connection: this one is lost, or leads to the wrong server.
    Reconnect,
    /// The same again after a pause; in halves, if that does not help: it took too long, or too much.
    Smaller,
    /// One of the rows cannot be stored: halves tell which.
    Halve,
    /// It may be either: the server says what it is in another language than English. Again, in halves, and for a row
    /// alone in the end that it cannot be stored.
    Unclear,
    /// No row of it can be stored.
    Reject,
}

/// How the texts of PostgreSQL and TimescaleDB for transient conditions start. Diesel does not give the SQLSTATE.
const PASSING: &[(&str, Remedy)] = &[
    ("deadlock detected", Remedy::Again),
    ("canceling statement due to lock timeout", Remedy::Again),
    ("canceling statement due to user request", Remedy::Again),
    ("canceling statement due to conflict", Remedy::Again),
    ("could not obtain lock", Remedy::Again),
    // A chunk that was dropped between planning and running.
    ("could not open relation with OID", Remedy::Again),
    ("cache lookup failed", Remedy::Again),
    ("tuple concurrently", Remedy::Again),
    ("canceling statement due to statement timeout", Remedy::Smaller),
    ("out of memory", Remedy::Smaller),
    ("out of shared memory", Remedy::Smaller),
    ("could not resize shared memory segment", Remedy::Smaller),
    // A full disk.
    ("could not extend file", Remedy::Again),
    ("could not write", Remedy::Again),
    ("could not create file", Remedy::Again),
    ("could not fsync", Remedy::Again),
    ("terminating connection", Remedy::Reconnect),
    ("the database system is", Remedy::Reconnect),
    ("sorry, too many clients already", Remedy::Reconnect),
    ("too many connections", Remedy::Reconnect),
    ("remaining connection slots are reserved", Remedy::Reconnect),
    // What PgBouncer says.
    ("server conn crashed", Remedy::Reconnect),
    ("server closed", Remedy::Reconnect),
    ("query_wait_timeout", Remedy::Reconnect),
    ("pgbouncer", Remedy::Reconnect),
    // Statements that this connection has prepared for another state of the database, or for another server.
    ("cached plan must not change result type", Remedy::Reconnect),
    ("prepared statement", Remedy::Reconnect),
];

/// The transient condition that the text of an error names, if any.
#[cfg(feature = "tracing")]
pub(super) fn passing(error: &DieselError) -> Option<&'static str> {
    match error {
        DieselError::DatabaseError(_, information) => recognized(information.message()).map(|(start, _)| *start),
        _ => None,
    }
}

fn recognized(message: &str) -> Option<&'static (&'static str, Remedy)> {
    PASSING.iter().find(|(start, _)| message.starts_with(start))
}

impl Remedy {
    /// Whether only the text of the server could tell that this passes.
    pub(super) fn is_by_text(error: &BulkError) -> bool {
        let BulkError::Database(database) = error else { return false };
        matches!(database, DieselError::DatabaseError(DatabaseErrorKind::Unknown, _)) && Self::of(error) == Self::Halve
    }

    pub(super) fn of(error: &BulkError) -> Self {
        match error {
            BulkError::Database(error) => Self::of_database(error),
            BulkError::Batch { source, .. } => Self::of(source),
            BulkError::InvalidRows(_) | BulkError::NotFound { .. } | BulkError::NullKey { .. } => Self::Halve,
            _ => Self::Reject,
        }
    }

    fn of_database(error: &DieselError) -> Self {
        use DatabaseErrorKind as Kind;

        match error {
            DieselError::DatabaseError(kind, information) => match kind {
                Kind::SerializationFailure => Self::Again,
                Kind::ReadOnlyTransaction | Kind::ClosedConnection => Self::Reconnect,
                // What tokio-postgres says of a message that is too large.
                Kind::UnableToSendCommand if information.message().starts_with("error encoding message") => Self::Halve,
                Kind::UnableToSendCommand => Self::Reconnect,
                _ => {
                    let message = information.message();
                    match recognized(message) {
                        Some((_, remedy)) => *remedy,
                        None if message.contains("No space left on device") => Self::Again,
                        None if message.starts_with("permission denied for") => Self::Reject,
                        None => Self::Halve,
                    }
                }
            },
            DieselError::BrokenTransactionManager
            | DieselError::AlreadyInTransaction
            | DieselError::NotInTransaction
            | DieselError::RollbackErrorOnCommit { .. } => Self::Reconnect,
            DieselError::QueryBuilderError(_) => Self::Reject,
            _ => Self::Halve,
        }
    }
}
