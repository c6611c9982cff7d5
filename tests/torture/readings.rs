//! The table that is written: batches of rows that are whole or not there.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::timescale::Call;
use occupancy_models::timescale::bulk::{self, BulkError};

use crate::support::{sql, value};

diesel::table! {
    readings (sensor, at) {
        sensor -> Text,
        at -> Timestamptz,
        batch -> BigInt,
        value -> Double,
    }
}

#[derive(Insertable, Debug, Clone)]
#[diesel(table_name = readings)]
pub struct Reading {
    pub sensor: String,
    pub at: DateTime<Utc>,
    pub batch: i64,
    pub value: f64,
}

/// A table of daily chunks, where the server has them.
pub fn create(conn: &mut PgConnection) {
    sql(
        conn,
        "CREATE TABLE readings (
             sensor TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, batch BIGINT NOT NULL, value DOUBLE PRECISION NOT NULL,
             PRIMARY KEY (sensor, at)
         );
         CREATE INDEX ON readings (batch)",
    );
    if value(conn, "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == "1" {
        sql(
            conn,
            "SELECT create_hypertable('readings', by_range('at', interval '1 day'), create_default_indexes => false)",
        );
    }
}

/// The rows of a batch: the same each time, and none of another batch.
pub fn batch(number: i64, rows: usize) -> Vec<Reading> {
    let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    (0..rows as i64)
        .map(|n| Reading {
            sensor: format!("sensor.{number}"),
            // Over three chunks.
            at: start + TimeDelta::days(n % 3) + TimeDelta::milliseconds(n),
            batch: number,
            value: (number * 1_000 + n) as f64,
        })
        .collect()
}

pub fn store(rows: &[Reading], conn: &mut PgConnection) -> Result<bulk::Report, BulkError> {
    bulk::upsert(rows).on_conflict((readings::sensor, readings::at)).call(conn)
}

/// How many rows of a batch are stored as they were sent.
pub fn stored(conn: &mut PgConnection, number: i64) -> usize {
    let rows: Vec<(String, f64)> = readings::table
        .filter(readings::batch.eq(number))
        .order(readings::value)
        .select((readings::sensor, readings::value))
        .load(conn)
        .unwrap();
    for (n, (sensor, value)) in rows.iter().enumerate() {
        assert_eq!(
            (sensor, *value),
            (&format!("sensor.{number}"), (number * 1_000 + n as i64) as f64),
            "batch {number}"
        );
    }
    rows.len()
}

pub fn count(conn: &mut PgConnection) -> usize {
    value(conn, "SELECT count(*) FROM readings").parse().unwrap()
}
