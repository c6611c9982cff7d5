#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]

pub mod adopt;
pub mod aggregates;
#[cfg(feature = "async")]
pub mod asynchronous;
pub mod bulk;
pub mod migrations;
pub mod prelude;
pub mod query;
pub mod reference;
#[doc = include_str!("rights.md")]
pub mod rights {}
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;

#[cfg(all(feature = "testing", any(feature = "sync", feature = "async")))]
pub mod testing;

mod call;
mod change;
mod changes;
mod error;
mod key_text;
mod new_prediction;
mod new_sensor_event;
mod number;
mod open_set;
mod prediction;
mod retention;
mod same_query;
mod sensor_event;
mod verify;

pub(crate) use diesel_timescale::micros;

pub use changes::{PredictionChanges, SensorEventChanges};
#[doc(no_inline)]
pub use diesel_timescale::{self as timescale, Call, transaction};
pub use error::{AdoptionError, Error, KeyError, Result};
pub use key_text::InvalidSensorEventKey;
pub use migrations::{MIGRATIONS, revert_migrations, run_migrations};
pub use new_prediction::NewPrediction;
pub use new_sensor_event::NewSensorEvent;
pub use open_set::{ModelType, SensorState, SensorType};
pub use prediction::{Prediction, PredictionOutcome, TransitionType, UnknownTransitionType};
pub use reference::ReferencedEvent;
pub use retention::{
    DropSensorEventsBefore, RetentionReport, add_sensor_events_retention, drop_sensor_events_before,
    remove_sensor_events_retention,
};
pub use sensor_event::{SensorEvent, SensorEventKey};
pub use verify::{Fault, FaultKind, Verify, verify};

/// What both preludes have.
mod models_prelude {
    pub use crate::changes::{PredictionChanges, SensorEventChanges};
    pub use crate::new_prediction::NewPrediction;
    pub use crate::new_sensor_event::NewSensorEvent;
    pub use crate::open_set::{ModelType, SensorState, SensorType};
    pub use crate::prediction::{Prediction, PredictionOutcome, TransitionType};
    pub use crate::schema::{predictions, referenced_events, sensor_events};
    pub use crate::sensor_event::{SensorEvent, SensorEventKey};
    pub use crate::verify::verify;
}
