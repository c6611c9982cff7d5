//! Functions of the extension `timescaledb_toolkit`: [`Feature::Toolkit`](crate::Feature::Toolkit).
//!
//! **Not run by this crate's tests**: no server that they run on has the extension. They are declared as its
//! documentation has them, from 1.18 on, and a test compares their SQL.
//!
//! Work goes in two steps, as there: an aggregate gives a [`Summary`], and an accessor reads a value from it. The kind
//! of the summary is part of its type, so that an accessor of another kind does not compile.
//!
//! ```no_run
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use diesel::pg::data_types::PgInterval;
//! use diesel_timescale::toolkit::{duration_in, state_agg};
//!
//! # fn main() { run(|conn| {
//! let on: Option<PgInterval> = readings::table
//!     .filter(readings::sensor.eq("office.motion"))
//!     .select(duration_in(state_agg(readings::time, readings::state), "on"))
//!     .get_result(conn)?;
//! # let _ = on;
//! # Ok(()) }) }
//! ```

use diesel::expression::functions::declare_sql_function;
use diesel::query_builder::QueryId;
use diesel::sql_types::{Double, Integer, Interval, Nullable, SingleValue, SqlType, Text, Timestamptz, is_nullable};

/// What an aggregate of the Toolkit gives, to be read by its accessors; `KIND` is the first letter of the aggregate.
///
/// It is an SQL type, and is not loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary<const KIND: char>;

impl<const KIND: char> SqlType for Summary<KIND> {
    type IsNull = is_nullable::NotNull;
}

impl<const KIND: char> SingleValue for Summary<KIND> {}

impl<const KIND: char> QueryId for Summary<KIND> {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

#[declare_sql_function]
extern "SQL" {
    /// How long something was in each state, from the instants at which it changed.
    #[aggregate]
    fn state_agg(time: Timestamptz, state: Text) -> Nullable<Summary<'s'>>;

    /// How long it was in a state.
    fn duration_in(states: Nullable<Summary<'s'>>, state: Text) -> Nullable<Interval>;

    /// The state that it was in at an instant.
    fn state_at(states: Nullable<Summary<'s'>>, at: Timestamptz) -> Nullable<Text>;

    /// When a system was alive, from its heartbeats: it is taken to be so for some time after each. The range that is
    /// looked at begins at an instant and lasts for an interval.
    #[aggregate]
    fn heartbeat_agg(
        heartbeat: Timestamptz,
        begin: Timestamptz,
        duration: Interval,
        liveness: Interval,
    ) -> Nullable<Summary<'h'>>;

    /// How long it was alive.
    fn uptime(heartbeats: Nullable<Summary<'h'>>) -> Nullable<Interval>;

    /// How long it was not.
    fn downtime(heartbeats: Nullable<Summary<'h'>>) -> Nullable<Interval>;

    /// How many times it was not.
    fn num_gaps(heartbeats: Nullable<Summary<'h'>>) -> Nullable<BigInt>;

    /// Whether it was alive at an instant.
    fn live_at(heartbeats: Nullable<Summary<'h'>>, at: Timestamptz) -> Nullable<Bool>;

    /// The statistics of one variable.
    #[aggregate]
    fn stats_agg(value: Nullable<Double>) -> Nullable<Summary<'1'>>;

    /// The statistics of two variables: how `y` goes with `x`.
    #[aggregate]
    #[sql_name = "stats_agg"]
    fn stats_agg_2d(y: Nullable<Double>, x: Nullable<Double>) -> Nullable<Summary<'2'>>;

    /// The mean.
    fn average(stats: Nullable<Summary<'1'>>) -> Nullable<Double>;

    /// The standard deviation of the sample.
    fn stddev(stats: Nullable<Summary<'1'>>) -> Nullable<Double>;

    /// The variance of the sample.
    fn variance(stats: Nullable<Summary<'1'>>) -> Nullable<Double>;

    /// The skewness of the sample.
    fn skewness(stats: Nullable<Summary<'1'>>) -> Nullable<Double>;

    /// The kurtosis of the sample.
    fn kurtosis(stats: Nullable<Summary<'1'>>) -> Nullable<Double>;

    /// How many values there were.
    fn num_vals(stats: Nullable<Summary<'1'>>) -> Nullable<BigInt>;

    /// The slope of the line that fits best.
    fn slope(stats: Nullable<Summary<'2'>>) -> Nullable<Double>;

    /// Where that line is for `x = 0`.
    fn intercept(stats: Nullable<Summary<'2'>>) -> Nullable<Double>;

    /// The correlation.
    fn corr(stats: Nullable<Summary<'2'>>) -> Nullable<Double>;

    /// The distribution of values, within a relative error.
    #[aggregate]
    fn percentile_agg(value: Nullable<Double>) -> Nullable<Summary<'p'>>;

    /// About the value at a percentile, which is from 0 to 1.
    fn approx_percentile(percentile: Double, distribution: Nullable<Summary<'p'>>) -> Nullable<Double>;

    /// About the percentile of a value.
    fn approx_percentile_rank(value: Double, distribution: Nullable<Summary<'p'>>) -> Nullable<Double>;

    /// A counter that only grows, but for when it starts again from zero.
    #[aggregate]
    fn counter_agg(time: Timestamptz, value: Nullable<Double>) -> Nullable<Summary<'c'>>;

    /// By how much it grew.
    fn delta(counter: Nullable<Summary<'c'>>) -> Nullable<Double>;

    /// By how much it grew in a second.
    fn rate(counter: Nullable<Summary<'c'>>) -> Nullable<Double>;

    /// How often it started again.
    fn num_resets(counter: Nullable<Summary<'c'>>) -> Nullable<BigInt>;

    /// Values weighted by how long they held. The method is `LOCF`, for values that hold until the next, or `Linear`.
    #[aggregate]
    fn time_weight(method: Text, time: Timestamptz, value: Nullable<Double>) -> Nullable<Summary<'t'>>;

    /// The mean over time.
    #[sql_name = "average"]
    fn time_average(weighted: Nullable<Summary<'t'>>) -> Nullable<Double>;

    /// The integral over time, in a unit such as `hours`.
    fn integral(weighted: Nullable<Summary<'t'>>, unit: Text) -> Nullable<Double>;

    /// Of many points, about as many as asked for that look the same when drawn (largest triangle three buckets).
    #[aggregate]
    fn lttb(time: Timestamptz, value: Nullable<Double>, resolution: Integer) -> Nullable<Summary<'l'>>;

    /// The points of such a series, one a row: the query gives as many rows.
    #[sql_name = "unnest"]
    fn lttb_points(series: Nullable<Summary<'l'>>) -> diesel::pg::sql_types::Record<(Timestamptz, Double)>;
}
