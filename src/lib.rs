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
mod change;
mod changes;
mod error;
mod key_text;
mod micros;
mod new_prediction;
mod new_sensor_event;
mod number;
mod open_set;
mod prediction;
mod retention;
mod same_query;
mod sensor_event;
mod verify;

pub use call::Call;
pub use changes::{PredictionChanges, SensorEventChanges};
pub use error::{AdoptionError, Error, HypertableError, KeyError, ReferenceError, Result};
pub use key_text::InvalidSensorEventKey;
pub use migrations::{MIGRATIONS, revert_migrations, run_migrations};
pub use new_prediction::NewPrediction;
pub use new_sensor_event::NewSensorEvent;
pub use open_set::{ModelType, SensorState, SensorType};
pub use prediction::{Prediction, PredictionOutcome, TransitionType, UnknownTransitionType};
pub use reference::ReferencedEvent;
pub use retention::{DropSensorEventsBefore, RetentionReport, drop_sensor_events_before};
pub use sensor_event::{SensorEvent, SensorEventKey};
pub use verify::{Fault, FaultKind, Verify, verify};
