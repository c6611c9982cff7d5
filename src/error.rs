//! The errors of this crate.

use chrono::{DateTime, Utc};
use diesel::result::{DatabaseErrorInformation, Error as DieselError};
use diesel_timescale::bulk::BulkError;
use diesel_timescale::transaction::Transient;

/// The result of this crate's calls.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate's calls.
///
/// The SQL functions mark their refusals with a code. [`From`] recognises it, so a `diesel::result::Error` that such a
/// function raised converts into the typed error, however the function was called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Hypertables, references to their rows, or migrations: what the crate below refuses for any table.
    #[error(transparent)]
    Timescale(diesel_timescale::Error),
    /// An id that came with a row exists with another timestamp. Nothing has changed.
    #[error("{message}. {remedy}")]
    IdTaken {
        /// Names the id and the timestamp that it has.
        message: String,
        /// The id.
        id: i64,
        /// What to do.
        remedy: String,
    },
    /// An id comes twice in one call, with two timestamps or outcomes. Nothing has changed.
    #[error("{message}. {remedy}")]
    IdRepeated {
        /// Names the function and the id.
        message: String,
        /// The id.
        id: i64,
        /// What to do.
        remedy: String,
    },
    /// The sequence has not handed out an id that came with a row. Nothing has changed.
    #[error("{message}. {remedy}")]
    IdNotHandedOut {
        /// Names the id.
        message: String,
        /// The id.
        id: i64,
        /// What to do.
        remedy: String,
    },
    /// [Import of legacy tables](crate::legacy_import): the schema has no old tables, or their import was not begun.
    #[error("{message}. Fix: {remedy}")]
    NothingToImport {
        /// Names the schema.
        message: String,
        /// The statement that comes first.
        remedy: String,
    },
    /// [Import of legacy tables](crate::legacy_import): a choice that there is not, or that comes too late. Nothing has
    /// changed.
    #[error("{message}. {remedy}")]
    ImportChoice {
        /// Names the choice.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// [Import of legacy tables](crate::legacy_import): violations that
    /// [`validate`](crate::legacy_import::validate) finds prevent it. Nothing has changed.
    #[error("{message}. {remedy}\n{violations}")]
    ImportBlocked {
        /// Says how many.
        message: String,
        /// A line for each, with its remedy.
        violations: String,
        /// What to do.
        remedy: String,
    },
    /// An event that was given to a [`FeatureMatrix`](crate::analysis::FeatureMatrix) is earlier than the one before it.
    #[error("an event of {sensor} at {at} comes after one at {after}. Order the events by timestamp")]
    EventOutOfOrder {
        /// The sensor.
        sensor: String,
        /// The timestamp of the event.
        at: DateTime<Utc>,
        /// The timestamp of the event before it.
        after: DateTime<Utc>,
    },
    /// A value in a [file](crate::export) is none that the field can have.
    #[error("row {row}, field {field}: {value:?} is not {expected}")]
    FieldValue {
        /// Which row of the data, from 1.
        row: u64,
        /// The field.
        field: &'static str,
        /// What it has.
        value: String,
        /// What it can have.
        expected: &'static str,
    },
    /// A field in a [file](crate::export) that every row must have has no value.
    #[error("row {row}, field {field}: there is no value. Give it one")]
    NoFieldValue {
        /// Which row of the data, from 1.
        row: u64,
        /// The field.
        field: &'static str,
    },
    /// A field that all rows must have is not in the [file](crate::export).
    #[error("the file has no field {field}. Its fields are: {found}")]
    NoField {
        /// The field.
        field: &'static str,
        /// Those that it has.
        found: String,
    },
    /// The [file](crate::export) has a field that its rows do not have.
    #[error("{rows} have no field {field:?}. Leave it out, or rename it to one of: {known}")]
    UnknownField {
        /// What was to be read: `events` or `predictions`.
        rows: &'static str,
        /// The field.
        field: String,
        /// Those that they have.
        known: String,
    },
    /// [Import of predictions](crate::export::import_predictions): this database does not have the event that triggered
    /// a prediction.
    #[error(
        "row {row}: sensor {sensor_id:?} has no event at {timestamp} in this database, which the prediction refers to. \
         Import the events first, or use import_predictions_allowing_missing_events"
    )]
    NoTriggeringEvent {
        /// Which row of those that were given, from 1.
        row: u64,
        /// The sensor of the event.
        sensor_id: String,
        /// The timestamp of the event.
        timestamp: DateTime<Utc>,
    },
    /// [Import of predictions](crate::export::import_predictions): of the event that triggered a prediction there is
    /// only the id, which means another event, or none, in this database.
    #[error(
        "row {row}: of the triggering event there is only the id {id} that it has in another database. Export the predictions \
         again, for the fields triggering_sensor_id and triggering_timestamp, or use \
         import_predictions_allowing_missing_events"
    )]
    OnlyTriggeringEventId {
        /// Which row of those that were given, from 1.
        row: u64,
        /// The id.
        id: i64,
    },
    /// A field in a [file](crate::export) has another type than it can have.
    #[error("the field {field} is {data_type}, and not {expected}. Convert it")]
    FieldType {
        /// The field.
        field: &'static str,
        /// Its type.
        data_type: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A [file](crate::export) is not Parquet or CSV, not whole, or could not be read or written.
    #[error(transparent)]
    File(Box<dyn std::error::Error + Send + Sync>),
    /// A bulk write was refused, or failed: rows that the database would refuse, all of them; a batch of many.
    #[error(transparent)]
    Bulk(BulkError),
    /// A function was called with columns that are not arrays of the same length, which only hand-written SQL can do.
    /// Nothing has changed.
    #[error("{message}. {remedy}")]
    UnevenColumns {
        /// Names the function, the column and the lengths.
        message: String,
        /// The column.
        column: String,
        /// What to do.
        remedy: String,
    },
    /// A function or table of this crate was not found: its migrations have not run in this database, or are older than
    /// this release, or the `search_path` does not lead to them. Recognised by the English message of the server.
    #[error(
        "{message}. Run the migrations in this database (run_migrations), or let the search_path lead to the schema that \
         they ran in"
    )]
    NotMigrated {
        /// The server's message, which names the function or table.
        message: String,
        /// The function or table, without its schema.
        name: String,
    },
    /// An error of the database or the connection.
    #[error(transparent)]
    Database(DieselError),
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(_, information) => {
                match refusal(&**information).or_else(|| not_migrated(information.message())) {
                    Some(typed) => typed,
                    None => diesel_timescale::Error::from(error).into(),
                }
            }
            _ => Self::Database(error),
        }
    }
}

/// The functions, tables and views that the migrations install.
const INSTALLED: &[&str] = include!(concat!(env!("OUT_DIR"), "/installed.rs"));

/// That a function or table of this crate does not exist. Diesel does not tell the SQLSTATE, so this goes by the message:
/// `function upsert_sensor_events(text[]) does not exist`, `relation "predictions" does not exist`.
fn not_migrated(message: &str) -> Option<Error> {
    let missing = message.strip_suffix(" does not exist")?;
    let qualified = match missing.strip_prefix("function ").or_else(|| missing.strip_prefix("procedure ")) {
        Some(signature) => signature.split_once('(')?.0,
        None => missing.strip_prefix("relation \"")?.strip_suffix('"')?,
    };
    let name = qualified.rsplit('.').next()?;
    INSTALLED.contains(&name).then(|| Error::NotMigrated { message: message.to_owned(), name: name.to_owned() })
}

impl From<diesel_timescale::Error> for Error {
    fn from(error: diesel_timescale::Error) -> Self {
        match error {
            diesel_timescale::Error::Database(DieselError::DatabaseError(kind, information)) => {
                let typed = refusal(&*information).or_else(|| not_migrated(information.message()));
                typed.unwrap_or(Self::Database(DieselError::DatabaseError(kind, information)))
            }
            diesel_timescale::Error::Database(error) => Self::Database(error),
            diesel_timescale::Error::Bulk(error) => error.into(),
            diesel_timescale::Error::NotMigrated { message, name } => Self::NotMigrated { message, name },
            error => Self::Timescale(error),
        }
    }
}

impl From<BulkError> for Error {
    /// What the database said comes typed, as it does from any other call.
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Database(error) => error.into(),
            BulkError::NoTable { table } => {
                let name = table.trim_matches('"').to_owned();
                if !INSTALLED.contains(&name.as_str()) {
                    return Self::Bulk(BulkError::NoTable { table });
                }
                Self::NotMigrated { message: format!("relation {table} does not exist"), name }
            }
            error => Self::Bulk(error),
        }
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Timescale(error) => error.is_transient(),
            Self::Database(error) => error.is_transient(),
            Self::Bulk(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// The refusal that a function of this crate has marked.
fn refusal(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Error> {
    let code = information.constraint_name()?.strip_prefix("occupancy_models:")?;
    let message = information.message().to_owned();
    let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
    let remedy = text(information.hint());
    let column = text(information.column_name());
    let details = text(information.details());
    Some(match code {
        "id_taken" => Error::IdTaken { message, id: column.parse().ok()?, remedy },
        "id_repeated" => Error::IdRepeated { message, id: column.parse().ok()?, remedy },
        "uneven_columns" => Error::UnevenColumns { message, column, remedy },
        "id_not_handed_out" => Error::IdNotHandedOut { message, id: column.parse().ok()?, remedy },
        "legacy_import_nothing" => Error::NothingToImport { message, remedy },
        "legacy_import_choice" => Error::ImportChoice { message, remedy },
        "legacy_import_blocked" => Error::ImportBlocked { message, violations: details, remedy },
        _ => return diesel_timescale::Error::from_refusal(code, information).map(Error::Timescale),
    })
}
