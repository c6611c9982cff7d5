//! Bulk writes: inserts at the speed of COPY, and upserts that are safe to repeat.
//!
//! | what | for | how |
//! |---|---|---|
//! | [`insert_events`] | first loads, logs that cannot repeat | binary COPY; sync only |
//! | [`upsert_events`] | at-least-once delivery, re-imports: once by sensor and instant | one statement |
//! | [`upsert_events_by_key`] | rows whose [key was reserved](reserve_keys): once by id, also after a lost connection | one statement |
//! | [`insert_predictions`] | predictions, with their triggering events | one statement |
//! | [`upsert_predictions`] | predictions whose [id was reserved](reserve_prediction_ids) | one statement |
//! | [`record_outcomes`] | what came of predictions | one statement |
//!
//! An upsert passes each column of a batch as one array, so its SQL is the same for any number of rows: it is
//! prepared once, and no limit on parameters applies. Batches of about 5,000 rows do well; [`Batches`] makes them of
//! any iterator. Rows are checked before anything is sent; each call is atomic.
//!
//! Upserts write rows in one order, whatever order they come in, so that calls with the same rows wait for each other and
//! do not deadlock.
//!
//! All but COPY are query values that sync Diesel and diesel-async both run.

mod batches;
mod check;
#[cfg(feature = "sync")]
mod insert;
mod outcome;
mod prediction;
mod repeats;
mod reserve;
mod upsert;
mod upsert_by_key;

pub use batches::{BatchError, Batches};
pub use check::{InvalidRow, Problem};
#[cfg(feature = "sync")]
pub use insert::{InsertEvents, insert_events};
pub use outcome::{OutcomeReport, RecordOutcomes, record_outcomes};
pub use prediction::{InsertPredictions, KeyedPrediction, UpsertPredictions, insert_predictions, upsert_predictions};
pub use repeats::Repeats;
pub use reserve::{ReserveKeys, ReservePredictionIds, reserve_keys, reserve_prediction_ids};
pub use upsert::{UpsertEvents, UpsertReport, upsert_events};
pub use upsert_by_key::{KeyedSensorEvent, UpsertEventsByKey, upsert_events_by_key};
