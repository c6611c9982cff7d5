#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, unreachable_pub)]

pub mod analysis;
#[cfg(feature = "async")]
pub mod asynchronous;
#[doc = include_str!("beyond_one_machine.md")]
pub mod beyond_one_machine {}
pub mod bulk;
#[doc = include_str!("extending.md")]
pub mod extending {}
#[cfg(any(feature = "arrow", feature = "csv"))]
pub mod export;
pub mod legacy_import;
pub mod migrations;
pub mod prelude;
pub mod queries;
pub mod references;
#[doc = include_str!("rights.md")]
pub mod rights {}
pub mod rollups;
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;

#[doc = include_str!("tenants.md")]
pub mod tenants {}
#[cfg(all(feature = "testing", any(feature = "sync", feature = "async")))]
pub mod testing;

mod allow_in_same_query;
mod call;
mod error;
mod models;
mod retention;
mod setup;
mod verify;

pub(crate) use diesel_timescale::microseconds;

#[doc(no_inline)]
pub use diesel_timescale::{self as timescale, Call, transaction};
pub use error::Error;
pub use migrations::{revert_migrations, run_migrations};
pub use models::{
    ModelType, NewPrediction, NewSensorEvent, Prediction, PredictionChanges, ReferencedEvent, SensorEvent,
    SensorEventChanges, SensorEventKey, SensorState, SensorType, TransitionType,
};
pub use retention::{add_sensor_events_retention, drop_sensor_events_before, remove_sensor_events_retention};
pub use verify::{Verify, Violation, ViolationKind, verify};

/// What both preludes have.
mod models_prelude {
    pub use crate::models::{
        ModelType, NewPrediction, NewSensorEvent, Prediction, PredictionChanges, SensorEvent, SensorEventChanges,
        SensorEventKey, SensorState, SensorType, TransitionType,
    };
    pub use crate::schema::{predictions, referenced_events, sensor_events};
    pub use crate::verify::verify;
}
