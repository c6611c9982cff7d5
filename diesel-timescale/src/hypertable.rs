//! Hypertable set-up.

use std::fmt;

use chrono::TimeDelta;
use diesel::deserialize::{self, FromSql, FromSqlRow, Queryable};
use diesel::pg::data_types::PgInterval;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Interval, Nullable, Text};
use serde::Serialize;

use crate::call::{Statement, push_relation, relation_name, single};
use crate::error::{Error, Result};
use crate::server::{Edition, TimescaleVersion};
use crate::setup::{Declare, HypertableDeclaration, Setup};
use crate::time_column::TimeColumn;

/// Makes the table of a column a hypertable that is partitioned on that column, or finds that it is one.
///
/// Idempotent. The migrations of this crate must have run: they install the
/// function that this calls.
///
/// # Errors
/// A [`HypertableError`](crate::HypertableError) that names the obstacle and the remedy, before anything has changed.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{HypertableOutcome, hypertable};
///
/// diesel::table! {
///     door_openings (door_id, opened_at) { door_id -> Int8, opened_at -> Timestamptz }
/// }
/// # fn main() { run(|conn| {
/// conn.batch_execute(
///     "CREATE TABLE door_openings (door_id BIGINT, opened_at TIMESTAMPTZ, PRIMARY KEY (door_id, opened_at))",
/// )?;
/// let setup = hypertable(door_openings::opened_at)
///     .chunk_interval(TimeDelta::days(1))
///     .allow_plain_table();
/// let report = setup.clone().call(conn)?;
/// println!("{report}");
///
/// let again = setup.call(conn)?;
/// assert_ne!(again.outcome, HypertableOutcome::Created);
/// assert_eq!(again.chunk_interval, report.chunk_interval);
/// # Ok(()) }) }
/// ```
///
/// A column of another type does not compile:
///
/// ```compile_fail,E0277
/// diesel::table! {
///     door_openings (door_id) { door_id -> Int8, opened_at -> Nullable<Timestamptz> }
/// }
/// diesel_timescale::hypertable(door_openings::opened_at);
/// ```
pub fn hypertable<C>(time_column: C) -> HypertableSetup
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    HypertableSetup {
        relation: relation_name(&C::Table::default()),
        time_column: C::NAME,
        chunk_interval: None,
        if_not_exists: true,
        migrate_data: false,
        default_indexes: true,
        allow_plain_table: false,
        create_extension: false,
    }
}

/// The call that [`hypertable`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct HypertableSetup {
    relation: Result<String, String>,
    time_column: &'static str,
    chunk_interval: Option<PgInterval>,
    if_not_exists: bool,
    migrate_data: bool,
    default_indexes: bool,
    allow_plain_table: bool,
    create_extension: bool,
}

impl HypertableSetup {
    /// How much time a chunk covers. Default: the server's, seven days.
    ///
    /// Applies to a hypertable that is created. One that is there already keeps its own, and the report says so:
    /// [`ignored_chunk_interval`](HypertableReport::ignored_chunk_interval).
    pub fn chunk_interval(mut self, interval: TimeDelta) -> Self {
        let microseconds = interval.num_microseconds().unwrap_or(i64::MAX);
        self.chunk_interval = Some(PgInterval::from_microseconds(microseconds));
        self
    }

    /// Whether a table that is a hypertable on the same column already is accepted. Default: `true`.
    pub fn if_not_exists(mut self, if_not_exists: bool) -> Self {
        self.if_not_exists = if_not_exists;
        self
    }

    /// Whether to move the rows that are there already into chunks; locks the table meanwhile. Default: `false`.
    pub fn migrate_data(mut self, migrate_data: bool) -> Self {
        self.migrate_data = migrate_data;
        self
    }

    /// Whether to add the server's default index on the time column. Default: `true`.
    pub fn default_indexes(mut self, default_indexes: bool) -> Self {
        self.default_indexes = default_indexes;
        self
    }

    /// Leaves the table a plain table on a server without TimescaleDB; the report has the outcome `PlainTable`. Default: that is an
    /// error.
    pub fn allow_plain_table(mut self) -> Self {
        self.allow_plain_table = true;
        self
    }

    /// Whether to create the extension where the server has it and the database does not, as
    /// [`create_extension`](super::create_extension()) does. Default: `false`, and its absence is an error.
    pub fn create_extension(mut self, create: bool) -> Self {
        self.create_extension = create;
        self
    }
}

impl Declare for HypertableSetup {
    fn declare(self, setup: &mut Setup) {
        if self.create_extension {
            setup.declare_extension(None, self.allow_plain_table);
        }
        let declaration = HypertableDeclaration {
            time: self.time_column.to_owned(),
            chunk_interval: self.chunk_interval.map(Into::into),
            migrate_data: self.migrate_data,
            default_indexes: self.default_indexes,
            allow_plain_table: self.allow_plain_table,
        };
        setup.declare_hypertable(&self.relation, declaration);
    }
}

/// What the set-up of a hypertable did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HypertableOutcome {
    /// The table has become a hypertable.
    Created,
    /// The table was a hypertable on the same column.
    AlreadyThere,
    /// The server has no TimescaleDB, and the caller [allows a plain table](HypertableSetup::allow_plain_table).
    PlainTable,
}

impl FromSql<Text, Pg> for HypertableOutcome {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "created" => Ok(Self::Created),
            "already_there" => Ok(Self::AlreadyThere),
            "plain_table" => Ok(Self::PlainTable),
            other => Err(format!("setup_hypertable() reports {other:?}, which this release does not know").into()),
        }
    }
}

/// What the set-up of a hypertable did, and what holds now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct HypertableReport {
    /// What was done.
    pub outcome: HypertableOutcome,
    /// The release of TimescaleDB; `None` for a plain table.
    pub timescaledb: Option<TimescaleVersion>,
    /// The edition of TimescaleDB; `None` for a plain table.
    pub edition: Option<Edition>,
    /// How much time a chunk covers; `None` for a plain table.
    pub chunk_interval: Option<TimeDelta>,
    /// How many chunks there are; `None` for a plain table.
    pub chunks: Option<i64>,
    /// The chunk interval that was asked for, where the table was a hypertable with another one and has kept that;
    /// [`set_chunk_interval`](super::set_chunk_interval) changes it. `None` where what was asked for holds.
    pub ignored_chunk_interval: Option<TimeDelta>,
}

impl fmt::Display for HypertableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome {
            HypertableOutcome::Created => "hypertable created",
            HypertableOutcome::AlreadyThere => "hypertable already there",
            HypertableOutcome::PlainTable => "plain table: the server has no TimescaleDB",
        })?;
        if let (Some(interval), Some(chunks)) = (self.chunk_interval, self.chunks) {
            let plural = if chunks == 1 { "" } else { "s" };
            write!(f, ", {chunks} chunk{plural} of {}", hours(interval))?;
        }
        if let Some(ignored) = self.ignored_chunk_interval {
            write!(f, " (not {}: set_chunk_interval changes it)", hours(ignored))?;
        }
        if let (Some(version), Some(edition)) = (self.timescaledb, self.edition) {
            write!(f, ", on TimescaleDB {version} ({edition} edition)")?;
        }
        Ok(())
    }
}

/// A length of time in hours.
fn hours(length: TimeDelta) -> String {
    let hours = length.num_minutes() as f64 / 60.0;
    format!("{hours} hour{}", if hours == 1.0 { "" } else { "s" })
}

impl Statement for HypertableSetup {
    type SqlType = (Text, Nullable<Text>, Nullable<Text>, Nullable<Interval>, Nullable<BigInt>, Nullable<Interval>);
    type Row = HypertableReport;
    type Output = HypertableReport;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT outcome, timescaledb_version, timescaledb_license, current_chunk_interval, chunks, \
             ignored_chunk_interval FROM diesel_timescale.setup_hypertable(relation => ",
        );
        push_relation(&self.relation, &mut out)?;
        out.push_sql(", time_column => ");
        out.push_bind_param::<Text, _>(self.time_column)?;
        out.push_sql(", chunk_interval => ");
        out.push_bind_param::<Nullable<Interval>, _>(&self.chunk_interval)?;
        out.push_sql(", if_not_exists => ");
        out.push_bind_param::<Bool, _>(&self.if_not_exists)?;
        out.push_sql(", migrate_data => ");
        out.push_bind_param::<Bool, _>(&self.migrate_data)?;
        out.push_sql(", default_indexes => ");
        out.push_bind_param::<Bool, _>(&self.default_indexes)?;
        out.push_sql(", allow_plain_table => ");
        out.push_bind_param::<Bool, _>(&self.allow_plain_table)?;
        out.push_sql(", create_extension => ");
        out.push_bind_param::<Bool, _>(&self.create_extension)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        single(rows)
    }
}
