//! Statistics of events: by room, by sensor, by hour of the day, by day of the week.

use chrono::{DateTime, Utc};

use super::query_of::QueryOf;
use super::subquery::{Part, Subquery, subquery, subquery_columns};
use crate::models::SensorEvent;

subquery_columns! {
    /// Counts, confidence and range of time of a room's events.
    RoomSummary, room_summaries, room_summary (room_id) {
        /// The room.
        room_id: String => Text,
        /// How many events there are.
        events: i64 => BigInt,
        /// From how many sensors.
        sensors: i64 => BigInt,
        /// The mean of the confidence, where it is known.
        mean_confidence: Option<f64> => Nullable<Double>,
        /// The median of the confidence.
        median_confidence: Option<f64> => Nullable<Double>,
        /// The standard deviation of the confidence, as of a sample; of two events at least.
        stddev_confidence: Option<f64> => Nullable<Double>,
        /// The timestamp of the first event.
        first_event: DateTime<Utc> => Timestamptz,
        /// The timestamp of the last event.
        last_event: DateTime<Utc> => Timestamptz,
        /// How many events a person caused.
        human_triggered: i64 => BigInt,
        /// How many events an automation caused.
        automatic: i64 => BigInt,
    }
}

/// Counts, confidence and range of time of the events of each room, for [any query of events](crate::SensorEvent::in_room).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{self, RoomSummary};
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let today = Utc::now() - TimeDelta::hours(24)..;
/// let summary: RoomSummary = queries::summarize_rooms(SensorEvent::in_room("office", today)).first(conn)?;
/// assert_eq!((summary.events, summary.sensors, summary.human_triggered), (1, 1, 1));
/// # Ok(()) }) }
/// ```
pub fn summarize_rooms<Q: QueryOf<SensorEvent> + Clone>(events: Q) -> Subquery<room_summary::table, Q> {
    let parts = [
        Part::Sql(
            "SELECT room_id, count(*) AS events, count(DISTINCT sensor_id) AS sensors, \
             avg(confidence_score) AS mean_confidence, \
             percentile_cont(0.5) WITHIN GROUP (ORDER BY confidence_score) AS median_confidence, \
             stddev_samp(confidence_score) AS stddev_confidence, \
             min(timestamp) AS first_event, max(timestamp) AS last_event, \
             count(*) FILTER (WHERE is_human_triggered) AS human_triggered, \
             count(*) FILTER (WHERE NOT is_human_triggered) AS automatic FROM (",
        ),
        Part::Rows,
        Part::Sql(") AS events GROUP BY room_id"),
    ];
    subquery(room_summary::table, events, parts)
}

subquery_columns! {
    /// Event and state-change counts of a sensor.
    SensorEfficiency, sensor_efficiencies, sensor_efficiency_row (sensor_id) {
        /// The sensor.
        sensor_id: String => Text,
        /// How many events it has.
        events: i64 => BigInt,
        /// How many of them changed its state.
        state_changes: i64 => BigInt,
        /// The share of them that did, from 0 to 1.
        change_ratio: f64 => Double,
        /// The mean of the confidence, where it is known.
        mean_confidence: Option<f64> => Nullable<Double>,
        /// The mean of the seconds between two events; `None` with fewer than two.
        mean_interval_seconds: Option<f64> => Nullable<Double>,
    }
}

/// Event and state-change counts of each sensor, for [any query of events](crate::SensorEvent::in_room).
///
/// An event changes the state as in [`SensorEvent::state_changes`](crate::SensorEvent::state_changes), where the
/// event before is looked for among the events of the query.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{self, SensorEfficiency, sensor_efficiencies};
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let week = Utc::now() - TimeDelta::days(7)..;
/// let sensors: Vec<SensorEfficiency> = queries::sensor_efficiency(SensorEvent::in_room("office", week))
///     .order(sensor_efficiencies::change_ratio.desc())
///     .load(conn)?;
/// assert_eq!((sensors[0].events, sensors[0].state_changes), (1, 0));
/// # Ok(()) }) }
/// ```
pub fn sensor_efficiency<Q: QueryOf<SensorEvent> + Clone>(events: Q) -> Subquery<sensor_efficiency_row::table, Q> {
    let parts = [
        Part::Sql(
            "SELECT sensor_id, count(*) AS events, count(*) FILTER (WHERE state <> state_before) AS state_changes, \
             CAST(count(*) FILTER (WHERE state <> state_before) AS DOUBLE PRECISION) / count(*) AS change_ratio, \
             avg(confidence_score) AS mean_confidence, \
             CAST(extract(EPOCH FROM max(timestamp) - min(timestamp)) / nullif(count(*) - 1, 0) AS DOUBLE PRECISION) \
             AS mean_interval_seconds \
             FROM (SELECT sensor_id, timestamp, state, confidence_score, coalesce(previous_state, \
             lag(state) OVER (PARTITION BY sensor_id ORDER BY timestamp)) AS state_before FROM (",
        ),
        Part::Rows,
        Part::Sql(") AS events) AS events GROUP BY sensor_id"),
    ];
    subquery(sensor_efficiency_row::table, events, parts)
}

subquery_columns! {
    /// The events of one hour of the day, or one day of the week.
    TemporalPattern, temporal_patterns, temporal_pattern (part) {
        /// The hour of the day, from 0 to 23; or the day of the week, from 1 (Monday) to 7 (Sunday).
        part: i32 => Integer,
        /// How many events there are.
        events: i64 => BigInt,
        /// From how many sensors.
        sensors: i64 => BigInt,
        /// How many events a person caused.
        human_triggered: i64 => BigInt,
        /// The mean of the confidence, where it is known.
        mean_confidence: Option<f64> => Nullable<Double>,
    }
}

/// Events by hour of the day in a time zone (such as `Europe/Berlin` or `UTC`), for
/// [any query of events](crate::SensorEvent::in_room). Hours without events are left out.
///
/// # Errors
/// PostgreSQL refuses a time zone that it does not know.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{self, TemporalPattern, temporal_patterns};
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let month = Utc::now() - TimeDelta::days(30)..;
/// let hours: Vec<TemporalPattern> = queries::by_hour_of_day(SensorEvent::in_room("office", month), "Europe/Berlin")
///     .order(temporal_patterns::part)
///     .load(conn)?;
/// assert_eq!(hours.len(), 1);
/// # Ok(()) }) }
/// ```
pub fn by_hour_of_day<Q: QueryOf<SensorEvent> + Clone>(
    events: Q,
    time_zone: impl Into<String>,
) -> Subquery<temporal_pattern::table, Q> {
    pattern(events, "HOUR", time_zone.into())
}

/// Events by day of the week, from 1 (Monday) to 7 (Sunday), in a time zone; see [`by_hour_of_day`].
///
/// # Errors
/// PostgreSQL refuses a time zone that it does not know.
pub fn by_day_of_week<Q: QueryOf<SensorEvent> + Clone>(
    events: Q,
    time_zone: impl Into<String>,
) -> Subquery<temporal_pattern::table, Q> {
    pattern(events, "ISODOW", time_zone.into())
}

fn pattern<Q>(events: Q, field: &'static str, time_zone: String) -> Subquery<temporal_pattern::table, Q> {
    // The expression is in a subquery, because the bind would be another one in GROUP BY.
    let parts = [
        Part::Sql(
            "SELECT part, count(*) AS events, count(DISTINCT sensor_id) AS sensors, \
             count(*) FILTER (WHERE is_human_triggered) AS human_triggered, \
             avg(confidence_score) AS mean_confidence \
             FROM (SELECT sensor_id, is_human_triggered, confidence_score, CAST(extract(",
        ),
        Part::Sql(field),
        Part::Sql(" FROM timestamp AT TIME ZONE "),
        Part::Text(time_zone),
        Part::Sql(") AS INTEGER) AS part FROM ("),
        Part::Rows,
        Part::Sql(") AS events) AS events GROUP BY part"),
    ];
    subquery(temporal_pattern::table, events, parts)
}
