//! Reading: queries as values, which take any further clause of Diesel's and run on sync and async connections alike.
//!
//! | what | how |
//! |---|---|
//! | a room's events in a range of time | [`SensorEvent::timeline`] |
//! | the next page of them | [`older_than`], [`newer_than`] a key |
//! | a room's events, a sensor's, all: to build on | [`SensorEvent::in_room`], [`SensorEvent::of_sensor`], [`SensorEvent::within`] |
//! | state changes, and sequences of them | [`SensorEvent::state_changes`], [`state_changes`], [`sequences`] |
//! | the last event of each sensor | [`SensorEvent::last_per_sensor`] |
//! | the last event of given sensors, now or at an instant | [`SensorEvent::last_of`] |
//! | a sensor's numbers | [`SensorEvent::series`] |
//! | counts and confidence of a room, of a sensor | [`summarize_rooms`], [`sensor_efficiency`] |
//! | events by hour of the day, by day of the week | [`by_hour_of_day`], [`by_day_of_week`] |
//! | an event by its key | `SensorEvent::query().find(…)` |
//! | many events by key | [`SensorEvent::by_keys`], in order: [`SensorEvent::lookup`] |
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
//! [`SensorEvent::last_per_sensor`]: crate::SensorEvent::last_per_sensor
//! [`SensorEvent::last_of`]: crate::SensorEvent::last_of
//! [`SensorEvent::series`]: crate::SensorEvent::series
//! [`SensorEvent::by_keys`]: crate::SensorEvent::by_keys
//! [`SensorEvent::lookup`]: crate::SensorEvent::lookup
//! [`SensorEvent::by_id`]: crate::SensorEvent::by_id
//! [`SensorEvent::group_predictions`]: crate::SensorEvent::group_predictions
//! [`Prediction::in_room`]: crate::Prediction::in_room
//! [`Prediction::pending`]: crate::Prediction::pending
//! [`Prediction::triggering_events`]: crate::Prediction::triggering_events
//! [`Prediction::triggered_by`]: crate::Prediction::triggered_by

mod across;
mod aggregates;
mod derived;
mod events;
mod keys;
mod last;
mod page;
mod predictions;
mod range;
mod transitions;

pub use across::{PredictionsQuery, TriggeredBy, TriggeringEvents, WithEvents, with_events};
pub use aggregates::{
    Efficiency, Pattern, RoomSummary, SensorEfficiency, SummarizeRooms, TemporalPattern, by_day_of_week,
    by_hour_of_day, room_summaries, sensor_efficiencies, sensor_efficiency, summarize_rooms, temporal_patterns,
};
pub use derived::{Derived, DerivedQuery};
pub use events::{EventsInRoom, EventsOfSensor, EventsQuery, EventsWithin, LastPerSensor, SensorEventQuery, Series};
pub use keys::{ById, EventById, EventsByKeys, IdIn, Lookup};
pub use last::LastOf;
pub use page::{NewerThan, NewestFirst, OlderThan, OldestFirst, newer_than, newest_first, older_than, oldest_first};
pub use predictions::{
    Accuracy, ModelAccuracy, PendingPredictions, PredictionsInRoom, PredictionsWithin, accuracy, model_accuracies,
};
pub use range::{Within, within};
pub use transitions::{
    Changes, DEFAULT_GAP, DEFAULT_MIN_LENGTH, Sequences, StateChanges, StateChangesOf, TransitionSequence, sequences,
    state_changes, transition_sequences,
};
