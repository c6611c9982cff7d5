#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod adopt;
pub mod aggregates;
#[cfg(feature = "async")]
pub mod asynchronous;
pub mod bulk;
pub mod migrations;
pub mod query;
pub mod reference;
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;

mod call;
mod error;
mod key_text;
mod open_set;
mod prediction;
mod retention;
mod same_query;
mod sensor_event;
mod verify;

pub(crate) use diesel_timescale::micros;

#[doc(no_inline)]
pub use diesel_timescale::{self as timescale, Call, transaction};
pub use error::{AdoptionError, Error, KeyError, Result};
pub use key_text::InvalidSensorEventKey;
pub use migrations::{MIGRATIONS, revert_migrations, run_migrations};
pub use open_set::{ModelType, SensorState, SensorType};
pub use prediction::{
    NewPrediction, Prediction, PredictionChanges, PredictionOutcome, TransitionType, UnknownTransitionType,
};
pub use reference::ReferencedEvent;
pub use retention::{
    AddSensorEventsRetention, DropSensorEventsBefore, RemoveSensorEventsRetention, RetentionReport,
    add_sensor_events_retention, drop_sensor_events_before, remove_sensor_events_retention,
};
pub use sensor_event::{NewSensorEvent, SensorEvent, SensorEventChanges, SensorEventKey};
pub use verify::{Fault, FaultKind, Verify, verify};
