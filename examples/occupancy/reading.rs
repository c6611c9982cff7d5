//! Readings of a room, and the sensor events that they become.

use chrono::{DateTime, Utc};
use occupancy_models::{NewSensorEvent, SensorType};
use serde_json::json;

/// What the five sensors of a room read at an instant, and whether anyone was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub at: DateTime<Utc>,
    pub temperature: f64,
    pub humidity: f64,
    pub light: f64,
    pub co2: f64,
    pub humidity_ratio: f64,
    /// The record that predictions are validated against; no sensor reads it, and the rule never sees it.
    pub is_occupied: bool,
}

/// A room and its readings, in the order of time and no two at the same instant.
pub struct Room {
    pub id: String,
    pub readings: Vec<Reading>,
}

/// Which rows of the database this run is about: several data sets may live in one.
pub struct Scope {
    pub rooms: Vec<String>,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

impl Scope {
    /// The rooms, from their first reading to their last; `None` if there are no readings.
    pub fn of(rooms: &[Room]) -> Option<Self> {
        let instants = || rooms.iter().flat_map(|room| &room.readings).map(|reading| reading.at);
        Some(Self {
            rooms: rooms.iter().map(|room| room.id.clone()).collect(),
            first: instants().min()?,
            last: instants().max()?,
        })
    }
}

/// Grams of water per gram of dry air: a sensor type that the crate has no constant for.
const HUMIDITY_RATIO: SensorType<'static> = SensorType::from_static("humidity_ratio");

struct Sensor {
    sensor_type: SensorType<'static>,
    unit: &'static str,
    value: fn(&Reading) -> f64,
}

static SENSORS: [Sensor; 5] = [
    Sensor { sensor_type: SensorType::TEMPERATURE, unit: "°C", value: |reading| reading.temperature },
    Sensor { sensor_type: SensorType::HUMIDITY, unit: "%", value: |reading| reading.humidity },
    Sensor { sensor_type: SensorType::LIGHT, unit: "lx", value: |reading| reading.light },
    Sensor { sensor_type: SensorType::AIR_QUALITY, unit: "ppm CO2", value: |reading| reading.co2 },
    Sensor { sensor_type: HUMIDITY_RATIO, unit: "kg/kg", value: |reading| reading.humidity_ratio },
];

impl Room {
    /// The id of a sensor of this room.
    pub fn sensor_id(&self, sensor_type: &SensorType<'_>) -> String {
        format!("{}.{sensor_type}", self.id)
    }

    pub fn event_count(&self) -> usize {
        self.readings.len() * SENSORS.len()
    }

    /// Five events for each reading.
    pub fn events(&self) -> impl Iterator<Item = NewSensorEvent<'_>> {
        let previous = std::iter::once(None).chain(self.readings.iter().map(Some));
        self.readings.iter().zip(previous).flat_map(move |(reading, previous)| {
            SENSORS.iter().map(move |sensor| self.event(sensor, reading, previous))
        })
    }

    fn event(&self, sensor: &'static Sensor, reading: &Reading, previous: Option<&Reading>) -> NewSensorEvent<'_> {
        let state = |reading| (sensor.value)(reading).to_string();
        let sensor_id = self.sensor_id(&sensor.sensor_type);
        let event = NewSensorEvent::new(reading.at, &*self.id, sensor_id, &sensor.sensor_type, state(reading))
            .with_attributes(json!({ "unit": sensor.unit }))
            .with_human_triggered(false);
        match previous {
            Some(previous) => event.with_previous_state(state(previous)),
            None => event,
        }
    }
}
