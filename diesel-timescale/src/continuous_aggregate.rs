//! Continuous aggregates, from typed definitions.

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::{AppearsOnTable, ValidGrouping, is_aggregate};
use diesel::pg::data_types::PgInterval;
use diesel::pg::{Pg, PgQueryBuilder, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryBuilder, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Integer, Interval, Nullable, Text, Timestamptz};

use crate::call::{done, value};
use crate::chunks::interval;
use crate::feature::{Feature, Unsupported};
use crate::function_call;
use crate::hypertable::TimeColumn;
use crate::micros;
use crate::non_transactional::OutsideTransaction;
use crate::server::Server;

type NullableInterval = Nullable<Interval>;

/// Describes a continuous aggregate: a view of this name that keeps the aggregates of each bucket of time of a
/// hypertable, or of another continuous aggregate.
///
/// The view has the columns `bucket`, those of [`by`](ContinuousAggregate::by), and the aggregates. It is in the schema
/// of this crate's tables. Declare it with `diesel::table!` to query it. Ready ones are in
/// [`aggregates`](crate::aggregates).
///
/// Setting it up takes two steps, and each may be repeated: [`create`](ContinuousAggregate::create), which makes it
/// without data, in a transaction or not; and [`refresh`], which fills it, outside of any. A
/// [policy](add_refresh_policy) does the latter by itself from then on. Until it is filled, and for what is newer, it
/// reads the hypertable itself, unless it is [materialized only](ContinuousAggregate::materialized_only).
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel::dsl::{count_star, max};
/// use diesel_timescale::{Feature, OutsideTransaction, Server, continuous_aggregate, refresh};
///
/// diesel::table! {
///     daily_peaks (bucket, sensor_id) {
///         bucket -> Timestamptz,
///         sensor_id -> Text,
///         readings -> Int8,
///         peak -> Nullable<Float8>,
///     }
/// }
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// let daily_peaks = continuous_aggregate("daily_peaks", TimeDelta::days(1), readings::time)
///     .by(readings::sensor)
///     .aggregate("readings", count_star())
///     .aggregate("peak", max(readings::value))
///     .plain_view_will_do(true);
/// daily_peaks.create(&server)?.call(conn)?;
/// // Also where it was there already: whoever made it may not have come to fill it.
/// if server.has(Feature::ContinuousAggregates) {
///     refresh("daily_peaks", .., &server)?.run(conn)?;
/// }
/// assert_eq!(daily_peaks::table.select(daily_peaks::readings).load::<i64>(conn)?, [1]);
/// # diesel_timescale::drop_continuous_aggregate("daily_peaks").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn continuous_aggregate<C>(name: &'static str, width: TimeDelta, time: C) -> ContinuousAggregate<C>
where
    C: TimeColumn + QueryFragment<Pg>,
    C::Table: Default + QueryFragment<Pg>,
{
    ContinuousAggregate {
        name,
        width,
        time,
        columns: Vec::new(),
        aggregates: Vec::new(),
        materialized_only: false,
        plain_view_will_do: false,
    }
}

/// What [`continuous_aggregate`] describes.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is created"]
pub struct ContinuousAggregate<C> {
    name: &'static str,
    width: TimeDelta,
    time: C,
    /// As SQL, each.
    columns: Vec<Rendered>,
    aggregates: Vec<Rendered>,
    materialized_only: bool,
    plain_view_will_do: bool,
}

/// An expression as SQL, or why it is none.
type Rendered = Result<String, String>;

impl<C> ContinuousAggregate<C>
where
    C: TimeColumn + QueryFragment<Pg>,
    C::Table: Default + QueryFragment<Pg>,
{
    /// Groups by this column as well; may be called for several columns.
    pub fn by<G: Column<Table = C::Table> + QueryFragment<Pg>>(mut self, column: G) -> Self {
        self.columns.push(render(&column).map(|sql| format!("{sql} AS {}", quoted(G::NAME))));
        self
    }

    /// Keeps an aggregate, under this name: any of Diesel's, such as `count_star()` or
    /// `count(column).aggregate_filter(column.is_not_null())`, that has no values of its own (a view cannot have any).
    pub fn aggregate<A>(mut self, name: &str, aggregate: A) -> Self
    where
        A: Expression
            + QueryFragment<Pg>
            + ValidGrouping<(), IsAggregate = is_aggregate::Yes>
            + AppearsOnTable<C::Table>,
    {
        self.aggregates.push(render(&aggregate).map(|sql| format!("{sql} AS {}", quoted(name))));
        self
    }

    /// Whether it shows only what it has materialized, and not the latest rows as well. `false` unless told.
    pub fn materialized_only(mut self, only: bool) -> Self {
        self.materialized_only = only;
        self
    }

    /// Whether a plain view of the same columns will do where the server has no continuous aggregates; the outcome
    /// then says so. `false` unless told.
    pub fn plain_view_will_do(mut self, will_do: bool) -> Self {
        self.plain_view_will_do = will_do;
        self
    }

    /// Makes it, without data, or finds that it is there.
    ///
    /// # Errors
    /// [`Unsupported`] where the server has no continuous aggregates and a plain view will not do. When it runs:
    /// [`Error::OtherAggregate`](crate::Error::OtherAggregate) if something else of that name is there, and a query
    /// builder error of Diesel's if an aggregate has values of its own.
    pub fn create(&self, server: &Server) -> Result<CreateContinuousAggregate, Unsupported> {
        let is_plain_view = match server.require(Feature::ContinuousAggregates) {
            Ok(()) => false,
            Err(_) if self.plain_view_will_do => true,
            Err(unsupported) => return Err(unsupported),
        };
        Ok(CreateContinuousAggregate {
            name: self.name,
            definition: self.definition(is_plain_view),
            is_plain_view,
            materialized_only: self.materialized_only,
        })
    }

    /// `SELECT time_bucket(…) AS bucket, …columns, …aggregates FROM … GROUP BY 1, 2, …`
    fn definition(&self, is_plain_view: bool) -> Rendered {
        let time = render(&self.time)?;
        let microseconds = self.width.num_microseconds().ok_or("the bucket is too wide")?;
        let width = format!("INTERVAL '{microseconds} microseconds'");
        // Both start days at midnight UTC and weeks on a Monday.
        let bucket = if is_plain_view {
            format!("date_bin({width}, {time}, TIMESTAMPTZ '2000-01-03 00:00+00')")
        } else {
            format!("time_bucket({width}, {time})")
        };
        let mut selected = vec![format!("{bucket} AS bucket")];
        for part in self.columns.iter().chain(&self.aggregates) {
            selected.push(part.clone()?);
        }
        let groups: Vec<_> = (1..=self.columns.len() + 1).map(|position| position.to_string()).collect();
        let table = render(&C::Table::default())?;
        Ok(format!("SELECT {} FROM {table} GROUP BY {}", selected.join(", "), groups.join(", ")))
    }
}

/// The SQL of something without values of its own.
fn render<T: QueryFragment<Pg>>(fragment: &T) -> Rendered {
    let mut builder = PgQueryBuilder::default();
    fragment.to_sql(&mut builder, &Pg).map_err(|error| error.to_string())?;
    let sql = builder.finish();
    // What is quoted is no value.
    let outside_quotes: String = sql.split('"').step_by(2).collect();
    if outside_quotes.contains('$') {
        return Err(format!("a view cannot have values of its own: {sql}"));
    }
    Ok(sql)
}

fn quoted(name: &str) -> String {
    let mut builder = PgQueryBuilder::default();
    // Writing to a text cannot fail.
    let _ = builder.push_identifier(name);
    builder.finish()
}

/// What became of a continuous aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow)]
pub enum AggregateOutcome {
    /// It was made, without data: [`refresh`] it.
    Created,
    /// It was there already, of this definition, filled or not: [`refresh`] it, or see that a policy does.
    AlreadyThere,
    /// There is a plain view, because the server has no continuous aggregates and the caller said that one will do.
    PlainView,
}

impl FromSql<Text, Pg> for AggregateOutcome {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "created" => Ok(Self::Created),
            "already_there" => Ok(Self::AlreadyThere),
            "plain_view" => Ok(Self::PlainView),
            other => {
                Err(format!("create_continuous_aggregate() reports {other:?}, which this release does not know").into())
            }
        }
    }
}

/// The call that [`ContinuousAggregate::create`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct CreateContinuousAggregate {
    name: &'static str,
    definition: Rendered,
    is_plain_view: bool,
    materialized_only: bool,
}

impl diesel::query_builder::Query for CreateContinuousAggregate {
    type SqlType = (Text,);
}

impl QueryFragment<Pg> for CreateContinuousAggregate {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let definition = self
            .definition
            .as_ref()
            .map_err(|message| diesel::result::Error::QueryBuilderError(message.clone().into()))?;
        out.push_sql("SELECT diesel_timescale.create_continuous_aggregate(");
        out.push_bind_param::<Text, _>(self.name)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(definition)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.is_plain_view)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.materialized_only)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for CreateContinuousAggregate {}

impl crate::call::Call for CreateContinuousAggregate {
    type Row = (AggregateOutcome,);
    type Output = AggregateOutcome;
    type Error = crate::error::Error;

    fn output(rows: Vec<Self::Row>) -> crate::error::Result<Self::Output> {
        value(rows)
    }
}

/// Fills a continuous aggregate with what it should have in a range of time: the buckets that lie in it whole.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`Error::InsideTransaction`](crate::Error::InsideTransaction). For an example see [`continuous_aggregate`].
pub fn refresh(
    name: &'static str,
    range: impl RangeBounds<DateTime<Utc>>,
    server: &Server,
) -> Result<RefreshContinuousAggregate, Unsupported> {
    server.require(Feature::ContinuousAggregates)?;
    let bound = |bound: Bound<&DateTime<Utc>>| match bound {
        Bound::Included(instant) | Bound::Excluded(instant) => Some(micros::truncate(*instant)),
        Bound::Unbounded => None,
    };
    Ok(RefreshContinuousAggregate { name, from: bound(range.start_bound()), to: bound(range.end_bound()) })
}

/// The statement that [`refresh`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a statement does nothing until it runs"]
pub struct RefreshContinuousAggregate {
    name: &'static str,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl QueryFragment<Pg> for RefreshContinuousAggregate {
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
}

impl OutsideTransaction for RefreshContinuousAggregate {
    const NAME: &'static str = "refresh_continuous_aggregate";
}

/// Refreshes a continuous aggregate in the background, every `schedule`, from `start_offset` ago (`None`: from the
/// beginning) to `end_offset` ago, and gives the job. Takes the place of such a policy that is there.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
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
///     .create(&server)?
///     .call(conn)?;
/// let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
/// let _job = add_refresh_policy("hourly_readings", Some(day), hour, hour, &server)?.call(conn)?;
/// assert!(remove_refresh_policy("hourly_readings", &server)?.call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_refresh_policy(
    name: &'static str,
    start_offset: Option<TimeDelta>,
    end_offset: TimeDelta,
    schedule: TimeDelta,
    server: &Server,
) -> Result<AddRefreshPolicy, Unsupported> {
    server.require(Feature::ContinuousAggregates)?;
    Ok(AddRefreshPolicy {
        name,
        start_offset: start_offset.map(interval),
        end_offset: interval(end_offset),
        schedule: interval(schedule),
    })
}

function_call! {
    /// The call that [`add_refresh_policy`] makes.
    AddRefreshPolicy {
        name: &'static str = Text,
        start_offset: Option<PgInterval> = NullableInterval,
        end_offset: PgInterval = Interval,
        schedule: PgInterval = Interval,
    },
    "SELECT diesel_timescale.set_refresh_policy(", ")",
    (Integer,) => (i32,) => i32, value,
}

/// Removes the refresh policy of a continuous aggregate. Gives `false` if there is none.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_refresh_policy`].
pub fn remove_refresh_policy(name: &'static str, server: &Server) -> Result<RemoveRefreshPolicy, Unsupported> {
    server.require(Feature::ContinuousAggregates)?;
    Ok(RemoveRefreshPolicy { name })
}

function_call! {
    /// The call that [`remove_refresh_policy`] makes.
    RemoveRefreshPolicy { name: &'static str = Text },
    "SELECT diesel_timescale.unset_refresh_policy(", ")",
    (Bool,) => (bool,) => bool, value,
}

/// Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB.
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
///     .create(&server)?
///     .call(conn)?;
/// set_materialized_only("hourly_readings", true, &server)?.call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_materialized_only(
    name: &'static str,
    materialized_only: bool,
    server: &Server,
) -> Result<SetMaterializedOnly, Unsupported> {
    server.require(Feature::ContinuousAggregates)?;
    Ok(SetMaterializedOnly { name, materialized_only })
}

function_call! {
    /// The call that [`set_materialized_only`] makes.
    SetMaterializedOnly { name: &'static str = Text, materialized_only: bool = Bool },
    "SELECT diesel_timescale.alter_continuous_aggregate(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
}

/// Drops a continuous aggregate, or the plain view in its place. Gives `false` if there is none. Runs on every server.
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// assert!(!diesel_timescale::drop_continuous_aggregate("hourly_readings").call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn drop_continuous_aggregate(name: &'static str) -> DropContinuousAggregate {
    DropContinuousAggregate { name }
}

function_call! {
    /// The call that [`drop_continuous_aggregate`] makes.
    DropContinuousAggregate { name: &'static str = Text },
    "SELECT diesel_timescale.drop_continuous_aggregate(", ")",
    (Bool,) => (bool,) => bool, value,
}
