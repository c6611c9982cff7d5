//! The table of four columns that most tests write.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

use crate::support::{Needs, TestDb, has_quietly, sql};

diesel::table! {
    readings (device_id, measured_at) {
        device_id -> Text,
        measured_at -> Timestamptz,
        temperature -> Nullable<Double>,
        humidity -> Nullable<Double>,
    }
}

pub const TABLE: &str = "CREATE TABLE readings (
    device_id text NOT NULL, measured_at timestamptz NOT NULL, temperature float8, humidity float8,
    PRIMARY KEY (device_id, measured_at))";

#[derive(Insertable, Queryable, Debug, Clone, PartialEq)]
#[diesel(table_name = readings)]
pub struct Reading {
    pub device_id: String,
    pub measured_at: DateTime<Utc>,
    pub temperature: Option<f64>,
    pub humidity: Option<f64>,
}

impl Reading {
    pub fn new(device: usize, minute: i64) -> Self {
        Self {
            device_id: format!("device-{device:04}"),
            measured_at: minute_of(minute),
            temperature: Some(20.0 + (minute % 7) as f64),
            humidity: Some(50.0),
        }
    }
}

pub fn minute_of(minute: i64) -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

/// A hypertable where the server has TimescaleDB.
pub fn hypertable() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::with(TABLE);
    if has_quietly(Needs::Timescale) {
        sql(&mut conn, "SELECT create_hypertable('readings', 'measured_at', chunk_time_interval => interval '1 day')");
    }
    (db, conn)
}

/// Rows of `devices` devices, `minutes` each.
pub fn rows(devices: usize, minutes: i64) -> Vec<Reading> {
    (0..devices).flat_map(|device| (0..minutes).map(move |minute| Reading::new(device, minute))).collect()
}

pub fn stored(conn: &mut PgConnection) -> Vec<Reading> {
    readings::table.order((readings::device_id, readings::measured_at)).load(conn).unwrap()
}
