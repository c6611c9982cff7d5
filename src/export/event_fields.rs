//! The fields of an event in a file.

use chrono::{DateTime, Utc};

use super::field_places::Fields;
use super::{json, required};
use crate::error::Error;
use crate::models::NewSensorEvent;

pub(super) static EVENT: Fields = Fields {
    rows: "events",
    names: &[
        "id",
        "timestamp",
        "room_id",
        "sensor_id",
        "sensor_type",
        "state",
        "numeric_value",
        "previous_state",
        "attributes",
        "is_human_triggered",
        "confidence_score",
        "created_at",
        "processed_at",
    ],
    required: &["timestamp", "room_id", "sensor_id", "sensor_type", "state"],
};

/// The fields of an event as they are in the file; `None` where there is no value.
#[derive(Default)]
pub(super) struct EventFields<'a> {
    pub row: u64,
    pub timestamp: Option<DateTime<Utc>>,
    pub room_id: Option<&'a str>,
    pub sensor_id: Option<&'a str>,
    pub sensor_type: Option<&'a str>,
    pub state: Option<&'a str>,
    /// The inner one is none where the file has the field, without a value.
    pub numeric_value: Option<Option<f64>>,
    pub previous_state: Option<&'a str>,
    pub attributes: Option<&'a str>,
    pub is_human_triggered: Option<bool>,
    pub confidence_score: Option<f64>,
    pub processed_at: Option<DateTime<Utc>>,
}

impl EventFields<'_> {
    pub(super) fn event(self) -> Result<NewSensorEvent<'static>, Error> {
        let row = self.row;
        let name = |field, value: Option<&str>| required(row, field, value.map(str::to_owned));
        let mut event = NewSensorEvent::new(
            required(row, "timestamp", self.timestamp)?,
            name("room_id", self.room_id)?,
            name("sensor_id", self.sensor_id)?,
            name("sensor_type", self.sensor_type)?,
            name("state", self.state)?,
        );
        if let Some(value) = self.numeric_value {
            event = event.with_numeric_value(value);
        }
        if let Some(state) = self.previous_state {
            event = event.with_previous_state(state.to_owned());
        }
        if let Some(attributes) = self.attributes {
            event = event.with_attributes(json(row, "attributes", attributes)?);
        }
        if let Some(is_human_triggered) = self.is_human_triggered {
            event = event.with_human_triggered(is_human_triggered);
        }
        if let Some(score) = self.confidence_score {
            event = event.with_confidence_score(score);
        }
        if let Some(at) = self.processed_at {
            event = event.with_processed_at(at);
        }
        Ok(event)
    }
}
