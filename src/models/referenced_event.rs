//! Sensor events that something references.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::sensor_event_key::SensorEventKey;
use crate::schema::referenced_events;

/// A row of `referenced_events`: an event that something references. Kept by triggers, not written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, HasQuery, Identifiable)]
#[diesel(table_name = referenced_events, check_for_backend(Pg))]
pub struct ReferencedEvent {
    /// The id of the event.
    pub id: i64,
    /// The timestamp of the event.
    pub timestamp: DateTime<Utc>,
}

impl ReferencedEvent {
    /// The key of the event.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.timestamp)
    }
}
