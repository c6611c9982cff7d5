//! References hold while everything happens at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::transaction::{Retry, Transient};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorEventKey, SensorType, TransitionType,
    bulk, drop_sensor_events_before, verify,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use support::{TestDb, needs, sql, value};

const ISOLATION: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// What the threads share: the event ids handed out so far, and what they have done.
#[derive(Default)]
struct Chaos {
    /// Whether few events are fought over, rather than many.
    is_hot: bool,
    newest_id: AtomicI64,
    minutes: AtomicI64,
    done: [AtomicU32; 6],
    references_refused: AtomicU32,
    retries: AtomicU32,
}

const INSERT: usize = 0;
const REFERENCE: usize = 1;
const DELETE: usize = 2;
const RETENTION: usize = 3;
const CONVERSION: usize = 4;
const BULK: usize = 5;

impl Chaos {
    /// One random transaction.
    fn step(&self, conn: &mut PgConnection, random: &mut StdRng) -> Result<(), Error> {
        let isolation = ISOLATION[random.random_range(0..3)];
        match random.random_range(if self.is_hot { 34 } else { 0 }..100) {
            0..40 => self.transaction(conn, isolation, INSERT, |conn| {
                let minute = self.minutes.fetch_add(random.random_range(1..60), Relaxed);
                let id = diesel::insert_into(sensor_events::table)
                    .values(event(minute))
                    .returning(sensor_events::id)
                    .get_result(conn)?;
                self.newest_id.fetch_max(id, Relaxed);
                Ok(())
            }),
            40..70 => self.transaction(conn, isolation, REFERENCE, |conn| {
                let predicted =
                    diesel::insert_into(predictions::table).values(prediction(self.event(random))).execute(conn);
                give_way(random);
                predicted.map(|_| ()).map_err(Error::from)
            }),
            70..78 => self.transaction(conn, isolation, BULK, |conn| {
                let ids: Vec<i64> = (0..5).map(|_| self.event(random)).collect();
                let keys: Vec<SensorEventKey> = sensor_events::table
                    .filter(sensor_events::id.eq_any(ids))
                    .select((sensor_events::id, sensor_events::timestamp))
                    .load::<(i64, DateTime<Utc>)>(conn)?
                    .into_iter()
                    .map(|(id, timestamp)| SensorEventKey::new(id, timestamp))
                    .collect();
                give_way(random);
                let rows: Vec<_> = keys.iter().map(|key| prediction(0).with_triggering_event(*key)).collect();
                bulk::insert_predictions(&rows).call(conn)?;
                Ok(())
            }),
            78..98 => {
                let rolls_back = random.random_bool(0.3);
                self.transaction(conn, isolation, DELETE, |conn| {
                    let these = sensor_events::table.filter(sensor_events::id.eq(self.event(random)));
                    if random.random_bool(0.5) {
                        diesel::update(these).set(sensor_events::processed_at.eq(Utc::now())).execute(conn)?;
                    }
                    diesel::delete(these).execute(conn)?;
                    give_way(random);
                    if rolls_back { Err(diesel::result::Error::RollbackTransaction.into()) } else { Ok(()) }
                })
            }
            _ => self.transaction(conn, ISOLATION[0], RETENTION, |conn| {
                let minutes = self.minutes.load(Relaxed);
                drop_sensor_events_before(start() + TimeDelta::minutes(minutes - 24 * 60))
                    .lock_timeout(TimeDelta::milliseconds(500))
                    .call(conn)?;
                Ok(())
            }),
        }
    }

    /// One of the latest events, if nobody has deleted it.
    fn event(&self, random: &mut StdRng) -> i64 {
        let newest = self.newest_id.load(Relaxed);
        random.random_range((newest - if self.is_hot { 4 } else { 40 }).max(0)..=newest)
    }

    /// Converts a chunk to the columnstore, or back.
    fn convert(&self, conn: &mut PgConnection, random: &mut StdRng) -> Result<(), Error> {
        self.transaction(conn, ISOLATION[0], CONVERSION, |conn| {
            conn.batch_execute(&format!(
                "SET LOCAL lock_timeout TO '200ms';
                 SELECT diesel_timescale.convert_chunk(chunk, {}) FROM show_chunks('sensor_events') AS chunk ORDER BY random() LIMIT 1",
                random.random_bool(0.6)
            ))?;
            Ok(())
        })
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
            ))) if kind == REFERENCE || kind == BULK => {
                self.references_refused.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(Error::Database(diesel::result::Error::RollbackTransaction)) => Ok(()),
            Ok(()) => {
                self.done[kind].fetch_add(1, Relaxed);
                Ok(())
            }
            error => error,
        }
    }
}

/// Time for others to come in between.
fn give_way(random: &mut StdRng) {
    std::thread::sleep(Duration::from_micros(random.random_range(0..2000)));
}

fn event(minute: i64) -> NewSensorEvent<'static> {
    NewSensorEvent::new(start() + TimeDelta::minutes(minute), "room", "sensor", SensorType::MOTION, "on")
}

fn prediction(id: i64) -> NewPrediction<'static> {
    NewPrediction::new("room", Utc::now(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_triggering_event_id(id)
}

/// How long chaos lasts: `CHAOS_SECONDS`.
fn seconds(default: u64) -> Duration {
    Duration::from_secs(std::env::var("CHAOS_SECONDS").map_or(default, |seconds| seconds.parse().unwrap()))
}

/// The violations of references. (Not all that `verify` finds: chunks come and go meanwhile.)
fn dangling(conn: &mut PgConnection) -> Vec<String> {
    const FIND: &str = "SELECT format('registered %s %s', r.id, r.timestamp) FROM referenced_events AS r
        LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp WHERE e.id IS NULL
        UNION ALL
        SELECT format('referenced %s', p.triggering_event_id) FROM predictions AS p
        WHERE triggering_event_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = p.triggering_event_id)";
    let look = |conn: &mut PgConnection| {
        conn.transaction(|conn| {
            // The first look locks the chunks: one that is being converted may look empty.
            conn.batch_execute(FIND)?;
            diesel::dsl::sql::<diesel::sql_types::Text>(FIND).load::<String>(conn)
        })
    };
    loop {
        match look(conn) {
            Ok(found) => return found,
            // A chunk that has just been dropped.
            Err(error) => assert!(is_about_a_chunk(&error.to_string()), "{error}"),
        }
    }
}

/// What TimescaleDB says of a chunk that is dropped or converted at the same time.
fn is_about_a_chunk(message: &str) -> bool {
    ["lock timeout", "chunk deleted by other transaction", "could not open relation", "does not exist", "deadlock"]
        .iter()
        .any(|part| message.contains(part))
}

/// Eight connections for that long, or until something dangles; gives what does.
fn chaos(db: &TestDb, conn: &mut PgConnection, is_hot: bool, duration: Duration) -> (Chaos, Vec<String>) {
    // Chunks of six hours, so that retention has something to drop.
    if support::server().timescaledb.is_some() {
        sql(conn, "SELECT set_chunk_time_interval('sensor_events', interval '6 hours')");
    }
    let has_columnstore = support::has_quietly(support::Needs::Community);
    if has_columnstore {
        SensorEvent::columnstore().enable().call(conn).unwrap();
    }
    let chaos = Chaos { is_hot, ..Chaos::default() };
    let end = Instant::now() + duration;
    let mut found = Vec::new();
    // What looks like a violation while chunks are converted is looked at again when all is quiet.
    while Instant::now() < end && found.is_empty() {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for seed in 0..if has_columnstore { 9 } else { 8 } {
                let (chaos, is_over) = (&chaos, &is_over);
                scope.spawn(move || {
                    let mut conn = db.connect();
                    sql(&mut conn, "SET deadlock_timeout TO '20ms'");
                    let mut random = StdRng::seed_from_u64(seed);
                    while !is_over.load(Relaxed) {
                        let step = if seed == 8 {
                            std::thread::sleep(Duration::from_millis(20));
                            chaos.convert(&mut conn, &mut random)
                        } else {
                            chaos.step(&mut conn, &mut random)
                        };
                        if let Err(error) = step {
                            // What converting a chunk fails with, beside a drop of that chunk, is the server's affair.
                            assert!(error.is_transient() || seed == 8, "{error}");
                        }
                    }
                });
            }
            // A later retention would clear away what dangles now, so look all the time.
            while Instant::now() < end && dangling(conn).is_empty() {
                std::thread::sleep(Duration::from_millis(100));
            }
            is_over.store(true, Relaxed);
        });
        found = dangling(conn);
    }
    (chaos, found)
}

#[test]
fn nothing_dangles_after_chaos() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let (chaos, found) = chaos(&db, &mut conn, false, seconds(6));
    let done = chaos.done.each_ref().map(|count| count.load(Relaxed));
    let referenced: i64 = predictions::table
        .filter(predictions::triggering_event_id.is_not_null())
        .count()
        .get_result(&mut conn)
        .unwrap();
    eprintln!(
        "inserts, references, deletes, retentions, conversions, bulk references: {done:?}; refused {:?}, retries {:?}, references left {referenced}",
        chaos.references_refused, chaos.retries,
    );
    assert_eq!(found, [""; 0]);
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
    for kind in [INSERT, REFERENCE, DELETE, RETENTION, BULK] {
        assert!(done[kind] > 0, "the chaos had no chance: {done:?}");
    }
    assert!(referenced > 0, "nothing was left to dangle");
    if support::has_quietly(support::Needs::Community) {
        assert!(done[CONVERSION] > 0, "no chunk was converted");
    }
}

/// A part of the scheme: the function that it is in, and what to write instead of what to be without it.
struct Part {
    name: &'static str,
    function: &'static str,
    without: &'static [(&'static str, &'static str)],
}

const SETTLE: (&str, &str) = ("OR public.settle_sensor_events", "OR true OR public.settle_sensor_events");

const PARTS: [Part; 7] = [
    Part {
        name: "row_lock",
        function: "register_sensor_events(bigint)",
        without: &[(" FOR KEY SHARE) AS locked", ") AS locked"), SETTLE],
    },
    Part { name: "settle", function: "register_sensor_events(bigint)", without: &[SETTLE] },
    Part {
        name: "tombstone",
        function: "release_sensor_events()",
        without: &[("VALUES (OLD.id, OLD.\"timestamp\")", "SELECT OLD.id, OLD.\"timestamp\" WHERE false")],
    },
    Part {
        name: "do_nothing",
        function: "release_sensor_events()",
        without: &[("ON CONFLICT DO NOTHING", "ON CONFLICT (id) DO UPDATE SET timestamp = EXCLUDED.timestamp")],
    },
    Part {
        name: "look_again",
        function: "register_sensor_events(bigint)",
        without: &[("DELETE FROM public.referenced_events AS r WHERE r.id = $1;\n            CONTINUE;", "RETURN;")],
    },
    // These two need chunks in the columnstore.
    Part {
        name: "second_look",
        function: "register_sensor_events_in_columnstore(bigint[],timestamptz[])",
        without: &[("AND NOT EXISTS (", "AND false AND NOT EXISTS (")],
    },
    Part {
        name: "epoch",
        function: "register_sensor_events_in_columnstore(bigint[],timestamptz[])",
        without: &[("IF diesel_timescale.snapshot_may_be_old()", "IF false")],
    },
];

/// Controls: each part taken out leaves something dangling. `CHAOS_PARTS` names those to try (default: `tombstone
/// look_again`, which seconds show; the others may take a minute each); `CHAOS_SECONDS` says how long to try each.
#[test]
fn chaos_finds_each_part_of_the_scheme_that_is_missing() {
    needs!(TwoConnections);
    let parts = std::env::var("CHAOS_PARTS").unwrap_or_else(|_| "tombstone look_again".into());
    for part in parts.split(' ') {
        let Part { name, function, without } = PARTS.iter().find(|known| known.name == part).unwrap();
        let (db, mut conn) = TestDb::ready();
        for (text, instead) in *without {
            let definition = value(&mut conn, &format!("SELECT pg_get_functiondef('{function}'::regprocedure)"));
            assert!(definition.contains(text), "{function} no longer has {text:?}");
            sql(&mut conn, &definition.replace(text, instead));
        }
        let started = Instant::now();
        let (_, found) = chaos(&db, &mut conn, ["settle", "do_nothing"].contains(name), seconds(120));
        eprintln!("without {name}: {} dangling after {:?}", found.len(), started.elapsed());
        assert_ne!(found, [""; 0], "chaos did not notice that {name} is missing");
    }
}

/// A foreign key that waits for a row can miss the version that a transaction which rolled back, and another one right
/// after it, have made of it: nothing that removes events may update a registration and then delete it.
#[test]
fn rolled_back_deletes_leave_nothing_dangling() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let end = Instant::now() + seconds(6);
    let minutes = AtomicI64::new(0);
    // An event that is registered already.
    let referenced_event = |conn: &mut PgConnection| {
        let minute = start() + TimeDelta::minutes(minutes.fetch_add(1, Relaxed));
        let id = diesel::insert_into(sensor_events::table)
            .values(NewSensorEvent::new(minute, "room", "sensor", SensorType::MOTION, "on"))
            .returning(sensor_events::id)
            .get_result(conn)
            .unwrap();
        diesel::insert_into(predictions::table).values(prediction(id)).execute(conn).unwrap();
        id
    };
    let event = AtomicI64::new(referenced_event(&mut conn));
    let mut dangling = 0;
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let (db, event, referenced_event) = (&db, &event, &referenced_event);
            scope.spawn(move || {
                let mut conn = db.connect();
                let mut random = StdRng::seed_from_u64(thread);
                while Instant::now() < end {
                    let id = event.load(Relaxed);
                    if thread % 3 > 0 {
                        let _refused =
                            diesel::insert_into(predictions::table).values(prediction(id)).execute(&mut conn);
                        continue;
                    }
                    let rolls_back = random.random_bool(0.7);
                    let deleted = conn.build_transaction().repeatable_read().run::<_, Error, _>(|conn| {
                        diesel::delete(sensor_events::table.filter(sensor_events::id.eq(id))).execute(conn)?;
                        if rolls_back { Err(diesel::result::Error::RollbackTransaction.into()) } else { Ok(()) }
                    });
                    if deleted.is_ok() {
                        let _other = event.compare_exchange(id, referenced_event(&mut conn), Relaxed, Relaxed);
                    }
                }
            });
        }
        while Instant::now() < end && dangling == 0 {
            std::thread::sleep(Duration::from_millis(100));
            dangling = dangling_predictions(&mut conn);
        }
    });
    assert_eq!(dangling + dangling_predictions(&mut conn), 0, "predictions that refer to no registered event");
}

fn dangling_predictions(conn: &mut PgConnection) -> i64 {
    value(
        conn,
        "SELECT count(*) FROM predictions AS p
         WHERE triggering_event_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM referenced_events AS r WHERE r.id = p.triggering_event_id
         )",
    )
    .parse()
    .unwrap()
}

/// An event that nothing references, and another one.
fn two_events(conn: &mut PgConnection) -> (i64, i64) {
    let ids: Vec<i64> = diesel::insert_into(sensor_events::table)
        .values([event(0), event(1)])
        .returning(sensor_events::id)
        .get_results(conn)
        .unwrap();
    (ids[0], ids[1])
}

#[test]
fn a_first_reference_waits_for_nobody_who_means_another_event() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let mut other = db.connect();
    sql(&mut conn, "SET lock_timeout TO '2s'");
    for (isolation, meanwhile) in [
        ("READ COMMITTED", "DELETE FROM sensor_events WHERE id = $other"),
        ("REPEATABLE READ", "DELETE FROM sensor_events WHERE id = $other"),
        ("READ COMMITTED", "DELETE FROM sensor_events WHERE false"),
        ("READ COMMITTED", "DELETE FROM sensor_events WHERE room_id = 'no such room'"),
        (
            "READ COMMITTED",
            "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id) VALUES ('room', now(), 'state_change', 0.5, 'hmm', '1', $other)",
        ),
        // What VACUUM holds.
        ("READ COMMITTED", "LOCK TABLE referenced_events IN SHARE UPDATE EXCLUSIVE MODE"),
    ] {
        let (one, another) = two_events(&mut conn);
        sql(
            &mut other,
            &format!("BEGIN ISOLATION LEVEL {isolation}; {}", meanwhile.replace("$other", &another.to_string())),
        );
        let outcome = diesel::insert_into(predictions::table).values(prediction(one)).execute(&mut conn);
        sql(&mut other, "COMMIT");
        assert_eq!(outcome, Ok(1), "while another transaction has run {meanwhile}");
        sql(&mut conn, "DELETE FROM sensor_events");
    }
}

/// A delete of the event itself is waited for, at every isolation level.
#[test]
fn a_first_reference_waits_for_a_delete_of_its_event() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let mut other = db.connect();
    for isolation in ISOLATION {
        let (id, _) = two_events(&mut conn);
        sql(&mut other, &format!("BEGIN ISOLATION LEVEL {isolation}; DELETE FROM sensor_events WHERE id = {id}"));
        let outcome = std::thread::scope(|scope| {
            let reference =
                scope.spawn(|| diesel::insert_into(predictions::table).values(prediction(id)).execute(&mut conn));
            std::thread::sleep(Duration::from_millis(200));
            assert!(!reference.is_finished(), "{isolation}");
            sql(&mut other, "COMMIT");
            reference.join().unwrap()
        });
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("violates foreign key constraint"), "{isolation}: {error}");
        sql(&mut conn, "DELETE FROM sensor_events");
    }
}

/// Eight sessions that each reference an event of their own and then delete another one of their own.
#[test]
fn referencing_and_then_deleting_in_one_transaction_does_not_deadlock() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let rows = 100;
    let ids: Vec<i64> = diesel::insert_into(sensor_events::table)
        .values((0..8 * rows * 2).map(event).collect::<Vec<_>>())
        .returning(sensor_events::id)
        .get_results(&mut conn)
        .unwrap();
    let deadlocks = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for ids in ids.chunks(rows as usize * 2) {
            let (db, deadlocks) = (&db, &deadlocks);
            scope.spawn(move || {
                let mut conn = db.connect();
                for pair in ids.chunks(2) {
                    let work = conn.transaction::<_, diesel::result::Error, _>(|conn| {
                        diesel::insert_into(predictions::table).values(prediction(pair[0])).execute(conn)?;
                        diesel::delete(sensor_events::table.filter(sensor_events::id.eq(pair[1]))).execute(conn)
                    });
                    if work.is_err() {
                        deadlocks.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(deadlocks.into_inner(), 0, "transactions that failed");
    assert_eq!(
        predictions::table.filter(predictions::triggering_event_id.is_not_null()).count().get_result(&mut conn),
        Ok(8 * rows)
    );
}

/// Bulk references to the same events in any order: registered in the order of their keys.
#[test]
fn bulk_references_in_any_order_do_not_deadlock() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let deadlocks = AtomicU32::new(0);
    for _ in 0..5 {
        let keys: Vec<SensorEventKey> = diesel::insert_into(sensor_events::table)
            .values((0..400).map(|n| event(n * 10)).collect::<Vec<_>>())
            .returning((sensor_events::id, sensor_events::timestamp))
            .get_results::<(i64, DateTime<Utc>)>(&mut conn)
            .unwrap()
            .into_iter()
            .map(|(id, timestamp)| SensorEventKey::new(id, timestamp))
            .collect();
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let (db, deadlocks, mut keys) = (&db, &deadlocks, keys.clone());
                scope.spawn(move || {
                    let mut conn = db.connect();
                    keys.shuffle(&mut StdRng::seed_from_u64(seed));
                    let rows: Vec<_> = keys.iter().map(|key| prediction(0).with_triggering_event(*key)).collect();
                    if bulk::insert_predictions(&rows).call(&mut conn).is_err() {
                        deadlocks.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        sql(&mut conn, "DELETE FROM sensor_events");
    }
    assert_eq!(deadlocks.into_inner(), 0, "calls that failed");
}
