//! When a connection is lost, and how to listen on another one.

use std::time::Duration;

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// After how much silence the connection is asked whether it is still there, and still told.
pub(super) const CHECK: Duration = Duration::from_secs(5);

/// Pauses between attempts to connect.
pub(super) const PAUSES: std::ops::Range<Duration> = Duration::from_millis(50)..Duration::from_secs(2);

/// The statement that listens to the notifications of a table.
pub(super) fn listen(channel: &str) -> String {
    format!("LISTEN \"{}\"", channel.replace('"', "\"\""))
}

/// That no connection can be made.
pub(super) fn unreachable(error: &ConnectionError) -> Error {
    DieselError::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new(error.to_string())).into()
}

/// Whether the server refuses what it is asked for, rather than that the connection is lost or cannot be had now.
pub(super) fn is_refused(error: &Error) -> bool {
    const PASSING: [&str; 3] = ["terminating connection", "the database system is", "server closed"];
    let Error::Database(error) = error else { return true };
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _) => {
            false
        }
        DieselError::DatabaseError(_, information) => {
            !PASSING.iter().any(|start| information.message().starts_with(start))
        }
        DieselError::QueryBuilderError(_) | DieselError::DeserializationError(_) => true,
        _ => false,
    }
}
