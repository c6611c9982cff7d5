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
pub mod retry;
#[doc = include_str!("rights.md")]
pub mod rights {}
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;
pub mod timescale;

mod call;
mod error;
mod key_text;
mod micros;
mod open_set;
mod prediction;
mod retention;
mod same_query;
mod sensor_event;
mod verify;

pub use call::Call;
pub use error::{AdoptionError, Error, HypertableError, KeyError, ReferenceError, Result};
pub use key_text::InvalidSensorEventKey;
pub use migrations::{MIGRATIONS, revert_migrations, run_migrations};
pub use open_set::{ModelType, SensorState, SensorType};
pub use prediction::{
    NewPrediction, Prediction, PredictionChanges, PredictionOutcome, TransitionType, UnknownTransitionType,
};
pub use reference::ReferencedEvent;
pub use retention::{DropSensorEventsBefore, RetentionReport, drop_sensor_events_before};
pub use sensor_event::{NewSensorEvent, SensorEvent, SensorEventChanges, SensorEventKey};
pub use verify::{Fault, FaultKind, Verify, verify};
