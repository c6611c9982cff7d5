//! Events and predictions as CSV, and from CSV.

use std::io::{Read, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use csv::{Reader, StringRecord, Writer};
use diesel::QueryResult;

use super::event_fields::{EVENT, EventFields};
use super::field_places::Places;
use super::file_error;
use super::prediction_fields::{Given, PREDICTION, PredictionFields};
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
    write(to, EVENT.names, events, |event| {
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

/// Writes predictions, with what came of them, as CSV, and gives their number: the rows of
/// [`with_events`](crate::queries::with_events) as it loads them, one by one. Of the triggering events it writes the
/// sensors and timestamps, by which they are found in another database.
///
/// # Errors
/// As [`sensor_events_to_csv`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::pg::PgRowByRowLoadingMode;
/// use occupancy_models::{export, queries};
///
/// # fn main() { run(|conn| {
/// # a_prediction(conn);
/// let mut file = Vec::new();
/// let month = Prediction::within(Utc::now() - TimeDelta::days(30)..).order(predictions::prediction_time);
/// let rows = queries::with_events(month).load_iter::<(Prediction, Option<SensorEvent>), PgRowByRowLoadingMode>(conn)?;
/// assert_eq!(export::predictions_to_csv(rows, &mut file).unwrap(), 1);
/// # Ok(()) }) }
/// ```
pub fn predictions_to_csv(
    predictions: impl IntoIterator<Item = QueryResult<(Prediction, Option<SensorEvent>)>>,
    to: impl Write,
) -> Result<u64, Error> {
    write(to, PREDICTION.names, predictions, |(prediction, event)| {
        let (sensor_id, timestamp) = event.map(|event| (event.sensor_id, event.timestamp)).unzip();
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
            sensor_id.unwrap_or_default(),
            option(timestamp, instant),
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
/// an event without the column `numeric_value` has the number that its state is, if it is one. An empty `previous_state`
/// is none. `True` and `False`, as Python writes them, are read as well, and whole numbers with the fraction `.0`.
///
/// # Errors
/// [`Error`], at once if the first line has other columns, and of each row that cannot be read.
pub fn sensor_events_from_csv<R: Read>(
    file: R,
) -> Result<impl Iterator<Item = Result<NewSensorEvent<'static>, Error>> + use<R>, Error> {
    let mut reader = Reader::from_reader(file);
    let places = Places::new(&EVENT, reader.headers().map_err(file_error)?.iter())?;
    Ok((1..)
        .zip(reader.into_records())
        .map(move |(number, record)| event(&Row { number, record: &record.map_err(file_error)?, places: &places })))
}

/// The predictions of a CSV file, in its order, each with the sensor and the timestamp of its triggering event: one
/// that [`predictions_to_csv`] has written, or another with columns of these names, in any order. All but `room_id`,
/// `prediction_time`, `predicted_transition_time`, `transition_type`, `confidence_score`, `model_type` and
/// `model_version` may be left out: without them the `id` is 0, and `created_at` the `prediction_time`.
///
/// # Errors
/// As [`sensor_events_from_csv`].
#[allow(clippy::type_complexity, reason = "an alias would hide what the rows are")]
pub fn predictions_from_csv<R: Read>(
    file: R,
) -> Result<impl Iterator<Item = Result<(Prediction, Option<(String, DateTime<Utc>)>), Error>> + use<R>, Error> {
    let mut reader = Reader::from_reader(file);
    let places = Places::new(&PREDICTION, reader.headers().map_err(file_error)?.iter())?;
    Ok((1..).zip(reader.into_records()).map(move |(number, record)| {
        prediction(&Row { number, record: &record.map_err(file_error)?, places: &places })
    }))
}

/// A line of a file.
struct Row<'a> {
    number: u64,
    record: &'a StringRecord,
    places: &'a Places,
}

impl<'a> Row<'a> {
    /// The text of a field, if the file has it.
    fn text(&self, field: &str) -> Option<&'a str> {
        self.places.of(field).and_then(|place| self.record.get(place))
    }

    /// The same without the empty text, which is no value.
    fn filled(&self, field: &str) -> Option<&'a str> {
        self.text(field).filter(|text| !text.is_empty())
    }

    fn parse<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.filled(field) else { return Ok(None) };
        let error = || Error::FieldValue { row: self.number, field, value: text.to_owned(), expected };
        parse(text).map(Some).ok_or_else(error)
    }

    fn instant(&self, field: &'static str) -> Result<Option<DateTime<Utc>>, Error> {
        self.parse(field, "an instant such as 2026-01-05T09:00:00Z", |text| text.parse().ok())
    }

    fn number(&self, field: &'static str) -> Result<Option<f64>, Error> {
        self.parse(field, "a number", |text| text.parse().ok())
    }

    /// Python writes them with a capital letter.
    fn boolean(&self, field: &'static str) -> Result<Option<bool>, Error> {
        self.parse(field, "true or false", |text| text.to_ascii_lowercase().parse().ok())
    }

    /// pandas writes a fraction where the column lacks values.
    fn integer(&self, field: &'static str) -> Result<Option<i64>, Error> {
        self.parse(field, "a whole number", |text| text.strip_suffix(".0").unwrap_or(text).parse().ok())
    }
}

fn event(row: &Row<'_>) -> Result<NewSensorEvent<'static>, Error> {
    EventFields {
        row: row.number,
        timestamp: row.instant("timestamp")?,
        room_id: row.text("room_id"),
        sensor_id: row.text("sensor_id"),
        sensor_type: row.text("sensor_type"),
        state: row.text("state"),
        numeric_value: match row.text("numeric_value") {
            Some(_) => Some(row.number("numeric_value")?),
            None => None,
        },
        previous_state: row.filled("previous_state"),
        attributes: row.filled("attributes"),
        is_human_triggered: row.boolean("is_human_triggered")?,
        confidence_score: row.parse("confidence_score", "a number from 0 to 1", |text| text.parse().ok())?,
        processed_at: row.instant("processed_at")?,
    }
    .event()
}

fn prediction(row: &Row<'_>) -> Result<Given, Error> {
    PredictionFields {
        row: row.number,
        id: row.integer("id")?,
        room_id: row.text("room_id"),
        prediction_time: row.instant("prediction_time")?,
        predicted_transition_time: row.instant("predicted_transition_time")?,
        transition_type: row.text("transition_type"),
        confidence_score: row.parse("confidence_score", "a number from 0 to 1", |text| text.parse().ok())?,
        prediction_interval_lower: row.instant("prediction_interval_lower")?,
        prediction_interval_upper: row.instant("prediction_interval_upper")?,
        model_type: row.text("model_type"),
        model_version: row.text("model_version"),
        feature_importance: row.filled("feature_importance"),
        alternatives: row.filled("alternatives"),
        actual_transition_time: row.instant("actual_transition_time")?,
        accuracy_minutes: row.number("accuracy_minutes")?,
        is_accurate: row.boolean("is_accurate")?,
        validation_timestamp: row.instant("validation_timestamp")?,
        triggering_event_id: row.integer("triggering_event_id")?,
        created_at: row.instant("created_at")?,
        processing_time_ms: row.number("processing_time_ms")?,
        triggering_sensor_id: row.filled("triggering_sensor_id"),
        triggering_timestamp: row.instant("triggering_timestamp")?,
    }
    .prediction()
}
