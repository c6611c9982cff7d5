//! Events, predictions and feature matrices for other programs, and events from their files, in bounded memory.
//!
//! | what | how | feature |
//! |---|---|---|
//! | events, predictions as record batches of Arrow or as Parquet | [`sensor_events`], [`predictions`] | `arrow` |
//! | a feature matrix as record batches | [`feature_schema`], [`feature_batch`] | `arrow` |
//! | events from Parquet | [`sensor_events_from_parquet`] | `arrow` |
//! | events, predictions as CSV | [`sensor_events_to_csv`], [`predictions_to_csv`] | `csv` |
//! | events from CSV | [`sensor_events_from_csv`] | `csv` |
//! | store what was read | [`import_sensor_events`], or a [`Writer`](crate::bulk::Writer) | |
//!
//! Instants are microseconds of UTC. In Arrow and Parquet, ids, types and states are encoded as dictionaries, and JSON
//! is text; Parquet is compressed by Snappy. (A file that others have compressed otherwise can be read after turning on
//! the feature for it of the crate `parquet`, such as `zstd`.) In CSV, instants are as in RFC 3339, and an empty field
//! is no value; the first line has the names of the columns.
//!
//! Events that are read get their ids from the database that they are stored in: `id` and `created_at` of a file are
//! left out. Storing a file again changes nothing.

#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "csv")]
mod csv;
mod event_fields;
#[cfg(feature = "arrow")]
mod features;
mod import;
#[cfg(feature = "arrow")]
mod parquet;

use crate::error::Error;

#[cfg(feature = "arrow")]
#[doc(no_inline)]
pub use diesel_timescale::export::*;

#[cfg(feature = "arrow")]
pub use self::arrow::{predictions, predictions_schema, sensor_events, sensor_events_schema};
#[cfg(feature = "csv")]
pub use self::csv::{predictions_to_csv, sensor_events_from_csv, sensor_events_to_csv};
#[cfg(feature = "arrow")]
pub use self::features::{feature_batch, feature_schema};
pub use self::import::import_sensor_events;
#[cfg(feature = "arrow")]
pub use self::parquet::sensor_events_from_parquet;

/// The error of a file that cannot be read or written.
fn file_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::File(error.into())
}
