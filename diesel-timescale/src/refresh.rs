//! Filling a continuous aggregate, by hand or by a policy, and what else is done to one that is there.

use crate::call::{Call, Statement, done, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::feature::Feature;
use crate::function_call;
use crate::microseconds;
use crate::setup::{Declare, Setup};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Bool, Integer, Interval, Nullable, Text, Timestamptz};
use std::ops::{Bound, RangeBounds};

type NullableInterval = Nullable<Interval>;

/// Fills a continuous aggregate with what it should have in a range of time: the buckets that lie in it whole.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`Error::InsideTransaction`](crate::Error::InsideTransaction). For an example see [`continuous_aggregate`](crate::continuous_aggregate()).
pub fn refresh(
    name: &'static str,
    range: impl RangeBounds<DateTime<Utc>>,
) -> impl Call<Output = (), Error = Error> + Clone {
    let bound = |bound: Bound<&DateTime<Utc>>| match bound {
        Bound::Included(instant) | Bound::Excluded(instant) => Some(microseconds::truncate(*instant)),
        Bound::Unbounded => None,
    };
    RefreshContinuousAggregate { name, from: bound(range.start_bound()), to: bound(range.end_bound()) }
}

/// The statement that [`refresh`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a statement does nothing until it runs"]
struct RefreshContinuousAggregate {
    name: &'static str,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Statement for RefreshContinuousAggregate {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = Error;

    const REQUIRES: Option<Feature> = Some(Feature::ContinuousAggregates);
    const NON_TRANSACTIONAL: Option<&'static str> = Some("refresh_continuous_aggregate");

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("CALL refresh_continuous_aggregate(CAST(quote_ident(");
        out.push_bind_param::<Text, _>(self.name)?;
        out.push_sql(") AS regclass), CAST(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.from)?;
        out.push_sql(" AS timestamptz), CAST(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.to)?;
        out.push_sql(" AS timestamptz))");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        done(rows)
    }
}

/// Refreshes a continuous aggregate in the background, every `schedule`, from `start_offset` ago (`None`: from the
/// beginning) to `end_offset` ago, and gives the job. Takes the place of such a policy that is there.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// continuous aggregate, or the window covers less than two buckets.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, add_refresh_policy, continuous_aggregate, remove_refresh_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ContinuousAggregates) { return Ok(()); }
/// continuous_aggregate("hourly_readings", TimeDelta::hours(1), readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
/// let _job = add_refresh_policy("hourly_readings", Some(day), hour, hour).call(conn)?;
/// assert!(remove_refresh_policy("hourly_readings").call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_refresh_policy(
    name: &'static str,
    start_offset: Option<TimeDelta>,
    end_offset: TimeDelta,
    schedule: TimeDelta,
) -> impl Call<Output = i32, Error = Error> + Clone {
    AddRefreshPolicy {
        name,
        start_offset: start_offset.map(interval),
        end_offset: interval(end_offset),
        schedule: interval(schedule),
    }
}

function_call! {
    /// The call that [`add_refresh_policy`] makes.
    AddRefreshPolicy {
        name: &'static str = Text,
        start_offset: Option<PgInterval> = NullableInterval,
        end_offset: PgInterval = Interval,
        schedule: PgInterval = Interval,
    },
    "SELECT diesel_timescale.add_refresh_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires ContinuousAggregates,
}

/// Removes the refresh policy of a continuous aggregate. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_refresh_policy`].
pub fn remove_refresh_policy(name: &'static str) -> impl Call<Output = bool, Error = Error> + Clone {
    RemoveRefreshPolicy { name }
}

function_call! {
    /// The call that [`remove_refresh_policy`] makes.
    RemoveRefreshPolicy { name: &'static str = Text },
    "SELECT diesel_timescale.remove_refresh_policy(", ")",
    (Bool,) => (bool,) => bool, value,
    requires ContinuousAggregates,
}

/// Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, continuous_aggregate, set_materialized_only};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ContinuousAggregates) { return Ok(()); }
/// continuous_aggregate("hourly_readings", TimeDelta::hours(1), readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// set_materialized_only("hourly_readings", true).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_materialized_only(
    name: &'static str,
    materialized_only: bool,
) -> impl Call<Output = (), Error = Error> + Clone {
    SetMaterializedOnly { name, materialized_only }
}

function_call! {
    /// The call that [`set_materialized_only`] makes.
    SetMaterializedOnly { name: &'static str = Text, materialized_only: bool = Bool },
    "SELECT diesel_timescale.alter_continuous_aggregate(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires ContinuousAggregates,
}

/// Drops a continuous aggregate, or the plain view in its place. Gives `false` if there is none. Runs on every server.
///
/// ```
/// # include!("doctest_setup.rs");
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
