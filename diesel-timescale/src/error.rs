//! What can go wrong, typed.

use crate::bulk::BulkError;
use crate::feature::{Feature, Unsupported};
use diesel::result::{DatabaseErrorInformation, Error as DieselError};

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate's calls.
///
/// The functions that the migrations install mark what they refuse; [`From`] recognises that, so an error of
/// Diesel's that came from them, by whatever way, becomes the typed one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hypertable could not be set up.
    #[error(transparent)]
    Hypertable(#[from] HypertableError),
    /// The server does not have the feature. Nothing was sent.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A view of that name is there already, and defined otherwise. Nothing has changed.
    #[error("{message}. {remedy}")]
    OtherAggregate {
        /// Names the view.
        message: String,
        /// The view.
        view: String,
        /// What to do.
        remedy: String,
    },
    /// The statement cannot run inside a transaction. Nothing was sent.
    #[error("{statement} cannot run inside a transaction: run it on the connection itself")]
    InsideTransaction {
        /// The statement.
        statement: &'static str,
    },
    /// A reference, or what removes rows that may be referenced, was refused.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The migrations were run through Diesel's own bookkeeping before.
    #[error(
        "these migrations are in __diesel_schema_migrations already: go on with run_pending_migrations(MIGRATIONS), \
         or move their rows to {table}"
    )]
    MigratedElsewhere {
        /// The migration history of the library.
        table: String,
    },
    /// A function of this crate was not found: its migrations have not run in this database, or are older than this
    /// release. Recognised by the English message of the server.
    #[error(
        "{message}. Run the migrations in this database (migrations::install, or run_migrations of a library on top)"
    )]
    NotMigrated {
        /// The server's message, which names the function.
        message: String,
        /// The function, without its schema; the schema where that is missing.
        name: String,
    },
    /// The `search_path` names no schema that exists, so that there is none to install into. Nothing has changed.
    #[error("no schema of the search_path ({search_path}) exists: create one, or set another search_path")]
    NoSchema {
        /// The `search_path` of the connection.
        search_path: String,
    },
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bulk write was refused, or failed.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// The database, or the way to it.
    #[error(transparent)]
    Database(DieselError),
}

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
        /// The statement that mends it.
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
    /// Retention would keep nothing.
    #[error("{message}. {remedy}")]
    RetentionInterval {
        /// Names the interval.
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
    /// A foreign key with `RESTRICT` references rows that retention would drop.
    #[error("{message}. {remedy}")]
    StillReferenced {
        /// Names the foreign key.
        message: String,
        /// The table whose rows would be dropped.
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

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(_, information) => {
                refusal(&**information).or_else(|| not_migrated(information.message())).unwrap_or(Self::Database(error))
            }
            _ => Self::Database(error),
        }
    }
}

/// The refusal that a function of this crate has marked.
fn refusal(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Error> {
    Error::from_refusal(information.constraint_name()?.strip_prefix("diesel_timescale:")?, information)
}

/// That a function of this crate, or its schema, does not exist. Diesel does not tell the SQLSTATE, so this goes by the
/// message: `function diesel_timescale.setup_hypertable(relation => regclass) does not exist`.
fn not_migrated(message: &str) -> Option<Error> {
    let missing = message.strip_suffix(" does not exist")?;
    let name = match missing.strip_prefix("schema \"") {
        Some(schema) => schema.strip_suffix('"').filter(|schema| *schema == "diesel_timescale")?,
        None => {
            let signature = missing.strip_prefix("function ").or_else(|| missing.strip_prefix("procedure "))?;
            signature.strip_prefix("diesel_timescale.")?.split('(').next()?
        }
    };
    Some(Error::NotMigrated { message: message.to_owned(), name: name.to_owned() })
}

impl Error {
    /// The refusal with this code, for a crate whose own functions refuse for the same reasons.
    #[doc(hidden)]
    pub fn from_refusal(code: &str, information: &dyn DatabaseErrorInformation) -> Option<Self> {
        let message = information.message().to_owned();
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let remedy = text(information.hint());
        let table = text(information.table_name());
        let column = text(information.column_name());
        let details = text(information.details());
        Some(match code {
            "extension_unavailable" => HypertableError::ExtensionUnavailable { message, remedy }.into(),
            "extension_not_created" => HypertableError::ExtensionNotCreated { message, remedy }.into(),
            "extension_not_loaded" => HypertableError::ExtensionNotLoaded { message, remedy }.into(),
            "server_too_old" => HypertableError::ServerTooOld { message, found: details, remedy }.into(),
            "unsupported" => Unsupported { feature: Feature::from_sql_name(&column)?, message, remedy }.into(),
            "chunk_interval" => HypertableError::ChunkInterval { message, remedy }.into(),
            "no_time_column" => HypertableError::NoTimeColumn { message, table, column, remedy }.into(),
            "not_a_table" => HypertableError::NotATable { message, table, remedy }.into(),
            "not_a_hypertable" => HypertableError::NotAHypertable { message, table, remedy }.into(),
            "no_integer_now" => HypertableError::NoIntegerNow { message, table, remedy }.into(),
            "integer_now" => HypertableError::IntegerNow { message, table, remedy }.into(),
            "unique_index_lacks_time" => {
                HypertableError::UniqueIndexLacksTime { message, table, index: column, remedy }.into()
            }
            "table_not_empty" => HypertableError::TableNotEmpty { message, table, remedy }.into(),
            "other_time_column" => HypertableError::OtherTimeColumn { message, table, column, remedy }.into(),
            "already_a_hypertable" => HypertableError::AlreadyAHypertable { message, table, remedy }.into(),
            "referenced_by_foreign_key" => {
                HypertableError::ReferencedByForeignKey { message, table, constraint: column, breaks: details, remedy }
                    .into()
            }
            "isolation_too_high" => ReferenceError::IsolationTooHigh { message, remedy }.into(),
            "row_security" => ReferenceError::RowSecurity { message, remedy }.into(),
            "lock_timeout" => ReferenceError::LockTimeout { message, remedy }.into(),
            "key_change" | "event_key_change" => ReferenceError::KeyChange { message, remedy }.into(),
            "other_aggregate" => Error::OtherAggregate { message, view: table, remedy },
            "loss_of_referenced_rows" => ReferenceError::LossOfReferencedRows { message, table, remedy }.into(),
            "retention_interval" => ReferenceError::RetentionInterval { message, remedy }.into(),
            "still_referenced" => ReferenceError::StillReferenced { message, table, remedy }.into(),
            "reference_target" => ReferenceError::Target { message, table, remedy }.into(),
            "not_a_target" => ReferenceError::NotATarget { message, table, remedy }.into(),
            "reference_column" => ReferenceError::Column { message, table, column, remedy }.into(),
            _ => return None,
        })
    }
}
