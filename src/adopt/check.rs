//! Looking at the old tables before anything changes.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::Duplicates;
use crate::call::Call;
use crate::error::Result;

/// Finds what would not come over as it is from an old table of events, and one of predictions.
///
/// Changes nothing, and reads all rows. `events` is the name of the table as SQL, with its schema where that is not on
/// the `search_path`: `legacy.sensor_events`, or `public.sensor_events` before it was moved. The migrations must have
/// run in the first schema of the `search_path`, which may be one made for this check alone; `MIGRATING.md` shows it.
///
/// # Errors
/// Only what the database itself reports, such as that there is no such table; a finding is not an error.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::adopt::{self, LegacySeverity};
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE TEMPORARY TABLE old_events (id INT, timestamp TIMESTAMPTZ)")?;
/// let findings = adopt::check("old_events").call(conn)?;
/// let first = &findings[0];
/// println!("{first}");
/// assert_eq!((first.severity, first.problem.as_str()), (LegacySeverity::Blocks, "missing_column"));
/// assert_eq!(first.object, "sensor_events.room_id");
/// # Ok(()) }) }
/// ```
pub fn check(events: impl Into<String>) -> CheckLegacy {
    CheckLegacy {
        events: events.into(),
        predictions: None,
        duplicates: Duplicates::Refuse,
        time_zone: None,
        leave_columns: Vec::new(),
    }
}

/// The call that [`check`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct CheckLegacy {
    events: String,
    predictions: Option<String>,
    duplicates: Duplicates,
    time_zone: Option<String>,
    leave_columns: Vec<String>,
}

impl CheckLegacy {
    /// The old table of predictions.
    pub fn predictions(mut self, predictions: impl Into<String>) -> Self {
        self.predictions = Some(predictions.into());
        self
    }

    /// As [`StartAdoption::duplicates`](super::StartAdoption::duplicates).
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// As [`StartAdoption::time_zone`](super::StartAdoption::time_zone).
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = Some(time_zone.into());
        self
    }

    /// As [`StartAdoption::leave_column`](super::StartAdoption::leave_column).
    pub fn leave_column(mut self, column: impl Into<String>) -> Self {
        self.leave_columns.push(column.into());
        self
    }
}

/// Whether a finding stands against an adoption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow)]
pub enum LegacySeverity {
    /// Nothing is copied until it is mended, or the choice made that it asks for.
    Blocks,
    /// To be known: something is filled in, changed or left behind, as the remedy says.
    Note,
}

impl FromSql<Text, Pg> for LegacySeverity {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "blocks" => Ok(Self::Blocks),
            "note" => Ok(Self::Note),
            other => Err(format!("check_legacy() reports {other:?}, which this release does not know").into()),
        }
    }
}

/// Something in the old tables that would not come over as it is.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct LegacyFinding {
    /// Whether it stands against the adoption.
    pub severity: LegacySeverity,
    /// What it is, such as `duplicate_instant`, `check` or `extra_column`; `MIGRATING.md` lists them.
    pub problem: String,
    /// Where: a column, a check, a trigger, a foreign key.
    pub object: String,
    /// How many rows; `None` if it is not about rows.
    pub rows: Option<i64>,
    /// One of the rows by its id, or what is there now.
    pub example: Option<String>,
    /// What to do, as SQL where that is possible; `...` stands for what only you know.
    pub remedy: String,
}

impl fmt::Display for LegacyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.problem, self.object)?;
        if let Some(rows) = self.rows {
            write!(f, ", {rows} rows")?;
        }
        if let Some(example) = &self.example {
            write!(f, " ({example})")?;
        }
        write!(f, ": {}", self.remedy)
    }
}

impl Query for CheckLegacy {
    type SqlType = (Text, Text, Text, Nullable<BigInt>, Nullable<Text>, Text);
}

impl QueryFragment<Pg> for CheckLegacy {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT severity, problem, object, row_count, example, remedy FROM check_legacy(CAST(");
        out.push_bind_param::<Text, _>(&self.events)?;
        out.push_sql(" AS regclass), CAST(");
        out.push_bind_param::<Nullable<Text>, _>(&self.predictions)?;
        out.push_sql(" AS regclass), ");
        out.push_bind_param::<Text, _>(self.duplicates.as_str())?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.time_zone)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.leave_columns)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for CheckLegacy {}

impl Call for CheckLegacy {
    type Row = LegacyFinding;
    type Output = Vec<LegacyFinding>;
    type Error = crate::error::Error;

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows)
    }
}
