//! Daily aggregates: the states and the numbers of each sensor.

use chrono::TimeDelta;
use diesel::dsl::{avg, count, max, min};
use diesel::prelude::*;

use crate::models::SensorEvent;
use crate::schema::sensor_events;
use crate::timescale::states::{States, state_summaries, state_summary};
use crate::timescale::{AggregateQuery, ContinuousAggregate, bucketed, continuous_aggregate, continuous_aggregate_of};

diesel::table! {
    use diesel::sql_types::*;
    use diesel_timescale::states::StateSummary;

    /// The states of a sensor in a day.
    daily_states (bucket, sensor_id, room_id, sensor_type) {
        /// The start of the day.
        bucket -> Timestamptz,
        /// The sensor.
        sensor_id -> Text,
        /// The room that it was in.
        room_id -> Text,
        /// What it measures.
        sensor_type -> Text,
        /// Its states.
        summary -> StateSummary,
    }
}

diesel::table! {
    /// The numbers of a sensor in a day.
    daily_statistics (bucket, sensor_id) {
        /// The start of the day, midnight UTC.
        bucket -> Timestamptz,
        /// The sensor.
        sensor_id -> Text,
        /// How many numbers it reported.
        readings -> Int8,
        /// Their mean.
        mean -> Nullable<Float8>,
        /// The smallest.
        minimum -> Nullable<Float8>,
        /// The largest.
        maximum -> Nullable<Float8>,
    }
}

crate::allow_in_same_query!(@schema daily_states);
crate::allow_in_same_query!(@schema daily_statistics);

/// Describes [`daily_states`](mod@daily_states): the states of each sensor by day of a time zone, from which
/// [`SensorEvent::daily_states`] reads the time in each state.
///
/// A state holds for `silence_limit` at most; with `None` until the next event.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::rollups;
/// use occupancy_models::timescale::states::{Calendar, TimeInState, times_in_state};
/// use occupancy_models::timescale::{Feature, Server, refresh};
///
/// # fn main() { run(|conn| {
/// # let (from, to) = (Utc::now() - TimeDelta::days(60), an_event(conn).timestamp + TimeDelta::seconds(1));
/// rollups::daily_states("Europe/Berlin", None).allow_plain_view().create().call(conn)?;
/// if Server::query().call(conn)?.has(Feature::ContinuousAggregates) {
///     refresh(rollups::daily_states::bucket, ..).call(conn)?;
/// }
/// let months: Vec<TimeInState> = SensorEvent::daily_states()
///     .filter(rollups::daily_states::room_id.eq("office"))
///     .daily_time_in_state(from..to, Calendar::months("Europe/Berlin"))
///     .filter(times_in_state::state.eq("on"))
///     .load(conn)?;
/// assert_eq!(months[0].series, "office.motion");
/// # occupancy_models::timescale::drop_continuous_aggregate("daily_states").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn daily_states(time_zone: impl Into<String>, silence_limit: Option<TimeDelta>) -> AggregateQuery {
    use sensor_events::{room_id, sensor_id, sensor_type, state, timestamp};

    let days = bucketed(TimeDelta::days(1), timestamp).in_time_zone(time_zone).by((sensor_id, room_id, sensor_type));
    let summary = state_summary(timestamp, state, silence_limit);
    continuous_aggregate_of(daily_states::table, sensor_events::table.group_by(days.clone()).select(days.row(summary)))
}

/// Describes [`daily_statistics`](mod@daily_statistics): the numbers of each sensor by day.
///
/// [`SensorEvent::chart`] reads it, and [`hourly_statistics`](crate::rollups::hourly_statistics()).
pub fn daily_statistics() -> ContinuousAggregate<sensor_events::timestamp> {
    use sensor_events::{numeric_value, sensor_id, timestamp};

    continuous_aggregate("daily_statistics", TimeDelta::days(1), timestamp)
        .by(sensor_id)
        .aggregate("readings", count(numeric_value))
        .aggregate("mean", avg(numeric_value))
        .aggregate("minimum", min(numeric_value))
        .aggregate("maximum", max(numeric_value))
}

impl SensorEvent {
    /// The states of sensors by day, from the view [`daily_states`](mod@crate::rollups::daily_states): choose the
    /// sensors by [`named`](States::named) or the rows by [`filter`](States::filter), then ask for the [time in each
    /// state](States::daily_time_in_state). The numbers are those of [`SensorEvent::states`].
    ///
    /// For an example see [`rollups::daily_states`](crate::rollups::daily_states()).
    pub fn daily_states() -> States<daily_states::sensor_id, daily_states::bucket, daily_states::summary, ()> {
        state_summaries(daily_states::sensor_id, daily_states::bucket, daily_states::summary)
    }
}
