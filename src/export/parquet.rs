//! Events and predictions from Parquet.

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::event_fields::{EVENT, EventFields};
use super::field_places::{Fields, Places};
use super::file_error;
use super::parquet_columns::Columns;
use super::prediction_fields::{Given, PREDICTION, PredictionFields};
use crate::error::Error;
use crate::models::{NewSensorEvent, Prediction};

const BATCH: usize = 8_192;

/// The events of a Parquet file, in its order: one that [`sensor_events`](super::sensor_events) has written, or another
/// with columns of these names. Texts may be dictionaries or not, instants in any unit with a time zone, `attributes`
/// is JSON as text; all but `timestamp`, `room_id`, `sensor_id`, `sensor_type` and `state` may be left out.
///
/// # Errors
/// [`Error`], at once if it is no Parquet file or has other columns, and of each row that cannot be read. The rows
/// of a batch that has another type are not read.
pub fn sensor_events_from_parquet<R: ChunkReader + Send + 'static>(
    file: R,
) -> Result<impl Iterator<Item = Result<NewSensorEvent<'static>, Error>> + Send, Error> {
    rows(file, &EVENT, events)
}

/// The predictions of a Parquet file, in its order, each with the sensor and the timestamp of its triggering event: one
/// that [`predictions`](super::predictions) has written, or another with columns of these names, of the types that
/// [`sensor_events_from_parquet`] takes; `feature_importance` and `alternatives` are JSON as text. All but `room_id`,
/// `prediction_time`, `predicted_transition_time`, `transition_type`, `confidence_score`, `model_type` and
/// `model_version` may be left out: without them the `id` is 0, and `created_at` the `prediction_time`.
///
/// # Errors
/// As [`sensor_events_from_parquet`].
#[allow(clippy::type_complexity, reason = "an alias would hide what the rows are")]
pub fn predictions_from_parquet<R: ChunkReader + Send + 'static>(
    file: R,
) -> Result<impl Iterator<Item = Result<(Prediction, Option<(String, DateTime<Utc>)>), Error>> + Send, Error> {
    rows(file, &PREDICTION, predictions)
}

/// The rows of a batch, unless it has other columns.
type Rows<T> = Result<Vec<Result<T, Error>>, Error>;

/// The rows of a file, of which `read` gives those of a batch.
fn rows<R: ChunkReader + Send + 'static, T: Send>(
    file: R,
    fields: &'static Fields,
    read: fn(&Columns<'_>) -> Rows<T>,
) -> Result<impl Iterator<Item = Result<T, Error>> + Send, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(file_error)?;
    let reader = builder.with_batch_size(BATCH).build().map_err(file_error)?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let places = Places::new(fields, schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut first = 1;
    Ok(reader.flat_map(move |batch| {
        let rows = batch.map_err(file_error).and_then(|batch: RecordBatch| {
            let rows = read(&Columns::new(&batch, &places, first));
            first += batch.num_rows() as u64;
            rows
        });
        rows.unwrap_or_else(|error| vec![Err(error)])
    }))
}

fn events(columns: &Columns<'_>) -> Rows<NewSensorEvent<'static>> {
    let timestamp = columns.instants("timestamp")?;
    let room_id = columns.texts("room_id")?;
    let sensor_id = columns.texts("sensor_id")?;
    let sensor_type = columns.texts("sensor_type")?;
    let state = columns.texts("state")?;
    let numeric_value = columns.numbers("numeric_value")?;
    let has_numeric_value = columns.has("numeric_value");
    let previous_state = columns.texts("previous_state")?;
    let attributes = columns.texts("attributes")?;
    let is_human_triggered = columns.booleans("is_human_triggered")?;
    let confidence_score = columns.numbers("confidence_score")?;
    let processed_at = columns.instants("processed_at")?;
    let event = |place| {
        EventFields {
            row: columns.row(place),
            timestamp: timestamp(place)?,
            room_id: room_id(place),
            sensor_id: sensor_id(place),
            sensor_type: sensor_type(place),
            state: state(place),
            numeric_value: has_numeric_value.then(|| numeric_value(place)),
            previous_state: previous_state(place),
            attributes: attributes(place),
            is_human_triggered: is_human_triggered(place),
            confidence_score: confidence_score(place),
            processed_at: processed_at(place)?,
        }
        .event()
    };
    Ok(columns.places().map(event).collect())
}

fn predictions(columns: &Columns<'_>) -> Rows<Given> {
    let id = columns.integers("id")?;
    let room_id = columns.texts("room_id")?;
    let prediction_time = columns.instants("prediction_time")?;
    let predicted_transition_time = columns.instants("predicted_transition_time")?;
    let transition_type = columns.texts("transition_type")?;
    let confidence_score = columns.numbers("confidence_score")?;
    let prediction_interval_lower = columns.instants("prediction_interval_lower")?;
    let prediction_interval_upper = columns.instants("prediction_interval_upper")?;
    let model_type = columns.texts("model_type")?;
    let model_version = columns.texts("model_version")?;
    let feature_importance = columns.texts("feature_importance")?;
    let alternatives = columns.texts("alternatives")?;
    let actual_transition_time = columns.instants("actual_transition_time")?;
    let accuracy_minutes = columns.numbers("accuracy_minutes")?;
    let is_accurate = columns.booleans("is_accurate")?;
    let validation_timestamp = columns.instants("validation_timestamp")?;
    let triggering_event_id = columns.integers("triggering_event_id")?;
    let created_at = columns.instants("created_at")?;
    let processing_time_ms = columns.numbers("processing_time_ms")?;
    let triggering_sensor_id = columns.texts("triggering_sensor_id")?;
    let triggering_timestamp = columns.instants("triggering_timestamp")?;
    let prediction = |place| {
        PredictionFields {
            row: columns.row(place),
            id: id(place)?,
            room_id: room_id(place),
            prediction_time: prediction_time(place)?,
            predicted_transition_time: predicted_transition_time(place)?,
            transition_type: transition_type(place),
            confidence_score: confidence_score(place),
            prediction_interval_lower: prediction_interval_lower(place)?,
            prediction_interval_upper: prediction_interval_upper(place)?,
            model_type: model_type(place),
            model_version: model_version(place),
            feature_importance: feature_importance(place),
            alternatives: alternatives(place),
            actual_transition_time: actual_transition_time(place)?,
            accuracy_minutes: accuracy_minutes(place),
            is_accurate: is_accurate(place),
            validation_timestamp: validation_timestamp(place)?,
            triggering_event_id: triggering_event_id(place)?,
            created_at: created_at(place)?,
            processing_time_ms: processing_time_ms(place),
            triggering_sensor_id: triggering_sensor_id(place),
            triggering_timestamp: triggering_timestamp(place)?,
        }
        .prediction()
    };
    Ok(columns.places().map(prediction).collect())
}
