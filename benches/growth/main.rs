//! What becomes slower as a home grows: one, five and twenty times as many events, over as many times the days.
//!
//!     dev/db cargo bench --bench growth
//!     DB=community ROWS=20000 dev/db cargo bench --bench growth     # with the columnstore
//!
//! `ROWS` (1000000) are the events of the first size; the last one has 20 times as many in `CHUNKS` (1000) daily
//! chunks. `ROUNDS` (7) choose less, `ONLY` (`rowstore`, `columnstore`) one of the two. Ratios of rates (`ingest`) are
//! the last by the first, and those of times as well: 1 is as fast as before, 2 takes twice as long. The default needs
//! about 10 GB on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use measure::{Measurements, print_ratio, size, wanted};
use occupancy_models::queries::by_hour_of_day;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::{Feature, chunks, to_columnstore};
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorEventKey, SensorType, bulk};
use support::{TestDb, server, sql, value, values};

const SIZES: [usize; 3] = [1, 5, 20];
const SENSORS: usize = 50;
/// So many days stay in the rowstore.
const RECENT: i64 = 7;

fn main() {
    let (rows, rounds) = (size("ROWS", 1_000_000), size("ROUNDS", 7));
    let days = (size("CHUNKS", 1_000) / SIZES[2]).max(1);
    println!("{}, {rows} events and 5 and 20 times as many, {rounds} rounds", server());
    if wanted("rowstore") {
        grow("rowstore", rows, days, rounds, false);
    }
    if wanted("columnstore") && server().has(Feature::Columnstore) {
        grow("columnstore", rows, days, rounds, true);
    }
}

fn start() -> DateTime<Utc> {
    "2023-01-02T00:00:00Z".parse().unwrap()
}

/// A database that grows.
struct Home {
    conn: PgConnection,
    _db: TestDb,
    per_day: usize,
    rows: usize,
    /// So many days before the last one is the day that is asked for.
    back: i64,
}

impl Home {
    /// The midnight after the last event.
    fn end(&self) -> DateTime<Utc> {
        start() + TimeDelta::days(self.rows.div_ceil(self.per_day) as i64)
    }

    /// The day that is asked for: in the columnstore, if there is one.
    fn day(&self) -> std::ops::Range<DateTime<Utc>> {
        let midnight = self.end() - TimeDelta::days(self.back);
        midnight - TimeDelta::days(1)..midnight
    }

    /// Events up to so many: on the server, in portions.
    fn fill(&mut self, rows: usize) {
        let step = 86_400.0 / self.per_day as f64;
        for from in (self.rows..rows).step_by(500_000) {
            let last = rows.min(from + 500_000) - 1;
            sql(
                &mut self.conn,
                &format!(
                    "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, numeric_value, attributes, is_human_triggered)
                     SELECT timestamptz '{}' + n * interval '{step} seconds', 'room_' || n % {SENSORS} / 5, 'sensor_' || n % {SENSORS},
                         CASE n % 2 WHEN 0 THEN 'temperature' ELSE 'light' END, (18 + n / {SENSORS} % 7)::text, 18 + n / {SENSORS} % 7,
                         '{{\"battery\": 90}}'::jsonb, false
                     FROM generate_series({from}, {last}) AS n",
                    start().to_rfc3339()
                ),
            );
        }
        self.rows = rows;
    }

    /// What is older than some days, to the columnstore.
    fn convert(&mut self) {
        let before = self.end() - TimeDelta::days(RECENT);
        let old = chunks(sensor_events::timestamp, ..before).call(&mut self.conn).unwrap();
        for chunk in old.iter().filter(|chunk| !chunk.is_columnstore) {
            to_columnstore(chunk).call(&mut self.conn).unwrap();
        }
    }

    /// Rows after the last event, as they come from sensors.
    fn ingest(&mut self, rows: usize, measured: &mut Measurements) {
        let end = self.end();
        let events: Vec<_> = (0..rows)
            .map(|n| {
                let at = end + TimeDelta::milliseconds(86_400_000 * n as i64 / rows as i64);
                NewSensorEvent::new(at, "room_0", format!("new_{}", n % SENSORS), SensorType::TEMPERATURE, "20.5")
            })
            .collect();
        measured.time("ingest", rows, || {
            let report = bulk::upsert_sensor_events(&events).in_batches(5_000).call(&mut self.conn).unwrap();
            assert_eq!(report.inserted, rows as u64);
        });
        let chunks =
            format!("SELECT DISTINCT tableoid::regclass FROM sensor_events WHERE timestamp >= '{}'", end.to_rfc3339());
        let chunks = values(&mut self.conn, &chunks);
        diesel::delete(sensor_events::table.filter(sensor_events::timestamp.ge(end))).execute(&mut self.conn).unwrap();
        // The next round has the same keys: their dead rows would slow it down, by half after seven rounds.
        for chunk in chunks {
            sql(&mut self.conn, &format!("VACUUM {chunk}"));
        }
    }

    /// Each question once.
    fn read(&mut self, keys: &[SensorEventKey], measured: &mut Measurements) {
        let (day, end) = (self.day(), self.end());
        let conn = &mut self.conn;
        measured.time("day", 1, || {
            let events: Vec<SensorEvent> = SensorEvent::timeline("room_3", day.clone()).load(conn).unwrap();
            assert!(!events.is_empty());
        });
        measured.time("latest", 1, || {
            let sensors = (0..SENSORS).map(|n| format!("sensor_{n}"));
            let latest = SensorEvent::latest_for_sensors(sensors, ..=end).load::<SensorEvent>(conn).unwrap();
            assert_eq!(latest.len(), SENSORS);
        });
        measured.time("by_key", keys.len(), || {
            for key in keys {
                let event: SensorEvent = SensorEvent::query().find((key.id(), key.timestamp())).first(conn).unwrap();
                assert_eq!(event.key(), *key);
            }
        });
        measured.time("by_id", 1, || {
            let event: SensorEvent = SensorEvent::by_id(keys[0].id()).first(conn).unwrap();
            assert_eq!(event.key(), keys[0]);
        });
        measured.time("hourly", 1, || {
            let hours = by_hour_of_day(SensorEvent::within(day.clone()), "UTC");
            assert!(hours.count().get_result::<i64>(conn).unwrap() > 0);
        });
    }
}

fn grow(name: &str, rows: usize, days: usize, rounds: usize, columnstore: bool) {
    let (db, conn) = TestDb::ready();
    let mut home = Home { conn, _db: db, per_day: rows.div_ceil(days), rows: 0, back: days as i64 * 2 / 5 };
    if columnstore {
        SensorEvent::columnstore().enable().call(&mut home.conn).unwrap();
    }
    let mut sizes = Vec::new();
    for times in SIZES {
        let began = Instant::now();
        home.fill(rows * times);
        if columnstore {
            home.convert();
        }
        sql(&mut home.conn, "ANALYZE sensor_events");
        println!(
            "\n{name}: {} events, {} chunks, made in {:.0} s",
            home.rows,
            value(&mut home.conn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sensor_events'::regclass"),
            began.elapsed().as_secs_f64()
        );
        let keys: Vec<SensorEventKey> = SensorEvent::within(home.day())
            .order(sensor_events::id)
            .limit(100)
            .select(SensorEventKey::as_select())
            .load(&mut home.conn)
            .unwrap();
        let mut measured = Measurements::new();
        // The first round plans, and reads what is not in memory.
        home.read(&keys, &mut Measurements::new());
        for _ in 0..rounds {
            home.ingest((rows / 20).max(1), &mut measured);
            home.read(&keys, &mut measured);
        }
        measured.print();
        sizes.push(measured);
    }
    let (first, last) = (&sizes[0], &sizes[SIZES.len() - 1]);
    let rate = |of: &Measurements, what| of.median(what).unwrap();
    print_ratio(&format!("growth_{name}_ingest_20/1"), rate(last, "ingest") / rate(first, "ingest"));
    for what in ["day", "latest", "by_key", "by_id", "hourly"] {
        // Of times.
        print_ratio(&format!("growth_{name}_{what}_20/1"), rate(first, what) / rate(last, what));
    }
}
