//! What references cost, and what holds them up.
//!
//!     dev/db cargo bench --bench references
//!
//! A ratio is the median over the rounds of the ratio in each, and above one where the first of the two is faster.
//! `ROUNDS` (7), `SECONDS` (1), `CONNECTIONS` (8), `ROWS` (1000) and `CHUNKS` (730) choose less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use measure::{Measurements, size};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Call, ModelType, NewPrediction, SensorEventKey, TransitionType, bulk};
use support::{TestDb, server, sql};

fn main() {
    if !support::has(support::Needs::TwoConnections) {
        return;
    }
    let rounds = size("ROUNDS", 7);
    println!("{}, {rounds} rounds", server());
    one_connection(rounds, size("ROWS", 1_000), size("CHUNKS", 730));
    side_by_side(rounds, Duration::from_secs(size("SECONDS", 1) as u64), size("CONNECTIONS", 8));
}

fn prediction(id: i64) -> NewPrediction<'static> {
    NewPrediction::new("room", Utc::now(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_triggering_event_id(id)
}

/// Events that nothing references, a millisecond apart and `age` old.
fn fresh_events(conn: &mut PgConnection, count: usize, room: &str, age: &str) -> Vec<SensorEventKey> {
    diesel::dsl::sql::<(diesel::sql_types::BigInt, diesel::sql_types::Timestamptz)>(&format!(
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT clock_timestamp() - INTERVAL '{age}' - n * INTERVAL '1 millisecond', '{room}', gen_random_uuid(), 'motion', 'on'
         FROM generate_series(1, {count}) AS n
         RETURNING id, timestamp"
    ))
    .load::<(i64, DateTime<Utc>)>(conn)
    .unwrap()
    .into_iter()
    .map(|(id, timestamp)| SensorEventKey::new(id, timestamp))
    .collect()
}

/// A prediction a statement: with a plain foreign key to a plain table, with a first reference, with a known one; and
/// first references by key to events of the last hour, and to events of any age.
fn one_connection(rounds: usize, rows: usize, days: usize) {
    let (_db, mut conn) = TestDb::ready();
    for from in (0..days).step_by(50) {
        sql(
            &mut conn,
            &format!(
                "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
                 SELECT now() - day * INTERVAL '1 day' - n * INTERVAL '1 hour', 'room', 'sensor', 'motion', 'on'
                 FROM generate_series({from}, least({from} + 50, {days}) - 1) AS day, generate_series(0, 23) AS n"
            ),
        );
    }
    sql(
        &mut conn,
        "CREATE SCHEMA plain;
         CREATE TABLE plain.sensor_events (id BIGINT PRIMARY KEY, timestamp TIMESTAMPTZ NOT NULL);
         CREATE TABLE plain.predictions (LIKE predictions INCLUDING ALL);
         ALTER TABLE plain.predictions ADD FOREIGN KEY (triggering_event_id) REFERENCES plain.sensor_events ON DELETE SET NULL;
         ANALYZE",
    );
    println!("\n{rows} predictions one by one, {days} days");
    let mut measured = Measurements::new();
    for round in 0..rounds {
        let recent = fresh_events(&mut conn, 2 * rows, "room", "1 second");
        let (recent, by_key) = recent.split_at(rows);
        let old: Vec<SensorEventKey> = sensor_events::table
            .filter(sensor_events::timestamp.lt(Utc::now() - chrono::TimeDelta::days(35.min(days as i64 / 2))))
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("id NOT IN (SELECT id FROM referenced_events)"))
            .order(diesel::dsl::sql::<diesel::sql_types::Text>(&format!("md5(id::text || '{round}')")))
            .limit(rows as i64)
            .select((sensor_events::id, sensor_events::timestamp))
            .load::<(i64, DateTime<Utc>)>(&mut conn)
            .unwrap()
            .into_iter()
            .map(|(id, timestamp)| SensorEventKey::new(id, timestamp))
            .collect();
        let insert = |conn: &mut PgConnection, keys: &[SensorEventKey]| {
            for key in keys {
                diesel::insert_into(predictions::table).values(prediction(key.id())).execute(conn).unwrap();
            }
        };
        let insert_by_key = |conn: &mut PgConnection, keys: &[SensorEventKey]| {
            for key in keys {
                bulk::insert_predictions(&[prediction(0).with_triggering_event(*key)]).call(conn).unwrap();
            }
        };
        sql(
            &mut conn,
            "INSERT INTO plain.sensor_events SELECT id, timestamp FROM sensor_events ON CONFLICT DO NOTHING; ANALYZE predictions, referenced_events, plain.predictions; SET search_path TO plain, public",
        );
        measured.time("plain_fk", rows, || insert(&mut conn, recent));
        sql(&mut conn, "RESET search_path");
        measured.time("first_reference", rows, || insert(&mut conn, recent));
        measured.time("known_reference", rows, || insert(&mut conn, recent));
        measured.time("first_reference_recent", rows, || insert_by_key(&mut conn, by_key));
        measured.time("first_reference_old", old.len(), || insert_by_key(&mut conn, &old));
    }
    measured.print();
    measured.ratio("first_reference", "plain_fk");
    measured.ratio("known_reference", "plain_fk");
    measured.ratio("first_reference_old", "first_reference_recent");
}

/// What another session does while first references are made.
type Meanwhile = fn(&mut PgConnection, &AtomicBool, &[SensorEventKey]);

const BESIDE: [(&str, Meanwhile); 5] = [
    ("alone", |_, _, _| {}),
    ("beside_deleter", |conn, is_over, others| {
        for key in others {
            if is_over.load(Relaxed) {
                break;
            }
            sql(
                conn,
                &format!(
                    "BEGIN; DELETE FROM sensor_events WHERE id = {} AND timestamp = '{}'",
                    key.id(),
                    key.timestamp()
                ),
            );
            std::thread::sleep(Duration::from_millis(50));
            sql(conn, "COMMIT");
        }
    }),
    ("beside_delete_of_nothing", |conn, is_over, _| {
        sql(conn, "BEGIN; DELETE FROM sensor_events WHERE room_id = 'no such room'");
        wait(is_over);
        sql(conn, "COMMIT");
    }),
    ("beside_vacuum", |conn, is_over, _| {
        while !is_over.load(Relaxed) {
            sql(conn, "VACUUM referenced_events");
            std::thread::sleep(Duration::from_millis(20));
        }
    }),
    ("beside_purge", |conn, is_over, _| {
        sql(conn, "BEGIN; DELETE FROM sensor_events WHERE room_id = 'purged'");
        wait(is_over);
        sql(conn, "ROLLBACK");
    }),
];

fn wait(is_over: &AtomicBool) {
    while !is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn side_by_side(rounds: usize, window: Duration, writers: usize) {
    let (db, mut conn) = TestDb::ready();
    fresh_events(&mut conn, 1_000, "purged", "2 days");
    println!("\n{writers} connections, {window:?} each");
    let mut measured = Measurements::new();
    let (mut commits, mut failures) = (0, 0);
    for round in 0..rounds {
        // Another one first each time.
        for (name, meanwhile) in (0..BESIDE.len()).map(|n| BESIDE[(n + round) % BESIDE.len()]) {
            let keys = fresh_events(&mut conn, window.as_millis() as usize * 20, "room", "1 second");
            let others = fresh_events(&mut conn, 100, "other", "1 second");
            let next = AtomicUsize::new(0);
            let (done, _) = in_window(
                &db,
                window,
                writers,
                |conn| {
                    let key = keys.get(next.fetch_add(1, Relaxed)).expect("enough events");
                    diesel::insert_into(predictions::table).values(prediction(key.id())).execute(conn)
                },
                |conn, is_over| meanwhile(conn, is_over, &others),
            );
            measured.record(name, done, window);
        }
        let keys = fresh_events(&mut conn, window.as_millis() as usize * 20, "room", "1 second");
        let next = AtomicUsize::new(0);
        let (done, failed) = in_window(
            &db,
            window,
            writers,
            |conn| {
                let at = next.fetch_add(2, Relaxed);
                let (one, other) = (keys[at], keys[at + 1]);
                conn.transaction(|conn| {
                    diesel::insert_into(predictions::table).values(prediction(one.id())).execute(conn)?;
                    diesel::delete(sensor_events::table.find((other.id(), other.timestamp()))).execute(conn)
                })
            },
            |_, _| {},
        );
        commits += done;
        failures += failed;
        sql(&mut conn, "TRUNCATE predictions; DELETE FROM sensor_events WHERE room_id <> 'purged'");
        sql(&mut conn, "VACUUM ANALYZE");
    }
    measured.print();
    for (name, _) in &BESIDE[1..] {
        measured.ratio(name, "alone");
    }
    println!("RATIO reference_then_delete_commits {commits}");
    println!("RATIO reference_then_delete_deadlocks {failures}");
}

/// How often work is done, and how often it failed, by so many connections in a window of time.
fn in_window(
    db: &TestDb,
    window: Duration,
    writers: usize,
    work: impl Fn(&mut PgConnection) -> QueryResult<usize> + Sync,
    meanwhile: impl Fn(&mut PgConnection, &AtomicBool) + Sync,
) -> (usize, usize) {
    let (is_over, done, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let start = std::sync::Barrier::new(writers + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut conn = db.connect();
            start.wait();
            meanwhile(&mut conn, &is_over);
        });
        for _ in 0..writers {
            scope.spawn(|| {
                let mut conn = db.connect();
                // Caches of its own.
                sql(&mut conn, "SELECT register_sensor_events(-1)");
                start.wait();
                let end = Instant::now() + window;
                while Instant::now() < end {
                    match work(&mut conn) {
                        Ok(_) => done.fetch_add(1, Relaxed),
                        Err(_) => failed.fetch_add(1, Relaxed),
                    };
                }
                is_over.store(true, Relaxed);
            });
        }
    });
    (done.into_inner(), failed.into_inner())
}
