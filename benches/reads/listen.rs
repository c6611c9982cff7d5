//! Ingest while somebody is told of each batch, against ingest without, and against ingest with a trigger that does
//! nothing but has the new rows as a table: with such a trigger, COPY into a hypertable inserts row by row.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::live::{notify_inserts_by, stop_notifying};
use occupancy_models::{Call, NewSensorEvent, SensorType, bulk};

use crate::measure::{Measurements, size};
use crate::support::{TestDb, sql};

const BATCH: usize = 5_000;
const NOTHING: &str = "
    CREATE OR REPLACE FUNCTION nothing() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER nothing AFTER INSERT ON sensor_events REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION nothing()";

pub fn ingest(rounds: usize) {
    let (db, mut conn) = TestDb::ready();
    let mut listener = db.connect();
    listener.batch_execute("LISTEN \"inserts public.sensor_events\"").unwrap();
    let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    let count = (size("ROWS", 2_000_000) / 20).max(1_000);
    let events: Vec<_> = (0..count)
        .map(|n| {
            let at = start + TimeDelta::seconds(n as i64);
            let (room, sensor) = (format!("room_{}", n % 10), format!("sensor_{}", n % 50));
            NewSensorEvent::new(at, room, sensor, SensorType::LIGHT, (n % 500).to_string())
        })
        .collect();
    let mut measured = Measurements::new();
    let mut told = 0;
    let ways = ["listen_on", "listen_off", "only_captured"];
    for round in 0..rounds {
        // Another one first each time.
        for way in (0..ways.len()).map(|n| ways[(n + round) % ways.len()]) {
            sql(&mut conn, "DROP TRIGGER IF EXISTS nothing ON sensor_events");
            match way {
                "listen_on" => {
                    notify_inserts_by(sensor_events::timestamp, sensor_events::room_id).call(&mut conn).unwrap();
                }
                "listen_off" => _ = stop_notifying(sensor_events::table).call(&mut conn).unwrap(),
                _ => {
                    stop_notifying(sensor_events::table).call(&mut conn).unwrap();
                    sql(&mut conn, NOTHING);
                }
            }
            sql(&mut conn, "TRUNCATE sensor_events; CHECKPOINT");
            measured.time(way, count, || {
                let report = bulk::upsert_sensor_events(&events).in_batches(BATCH).call(&mut conn).unwrap();
                assert_eq!(report.inserted, count as u64);
            });
            told += listener.notifications_iter().count();
        }
    }
    assert!(told >= rounds, "whoever listens is told");
    println!("\ningest of {count} events in batches of {BATCH}, {told} notifications");
    measured.print();
    measured.ratio("listen_on", "listen_off");
    measured.ratio("listen_on", "only_captured");
}
