//! Sensor events to insert.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change_fields;
use super::json_numbers;
use super::labels::{SensorState, SensorType};
use super::sensor_event::SensorEvent;
use crate::microseconds;
use crate::schema::sensor_events;

/// A sensor event to insert. The database assigns the id.
///
/// ```
/// use chrono::Utc;
/// use occupancy_models::{NewSensorEvent, SensorType};
/// use serde_json::json;
///
/// let event = NewSensorEvent::new(Utc::now(), "office", "office.temperature", SensorType::TEMPERATURE, "21.5")
///     .with_confidence_score(0.9)
///     .with_attributes(json!({ "unit": "°C" }));
/// assert_eq!(event.numeric_value(), Some(21.5));
/// ```
///
/// From JSON, `timestamp`, `room_id`, `sensor_id`, `sensor_type` and `state` are needed, and the others have the defaults
/// of [`new`](Self::new): without `numeric_value` the state gives it, and `null` stores none. An unknown field
/// is an error, because a misspelt one would be lost.
///
/// ```
/// # use occupancy_models::NewSensorEvent;
/// let json = r#"{ "timestamp": "2026-01-01T12:00:00Z", "room_id": "office", "sensor_id": "office.temperature",
///                 "sensor_type": "temperature", "state": "21.5" }"#;
/// let event: NewSensorEvent = serde_json::from_str(json)?;
/// assert_eq!(event.numeric_value(), Some(21.5));
/// assert!(serde_json::from_str::<NewSensorEvent>(&json.replace("state", "sate")).is_err());
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Insertable)]
#[serde(from = "Fields<'a>")]
#[diesel(table_name = sensor_events, treat_none_as_default_value = false)]
#[must_use = "does nothing until it is inserted"]
pub struct NewSensorEvent<'a> {
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) room_id: Cow<'a, str>,
    pub(crate) sensor_id: Cow<'a, str>,
    pub(crate) sensor_type: SensorType<'a>,
    pub(crate) state: SensorState<'a>,
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub(crate) numeric_value: Option<f64>,
    pub(crate) previous_state: Option<SensorState<'a>>,
    pub(crate) attributes: Value,
    pub(crate) is_human_triggered: bool,
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub(crate) confidence_score: Option<f64>,
    pub(crate) processed_at: Option<DateTime<Utc>>,
}

/// A [`NewSensorEvent`] as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(deserialize_with = "microseconds::deserialize")]
    timestamp: DateTime<Utc>,
    room_id: Cow<'a, str>,
    sensor_id: Cow<'a, str>,
    sensor_type: SensorType<'a>,
    state: SensorState<'a>,
    /// `None` where it is not there, and `Some(None)` where it is null.
    #[serde(default, deserialize_with = "change_fields::nullable")]
    numeric_value: Option<Option<f64>>,
    previous_state: Option<SensorState<'a>>,
    #[serde(default = "no_attributes")]
    attributes: Value,
    #[serde(default = "by_a_person")]
    is_human_triggered: bool,
    confidence_score: Option<f64>,
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    processed_at: Option<DateTime<Utc>>,
}

impl<'a> From<Fields<'a>> for NewSensorEvent<'a> {
    fn from(fields: Fields<'a>) -> Self {
        Self {
            timestamp: fields.timestamp,
            room_id: fields.room_id,
            sensor_id: fields.sensor_id,
            sensor_type: fields.sensor_type,
            numeric_value: fields.numeric_value.unwrap_or_else(|| fields.state.numeric_value()),
            state: fields.state,
            previous_state: fields.previous_state,
            attributes: fields.attributes,
            is_human_triggered: fields.is_human_triggered,
            confidence_score: fields.confidence_score,
            processed_at: fields.processed_at,
        }
    }
}

/// What was read, to be stored elsewhere: all but the id and when the row was stored.
impl From<SensorEvent> for NewSensorEvent<'static> {
    fn from(event: SensorEvent) -> Self {
        Self {
            timestamp: event.timestamp,
            room_id: event.room_id.into(),
            sensor_id: event.sensor_id.into(),
            sensor_type: event.sensor_type,
            state: event.state,
            numeric_value: event.numeric_value,
            previous_state: event.previous_state,
            attributes: event.attributes,
            is_human_triggered: event.is_human_triggered,
            confidence_score: event.confidence_score,
            processed_at: event.processed_at,
        }
    }
}

fn no_attributes() -> Value {
    Value::Object(serde_json::Map::new())
}

fn by_a_person() -> bool {
    true
}

impl<'a> NewSensorEvent<'a> {
    /// What a sensor reported at an instant.
    ///
    /// The numeric value is set if the state is a finite number; see [`SensorState::numeric_value`].
    pub fn new(
        timestamp: DateTime<Utc>,
        room_id: impl Into<Cow<'a, str>>,
        sensor_id: impl Into<Cow<'a, str>>,
        sensor_type: impl Into<SensorType<'a>>,
        state: impl Into<SensorState<'a>>,
    ) -> Self {
        let state = state.into();
        Self {
            timestamp: microseconds::truncate(timestamp),
            room_id: room_id.into(),
            sensor_id: sensor_id.into(),
            sensor_type: sensor_type.into(),
            numeric_value: state.numeric_value(),
            state,
            previous_state: None,
            attributes: no_attributes(),
            is_human_triggered: by_a_person(),
            confidence_score: None,
            processed_at: None,
        }
    }

    /// The state as a number, where the text of the state is none or in another unit.
    pub fn with_numeric_value(mut self, value: impl Into<Option<f64>>) -> Self {
        self.numeric_value = value.into();
        self
    }

    /// The state that this sensor reported before.
    pub fn with_previous_state(mut self, state: impl Into<SensorState<'a>>) -> Self {
        self.previous_state = Some(state.into());
        self
    }

    /// Whatever else the sensor reported. Default: `{}`.
    pub fn with_attributes(mut self, attributes: Value) -> Self {
        self.attributes = attributes;
        self
    }

    /// Whether a person, rather than an automation, caused the event. Default: `true`.
    pub fn with_human_triggered(mut self, is_human_triggered: bool) -> Self {
        self.is_human_triggered = is_human_triggered;
        self
    }

    /// How far to trust the reading, from 0 to 1.
    pub fn with_confidence_score(mut self, confidence_score: f64) -> Self {
        self.confidence_score = Some(confidence_score);
        self
    }

    /// When the application has processed the event.
    pub fn with_processed_at(mut self, processed_at: DateTime<Utc>) -> Self {
        self.processed_at = Some(microseconds::truncate(processed_at));
        self
    }

    /// When the sensor reported.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    /// The room that the sensor is in.
    pub fn room_id(&self) -> &str {
        &self.room_id
    }

    /// The sensor.
    pub fn sensor_id(&self) -> &str {
        &self.sensor_id
    }

    /// What the sensor measures.
    pub fn sensor_type(&self) -> &SensorType<'a> {
        &self.sensor_type
    }

    /// The state as the sensor reported it.
    pub fn state(&self) -> &SensorState<'a> {
        &self.state
    }

    /// The state as a number.
    pub fn numeric_value(&self) -> Option<f64> {
        self.numeric_value
    }
}
