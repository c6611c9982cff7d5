//! Several writers of the same rows, as at-least-once delivery makes them: in one order, and each in an order of its own.
//!
//!     dev/db cargo bench --bench writers
//!
//! Every round runs both orders, one after the other, on a table that is filled anew; the ratio is the median over the
//! rounds of the ratio in each. Then writers of all kinds store the same rows in random orders, and deadlocks are counted.
//! `CONNECTIONS` (8), `ROWS` (400) of a batch, `ROUNDS` (7) and `SECONDS` (2) for each side of a round choose less; the
//! writers of all kinds have fifteen times that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use measure::{median, print_ratio, size};
use occupancy_models::bulk::{self, BulkError, Keyed};
use occupancy_models::{Call, ModelType, NewPrediction, NewSensorEvent, SensorType, TransitionType};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use support::{Needs, TestDb, has, sql};

fn main() {
    if !has(Needs::TwoConnections) {
        return;
    }
    let (writers, keys) = (size("CONNECTIONS", 8), size("ROWS", 400));
    let rounds = size("ROUNDS", 7);
    let time = Duration::from_secs(size("SECONDS", 2) as u64);
    println!("{}, {writers} writers of the same {keys} rows, {rounds} rounds", support::server());
    let (db, mut conn) = TestDb::ready();
    let rows = Rows::reserve(&mut conn, keys);

    let (mut sorted, mut shuffled, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut deadlocks = 0;
    for round in 0..rounds {
        let mut run = |is_shuffled| {
            sql(&mut conn, "TRUNCATE sensor_events; TRUNCATE predictions");
            Batch::ByInstant.store(&mut conn, &rows, 0, None).unwrap();
            let done = write(&db, &rows, writers, time, &[Batch::ByInstant], is_shuffled);
            deadlocks += done.deadlocks;
            done.batches as f64 / time.as_secs_f64()
        };
        // Each goes first every other time.
        let is_first = round % 2 == 0;
        let first = run(is_first);
        let second = run(!is_first);
        let (one, other) = if is_first { (second, first) } else { (first, second) };
        sorted.push(one);
        shuffled.push(other);
        ratios.push(other / one);
    }
    println!("  sorted by the caller     {:>9.0} batches/s", median(sorted));
    println!("  shuffled                 {:>9.0} batches/s", median(shuffled));
    print_ratio(&format!("shuffled_{writers}/sorted_{writers}"), median(ratios));

    sql(&mut conn, "TRUNCATE sensor_events; TRUNCATE predictions");
    Batch::ByKey.store(&mut conn, &rows, 0, None).unwrap();
    let soak = 15 * time;
    let done = write(&db, &rows, writers, soak, &[Batch::ByInstant, Batch::ByKey, Batch::Predictions], true);
    println!("  {} batches of all kinds in {} s", done.batches, soak.as_secs());
    print_ratio("deadlocks", (deadlocks + done.deadlocks) as f64);
}

/// What every writer stores, in the order of time and sensor.
struct Rows {
    event_keys: Vec<(i64, DateTime<Utc>)>,
    prediction_ids: Vec<i64>,
}

impl Rows {
    fn reserve(conn: &mut PgConnection, rows: usize) -> Self {
        let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
        let timestamps = (0..).map(|n| start + TimeDelta::minutes(n)).take(rows);
        let keys = bulk::reserve_keys(timestamps).call(conn).unwrap();
        Self {
            event_keys: keys.iter().map(|key| (key.id(), key.timestamp())).collect(),
            prediction_ids: bulk::reserve_prediction_ids(rows.try_into().unwrap()).call(conn).unwrap(),
        }
    }

    fn event(&self, n: usize, version: u64) -> NewSensorEvent<'static> {
        let (_, timestamp) = self.event_keys[n];
        NewSensorEvent::new(timestamp, "room", format!("sensor.{n}"), SensorType::TEMPERATURE, version.to_string())
    }

    fn prediction(&self, n: usize, version: u64) -> NewPrediction<'static> {
        let at = self.event_keys[n].1;
        NewPrediction::new("room", at, TransitionType::StateChange, 0.5, ModelType::HMM, version.to_string())
    }
}

#[derive(Clone, Copy)]
enum Batch {
    ByInstant,
    ByKey,
    Predictions,
}

impl Batch {
    /// Stores all rows with another state, in their order or in a random one.
    fn store(
        self,
        conn: &mut PgConnection,
        rows: &Rows,
        version: u64,
        random: Option<&mut StdRng>,
    ) -> Result<bulk::Report, BulkError> {
        let mut order: Vec<_> = (0..rows.event_keys.len()).collect();
        if let Some(random) = random {
            order.shuffle(random);
        }
        let order = order.into_iter();
        match self {
            Self::ByInstant => {
                let events: Vec<_> = order.map(|n| rows.event(n, version)).collect();
                bulk::upsert_sensor_events(&events).call(conn)
            }
            Self::ByKey => {
                let events: Vec<_> = order.map(|n| Keyed::new(rows.event_keys[n].0, rows.event(n, version))).collect();
                bulk::upsert_sensor_events_by_key(&events).call(conn)
            }
            Self::Predictions => {
                let predictions: Vec<_> =
                    order.map(|n| Keyed::new(rows.prediction_ids[n], rows.prediction(n, version))).collect();
                bulk::upsert_predictions(&predictions).call(conn)
            }
        }
    }
}

#[derive(Default)]
struct Done {
    batches: usize,
    deadlocks: usize,
}

/// Lets writers store the same rows for some time, each batch of a random kind. Batches that deadlock count as none.
fn write(db: &TestDb, rows: &Rows, writers: usize, time: Duration, kinds: &[Batch], is_shuffled: bool) -> Done {
    let start = Barrier::new(writers);
    let each: Vec<Done> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..)
            .map(|seed| {
                let start = &start;
                scope.spawn(move || {
                    let mut conn = db.connect();
                    let mut random = StdRng::seed_from_u64(seed);
                    start.wait();
                    let deadline = Instant::now() + time;
                    let mut done = Done::default();
                    while Instant::now() < deadline {
                        let kind = kinds[random.random_range(0..kinds.len())];
                        let version = random.random();
                        match kind.store(&mut conn, rows, version, is_shuffled.then_some(&mut random)) {
                            Ok(_) => done.batches += 1,
                            Err(error) if error.to_string() == "deadlock detected" => done.deadlocks += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    done
                })
            })
            .take(writers)
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    each.into_iter().fold(Done::default(), |sum, done| Done {
        batches: sum.batches + done.batches,
        deadlocks: sum.deadlocks + done.deadlocks,
    })
}
