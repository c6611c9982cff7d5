//! Queries: values that take any further clause of Diesel, and run on sync and async connections.
//!
//! | what | how |
//! |---|---|
//! | a room's events in a range of time | [`SensorEvent::timeline`] |
//! | the next page of them | [`before`], [`after`] a key |
//! | a room's events, a sensor's, all: to build on | [`SensorEvent::in_room`], [`SensorEvent::of_sensor`], [`SensorEvent::within`] |
//! | state changes, and sequences of them | [`SensorEvent::state_changes`], [`state_changes`], [`sequences`] |
//! | the last event of each sensor | [`SensorEvent::latest_per_sensor`] |
//! | the last event of given sensors, now or at an instant | [`SensorEvent::latest_for_sensors`] |
//! | a sensor's numbers | [`SensorEvent::series`] |
//! | counts and confidence of a room, of a sensor | [`summarize_rooms`], [`sensor_efficiency`] |
//! | events by hour of the day, by day of the week | [`by_hour_of_day`], [`by_day_of_week`] |
//! | an event by its key | `SensorEvent::query().find(…)` |
//! | many events by key | [`SensorEvent::by_keys`], in order: [`SensorEvent::find_in_order`] |
//! | an event by its bare id | [`SensorEvent::by_id`] |
//! | a room's predictions, those that wait for validation | [`Prediction::in_room`], [`Prediction::pending`] |
//! | predictions with their events | [`with_events`], [`Prediction::triggering_events`] |
//! | events with their predictions | [`Prediction::triggered_by`], [`SensorEvent::group_predictions`] |
//! | accuracy of models | [`accuracy`] |
//!
//! Every query takes the range of time that it is about, as a Rust range (`from..to`, `from..`). Say both ends where
//! you know them: TimescaleDB plans only the chunks in between. PostgreSQL, though, weighs at the sixth run of a
//! prepared statement whether one plan for all values would do, and for that plans every chunk once: 0.2 to 0.3 s with
//! 730 chunks, for each statement and connection. `SET plan_cache_mode = force_custom_plan`, on each connection or with
//! `ALTER ROLE … SET`, spares that; this crate's writes keep their own setting. Outcomes are recorded by
//! [`bulk::record_outcomes`](crate::bulk::record_outcomes).
//!
//! [`SensorEvent::timeline`]: crate::SensorEvent::timeline
//! [`SensorEvent::in_room`]: crate::SensorEvent::in_room
//! [`SensorEvent::of_sensor`]: crate::SensorEvent::of_sensor
//! [`SensorEvent::within`]: crate::SensorEvent::within
//! [`SensorEvent::state_changes`]: crate::SensorEvent::state_changes
//! [`SensorEvent::latest_per_sensor`]: crate::SensorEvent::latest_per_sensor
//! [`SensorEvent::latest_for_sensors`]: crate::SensorEvent::latest_for_sensors
//! [`SensorEvent::series`]: crate::SensorEvent::series
//! [`SensorEvent::by_keys`]: crate::SensorEvent::by_keys
//! [`SensorEvent::find_in_order`]: crate::SensorEvent::find_in_order
//! [`SensorEvent::by_id`]: crate::SensorEvent::by_id
//! [`SensorEvent::group_predictions`]: crate::SensorEvent::group_predictions
//! [`Prediction::in_room`]: crate::Prediction::in_room
//! [`Prediction::pending`]: crate::Prediction::pending
//! [`Prediction::triggering_events`]: crate::Prediction::triggering_events
//! [`Prediction::triggered_by`]: crate::Prediction::triggered_by

mod condition;
mod events;
mod fixed_query;
mod joins;
mod keys;
mod latest;
mod pagination;
mod predictions;
mod query_of;
mod state_changes;
mod statistics;
mod subquery;
mod time_range;

pub use condition::Condition;
pub use fixed_query::FixedQuery;
#[cfg(feature = "arrow")]
pub(crate) use joins::with_event_keys;
pub use joins::with_events;
pub use pagination::{after, before, newest_first, oldest_first};
pub use predictions::{ModelAccuracy, accuracy, model_accuracies};
pub use query_of::QueryOf;
pub use state_changes::{
    DEFAULT_GAP, DEFAULT_MIN_LENGTH, TransitionSequence, sequences, state_changes, transition_sequences,
};
pub use statistics::{
    RoomSummary, SensorEfficiency, TemporalPattern, by_day_of_week, by_hour_of_day, room_summaries,
    sensor_efficiencies, sensor_efficiency, summarize_rooms, temporal_patterns,
};
pub use subquery::Subquery;
pub use time_range::within;
