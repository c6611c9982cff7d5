//! What TimescaleDB's features gain: the last value of each sensor, hourly aggregates, and the columnstore.
//!
//!     DB=community dev/db cargo bench --bench timescale
//!
//! Runs what the server has. A ratio is the median over the rounds of the ratio in each; `ROUNDS` (7), `SENSORS` (1000)
//! and `CHUNKS` (730, one a day; at most 30 of them for the aggregates and the columnstore) choose less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use measure::{Measurements, print_ratio, size};
use occupancy_models::bulk;
use occupancy_models::rollups;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::{Feature, chunks, columnstore_stats, refresh, to_columnstore};
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType};
use support::{TestDb, server, sql, value};

fn main() {
    let rounds = size("ROUNDS", 7);
    let chunks = size("CHUNKS", 730);
    println!("{}, {rounds} rounds", server());
    last_values(rounds, size("SENSORS", 1_000), chunks);
    if server().has(Feature::ContinuousAggregates) {
        aggregate_and_columnstore(rounds, chunks.clamp(2, 30));
    }
}

/// A reading of each sensor a day, the last within the last day.
fn last_values(rounds: usize, sensors: usize, days: usize) {
    let (_db, mut conn) = TestDb::ready();
    for from in (0..days).step_by(50) {
        sql(
            &mut conn,
            &format!(
                "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, numeric_value)
                 SELECT now() - day * INTERVAL '1 day' - n * INTERVAL '1 day' / {sensors}, 'room_' || n % 50, 'sensor_' || n, 'temperature', '20', 20
                 FROM generate_series({from}, least({from} + 50, {days}) - 1) AS day, generate_series(0, {sensors} - 1) AS n"
            ),
        );
    }
    sql(&mut conn, "ANALYZE sensor_events");
    println!(
        "\n{sensors} sensors, {} chunks",
        value(&mut conn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sensor_events'::regclass")
    );
    let names: Vec<String> = (0..sensors).map(|n| format!("sensor_{n}")).collect();
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        measured.time("distinct_on", 1, || {
            let last: Vec<SensorEvent> = SensorEvent::query()
                .distinct_on(sensor_events::sensor_id)
                .order((sensor_events::sensor_id, sensor_events::timestamp.desc()))
                .load(&mut conn)
                .unwrap();
            assert_eq!(last.len(), sensors);
        });
        measured.time("last_value", 1, || {
            assert_eq!(
                SensorEvent::latest_for_sensors(&names, ..).load::<SensorEvent>(&mut conn).unwrap().len(),
                sensors
            );
        });
    }
    // Rates, so the other way round for a ratio of times.
    measured.ratio_as("distinct_on/last_value", "last_value", "distinct_on");
}

const SENSORS: usize = 10;

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// A reading of each of ten sensors a minute: temperatures that change by a tenth of a degree every
/// quarter of an hour.
fn aggregate_and_columnstore(rounds: usize, days: usize) {
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    for day in 0..days {
        sql(
            conn,
            &format!(
                "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes, is_human_triggered, confidence_score)
                 SELECT at, 'room_' || n % 4, 'sensor_' || n, 'temperature', reading::text, reading, reading::text, '{{\"unit\": \"°C\"}}', false, 0.9
                 FROM generate_series(0, 1439) AS minute, generate_series(0, {SENSORS} - 1) AS n
                 CROSS JOIN LATERAL (SELECT
                     timestamptz '{}' + minute * INTERVAL '1 minute' AS at,
                     round((20 + n + 2 * sin(minute / 15 / 15.0 + n))::numeric, 1)::float8 AS reading) AS r",
                (start() + TimeDelta::days(day as i64)).to_rfc3339()
            ),
        );
    }
    rollups::hourly_statistics().materialized_only(true).create().call(conn).unwrap();
    refresh(rollups::hourly_statistics::bucket, ..).call(conn).unwrap();
    sql(conn, "ANALYZE");

    println!("\n{} events of {SENSORS} sensors in {days} days", value(conn, "SELECT count(*) FROM sensor_events"));
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        // The same question to both, answered on the server.
        for (name, hours) in [
            (
                "raw_hourly",
                "SELECT time_bucket(INTERVAL '1 hour', timestamp) AS bucket, sensor_id, count(numeric_value) AS readings, avg(numeric_value) AS mean, min(numeric_value) AS minimum, max(numeric_value) AS maximum, stddev_samp(numeric_value) AS standard_deviation FROM sensor_events GROUP BY 1, 2",
            ),
            ("aggregate_hourly", "SELECT * FROM hourly_statistics"),
        ] {
            measured.time(name, 1, || {
                let query = format!("SELECT count(*) || ' hours' FROM ({hours}) AS hours WHERE mean BETWEEN minimum AND maximum AND standard_deviation >= 0");
                assert_eq!(value(conn, &query), format!("{} hours", days * 24 * SENSORS));
            });
        }
    }
    measured.ratio_as("raw_hourly/aggregate_hourly", "aggregate_hourly", "raw_hourly");

    SensorEvent::columnstore().enable().call(conn).unwrap();
    // Half of the days, to compare the two with late rows.
    let half = days / 2;
    for chunk in chunks(sensor_events::timestamp, ..).call(conn).unwrap().iter().take(half) {
        to_columnstore(chunk).call(conn).unwrap();
    }
    let stats = columnstore_stats(sensor_events::table).call(conn).unwrap();
    let (before, after) = (stats.before_bytes.unwrap(), stats.after_bytes.unwrap());
    println!("{} chunks: {before} bytes before, {after} after", stats.columnstore_chunks);
    print_ratio("rowstore_bytes/columnstore_bytes", before as f64 / after as f64);

    let mut measured = Measurements::new();
    for round in 0..rounds {
        for (name, day) in [("upsert_rowstore", half + round % (days - half)), ("upsert_columnstore", round % half)] {
            // Half a minute late, each between two readings that are there.
            let late: Vec<_> = (0..1_000)
                .map(|n| {
                    let seconds = (n / SENSORS * 600 + 30) as i64 + (round / half) as i64;
                    let at = start() + TimeDelta::days(day as i64) + TimeDelta::seconds(seconds);
                    let sensor = format!("sensor_{}", n % SENSORS);
                    NewSensorEvent::new(
                        at,
                        format!("room_{}", n % SENSORS % 4),
                        sensor,
                        SensorType::TEMPERATURE,
                        "20.5",
                    )
                })
                .collect();
            measured.time(name, late.len(), || {
                let report = bulk::upsert_sensor_events(&late).call(conn).unwrap();
                assert_eq!(report.inserted, 1_000);
            });
        }
    }
    println!("late rows, 1,000 a call");
    measured.print();
    measured.ratio("upsert_rowstore", "upsert_columnstore");
}
