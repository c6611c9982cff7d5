//! Filling a continuous aggregate, by hand or by a policy, and what else is done to one that is there.

use std::ops::{Bound, RangeBounds};

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Integer, Interval, Text};

use crate::add_job::{AddJob, AddsJob};
use crate::call::{Call, Relation, Statement, done, push_relation, relation_name, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::feature::Feature;
use crate::function_call;
use crate::schedule::Schedule;
use crate::setup::{Declare, RefreshPolicyDeclaration, Setup};
use crate::time_column::{IntervalOf, TimeColumn, TimeType, ValueOf};
use crate::time_value::{Length, TimeValue};

/// Fills a continuous aggregate, named by its bucket column, with what it should have in a range of time: the buckets
/// that lie in it whole.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`Error::InsideTransaction`](crate::Error::InsideTransaction). For an example see
/// [`continuous_aggregate`](crate::continuous_aggregate()).
pub fn refresh<C>(bucket: C, range: impl RangeBounds<ValueOf<C>>) -> impl Call<Output = (), Error = Error> + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = bucket;
    let value = |bound: Bound<&ValueOf<C>>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(C::SqlType::value(value.clone())),
        Bound::Unbounded => None,
    };
    RefreshContinuousAggregate {
        relation: relation_name(&C::Table::default()),
        from: value(range.start_bound()),
        to: value(range.end_bound()),
    }
}

/// The statement that [`refresh`] makes.
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing until it runs"]
struct RefreshContinuousAggregate {
    relation: Relation,
    from: Option<TimeValue>,
    to: Option<TimeValue>,
}

// The SQL has the types of the values.
impl QueryId for RefreshContinuousAggregate {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Statement for RefreshContinuousAggregate {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = Error;

    const REQUIRES: Option<Feature> = Some(Feature::ContinuousAggregates);
    const NON_TRANSACTIONAL: Option<&'static str> = Some("refresh_continuous_aggregate");

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("CALL refresh_continuous_aggregate(");
        push_relation(&self.relation, &mut out)?;
        for value in [&self.from, &self.to] {
            out.push_sql(", ");
            match value {
                Some(value) => value.push(&mut out)?,
                None => out.push_sql("NULL"),
            }
        }
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        done(rows)
    }
}

/// Refreshes a continuous aggregate, named by its bucket column, in the background: every `schedule`, from `start_offset` ago (`None`: from the
/// beginning) to `end_offset` ago, and gives the job. Takes the place of such a policy that is there.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// continuous aggregate, or the window covers less than two buckets.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_refresh_policy, continuous_aggregate, remove_refresh_policy};
///
/// diesel::table! { hourly_readings (bucket) { bucket -> Timestamptz, readings -> Int8 } }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ContinuousAggregates) { return Ok(()); }
/// continuous_aggregate("hourly_readings", TimeDelta::hours(1), readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
/// let _job = add_refresh_policy(hourly_readings::bucket, Some(day), hour, hour).call(conn)?;
/// assert!(remove_refresh_policy(hourly_readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_refresh_policy<C>(
    bucket: C,
    start_offset: Option<IntervalOf<C>>,
    end_offset: IntervalOf<C>,
    schedule: TimeDelta,
) -> impl AddJob
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = bucket;
    AddRefreshPolicy {
        relation: relation_name(&C::Table::default()),
        start_offset: Length::new::<C::SqlType>(start_offset),
        end_offset: Length::new::<C::SqlType>(Some(end_offset)),
        schedule: interval(schedule),
    }
}

function_call! {
    /// The call that [`add_refresh_policy`] makes.
    AddRefreshPolicy {
        relation: Relation = Relation,
        start_offset: Length = Length,
        end_offset: Length = Length,
        schedule: PgInterval = Interval,
    },
    "SELECT diesel_timescale.add_refresh_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires ContinuousAggregates,
}

impl AddsJob for AddRefreshPolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        let schedule = schedule.unwrap_or_default().or_every(self.schedule.into());
        let policy = self
            .end_offset
            .declared()
            .map(|end_offset| RefreshPolicyDeclaration::new(self.start_offset.declared(), end_offset, schedule));
        setup.declare_refresh_policy(&self.relation, policy);
    }
}

/// Removes the refresh policy of a continuous aggregate. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_refresh_policy`].
pub fn remove_refresh_policy<T>(aggregate: T) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RemoveRefreshPolicy { relation: relation_name(&aggregate) }
}

function_call! {
    /// The call that [`remove_refresh_policy`] makes.
    RemoveRefreshPolicy { relation: Relation = Relation },
    "SELECT diesel_timescale.remove_refresh_policy(", ")",
    (Bool,) => (bool,) => bool, value,
    requires ContinuousAggregates,
}

impl Declare for RemoveRefreshPolicy {
    fn declare(self, setup: &mut Setup) {
        setup.declare_refresh_policy(&self.relation, None);
    }
}

/// Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, continuous_aggregate, set_materialized_only};
///
/// diesel::table! { hourly_readings (bucket) { bucket -> Timestamptz, readings -> Int8 } }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ContinuousAggregates) { return Ok(()); }
/// continuous_aggregate("hourly_readings", TimeDelta::hours(1), readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// set_materialized_only(hourly_readings::table, true).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_materialized_only<T>(
    aggregate: T,
    materialized_only: bool,
) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    SetMaterializedOnly { relation: relation_name(&aggregate), materialized_only }
}

function_call! {
    /// The call that [`set_materialized_only`] makes.
    SetMaterializedOnly { relation: Relation = Relation, materialized_only: bool = Bool },
    "SELECT diesel_timescale.alter_continuous_aggregate(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires ContinuousAggregates,
}

impl Declare for SetMaterializedOnly {
    fn declare(self, setup: &mut Setup) {
        setup.declare_materialized_only(&self.relation, self.materialized_only);
    }
}

/// Drops a continuous aggregate, or the plain view in its place, in the first schema of the `search_path`. Gives `false` if
/// there is none. Runs on every server. In another schema:
/// `SELECT diesel_timescale.drop_continuous_aggregate('hourly_readings', 'schema')`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// assert!(!diesel_timescale::drop_continuous_aggregate("hourly_readings").call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn drop_continuous_aggregate(name: &'static str) -> impl Call<Output = bool, Error = Error> + Declare + Clone {
    DropContinuousAggregate { name }
}

function_call! {
    /// The call that [`drop_continuous_aggregate`] makes.
    DropContinuousAggregate { name: &'static str = Text },
    "SELECT diesel_timescale.drop_continuous_aggregate(", ")",
    (Bool,) => (bool,) => bool, value,
}

impl Declare for DropContinuousAggregate {
    fn declare(self, setup: &mut Setup) {
        setup.declare_no_aggregate(self.name);
    }
}
