//! One of the eight who write: rows of its own sensor, references to the events of all.

use std::sync::atomic::Ordering::Relaxed;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::bulk::{self, BulkError, Keyed};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Call, Error, ModelType, NewPrediction, NewSensorEvent, SensorType, TransitionType};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::model::{Keys, Last};
use crate::world::{KEPT, World, alerts, at, holds, slot_of};

const ISOLATION: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];
/// How many slots of each kind a sensor has.
const SLOTS: i64 = 60;

/// What deletes are counted as that have not found rows which are there.
pub const MISSED: &str = "deletes that missed rows";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Committed,
    RolledBack,
    /// The connection was lost: nobody knows.
    Unknown,
}

pub struct Worker<'w> {
    world: &'w World,
    conn: PgConnection,
    random: StdRng,
    number: u64,
    sensor: String,
    keys: Keys,
}

impl<'w> Worker<'w> {
    pub fn new(world: &'w World, seed: u64, number: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_add(number));
        Self { world, conn: world.connect(), random, number, sensor: format!("w{number}"), keys: Keys::default() }
    }

    /// Works until it is over, and then looks at what is stored.
    pub fn run(mut self) {
        let mut steps = 0;
        while !self.world.is_over.load(Relaxed) {
            self.step();
            steps += 1;
            if steps % 20 == 0 {
                self.look(false);
            }
        }
        self.look(true);
    }

    fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..30 => self.write(),
            30..45 => self.delete(),
            45..75 => self.reference(),
            75..95 => self.fight_for_an_id(),
            _ => self.let_go(),
        }
    }

    fn slot(&mut self) -> i64 {
        // An event every hour of the old days, or every minute of a kept one.
        let n = self.random.random_range(0..SLOTS);
        if self.random.random_bool(0.5) { n * 60 } else { KEPT + n }
    }

    fn event(&self, slot: i64, version: u64) -> NewSensorEvent<'static> {
        NewSensorEvent::new(at(slot), "room", self.sensor.clone(), SensorType::TEMPERATURE, version.to_string())
    }

    /// Upserts a batch of new, changed and equal rows, in any order, with a savepoint that may be rolled back; what the
    /// transaction deletes besides.
    fn write(&mut self) {
        let mut rows = Vec::new();
        for _ in 0..self.random.random_range(1..30) {
            let slot = self.slot();
            let version = match self.keys.0.get(&slot) {
                Some(Last::Written { version, .. }) if self.random.random_bool(0.3) => *version,
                _ => self.world.version(),
            };
            rows.push((slot, version));
        }
        rows.sort_unstable();
        rows.dedup_by_key(|(slot, _)| *slot);
        rows.shuffle(&mut self.random);
        let undone: Vec<_> = (0..5).map(|_| (self.slot(), self.world.version())).collect();
        let events = |worker: &Self, rows: &[(i64, u64)]| -> Vec<_> {
            rows.iter().map(|(slot, version)| worker.event(*slot, *version)).collect()
        };
        let (events, undone) = (events(self, &rows), events(self, &undone));
        let (has_savepoint, rolls_back) = (self.random.random_bool(0.4), self.random.random_bool(0.1));
        let from = self.world.clock.now();
        let outcome = self.transaction("upserts", |conn| {
            bulk::upsert_sensor_events(&events).call(conn)?;
            if has_savepoint {
                let undone: Result<(), Error> = conn.transaction(|conn| {
                    bulk::upsert_sensor_events(&undone).call(conn)?;
                    Err(DieselError::RollbackTransaction.into())
                });
                match undone {
                    Err(Error::Database(DieselError::RollbackTransaction)) => {}
                    other => return other,
                }
            }
            if rolls_back { Err(DieselError::RollbackTransaction.into()) } else { Ok(()) }
        });
        self.wrote(outcome, rows, from);
    }

    /// What is known of keys after a write; where nothing is, they are written anew.
    fn wrote(&mut self, outcome: Outcome, rows: Vec<(i64, u64)>, from: u64) {
        let to = self.world.clock.now();
        match outcome {
            Outcome::RolledBack => {}
            Outcome::Committed => {
                self.keys.0.extend(rows.into_iter().map(|(slot, version)| (slot, Last::Written { version, from, to })));
            }
            Outcome::Unknown => self.write_anew(rows.into_iter().map(|(slot, _)| slot).collect()),
        }
    }

    fn write_anew(&mut self, slots: Vec<i64>) {
        loop {
            let rows: Vec<_> = slots.iter().map(|slot| (*slot, self.world.version())).collect();
            let events: Vec<_> = rows.iter().map(|(slot, version)| self.event(*slot, *version)).collect();
            let from = self.world.clock.now();
            let outcome = self.transaction("written anew", |conn| {
                bulk::upsert_sensor_events(&events).call(conn).map(drop).map_err(Error::from)
            });
            if outcome == Outcome::Committed {
                return self.wrote(outcome, rows, from);
            }
        }
    }

    /// Deletes rows that are there and such as are not.
    fn delete(&mut self) {
        let slots: Vec<i64> = (0..self.random.random_range(1..6)).map(|_| self.slot()).collect();
        let times: Vec<_> = slots.iter().map(|slot| at(*slot)).collect();
        let (sensor, rolls_back) = (self.sensor.clone(), self.random.random_bool(0.3));
        let pause = self.pause();
        let mut deleted = Vec::new();
        let outcome = self.transaction("deletes", |conn| {
            let these = sensor_events::table
                .filter(sensor_events::sensor_id.eq(&sensor))
                .filter(sensor_events::timestamp.eq_any(&times));
            deleted = diesel::delete(these).returning(sensor_events::timestamp).load(conn)?;
            std::thread::sleep(pause);
            if rolls_back { Err(DieselError::RollbackTransaction.into()) } else { Ok(()) }
        });
        match outcome {
            Outcome::Committed => {
                let deleted: Vec<_> = deleted.into_iter().map(slot_of).collect();
                // Where chunks are converted, a DELETE may miss rows, as a read may. What it says that it has deleted does
                // not come back.
                let (deleted, missed) =
                    slots.into_iter().partition(|slot| !self.world.converts || deleted.contains(slot));
                self.deleted(deleted);
                self.missed(missed);
            }
            Outcome::RolledBack => {}
            Outcome::Unknown => self.write_anew(slots),
        }
    }

    fn deleted(&mut self, slots: Vec<i64>) {
        self.keys.0.extend(slots.into_iter().map(|slot| (slot, Last::Deleted)));
    }

    /// A DELETE has not found them: what is there all the same is known once it is written anew.
    fn missed(&mut self, slots: Vec<i64>) {
        if slots.iter().any(|slot| self.keys.is_surely_there(*slot, &self.world.wipes)) {
            self.world.counts.add(MISSED);
        }
        let written: Vec<_> =
            slots.into_iter().filter(|slot| matches!(self.keys.0.get(slot), Some(Last::Written { .. }))).collect();
        if !written.is_empty() {
            self.write_anew(written);
        }
    }

    /// References of all three kinds to events of anybody.
    fn reference(&mut self) {
        let sensor = format!("w{}", self.random.random_range(0..8));
        let kind = self.random.random_range(0..3);
        let times: Vec<_> = (0..3).map(|_| at(self.slot())).filter(|at_| kind < 2 || slot_of(*at_) >= KEPT).collect();
        let pause = self.pause();
        let mut made = Vec::new();
        let outcome = self.transaction("references", |conn| {
            made.clear();
            let events: Vec<i64> = sensor_events::table
                .filter(sensor_events::sensor_id.eq(&sensor))
                .filter(sensor_events::timestamp.eq_any(&times))
                .select(sensor_events::id)
                .load(conn)?;
            std::thread::sleep(pause);
            for event in events {
                let row = match kind {
                    0 => (
                        "predictions",
                        diesel::insert_into(predictions::table)
                            .values(prediction(event))
                            .returning(predictions::id)
                            .get_result(conn)?,
                    ),
                    1 => (
                        "alerts",
                        diesel::insert_into(alerts::table)
                            .values(alerts::event.eq(event))
                            .returning(alerts::id)
                            .get_result(conn)?,
                    ),
                    _ => (
                        "holds",
                        diesel::insert_into(holds::table)
                            .values(holds::event.eq(event))
                            .returning(holds::id)
                            .get_result(conn)?,
                    ),
                };
                made.push((row.0, row.1, event));
            }
            std::thread::sleep(pause);
            Ok(())
        });
        if outcome == Outcome::Committed {
            // Those that hold an event may be let go of by anybody.
            self.world.references.lock().unwrap().extend(made.into_iter().filter(|(table, ..)| *table != "holds"));
        }
    }

    /// Each id may be stored once: everybody brings a key of its own for it.
    fn fight_for_an_id(&mut self) {
        let world = self.world;
        // Several have the same ones at the same time.
        let first = world.next_contested.fetch_add(1, Relaxed) as usize / 8;
        let version = world.version();
        let events: Vec<_> = (first..first + 3)
            .filter_map(|n| world.contested.get(n))
            .map(|key| {
                let at_ = at(KEPT + 2 * SLOTS + self.number as i64);
                let sensor = format!("fight {}", key.id());
                Keyed::new(
                    key.id(),
                    NewSensorEvent::new(at_, "room", sensor, SensorType::TEMPERATURE, version.to_string()),
                )
            })
            .collect();
        let pause = self.pause();
        self.transaction("fights for ids", |conn| {
            bulk::upsert_sensor_events_by_key(&events).call(conn)?;
            std::thread::sleep(pause);
            Ok(())
        });
    }

    /// Lets go of what holds events.
    fn let_go(&mut self) {
        self.transaction("let go", |conn| diesel::delete(holds::table).execute(conn).map(drop).map_err(Error::from));
    }

    fn pause(&mut self) -> std::time::Duration {
        std::time::Duration::from_micros(self.random.random_range(0..2_000))
    }

    /// One transaction of a random isolation level, once.
    fn transaction(
        &mut self,
        what: &'static str,
        mut work: impl FnMut(&mut PgConnection) -> Result<(), Error>,
    ) -> Outcome {
        let isolation = if what == "fights for ids" { 0 } else { self.random.random_range(0..3) };
        let result: Result<(), Error> = self.conn.transaction(|conn| {
            conn.batch_execute(&format!("SET TRANSACTION ISOLATION LEVEL {}", ISOLATION[isolation]))?;
            work(conn)
        });
        let Err(error) = result else {
            self.world.counts.add(what);
            return Outcome::Committed;
        };
        if is_lost(&error) || self.conn.batch_execute("SELECT 1").is_err() {
            self.world.counts.add("lost connections");
            self.conn = self.world.connect();
            return Outcome::Unknown;
        }
        self.world.counts.add("rolled back");
        Outcome::RolledBack
    }

    /// Compares what is stored with what may be.
    ///
    /// Where chunks are converted, one statement may miss rows that a write has moved out of the columnstore since it was
    /// planned (known issue `read_misses_moved_rows`). The next statement finds them: what is lost is missed by all five.
    fn look(&mut self, is_last: bool) {
        let mut looks = if self.world.converts { 5 } else { 1 };
        loop {
            let read = self.world.clock.now();
            let rows = sensor_events::table
                .filter(sensor_events::sensor_id.eq(&self.sensor))
                .select((sensor_events::timestamp, sensor_events::state))
                .load::<(chrono::DateTime<chrono::Utc>, String)>(&mut self.conn);
            if let Ok(rows) = rows {
                let rows: Vec<_> = rows.iter().map(|(at_, state)| (slot_of(*at_), state.parse().unwrap())).collect();
                let faults = self.keys.faults(&rows, read, &self.world.wipes);
                looks -= 1;
                if !faults.is_empty() && looks > 0 {
                    self.world.counts.add("looked again");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    continue;
                }
                self.world.tell(faults.into_iter().map(|fault| format!("{} {fault}", self.sensor)));
                return;
            }
            if !is_last {
                // A chunk that has just been dropped, or the connection.
                if self.conn.batch_execute("SELECT 1").is_err() {
                    self.conn = self.world.connect();
                }
                return;
            }
            self.conn = self.world.connect();
        }
    }
}

fn is_lost(error: &Error) -> bool {
    let error = match error {
        Error::Database(error) | Error::Bulk(BulkError::Database(error)) => error,
        _ => return false,
    };
    match error {
        DieselError::DatabaseError(kind, information) => {
            matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand)
                || information.message().contains("terminating connection")
                || information.message().contains("closed the connection")
        }
        DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}

fn prediction(id: i64) -> NewPrediction<'static> {
    NewPrediction::new("room", at(KEPT), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_triggering_event_id(id)
}
