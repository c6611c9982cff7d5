//! Events and predictions as CSV, and events from CSV.

use std::io::{Read, Write};
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::{Reader, StringRecord, Writer};
use diesel::QueryResult;

use super::event_fields::{EventFields, NAMES, Places};
use super::file_error;
use crate::error::Error;
use crate::models::{NewSensorEvent, Prediction, SensorEvent};

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn option<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

/// A number as the shortest text that gives it again.
fn number(value: f64) -> String {
    format!("{value:?}")
}

/// Writes events as CSV, and gives their number: the rows of a query as it loads them, one by one.
///
/// # Errors
/// [`Error::File`] if they cannot be written; [`Error::Database`] if they cannot be read from the database.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::pg::PgRowByRowLoadingMode;
/// use occupancy_models::{export, queries};
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let mut file = Vec::new();
/// let week = SensorEvent::within(Utc::now() - TimeDelta::days(7)..).order(queries::oldest_first());
/// let events = week.load_iter::<SensorEvent, PgRowByRowLoadingMode>(conn)?;
/// assert_eq!(export::sensor_events_to_csv(events, &mut file).unwrap(), 1);
/// # Ok(()) }) }
/// ```
pub fn sensor_events_to_csv(
    events: impl IntoIterator<Item = QueryResult<SensorEvent>>,
    to: impl Write,
) -> Result<u64, Error> {
    write(to, &NAMES, events, |event| {
        vec![
            event.id.to_string(),
            instant(event.timestamp),
            event.room_id,
            event.sensor_id,
            event.sensor_type.to_string(),
            event.state.to_string(),
            option(event.numeric_value, number),
            option(event.previous_state, |state| state.to_string()),
            event.attributes.to_string(),
            event.is_human_triggered.to_string(),
            option(event.confidence_score, number),
            instant(event.created_at),
            option(event.processed_at, instant),
        ]
    })
}

const PREDICTION: [&str; 19] = [
    "id",
    "room_id",
    "prediction_time",
    "predicted_transition_time",
    "transition_type",
    "confidence_score",
    "prediction_interval_lower",
    "prediction_interval_upper",
    "model_type",
    "model_version",
    "feature_importance",
    "alternatives",
    "actual_transition_time",
    "accuracy_minutes",
    "is_accurate",
    "validation_timestamp",
    "triggering_event_id",
    "created_at",
    "processing_time_ms",
];

/// Writes predictions, with what came of them, as CSV, and gives their number; otherwise as [`sensor_events_to_csv`].
///
/// # Errors
/// As [`sensor_events_to_csv`].
pub fn predictions_to_csv(
    predictions: impl IntoIterator<Item = QueryResult<Prediction>>,
    to: impl Write,
) -> Result<u64, Error> {
    write(to, &PREDICTION, predictions, |prediction| {
        vec![
            prediction.id.to_string(),
            prediction.room_id,
            instant(prediction.prediction_time),
            instant(prediction.predicted_transition_time),
            prediction.transition_type.to_string(),
            number(prediction.confidence_score),
            option(prediction.prediction_interval_lower, instant),
            option(prediction.prediction_interval_upper, instant),
            prediction.model_type.to_string(),
            prediction.model_version,
            option(prediction.feature_importance, |json| json.to_string()),
            option(prediction.alternatives, |json| json.to_string()),
            option(prediction.actual_transition_time, instant),
            option(prediction.accuracy_minutes, number),
            option(prediction.is_accurate, |is| is.to_string()),
            option(prediction.validation_timestamp, instant),
            option(prediction.triggering_event_id, |id| id.to_string()),
            instant(prediction.created_at),
            option(prediction.processing_time_ms, number),
        ]
    })
}

fn write<R>(
    to: impl Write,
    names: &[&str],
    rows: impl IntoIterator<Item = QueryResult<R>>,
    fields: impl Fn(R) -> Vec<String>,
) -> Result<u64, Error> {
    let mut writer = Writer::from_writer(to);
    writer.write_record(names).map_err(file_error)?;
    let mut count = 0;
    for row in rows {
        writer.write_record(fields(row?)).map_err(file_error)?;
        count += 1;
    }
    writer.flush().map_err(file_error)?;
    Ok(count)
}

/// The events of a CSV file, in its order: one that [`sensor_events_to_csv`] has written, or another with columns of
/// these names, in any order. All but `timestamp`, `room_id`, `sensor_id`, `sensor_type` and `state` may be left out;
/// an event without the column `numeric_value` has the number that its state is, if it is one.
///
/// # Errors
/// [`Error`], at once if the first line has other columns, and of each row that cannot be read.
pub fn sensor_events_from_csv<R: Read>(
    file: R,
) -> Result<impl Iterator<Item = Result<NewSensorEvent<'static>, Error>> + use<R>, Error> {
    let mut reader = Reader::from_reader(file);
    let places = Places::new(reader.headers().map_err(file_error)?.iter())?;
    let mut row = 0;
    Ok(reader.into_records().map(move |record| {
        row += 1;
        event(row, &record.map_err(file_error)?, &places)
    }))
}

fn event(row: u64, record: &StringRecord, places: &Places) -> Result<NewSensorEvent<'static>, Error> {
    let text = |field: &str| places.of(field).and_then(|place| record.get(place));
    let filled = |field: &str| text(field).filter(|text| !text.is_empty());
    EventFields {
        row,
        timestamp: parse(row, "timestamp", filled("timestamp"), "an instant such as 2026-01-05T09:00:00Z")?,
        room_id: text("room_id"),
        sensor_id: text("sensor_id"),
        sensor_type: text("sensor_type"),
        state: text("state"),
        numeric_value: match text("numeric_value") {
            Some(_) => Some(parse(row, "numeric_value", filled("numeric_value"), "a number")?),
            None => None,
        },
        previous_state: filled("previous_state"),
        attributes: filled("attributes"),
        is_human_triggered: parse(row, "is_human_triggered", filled("is_human_triggered"), "true or false")?,
        confidence_score: parse(row, "confidence_score", filled("confidence_score"), "a number from 0 to 1")?,
        processed_at: parse(row, "processed_at", filled("processed_at"), "an instant such as 2026-01-05T09:00:00Z")?,
    }
    .event()
}

fn parse<T: FromStr>(
    row: u64,
    field: &'static str,
    text: Option<&str>,
    expected: &'static str,
) -> Result<Option<T>, Error> {
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Error::FieldValue { row, field, value: text.to_owned(), expected })
}
