//! Hypertable set-up.

mod integer_now;
mod report;

use std::marker::PhantomData;

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Interval, Nullable, Text, Timestamptz};

use crate::call::{Statement, push_relation, relation_name, single};
use crate::error::{Error, Result};
use crate::setup::{Declare, HypertableDeclaration, Setup, Unit};
use crate::time_column::{IntegerTimeType, TimeColumn, TimeType};
use crate::time_value::Length;
use integer_now::nanoseconds;

pub use integer_now::{set_integer_now, set_integer_now_func};
pub use report::HypertableReport;

/// Makes the table of a column a hypertable that is partitioned on that column, or finds that it is one.
///
/// Idempotent. The migrations of this crate must have run: they install the
/// function that this calls.
///
/// # Errors
/// A [`HypertableError`](crate::HypertableError) that names the obstacle and the remedy, before anything has changed.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Outcome, hypertable};
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
/// assert_ne!(again.outcome, Outcome::Created);
/// assert_eq!(again.chunk_interval, report.chunk_interval);
/// # Ok(()) }) }
/// ```
///
/// A hypertable on a column that counts units covers a number of them, and needs to know the present for its policies:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_retention_policy, hypertable};
///
/// diesel::table! {
///     device_readings (device_id, measured_ms) { device_id -> Int8, measured_ms -> Int8 }
/// }
/// # fn main() { run(|conn| {
/// conn.batch_execute(
///     "CREATE TABLE device_readings (device_id BIGINT, measured_ms BIGINT, PRIMARY KEY (device_id, measured_ms))",
/// )?;
/// const DAY: i64 = 24 * 60 * 60 * 1000;
/// hypertable(device_readings::measured_ms)
///     .chunk_interval(DAY)
///     .integer_now(TimeDelta::milliseconds(1))
///     .allow_plain_table()
///     .call(conn)?;
/// if Server::query().call(conn)?.has(Feature::Jobs) {
///     add_retention_policy(device_readings::measured_ms, 730 * DAY).call(conn)?;
/// }
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
pub fn hypertable<C>(time_column: C) -> HypertableSetup<C::SqlType>
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    HypertableSetup {
        relation: relation_name(&C::Table::default()),
        time_column: C::NAME,
        chunk_interval: Length::default(),
        integer_now: None,
        if_not_exists: true,
        migrate_data: false,
        default_indexes: true,
        allow_plain_table: false,
        create_extension: false,
        time_type: PhantomData,
    }
}

/// The call that [`hypertable`] makes, on a column of this type.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct HypertableSetup<ST = Timestamptz> {
    relation: Result<String, String>,
    time_column: &'static str,
    chunk_interval: Length,
    /// In nanoseconds.
    integer_now: Option<i64>,
    if_not_exists: bool,
    migrate_data: bool,
    default_indexes: bool,
    allow_plain_table: bool,
    create_extension: bool,
    time_type: PhantomData<ST>,
}

impl<ST: TimeType> HypertableSetup<ST> {
    /// How much time a chunk covers. Default: the server's, seven days; a column that counts units has none.
    ///
    /// Applies to a hypertable that is created. One that is there already keeps its own, and the report says so:
    /// [`ignored_chunk_interval`](HypertableReport::ignored_chunk_interval).
    pub fn chunk_interval(mut self, interval: ST::Interval) -> Self {
        self.chunk_interval = Length::new::<ST>(Some(interval));
        self
    }

    /// Makes the function that tells policies the present of a column that counts units of this length since 1970-01-01
    /// 00:00 UTC, as [`set_integer_now`](crate::set_integer_now) does. Default: none is made, or changed.
    pub fn integer_now(mut self, unit: TimeDelta) -> Self
    where
        ST: IntegerTimeType,
    {
        self.integer_now = Some(nanoseconds(unit));
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

impl<ST> Declare for HypertableSetup<ST> {
    fn declare(self, setup: &mut Setup) {
        if self.create_extension {
            setup.declare_extension(None, self.allow_plain_table);
        }
        let declaration = HypertableDeclaration {
            time: self.time_column.to_owned(),
            chunk_interval: self.chunk_interval.declared(),
            integer_now: self.integer_now.map(Unit),
            migrate_data: self.migrate_data,
            default_indexes: self.default_indexes,
            allow_plain_table: self.allow_plain_table,
        };
        setup.declare_hypertable(&self.relation, declaration);
    }
}

impl<ST: TimeType> Statement for HypertableSetup<ST> {
    type SqlType = (
        Text,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Interval>,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<Interval>,
        Nullable<BigInt>,
        Array<Text>,
    );
    type Row = report::Row;
    type Output = HypertableReport<ST::Interval>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT outcome, timescaledb_version, timescaledb_license, current_chunk_interval, \
             current_integer_interval, chunks, ignored_chunk_interval, ignored_integer_interval, foreign_key_fixes \
             FROM diesel_timescale.setup_hypertable(",
        );
        push_relation(&self.relation, &mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.time_column)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Interval>, _>(&self.chunk_interval.interval)?;
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
        out.push_sql(", integer_interval => ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.chunk_interval.integer)?;
        out.push_sql(", integer_now_unit => ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.integer_now)?;
        out.push_sql(", time_type => CAST(");
        out.push_bind_param::<Text, _>(ST::NAME)?;
        out.push_sql(" AS regtype))");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        single::<_, Error>(rows).map(report::report::<ST>)
    }
}
