//! A column of this crate on `sensor_events`: the charge of the battery of a sensor.
//!
//! `occupancy_models` has the structs of its columns; a struct with one more comes with a `table!` of its own, which has
//! what it needs of the table. Rows are written, upserted and read as others are.

use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::prelude::*;
use occupancy_models::timescale::bulk::{Validate, Violations};
use occupancy_models::{SensorState, SensorType};
use serde::{Deserialize, Serialize};

use crate::schema::extended::sensor_events;

/// What a sensor on a battery has reported.
///
/// `id` is the database's to assign. What is no field here has the default of its column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Insertable)]
#[diesel(table_name = sensor_events, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct BatteryEvent {
    /// When the sensor reported.
    pub timestamp: DateTime<Utc>,
    /// The room that the sensor is in.
    pub room_id: String,
    /// The sensor.
    pub sensor_id: String,
    /// What the sensor measures.
    pub sensor_type: SensorType<'static>,
    /// The state as the sensor reported it.
    pub state: SensorState<'static>,
    /// The charge of its battery, from 0 to 100.
    pub battery_percent: Option<i16>,
}

impl Validate for BatteryEvent {
    fn validate(&self, violations: &mut Violations) {
        if self.room_id.is_empty() {
            violations.add("room_id", "is empty: name the room");
        }
        if let Some(percent) = self.battery_percent.filter(|percent| !(0..=100).contains(percent)) {
            violations.add("battery_percent", format!("{percent} is not a percentage from 0 to 100"));
        }
    }
}

/// The events since an instant that report a charge below this one.
#[auto_type(no_type_alias)]
pub fn low_batteries(below: i16, since: DateTime<Utc>) -> _ {
    sensor_events::table.filter(sensor_events::timestamp.ge(since)).filter(sensor_events::battery_percent.lt(below))
}
