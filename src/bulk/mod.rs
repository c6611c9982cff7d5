//! Bulk writes of sensor events and predictions: inserts at the speed of COPY, and upserts that are safe to repeat.
//!
//! | what | for |
//! |---|---|
//! | [`insert_sensor_events`] | first loads, logs that cannot repeat |
//! | [`upsert_sensor_events`] | at-least-once delivery, re-imports: once by sensor and instant |
//! | [`upsert_sensor_events_by_key`] | rows whose [key was reserved](reserve_keys): once by id, also after a lost connection |
//! | [`insert_predictions`] | predictions, with their triggering events |
//! | [`upsert_predictions`] | predictions whose [id was reserved](reserve_prediction_ids) |
//! | [`record_outcomes`] | what came of predictions |
//!
//! The first five are ready calls of the [general layer](crate::timescale::bulk), all of which is here as well: for tables
//! of your own, for rows of your own type, and for `sensor_events` with columns that you have added. Whatever a call of
//! the general layer takes, they take: [batches of any size](Upsert::in_batches) with progress,
//! [columns of the stored rows](Upsert::returning), [what to update](Upsert::update), and
//! [what to do with repeats](OnDuplicate). Rows are checked before anything is sent, and the error lists all invalid
//! ones.

mod keyed;
mod outcomes;
mod predictions;
mod reserve;
mod sensor_events;
mod validate;

#[doc(no_inline)]
pub use diesel_timescale::bulk::*;
pub use keyed::Keyed;
pub use outcomes::{OutcomeReport, record_outcomes};
pub use predictions::{insert_predictions, upsert_predictions};
pub use reserve::{reserve_keys, reserve_prediction_ids};
#[cfg(feature = "async")]
pub use sensor_events::upsert_sensor_events_stream;
pub use sensor_events::{insert_sensor_events, upsert_sensor_events, upsert_sensor_events_by_key};
