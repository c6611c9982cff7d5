//! Creates the extension in the database.

use std::fmt;

use diesel::deserialize::Queryable;
use diesel::sql_types::{Bool, Nullable, Text};
use serde::Serialize;

use crate::call::single;
use crate::function_call;
use crate::outcome::Outcome;
use crate::server::TimescaleVersion;
use crate::setup::{Declare, Setup};

type NullableText = Nullable<Text>;

/// Creates the extension `timescaledb` in this database, or finds that it is there.
///
/// The role needs `CREATE` on the database, as its owner has; it need not be a superuser, because the extension is
/// trusted. The migrations of this crate must have run: they install the function that this calls. A set-up does the same with
/// [`hypertable(…).create_extension(true)`](crate::HypertableSetup::create_extension).
///
/// # Errors
/// [`Error::Hypertable`](crate::Error::Hypertable) with the remedy, before anything has changed:
/// [`ExtensionUnavailable`](crate::HypertableError::ExtensionUnavailable) on plain PostgreSQL;
/// [`ExtensionNotLoaded`](crate::HypertableError::ExtensionNotLoaded) where `shared_preload_libraries` lacks the library;
/// [`ExtensionNotCreated`](crate::HypertableError::ExtensionNotCreated) if the role may not create it, or this session
/// has the library loaded in another version, so that only a new one can;
/// [`ServerTooOld`](crate::HypertableError::ServerTooOld).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::create_extension;
///
/// # fn main() { run(|conn| {
/// let report = create_extension().allow_plain_postgres(true).call(conn)?;
/// println!("{report}");
/// # Ok(()) }) }
/// ```
pub fn create_extension() -> CreateExtension {
    CreateExtension { schema: None, allow_plain_postgres: false }
}

function_call! {
    /// The call that [`create_extension`] makes.
    pub CreateExtension { schema: Option<String> = NullableText, allow_plain_postgres: bool = Bool },
    "SELECT r.outcome, r.timescaledb_version, r.schema_name::text FROM (SELECT ",
    ") AS a (schema, allow_plain_postgres), \
     LATERAL diesel_timescale.create_timescaledb(coalesce(a.schema::name, current_schema()), a.allow_plain_postgres) AS r",
    (Text, NullableText, NullableText) => ExtensionReport => ExtensionReport, single,
}

impl CreateExtension {
    /// The schema that the functions of TimescaleDB go to; it must exist. Default: the current schema.
    ///
    /// Queries find `time_bucket` and the like in it by their `search_path`.
    pub fn in_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Whether a server without TimescaleDB is accepted; the report then has the outcome `Plain`. Default: `false`.
    pub fn allow_plain_postgres(mut self, allow: bool) -> Self {
        self.allow_plain_postgres = allow;
        self
    }
}

impl Declare for CreateExtension {
    fn declare(self, setup: &mut Setup) {
        setup.declare_extension(self.schema, self.allow_plain_postgres);
    }
}

/// What [`create_extension`] did, and what holds now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct ExtensionReport {
    /// What was done.
    pub outcome: Outcome,
    /// The release of TimescaleDB; `None` on plain PostgreSQL.
    pub timescaledb: Option<TimescaleVersion>,
    /// The schema of its functions; `None` on plain PostgreSQL.
    pub schema: Option<String>,
}

impl fmt::Display for ExtensionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome {
            Outcome::Created => "extension created",
            Outcome::AlreadyThere => "extension already there",
            Outcome::Plain => "no extension: the server has no TimescaleDB",
        })?;
        match (self.timescaledb, &self.schema) {
            (Some(version), Some(schema)) => write!(f, ", TimescaleDB {version} in the schema {schema}"),
            _ => Ok(()),
        }
    }
}
