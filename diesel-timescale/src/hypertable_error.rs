//! The errors of hypertable set-up.

use crate::refusal::Refusal;

/// Why a table was not made a hypertable. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HypertableError {
    /// The server has no TimescaleDB.
    #[error("{message}. {remedy}")]
    ExtensionUnavailable {
        /// Names the server.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The server has TimescaleDB, and this database does not.
    #[error("{message}. Fix: {remedy}")]
    ExtensionNotCreated {
        /// Names the database.
        message: String,
        /// The statement that creates it.
        remedy: String,
    },
    /// The server has the extension, and its library is not in `shared_preload_libraries`.
    #[error("{message}. {remedy}")]
    ExtensionNotLoaded {
        /// Says so.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// TimescaleDB is older than this crate supports.
    #[error("{message}. Fix: {remedy}")]
    ServerTooOld {
        /// Names what was found and what is needed.
        message: String,
        /// The release that was found.
        found: String,
        /// The statement that updates it.
        remedy: String,
    },
    /// A chunk cannot cover the interval: it is not above zero, does not fit the type of the column, or is missing for a
    /// column that counts units.
    #[error("{message}. {remedy}")]
    ChunkInterval {
        /// Names the interval.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The table has no such column of a [type of time](crate::TimeType).
    #[error("{message}. {remedy}")]
    NoTimeColumn {
        /// Names the table and the column.
        message: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What to do.
        remedy: String,
    },
    /// The table is no hypertable, and no continuous aggregate.
    #[error("{message}. {remedy}")]
    NotAHypertable {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// The time column counts units, and no function tells its present, which a policy goes by.
    #[error("{message}. {remedy}")]
    NoIntegerNow {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// The function that tells the present cannot be made.
    #[error("{message}. {remedy}")]
    IntegerNow {
        /// Names the obstacle.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// A view, or a partitioned, inherited, temporary or unlogged table.
    #[error("{message}. {remedy}")]
    NotATable {
        /// Names the relation.
        message: String,
        /// The relation.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// A unique index or primary key lacks the partition column.
    #[error("{message}. Fix: {remedy}")]
    UniqueIndexLacksTime {
        /// Names the index, the table and the column.
        message: String,
        /// The table.
        table: String,
        /// The index.
        index: String,
        /// The statement that fixes it.
        remedy: String,
    },
    /// The table has rows, and their migration was not asked for.
    #[error("{message}. {remedy}")]
    TableNotEmpty {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// The table is a hypertable on another column.
    #[error("{message}. {remedy}")]
    OtherTimeColumn {
        /// Names the table and both columns.
        message: String,
        /// The table.
        table: String,
        /// The column that it is partitioned on.
        column: String,
        /// What to do.
        remedy: String,
    },
    /// The table is a hypertable, and the caller did not allow that.
    #[error("{message}. {remedy}")]
    AlreadyAHypertable {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// A foreign key references the table.
    #[error("{message}. {breaks} Fix: {remedy}")]
    ReferencedByForeignKey {
        /// Names the table, the foreign key and where it is.
        message: String,
        /// The table.
        table: String,
        /// The foreign key.
        constraint: String,
        /// What would break.
        breaks: String,
        /// What to do.
        remedy: String,
    },
}

impl HypertableError {
    /// The refusal with this code.
    pub(crate) fn from_refusal(code: &str, refusal: &Refusal) -> Option<Self> {
        let Refusal { message, remedy, table, column, details } = refusal.clone();
        Some(match code {
            "extension_unavailable" => Self::ExtensionUnavailable { message, remedy },
            "extension_not_created" => Self::ExtensionNotCreated { message, remedy },
            "extension_not_loaded" => Self::ExtensionNotLoaded { message, remedy },
            "server_too_old" => Self::ServerTooOld { message, found: details, remedy },
            "chunk_interval" => Self::ChunkInterval { message, remedy },
            "no_time_column" => Self::NoTimeColumn { message, table, column, remedy },
            "not_a_hypertable" => Self::NotAHypertable { message, table, remedy },
            "no_integer_now" => Self::NoIntegerNow { message, table, remedy },
            "integer_now" => Self::IntegerNow { message, table, remedy },
            "not_a_table" => Self::NotATable { message, table, remedy },
            "unique_index_lacks_time" => Self::UniqueIndexLacksTime { message, table, index: column, remedy },
            "table_not_empty" => Self::TableNotEmpty { message, table, remedy },
            "other_time_column" => Self::OtherTimeColumn { message, table, column, remedy },
            "already_a_hypertable" => Self::AlreadyAHypertable { message, table, remedy },
            "referenced_by_foreign_key" => {
                Self::ReferencedByForeignKey { message, table, constraint: column, breaks: details, remedy }
            }
            _ => return None,
        })
    }
}
