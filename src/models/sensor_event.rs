//! Sensor events as they are read.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json_numbers;
use super::labels::{SensorState, SensorType};
use super::sensor_event_key::SensorEventKey;
use crate::microseconds;
use crate::schema::sensor_events;

/// A sensor event as the database has it.
///
/// `save_changes` and `diesel::update(&event)` write everything but the key, which never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Identifiable, AsChangeset)]
#[diesel(table_name = sensor_events, primary_key(id, timestamp), check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_null = true)]
pub struct SensorEvent {
    /// Assigned by the database, unique across all chunks.
    pub id: i64,
    /// When the sensor reported.
    #[serde(deserialize_with = "microseconds::deserialize")]
    pub timestamp: DateTime<Utc>,
    /// The room that the sensor is in.
    pub room_id: String,
    /// The sensor.
    pub sensor_id: String,
    /// What the sensor measures.
    pub sensor_type: SensorType<'static>,
    /// The state as the sensor reported it.
    pub state: SensorState<'static>,
    /// The state as a number, in the unit of the sensor; `None` where it is no number.
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub numeric_value: Option<f64>,
    /// The state that this sensor reported before, if known.
    pub previous_state: Option<SensorState<'static>>,
    /// Whatever else the sensor reported.
    pub attributes: Value,
    /// Whether a person, rather than an automation, caused the event.
    pub is_human_triggered: bool,
    /// How far to trust the reading, from 0 to 1.
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub confidence_score: Option<f64>,
    /// When the row was stored.
    #[serde(deserialize_with = "microseconds::deserialize")]
    pub created_at: DateTime<Utc>,
    /// When the application has processed the event.
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    pub processed_at: Option<DateTime<Utc>>,
}

impl SensorEvent {
    /// The key of this event.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.timestamp)
    }
}
