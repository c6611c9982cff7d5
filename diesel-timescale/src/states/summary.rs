//! The states of a day in one value, which a continuous aggregate can keep.

use chrono::TimeDelta;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Interval, Nullable, Record, Text, Timestamptz};

use super::pieces::limited;
use super::source::{States, states_of};

/// The SQL type of a [`state_summary`]: what a view declares for it.
pub type StateSummary = Record<(
    Timestamptz,
    Text,
    Timestamptz,
    Text,
    Nullable<Interval>,
    Array<Nullable<Text>>,
    Array<Interval>,
    Array<BigInt>,
)>;

/// An aggregate: the states of the rows of a bucket, for a continuous aggregate by day and series, with the column of
/// the time and that of the state. [`state_summaries`] makes the time in each state of it.
///
/// A state holds for `silence_limit` at most; with `None` until the next reading.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::states::{
///     Calendar, StateSummary, TimeInState, state_summaries, state_summary, times_in_state,
/// };
/// use diesel_timescale::{Feature, Server, bucketed, continuous_aggregate_of, refresh};
///
/// diesel::table! {
///     use diesel::sql_types::*;
///     use diesel_timescale::states::StateSummary;
///
///     daily_states (bucket, sensor) {
///         bucket -> Timestamptz,
///         sensor -> Text,
///         summary -> StateSummary,
///     }
/// }
///
/// # fn main() { run(|conn| {
/// # let (from, to) = (Utc::now() - TimeDelta::days(7), a_reading(conn) + TimeDelta::seconds(1));
/// let days = bucketed(TimeDelta::days(1), readings::time).in_time_zone("Europe/Berlin").by(readings::sensor);
/// let query = readings::table
///     .group_by(days.clone())
///     .select(days.row(state_summary(readings::time, readings::state, None)));
/// continuous_aggregate_of(daily_states::table, query).allow_plain_view().create().call(conn)?;
/// if Server::query().call(conn)?.has(Feature::ContinuousAggregates) {
///     refresh(daily_states::bucket, ..).call(conn)?;
/// }
///
/// let weeks: Vec<TimeInState> = state_summaries(daily_states::sensor, daily_states::bucket, daily_states::summary)
///     .daily_time_in_state(from..to, Calendar::weeks("Europe/Berlin"))
///     .filter(times_in_state::state.eq("on"))
///     .load(conn)?;
/// assert_eq!(weeks[0].series, "office.motion");
/// # diesel_timescale::drop_continuous_aggregate("daily_states").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn state_summary<T, V>(
    time: T,
    state: V,
    silence_limit: Option<TimeDelta>,
) -> impl Expression<SqlType = StateSummary>
+ QueryFragment<Pg>
+ ValidGrouping<(), IsAggregate = is_aggregate::Yes>
+ SelectableExpression<T::Table>
+ Clone
where
    T: Column<SqlType = Timestamptz> + QueryFragment<Pg> + SelectableExpression<T::Table> + Clone,
    V: Column<SqlType = Text, Table = T::Table> + QueryFragment<Pg> + SelectableExpression<T::Table> + Clone,
{
    let microseconds = silence_limit.and_then(|limit| limited(limit).num_microseconds());
    Summary { time, state, silence_limit: microseconds.map(PgInterval::from_microseconds) }
}

#[derive(Debug, Clone)]
struct Summary<T, V> {
    time: T,
    state: V,
    silence_limit: Option<PgInterval>,
}

impl<T, V> Expression for Summary<T, V> {
    type SqlType = StateSummary;
}

impl<T, V> ValidGrouping<()> for Summary<T, V> {
    type IsAggregate = is_aggregate::Yes;
}

impl<T: AppearsOnTable<QS>, V: AppearsOnTable<QS>, QS: ?Sized> AppearsOnTable<QS> for Summary<T, V> {}

impl<T: SelectableExpression<QS>, V: SelectableExpression<QS>, QS: ?Sized> SelectableExpression<QS> for Summary<T, V> {}

impl<T: QueryFragment<Pg>, V: QueryFragment<Pg>> QueryFragment<Pg> for Summary<T, V> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let columns: [&'b dyn QueryFragment<Pg>; 2] = [&self.time, &self.state];
        out.push_sql("diesel_timescale.state_summary(");
        for column in columns {
            out.push_sql("array_agg(");
            column.walk_ast(out.reborrow())?;
            out.push_sql(" ORDER BY ");
            self.time.walk_ast(out.reborrow())?;
            out.push_sql("), ");
        }
        out.push_bind_param::<Nullable<Interval>, _>(&self.silence_limit)?;
        out.push_sql(")");
        Ok(())
    }
}

/// The states that the rows of a continuous aggregate summarize: in which column the series is (such as the sensor),
/// the day and the [`state_summary`]. There may be several rows for a day and series if each is of a time of its own.
///
/// Then ask for [the time in each state](States::daily_time_in_state). The limit of silence is that of the summaries.
pub fn state_summaries<S, B, V>(series: S, bucket: B, summary: V) -> States<S, B, V, ()>
where
    S: Column<SqlType = Text>,
    B: Column<SqlType = Timestamptz, Table = S::Table>,
    V: Column<SqlType = StateSummary, Table = S::Table>,
{
    states_of(series, bucket, summary)
}
