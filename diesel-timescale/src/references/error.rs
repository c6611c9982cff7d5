//! The errors of references.

use crate::refusal::Refusal;

/// Why a reference, or a change of rows that may be referenced, was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Retention and `TRUNCATE` could not see all references above READ COMMITTED.
    #[error("{message}. {remedy}")]
    IsolationTooHigh {
        /// Names the operation and the isolation level.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// A row-level security policy hides rows or registrations from the caller, who would take them for missing.
    #[error("{message}. {remedy}")]
    RowSecurity {
        /// Names the operation.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The id or the timestamp of an event was to change.
    #[error("{message}. {remedy}")]
    KeyChange {
        /// Names the old key and the new one.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Dropping chunks, or a retention policy of the server's own, would leave references to rows that are gone.
    #[error("{message}. {remedy}")]
    LossOfReferencedRows {
        /// Names the operation and the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// Retention would keep nothing, or has no cutoff.
    #[error("{message}. {remedy}")]
    RetentionInterval {
        /// Names the interval, or the cutoff.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Retention could not lock what it drops for as long as it was allowed to try. Running it again may help.
    #[error("{message}. {remedy}")]
    LockTimeout {
        /// Names the time.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// A foreign key with `RESTRICT`, or without an action, references rows that retention, `DELETE`, `TRUNCATE` or
    /// [`clear_dangling`](crate::references::clear_dangling) would remove.
    #[error("{message}. {remedy}")]
    StillReferenced {
        /// Names the foreign key.
        message: String,
        /// The table whose rows would be removed.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// The table cannot be the target of references.
    #[error("{message}. {remedy}")]
    Target {
        /// Names the obstacle.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// The table was not made a target of references.
    #[error("{message}. {remedy}")]
    NotATarget {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// The statement that makes it one.
        remedy: String,
    },
    /// An action that [`add`](crate::references::add) does not make.
    #[error("{message}. {remedy}")]
    OnDelete {
        /// Names the action.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The column cannot refer to rows of that table: it is no column of its type in a table, or is `NOT NULL`.
    #[error("{message}. {remedy}")]
    Column {
        /// Names the column.
        message: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What to do.
        remedy: String,
    },
}

impl ReferenceError {
    /// The refusal with this code.
    pub(crate) fn from_refusal(code: &str, refusal: &Refusal) -> Option<Self> {
        let Refusal { message, remedy, table, column, .. } = refusal.clone();
        Some(match code {
            "isolation_too_high" => Self::IsolationTooHigh { message, remedy },
            "row_security" => Self::RowSecurity { message, remedy },
            "lock_timeout" => Self::LockTimeout { message, remedy },
            "key_change" | "event_key_change" => Self::KeyChange { message, remedy },
            "loss_of_referenced_rows" => Self::LossOfReferencedRows { message, table, remedy },
            "retention_interval" => Self::RetentionInterval { message, remedy },
            "still_referenced" => Self::StillReferenced { message, table, remedy },
            "reference_target" => Self::Target { message, table, remedy },
            "not_a_target" => Self::NotATarget { message, table, remedy },
            "on_delete" => Self::OnDelete { message, remedy },
            "reference_column" => Self::Column { message, table, column, remedy },
            _ => return None,
        })
    }
}
