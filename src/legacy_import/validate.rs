//! Validates the old tables; changes nothing.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_timescale::function_call;
use serde::Serialize;

use super::choices::choices;
use crate::bulk::OnDuplicate;
use crate::error::Error;

type NullableBigInt = Nullable<BigInt>;
type NullableText = Nullable<Text>;
type Texts = Array<Text>;

/// Finds what cannot be copied unchanged from an old table of events, and one of predictions.
///
/// Changes nothing, and reads all rows. `events` is the name of the table as SQL, with its schema where that is not on
/// the `search_path`: `legacy.sensor_events`, or `public.sensor_events` before it was moved. The migrations must have
/// run in the first schema of the `search_path`, which may be one made for this check alone; `MIGRATING.md` shows it.
///
/// # Errors
/// Only what the database itself reports, such as that there is no such table; a violation is a row of the result, not an error.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::legacy_import::{self, Severity};
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE TEMPORARY TABLE old_events (id INT, timestamp TIMESTAMPTZ)")?;
/// let violations = legacy_import::validate("old_events").call(conn)?;
/// let first = &violations[0];
/// println!("{first}");
/// assert_eq!((first.severity, first.kind.as_str()), (Severity::Error, "missing_column"));
/// assert_eq!(first.object, "sensor_events.room_id");
/// # Ok(()) }) }
/// ```
pub fn validate(events: impl Into<String>) -> Validate {
    Validate {
        events: events.into(),
        predictions: None,
        on_duplicate: OnDuplicate::Fail.as_str(),
        time_zone: None,
        leave_columns: Vec::new(),
    }
}

function_call! {
    /// The call that [`validate`] makes.
    pub Validate {
        events: String = Text,
        predictions: Option<String> = NullableText,
        on_duplicate: &'static str = Text,
        time_zone: Option<String> = NullableText,
        leave_columns: Vec<String> = Texts,
    },
    "SELECT severity, violation, object, row_count, example, remedy FROM validate_legacy_tables(", ")",
    (Text, Text, Text, NullableBigInt, NullableText, Text) => Violation => Vec<Violation>, Ok,
    error Error,
}

impl Validate {
    /// The old table of predictions.
    pub fn predictions(mut self, predictions: impl Into<String>) -> Self {
        self.predictions = Some(predictions.into());
        self
    }
}

choices!(Validate);

/// Whether a violation prevents the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Nothing is copied until it is fixed, or the choice made that it asks for.
    Error,
    /// To be known: something is filled in, changed or left behind, as the remedy says.
    Warning,
}

impl FromSql<Text, Pg> for Severity {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "error" => Ok(Self::Error),
            "warning" => Ok(Self::Warning),
            other => {
                Err(format!("validate_legacy_tables() reports {other:?}, which this release does not know").into())
            }
        }
    }
}

/// Something in the old tables that cannot be copied unchanged, or an old row that is not in the new tables as it should
/// be.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// Whether it prevents the import.
    pub severity: Severity,
    /// What it is, such as `duplicate_instant`, `check` or `extra_column`; `MIGRATING.md` lists them.
    pub kind: String,
    /// Where: a column, a check, a trigger, a foreign key.
    pub object: String,
    /// How many rows; `None` if it is not about rows.
    pub rows: Option<i64>,
    /// One of the rows by its id, or what is there now.
    pub example: Option<String>,
    /// What to do, as SQL where that is possible; replace `...` by a value of your choice.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kind, self.object)?;
        if let Some(rows) = self.rows {
            write!(f, ", {rows} rows")?;
        }
        if let Some(example) = &self.example {
            write!(f, " ({example})")?;
        }
        write!(f, ": {}", self.remedy)
    }
}
