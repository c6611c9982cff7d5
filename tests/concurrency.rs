//! References hold while everything happens at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::transaction::{Retry, Transient};
use occupancy_models::{
    Call, Error, Fault, ModelType, NewPrediction, NewSensorEvent, SensorType, TransitionType,
    drop_sensor_events_before, verify,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{TestDb, needs, sql};

const ISOLATION: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// What the threads share: the event ids handed out so far, and what they have done.
#[derive(Default)]
struct Chaos {
    newest_id: AtomicI64,
    minutes: AtomicI64,
    done: [AtomicU32; 4],
    references_refused: AtomicU32,
    retries: AtomicU32,
}

impl Chaos {
    /// One random transaction.
    fn step(&self, conn: &mut PgConnection, random: &mut StdRng) -> Result<(), Error> {
        let isolation = ISOLATION[random.random_range(0..3)];
        let work = random.random_range(0..100);
        match work {
            0..45 => self.transaction(conn, isolation, 0, |conn| {
                let minute = self.minutes.fetch_add(random.random_range(1..60), Relaxed);
                let id = diesel::insert_into(sensor_events::table)
                    .values(NewSensorEvent::new(
                        start() + TimeDelta::minutes(minute),
                        "room",
                        "sensor",
                        SensorType::MOTION,
                        "on",
                    ))
                    .returning(sensor_events::id)
                    .get_result(conn)?;
                self.newest_id.fetch_max(id, Relaxed);
                Ok(())
            }),
            45..85 => self.transaction(conn, isolation, 1, |conn| {
                let newest = self.newest_id.load(Relaxed);
                let id = random.random_range((newest - 60).max(0)..=newest);
                let predicted = diesel::insert_into(predictions::table)
                    .values(
                        NewPrediction::new("room", Utc::now(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
                            .with_triggering_event_id(id),
                    )
                    .execute(conn);
                // Time for others to come in between.
                std::thread::sleep(Duration::from_micros(random.random_range(0..2000)));
                predicted.map(|_| ()).map_err(Error::from)
            }),
            85..99 => self.transaction(conn, isolation, 2, |conn| {
                let newest = self.newest_id.load(Relaxed);
                let id = random.random_range((newest - 60).max(0)..=newest);
                diesel::delete(sensor_events::table.filter(sensor_events::id.eq(id))).execute(conn)?;
                std::thread::sleep(Duration::from_micros(random.random_range(0..2000)));
                Ok(())
            }),
            _ => self.transaction(conn, ISOLATION[0], 3, |conn| {
                let minutes = self.minutes.load(Relaxed);
                drop_sensor_events_before(start() + TimeDelta::minutes(minutes - 24 * 60)).call(conn)?;
                Ok(())
            }),
        }
    }

    fn transaction(
        &self,
        conn: &mut PgConnection,
        isolation: &str,
        kind: usize,
        mut work: impl FnMut(&mut PgConnection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut attempts = 0;
        let result = Retry::default().attempts(50).run(conn, |conn| {
            attempts += 1;
            conn.transaction(|conn| {
                conn.batch_execute(&format!("SET TRANSACTION ISOLATION LEVEL {isolation}"))?;
                work(conn)
            })
        });
        self.retries.fetch_add(attempts - 1, Relaxed);
        match result {
            Err(Error::Database(diesel::result::Error::DatabaseError(
                diesel::result::DatabaseErrorKind::ForeignKeyViolation,
                _,
            ))) if kind == 1 => {
                self.references_refused.fetch_add(1, Relaxed);
                Ok(())
            }
            Ok(()) => {
                self.done[kind].fetch_add(1, Relaxed);
                Ok(())
            }
            error => error,
        }
    }
}

/// The faults while nobody registers or removes an event. (A chunk that is dropped while verification waits for it
/// would look like a fault otherwise.)
fn faults(conn: &mut PgConnection) -> Vec<Fault> {
    Retry::default()
        .attempts(50)
        .transaction(conn, |conn| {
            conn.batch_execute("LOCK TABLE referenced_events IN SHARE MODE")?;
            verify().allow_plain_table().call(conn)
        })
        .unwrap()
}

#[test]
fn nothing_dangles_after_chaos() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    // Chunks of six hours, so that retention has something to drop.
    if support::server().timescaledb.is_some() {
        sql(&mut conn, "SELECT set_chunk_time_interval('sensor_events', interval '6 hours')");
    }
    let chaos = Chaos::default();
    let seconds = std::env::var("CHAOS_SECONDS").map_or(6, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (db, chaos) = (&db, &chaos);
            scope.spawn(move || {
                let mut conn = db.connect();
                sql(&mut conn, "SET deadlock_timeout TO '20ms'");
                let mut random = StdRng::seed_from_u64(seed);
                while Instant::now() < end {
                    if let Err(error) = chaos.step(&mut conn, &mut random) {
                        assert!(error.is_transient(), "{error}");
                    }
                }
            });
        }
        // A later retention would clear away what dangles now, so look all the time.
        while Instant::now() < end && found.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
            found = faults(&mut conn);
        }
    });

    found.extend(faults(&mut conn));
    let done = chaos.done.each_ref().map(|count| count.load(Relaxed));
    let referenced: i64 = predictions::table
        .filter(predictions::triggering_event_id.is_not_null())
        .count()
        .get_result(&mut conn)
        .unwrap();
    eprintln!(
        "inserts, references, deletes, retentions: {done:?}; refused {:?}, retries {:?}, references left {referenced}",
        chaos.references_refused, chaos.retries,
    );
    assert_eq!(found, []);
    assert!(done.iter().all(|&count| count > 0), "the chaos had no chance: {done:?}");
    assert!(referenced > 0, "nothing was left to dangle");
}
