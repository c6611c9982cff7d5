//! Events and predictions as record batches.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use diesel::pg::Pg;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::sql_types::{Nullable, Text, Timestamptz};
use diesel_timescale::export::{RecordBatches, record_batches};

use crate::models::{Prediction, SensorEvent};
use crate::queries::{QueryOf, with_event_keys};
use crate::schema::predictions;

fn instant(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nullable)
}

fn label(name: &str, nullable: bool) -> Field {
    Field::new_dictionary(name, DataType::Int32, DataType::Utf8, nullable)
}

fn number(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Float64, nullable)
}

/// The columns of [`sensor_events`].
pub fn sensor_events_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        instant("timestamp", false),
        label("room_id", false),
        label("sensor_id", false),
        label("sensor_type", false),
        label("state", false),
        number("numeric_value", true),
        label("previous_state", true),
        label("attributes", false),
        Field::new("is_human_triggered", DataType::Boolean, false),
        number("confidence_score", true),
        instant("created_at", false),
        instant("processed_at", true),
    ]))
}

/// The columns of [`predictions()`]: those of the table, then the sensor and the timestamp of the triggering event, by
/// which it is found in another database.
pub fn predictions_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        label("room_id", false),
        instant("prediction_time", false),
        instant("predicted_transition_time", false),
        label("transition_type", false),
        number("confidence_score", false),
        instant("prediction_interval_lower", true),
        instant("prediction_interval_upper", true),
        label("model_type", false),
        label("model_version", false),
        label("feature_importance", true),
        label("alternatives", true),
        instant("actual_transition_time", true),
        number("accuracy_minutes", true),
        Field::new("is_accurate", DataType::Boolean, true),
        instant("validation_timestamp", true),
        Field::new("triggering_event_id", DataType::Int64, true),
        instant("created_at", false),
        number("processing_time_ms", true),
        label("triggering_sensor_id", true),
        instant("triggering_timestamp", true),
    ]))
}

/// The events of a query as record batches, or as a Parquet file.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::{export, queries};
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let week = SensorEvent::within(Utc::now() - TimeDelta::days(7)..).order(queries::oldest_first());
/// for batch in export::sensor_events(week.clone()).load(conn).unwrap() {
///     println!("{} events", batch.unwrap().num_rows());
/// }
/// // Any `Write`, such as a file.
/// let mut file = Vec::new();
/// assert_eq!(export::sensor_events(week).write_parquet(conn, &mut file).unwrap(), 1);
/// # Ok(()) }) }
/// ```
pub fn sensor_events<Q: QueryOf<SensorEvent> + Clone>(query: Q) -> RecordBatches<Q> {
    record_batches(query, sensor_events_schema())
}

/// The predictions of a query, with what came of them and what triggered them, as record batches, or as a Parquet file.
///
/// The role needs the rights to read [predictions with their events](crate::rights). The server looks up the events of
/// all rows before it sends the first one, in temporary files: export tables of many millions month by month.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::export;
///
/// # fn main() { run(|conn| {
/// # a_prediction(conn);
/// let mut file = Vec::new();
/// let month = Prediction::within(Utc::now() - TimeDelta::days(30)..).order(predictions::prediction_time);
/// assert_eq!(export::predictions(month).write_parquet(conn, &mut file).unwrap(), 1);
/// # Ok(()) }) }
/// ```
pub fn predictions<Q: QueryOf<Prediction> + QueryId>(
    query: Q,
) -> RecordBatches<
    impl Query<SqlType = (predictions::SqlType, Nullable<Text>, Nullable<Timestamptz>)> + QueryFragment<Pg> + QueryId,
> {
    record_batches(with_event_keys(query), predictions_schema())
}
