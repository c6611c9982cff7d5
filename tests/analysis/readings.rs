//! Random readings, the same each time.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::bulk;
use occupancy_models::{Call, NewSensorEvent, SensorType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

#[derive(Debug, Clone)]
pub struct Reading {
    pub room: String,
    pub sensor: String,
    pub at: DateTime<Utc>,
    pub state: String,
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Readings of some sensors in two rooms, from a while before `from` to a while after `to`: some at whole hours, repeated
/// states, long silences, and sensors that report nothing for most of the time.
pub fn random(seed: u64, from: DateTime<Utc>, to: DateTime<Utc>, states: &[&str]) -> Vec<Reading> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut readings = Vec::new();
    for sensor in 0..6 {
        let longest = [20, 90, 600, 3_000, 9_000, 60_000][sensor];
        let mut at = from - TimeDelta::minutes(random.random_range(0..4 * longest));
        while at < to + TimeDelta::days(1) {
            let state = states[random.random_range(0..states.len())].to_owned();
            let room = if sensor % 2 == 0 { "office" } else { "kitchen" }.to_owned();
            readings.push(Reading { room, sensor: format!("Sensor {sensor}"), at, state });
            at += TimeDelta::microseconds(random.random_range(1..longest * 60_000_000));
            if random.random_range(0..4) == 0 {
                // On an edge.
                let hour = TimeDelta::hours(1);
                at = DateTime::from_timestamp(at.timestamp() / 3_600 * 3_600, 0).unwrap() + hour;
            }
        }
    }
    readings
}

pub fn store(conn: &mut PgConnection, readings: &[Reading]) {
    let rows: Vec<_> = readings
        .iter()
        .map(|r| NewSensorEvent::new(r.at, &*r.room, &*r.sensor, SensorType::MOTION, &*r.state))
        .collect();
    for rows in rows.chunks(5_000) {
        bulk::upsert_sensor_events(rows).call(conn).unwrap();
    }
}
