//! Events, predictions and feature matrices for other programs, and events and predictions from files, in bounded
//! memory.
//!
//! | what | how | feature |
//! |---|---|---|
//! | events, predictions as record batches of Arrow or as Parquet | [`sensor_events`], [`predictions`] | `arrow` |
//! | a feature matrix as record batches | [`feature_schema`], [`feature_batch`] | `arrow` |
//! | events, predictions from Parquet | [`sensor_events_from_parquet`], [`predictions_from_parquet`] | `arrow` |
//! | events, predictions as CSV | [`sensor_events_to_csv`], [`predictions_to_csv`] | `csv` |
//! | events, predictions from CSV | [`sensor_events_from_csv`], [`predictions_from_csv`] | `csv` |
//! | store events that were read | [`import_sensor_events`], or a [`Writer`](crate::bulk::Writer) | |
//! | store predictions that were read | [`import_predictions`], [`import_predictions_allowing_missing_events`] | |
//!
//! Instants are microseconds of UTC. In Arrow and Parquet, ids, types and states are encoded as dictionaries, and JSON
//! is text; Parquet is compressed by Snappy. (A file that others have compressed otherwise can be read after turning on
//! the feature for it of the crate `parquet`, such as `zstd`.) In CSV, instants are as in RFC 3339, and an empty field
//! is no value; the first line has the names of the columns.
//!
//! What is read gets its ids from the database that it is stored in: `id` and `created_at` of a file are not stored. An
//! event goes by its sensor and timestamp. So does the triggering event of a prediction, by the columns
//! `triggering_sensor_id` and `triggering_timestamp`; `triggering_event_id` is its id in the database that was
//! exported. Storing a file again changes nothing. Import the events first, then the predictions.

#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "csv")]
mod csv;
mod driver;
mod event_fields;
#[cfg(feature = "arrow")]
mod features;
mod field_places;
mod import;
mod import_predictions;
mod imported_prediction;
#[cfg(feature = "arrow")]
mod parquet;
#[cfg(feature = "arrow")]
mod parquet_columns;
mod prediction_fields;
mod predictions_to_import;

use crate::error::Error;

#[cfg(feature = "arrow")]
#[doc(no_inline)]
pub use diesel_timescale::export::*;

#[cfg(feature = "arrow")]
pub use self::arrow::{predictions, predictions_schema, sensor_events, sensor_events_schema};
#[cfg(feature = "csv")]
pub use self::csv::{predictions_from_csv, predictions_to_csv, sensor_events_from_csv, sensor_events_to_csv};
#[cfg(feature = "arrow")]
pub use self::features::{feature_batch, feature_schema};
pub use self::import::import_sensor_events;
pub use self::import_predictions::{import_predictions, import_predictions_allowing_missing_events};
#[cfg(feature = "arrow")]
pub use self::parquet::{predictions_from_parquet, sensor_events_from_parquet};

/// The error of a file that cannot be read or written.
fn file_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::File(error.into())
}

/// The value of a field that every row has.
fn required<T>(row: u64, field: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::NoFieldValue { row, field })
}

/// JSON in a text.
fn json(row: u64, field: &'static str, text: &str) -> Result<serde_json::Value, Error> {
    let error = |_| Error::FieldValue { row, field, value: text.to_owned(), expected: "JSON" };
    serde_json::from_str(text).map_err(error)
}
