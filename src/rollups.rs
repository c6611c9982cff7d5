//! Ready aggregates of events and predictions: views that one call creates.
//!
//! | view | one row for each | set-up |
//! |---|---|---|
//! | [`hourly_activity`](mod@hourly_activity) | hour, room and type of sensor | [`hourly_activity()`](fn@hourly_activity) |
//! | [`hourly_statistics`](mod@hourly_statistics) | hour and sensor | [`hourly_statistics()`](fn@hourly_statistics) |
//! | [`daily_statistics`](mod@daily_statistics) | day and sensor | [`daily_statistics()`](fn@daily_statistics) |
//! | [`daily_states`](mod@daily_states) | day of a time zone and sensor | [`daily_states()`](fn@daily_states) |
//! | [`daily_prediction_accuracy`] | day, room and kind of model | none: a plain view that the migrations make |
//!
//! All but the last are continuous aggregates where the server has them, and plain views of the same columns where it has
//! not.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use occupancy_models::rollups::{self, HourlyActivity, hourly_activity};
//! use occupancy_models::timescale::{Feature, Server, refresh};
//!
//! # fn main() { run(|conn| {
//! # an_event(conn);
//! let server = Server::query().call(conn)?;
//! rollups::hourly_activity().allow_plain_view().create().call(conn)?;
//! if server.has(Feature::ContinuousAggregates) {
//!     refresh(hourly_activity::bucket, ..).call(conn)?;
//! }
//! let busiest: HourlyActivity = HourlyActivity::query().order(hourly_activity::events.desc()).first(conn)?;
//! assert_eq!((&*busiest.room_id, busiest.events), ("office", 1));
//! # occupancy_models::timescale::drop_continuous_aggregate("hourly_activity").call(conn)?;
//! # Ok(()) }) }
//! ```

mod daily;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{avg, count, count_star, max, min};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::models::{ModelType, SensorType};
use crate::schema::sensor_events;
use crate::timescale::{ContinuousAggregate, continuous_aggregate};

diesel::table! {
    /// The activity in an hour, by room and type of sensor.
    hourly_activity (bucket, room_id, sensor_type) {
        /// The start of the hour.
        bucket -> Timestamptz,
        /// The room.
        room_id -> Text,
        /// What the sensors measure.
        sensor_type -> Text,
        /// How many events there were.
        events -> Int8,
        /// How many of them had another state than the one recorded before them.
        state_changes -> Int8,
        /// How many of them a person caused.
        human_triggered -> Int8,
    }
}

diesel::table! {
    /// The numbers of a sensor in an hour.
    hourly_statistics (bucket, sensor_id) {
        /// The start of the hour.
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
        /// Their standard deviation, as of a sample; null for fewer than two.
        standard_deviation -> Nullable<Float8>,
    }
}

diesel::table! {
    /// How accurate the predictions of a day were, by room and kind of model.
    daily_prediction_accuracy (bucket, room_id, model_type) {
        /// The day, from midnight UTC, that the predictions were made on.
        bucket -> Timestamptz,
        /// The room.
        room_id -> Text,
        /// The kind of model.
        model_type -> Text,
        /// How many predictions were made.
        predictions -> Int8,
        /// How many of them are validated.
        validated -> Int8,
        /// How many of them were accurate.
        accurate -> Int8,
        /// The mean of the minutes between predicted and actual transition; null where none took place.
        mean_error_minutes -> Nullable<Float8>,
        /// The root of the mean of the squares of those minutes.
        rmse_minutes -> Nullable<Float8>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(hourly_activity, hourly_statistics, daily_prediction_accuracy);
crate::allow_in_same_query!(@schema hourly_activity);
crate::allow_in_same_query!(@schema hourly_statistics);
crate::allow_in_same_query!(@schema daily_prediction_accuracy);

/// Functions of PostgreSQL that Diesel does not have.
mod functions {
    use diesel::expression::functions::declare_sql_function;
    use diesel::sql_types::{Double, Nullable};

    #[declare_sql_function]
    extern "SQL" {
        /// The standard deviation of a sample; null for fewer than two values.
        #[aggregate]
        fn stddev_samp(value: Nullable<Double>) -> Nullable<Double>;
    }
}
use functions::stddev_samp;

pub use self::daily::{daily_states, daily_statistics};

/// The activity in an hour, by room and type of sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery)]
#[diesel(table_name = hourly_activity, check_for_backend(Pg))]
pub struct HourlyActivity {
    /// The start of the hour.
    pub bucket: DateTime<Utc>,
    /// The room.
    pub room_id: String,
    /// What the sensors measure.
    pub sensor_type: SensorType<'static>,
    /// How many events there were.
    pub events: i64,
    /// How many of them had another state than the one recorded before them.
    pub state_changes: i64,
    /// How many of them a person caused.
    pub human_triggered: i64,
}

/// The numbers of a sensor in an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery)]
#[diesel(table_name = hourly_statistics, check_for_backend(Pg))]
pub struct HourlyStatistics {
    /// The start of the hour.
    pub bucket: DateTime<Utc>,
    /// The sensor.
    pub sensor_id: String,
    /// How many numbers it reported.
    pub readings: i64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The smallest.
    pub minimum: Option<f64>,
    /// The largest.
    pub maximum: Option<f64>,
    /// Their standard deviation, as of a sample; `None` for fewer than two.
    pub standard_deviation: Option<f64>,
}

/// How accurate the predictions of a day were, by room and kind of model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery)]
#[diesel(table_name = daily_prediction_accuracy, check_for_backend(Pg))]
pub struct DailyPredictionAccuracy {
    /// The day, from midnight UTC, that the predictions were made on.
    pub bucket: DateTime<Utc>,
    /// The room.
    pub room_id: String,
    /// The kind of model.
    pub model_type: ModelType<'static>,
    /// How many predictions were made.
    pub predictions: i64,
    /// How many of them are validated.
    pub validated: i64,
    /// How many of them were accurate.
    pub accurate: i64,
    /// The mean of the minutes between predicted and actual transition; `None` where none took place.
    pub mean_error_minutes: Option<f64>,
    /// The root of the mean of the squares of those minutes.
    pub rmse_minutes: Option<f64>,
}

/// Describes [`hourly_activity`](mod@hourly_activity): events, state changes and what people caused, by hour, room and
/// type of sensor. For an example see [the module](self).
pub fn hourly_activity() -> ContinuousAggregate<sensor_events::timestamp> {
    use sensor_events::{id, is_human_triggered, previous_state, room_id, sensor_type, state, timestamp};

    continuous_aggregate("hourly_activity", TimeDelta::hours(1), timestamp)
        .by(room_id)
        .by(sensor_type)
        .aggregate("events", count_star())
        .aggregate("state_changes", count(id).aggregate_filter(state.nullable().ne(previous_state).assume_not_null()))
        .aggregate("human_triggered", count(id).aggregate_filter(is_human_triggered))
}

/// Describes [`hourly_statistics`](mod@hourly_statistics): the numbers of each sensor by hour.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::rollups::{HourlyStatistics, hourly_statistics};
/// use occupancy_models::timescale::Server;
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// hourly_statistics().allow_plain_view().create().call(conn)?;
/// assert!(HourlyStatistics::query().load(conn)?.is_empty());
/// # occupancy_models::timescale::drop_continuous_aggregate("hourly_statistics").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn hourly_statistics() -> ContinuousAggregate<sensor_events::timestamp> {
    use sensor_events::{numeric_value, sensor_id, timestamp};

    continuous_aggregate("hourly_statistics", TimeDelta::hours(1), timestamp)
        .by(sensor_id)
        .aggregate("readings", count(numeric_value))
        .aggregate("mean", avg(numeric_value))
        .aggregate("minimum", min(numeric_value))
        .aggregate("maximum", max(numeric_value))
        .aggregate("standard_deviation", stddev_samp(numeric_value))
}
