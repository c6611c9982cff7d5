//! Checks of rows before they are sent: what PostgreSQL would refuse for the whole batch, told for the row.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::models::NewPrediction;
use crate::models::NewSensorEvent;

/// A row that the database would refuse. Nothing was sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("row {row}, {field}: {problem}")]
pub struct InvalidRow {
    /// The index of the row in what was given, from 0.
    pub row: usize,
    /// The column.
    pub field: &'static str,
    /// What is wrong with its value.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A confidence that is no number from 0 to 1.
    #[error("{0} is no confidence: give a number from 0 to 1")]
    Confidence(f64),
    /// A number that is not finite, or negative where that makes no sense.
    #[error("{0} is not a number that can be stored here: leave it out")]
    Number(f64),
    /// An empty text where one is needed.
    #[error("is empty: name it")]
    Empty,
    /// A NUL byte, which PostgreSQL has no place for.
    #[error("{0:?} has a NUL byte: remove it")]
    Nul(String),
    /// JSON with `\u0000` in a text, which PostgreSQL refuses.
    #[error("the JSON has \\u0000 in {0:?}: remove it")]
    JsonNul(String),
    /// A timestamp before 4713 BC or after 294276.
    #[error("{0} is outside the range of PostgreSQL's timestamps")]
    Timestamp(DateTime<Utc>),
    /// A prediction interval whose lower end is after its upper end.
    #[error("the interval starts at {0}, after its end at {1}")]
    Interval(DateTime<Utc>, DateTime<Utc>),
    /// A row that repeats another one, where that is an error.
    #[error("repeats row {0}")]
    Repeats(usize),
}

/// The first timestamp of PostgreSQL, 4714-11-24 BC, in seconds since 1970. (Table 8.9 of its manual says 4713 BC,
/// by the Julian calendar. The last one is beyond what chrono has.)
const FIRST_SECOND: i64 = -210_866_803_200;

type Check = Result<(), (&'static str, Problem)>;

pub(super) fn events<'a>(rows: impl IntoIterator<Item = &'a NewSensorEvent<'a>>) -> Result<(), InvalidRow> {
    each(rows, event)
}

pub(super) fn predictions<'a>(rows: impl IntoIterator<Item = &'a NewPrediction<'a>>) -> Result<(), InvalidRow> {
    each(rows, prediction)
}

fn each<R>(rows: impl IntoIterator<Item = R>, check: fn(R) -> Check) -> Result<(), InvalidRow> {
    for (row, value) in rows.into_iter().enumerate() {
        check(value).map_err(|(field, problem)| InvalidRow { row, field, problem })?;
    }
    Ok(())
}

fn event(event: &NewSensorEvent<'_>) -> Check {
    timestamp("timestamp", event.timestamp)?;
    name("room_id", &event.room_id)?;
    name("sensor_id", &event.sensor_id)?;
    name("sensor_type", event.sensor_type.as_str())?;
    text("state", event.state.as_str())?;
    if let Some(number) = event.numeric_value {
        finite("numeric_value", number)?;
    }
    if let Some(state) = &event.previous_state {
        text("previous_state", state.as_str())?;
    }
    json("attributes", &event.attributes)?;
    if let Some(score) = event.confidence_score {
        confidence(score)?;
    }
    event.processed_at.map_or(Ok(()), |at| timestamp("processed_at", at))
}

fn prediction(prediction: &NewPrediction<'_>) -> Check {
    name("room_id", &prediction.room_id)?;
    timestamp("prediction_time", prediction.prediction_time)?;
    timestamp("predicted_transition_time", prediction.predicted_transition_time)?;
    confidence(prediction.confidence_score)?;
    for (field, at) in [
        ("prediction_interval_lower", prediction.prediction_interval_lower),
        ("prediction_interval_upper", prediction.prediction_interval_upper),
        ("triggering_event_timestamp", prediction.triggering_event_timestamp),
    ] {
        at.map_or(Ok(()), |at| timestamp(field, at))?;
    }
    match (prediction.prediction_interval_lower, prediction.prediction_interval_upper) {
        (Some(lower), Some(upper)) if lower > upper => {
            return Err(("prediction_interval_lower", Problem::Interval(lower, upper)));
        }
        _ => {}
    }
    name("model_type", prediction.model_type.as_str())?;
    text("model_version", &prediction.model_version)?;
    if let Some(value) = &prediction.feature_importance {
        json("feature_importance", value)?;
    }
    if let Some(value) = &prediction.alternatives {
        json("alternatives", value)?;
    }
    match prediction.processing_time_ms {
        Some(time) if !time.is_finite() || time < 0.0 => Err(("processing_time_ms", Problem::Number(time))),
        _ => Ok(()),
    }
}

fn timestamp(field: &'static str, value: DateTime<Utc>) -> Check {
    if value.timestamp() < FIRST_SECOND {
        return Err((field, Problem::Timestamp(value)));
    }
    Ok(())
}

fn text(field: &'static str, value: &str) -> Check {
    if value.as_bytes().contains(&0) {
        return Err((field, Problem::Nul(value.to_owned())));
    }
    Ok(())
}

fn name(field: &'static str, value: &str) -> Check {
    if value.is_empty() {
        return Err((field, Problem::Empty));
    }
    text(field, value)
}

fn finite(field: &'static str, value: f64) -> Check {
    if !value.is_finite() {
        return Err((field, Problem::Number(value)));
    }
    Ok(())
}

fn confidence(value: f64) -> Check {
    if !(0.0..=1.0).contains(&value) {
        return Err(("confidence_score", Problem::Confidence(value)));
    }
    Ok(())
}

fn json(field: &'static str, value: &Value) -> Check {
    match value {
        Value::String(string) => json_text(field, string),
        Value::Array(values) => values.iter().try_for_each(|value| json(field, value)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            json_text(field, key)?;
            json(field, value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn json_text(field: &'static str, value: &str) -> Check {
    if value.as_bytes().contains(&0) {
        return Err((field, Problem::JsonNul(value.to_owned())));
    }
    Ok(())
}
