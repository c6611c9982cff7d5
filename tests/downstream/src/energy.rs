//! Energy readings: a hypertable and a sensor type of this crate's own.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::timescale::{self, HypertableSetup};
use occupancy_models::{NewSensorEvent, SensorType};
use serde::{Deserialize, Serialize};

use crate::schema::energy_readings;

/// The sensor type of a meter. [`SensorType`] accepts any text, beside the ones that occupancy-models has constants for.
pub const ENERGY: SensorType<'static> = SensorType::from_static("energy");

/// What a meter has counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Insertable)]
#[diesel(table_name = energy_readings, check_for_backend(diesel::pg::Pg))]
pub struct EnergyReading {
    /// The meter.
    pub meter_id: String,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// The room that the meter is for.
    pub room_id: String,
    /// What was used since the last reading, in watt hours.
    pub watt_hours: f64,
}

impl EnergyReading {
    /// The set-up of `energy_readings` as a hypertable.
    pub fn hypertable() -> HypertableSetup {
        timescale::hypertable(energy_readings::read_at).chunk_interval(TimeDelta::days(7))
    }

    /// The same reading as an event in the timeline of its room.
    pub fn event(&self) -> NewSensorEvent<'_> {
        let state = self.watt_hours.to_string();
        NewSensorEvent::new(self.read_at, self.room_id.as_str(), self.meter_id.as_str(), ENERGY, state)
            .with_human_triggered(false)
    }
}
