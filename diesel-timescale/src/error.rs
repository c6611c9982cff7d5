//! The errors of this crate.

use diesel::result::{DatabaseErrorInformation, Error as DieselError};

use crate::bulk::BulkError;
use crate::feature::Feature;
use crate::hypertable_error::HypertableError;
use crate::references::ReferenceError;
use crate::refusal::Refusal;
use crate::setup::{Plan, Step};

/// The result of this crate's calls.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate's calls.
///
/// The SQL functions mark their refusals with a code. [`From`] recognises it, so a `diesel::result::Error` that such a
/// function raised converts into the typed error, however the function was called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hypertable could not be set up.
    #[error(transparent)]
    Hypertable(#[from] HypertableError),
    /// The server does not have the feature. Nothing has changed.
    #[error("{message}. {remedy}")]
    Unsupported {
        /// The feature.
        feature: Feature,
        /// Names the feature, what was found and what is needed.
        message: String,
        /// What to do.
        remedy: String,
    },
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
    /// A retention policy would drop rows that a refresh policy still reads, so that the refresh would erase their
    /// aggregates. Nothing has changed.
    #[error("{message}. {remedy}")]
    RetentionWithinRefresh {
        /// Names both policies, and how far back they reach.
        message: String,
        /// The hypertable, or the continuous aggregate.
        relation: String,
        /// What to do.
        remedy: String,
    },
    /// [Tiers](crate::tiers) cannot be kept as they are asked for. Nothing has changed.
    #[error("{message}. {remedy}.")]
    Tiers {
        /// Names the lengths of time, or what is missing.
        message: String,
        /// The hypertable, or the continuous aggregate.
        relation: String,
        /// What to do.
        remedy: String,
    },
    /// Something of the table keeps rows from going into the columnstore directly. Nothing has changed.
    #[error("{message}. {remedy}")]
    DirectCompress {
        /// Names the table and the obstacle.
        message: String,
        /// The table.
        table: String,
        /// The unique index, foreign key or trigger; empty if the table has no columnstore.
        obstacle: String,
        /// What to do.
        remedy: String,
    },
    /// The numbers of the batches of a refresh are negative. Nothing has changed.
    #[error("{message}. {remedy}")]
    RefreshBatches {
        /// Names the numbers.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The statement cannot run inside a transaction. Nothing was sent.
    #[error("{statement} cannot run inside a transaction: run it on the connection itself")]
    InsideTransaction {
        /// The statement.
        statement: &'static str,
    },
    /// A replica has not come as far as a write within the limit. Waiting again may help.
    #[error(
        "this server has replayed the log up to {}, and not up to {position}, within {limit:?}: wait again, or read from \
         the primary",
        .reached.as_deref().unwrap_or("its start")
    )]
    NotReplayed {
        /// What was waited for.
        position: String,
        /// How far it has come; `None` if it has replayed nothing yet.
        reached: Option<String>,
        /// How long was waited.
        limit: std::time::Duration,
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
    /// The database is not as a [set-up](crate::setup) declares.
    #[error("the database is not as declared: {0}")]
    Drift(Box<Plan>),
    /// A step of a [set-up](crate::setup) failed. The steps before it are done, unless they are in a transaction of the
    /// caller's.
    #[error("the set-up failed at the step {step}: {source}")]
    Step {
        /// The step.
        step: Box<Step>,
        /// Why.
        source: Box<Error>,
    },
    /// The config of a job has not the fields or the types of its [procedure](crate::job_procedure). Nothing has changed.
    #[error("{message}. {remedy}")]
    JobConfig {
        /// Names the procedure or the job, and the field.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Something else than [`job_procedure`](crate::job_procedure) has made a procedure of this name. Nothing has changed.
    #[error("{message}. {remedy}")]
    OtherProcedure {
        /// Names the procedure.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// New rows of a table are not [notified](crate::live), or not by that column; or the columns to notify by are not
    /// there.
    #[error("{message}. {remedy}")]
    Notifications {
        /// Names the table and the column.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// A range without a bound, where that would be everything. Nothing has changed.
    #[error("{message}. {remedy}")]
    NoBound {
        /// Names the table.
        message: String,
        /// The table.
        table: String,
        /// What to do.
        remedy: String,
    },
    /// What a [set-up](crate::setup) declares has no meaning. Nothing was sent.
    #[error("the declared set-up is wrong: {message}")]
    Declaration {
        /// Names the declaration and the remedy.
        message: String,
    },
    /// A bulk write was refused, or failed.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// An error of the database or the connection.
    #[error(transparent)]
    Database(DieselError),
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
        let refusal = Refusal::new(information);
        if let Some(error) = HypertableError::from_refusal(code, &refusal) {
            return Some(error.into());
        }
        if let Some(error) = ReferenceError::from_refusal(code, &refusal) {
            return Some(error.into());
        }
        let Refusal { message, remedy, table, column, .. } = refusal;
        Some(match code {
            "unsupported" => Error::Unsupported { feature: Feature::from_sql_name(&column)?, message, remedy },
            "retention_within_refresh" => Error::RetentionWithinRefresh { message, relation: table, remedy },
            "direct_compress" => Error::DirectCompress { message, table, obstacle: column, remedy },
            "refresh_batches" => Error::RefreshBatches { message, remedy },
            "job_config" => Error::JobConfig { message, remedy },
            "other_procedure" => Error::OtherProcedure { message, remedy },
            "notifications" => Error::Notifications { message, table, remedy },
            "no_bound" => Error::NoBound { message, table, remedy },
            "other_aggregate" => Error::OtherAggregate { message, view: table, remedy },
            _ => return None,
        })
    }
}
