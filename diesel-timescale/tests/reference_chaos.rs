//! References hold while everything happens at once: inserts, references by key, deletes that update and roll back,
//! retention, conversion to the columnstore and back, at every isolation level.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_timescale::references::{self, OnDelete};
use diesel_timescale::transaction::{Retry, Transient};
use diesel_timescale::{Call, Error, columnstore, hypertable};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{Needs, TestDb, needs, sql};

diesel::table! {
    readings (sensor, time) {
        sensor -> Text,
        time -> Timestamptz,
    }
}
diesel::table! {
    orders (id) { id -> Int8, sensor -> Nullable<Text>, time -> Nullable<Timestamptz> }
}
diesel::table! {
    notes (id) { id -> Int8, sensor -> Text, time -> Timestamptz }
}

const ISOLATION: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// A hypertable that orders (SET NULL) and notes (CASCADE) reference by its whole key.
fn ready() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, value INT, PRIMARY KEY (sensor, time));
         CREATE TABLE orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT, time TIMESTAMPTZ);
         CREATE TABLE notes (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT NOT NULL, time TIMESTAMPTZ NOT NULL)",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::hours(6)).allow_plain_table().call(&mut conn).unwrap();
    references::create_target(readings::time).call(&mut conn).unwrap();
    references::add((orders::sensor, orders::time), readings::table).call(&mut conn).unwrap();
    references::add((notes::sensor, notes::time), readings::table)
        .on_delete(OnDelete::Cascade)
        .call(&mut conn)
        .unwrap();
    (db, conn)
}

#[derive(Default)]
struct Chaos {
    /// Whether few rows are fought over, rather than many.
    is_hot: bool,
    newest: AtomicI64,
    /// Inserts, references, deletes, retentions, conversions.
    done: [AtomicU32; 5],
    refused: AtomicU32,
    retries: AtomicU32,
}

impl Chaos {
    /// One random transaction.
    fn step(&self, conn: &mut PgConnection, random: &mut StdRng) -> Result<(), Error> {
        let isolation = ISOLATION[random.random_range(0..3)];
        let at = |minute: i64| (start() + TimeDelta::minutes(minute * 10)).to_rfc3339();
        let newest = self.newest.load(Relaxed);
        let row = random.random_range((newest - if self.is_hot { 4 } else { 40 }).max(0)..=newest);
        let key = format!("sensor = 's' AND time = '{}'", at(row));
        match random.random_range(if self.is_hot { 34 } else { 0 }..100) {
            0..40 => {
                let row = self.newest.fetch_add(1, Relaxed) + 1;
                self.transaction(
                    conn,
                    isolation,
                    0,
                    &[&format!("INSERT INTO readings VALUES ('s', '{}', 1)", at(row))],
                    false,
                    random,
                )
            }
            40..75 => {
                let table = if random.random_bool(0.5) { "orders" } else { "notes" };
                // Now and then several at once, in any order.
                let rows: Vec<String> =
                    (0..random.random_range(1..3)).map(|n| format!("('s', '{}')", at((row - n * 7).max(0)))).collect();
                let statement = format!("INSERT INTO {table} (sensor, time) VALUES {}", rows.join(", "));
                self.transaction(conn, isolation, 1, &[&statement], false, random)
            }
            75..98 => {
                let update = format!("UPDATE readings SET value = value + 1 WHERE {key}");
                let delete = format!("DELETE FROM readings WHERE {key}");
                let rolls_back = random.random_bool(0.3);
                if random.random_bool(0.5) {
                    self.transaction(conn, isolation, 2, &[&update, &delete], rolls_back, random)
                } else {
                    self.transaction(conn, isolation, 2, &[&delete], rolls_back, random)
                }
            }
            _ => {
                let cutoff = start() + TimeDelta::minutes((newest - 150) * 10);
                self.run(conn, 3, |conn| {
                    references::drop_before(readings::time, cutoff)
                        .lock_timeout(TimeDelta::milliseconds(500))
                        .call(conn)
                        .map(|_| ())
                })
            }
        }
    }

    fn convert(&self, conn: &mut PgConnection, random: &mut StdRng) -> Result<(), Error> {
        let statement = format!(
            "SET LOCAL lock_timeout TO '200ms';
             SELECT diesel_timescale.convert_chunk(chunk, {}) FROM show_chunks('readings') AS chunk ORDER BY random() LIMIT 1",
            random.random_bool(0.6)
        );
        self.transaction(conn, ISOLATION[0], 4, &[&statement], false, random)
    }

    fn transaction(
        &self,
        conn: &mut PgConnection,
        isolation: &str,
        kind: usize,
        statements: &[&str],
        rolls_back: bool,
        random: &mut StdRng,
    ) -> Result<(), Error> {
        let pause = Duration::from_micros(random.random_range(0..2000));
        self.run(conn, kind, |conn| {
            conn.transaction(|conn| {
                conn.batch_execute(&format!("SET TRANSACTION ISOLATION LEVEL {isolation}"))?;
                for statement in statements {
                    conn.batch_execute(statement)?;
                }
                // Time for others to come in between.
                std::thread::sleep(pause);
                if rolls_back { Err(DieselError::RollbackTransaction.into()) } else { Ok(()) }
            })
        })
    }

    fn run(
        &self,
        conn: &mut PgConnection,
        kind: usize,
        mut work: impl FnMut(&mut PgConnection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut attempts = 0;
        let result = Retry::default().attempts(50).run(conn, |conn| {
            attempts += 1;
            work(conn)
        });
        self.retries.fetch_add(attempts - 1, Relaxed);
        match result {
            Err(Error::Database(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)))
                if kind == 1 =>
            {
                self.refused.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(Error::Database(DieselError::RollbackTransaction)) => Ok(()),
            Ok(()) => {
                self.done[kind].fetch_add(1, Relaxed);
                Ok(())
            }
            error => error,
        }
    }
}

fn dangling(conn: &mut PgConnection) -> Vec<String> {
    const FIND: &str = "SELECT format('registered %s', r.time) FROM referenced_readings AS r
        LEFT JOIN readings AS e ON e.sensor = r.sensor AND e.time = r.time WHERE e.time IS NULL
        UNION ALL
        SELECT format('referenced %s', f.time) FROM (SELECT sensor, time FROM orders UNION ALL SELECT sensor, time FROM notes) AS f
        WHERE f.time IS NOT NULL
            AND NOT EXISTS (SELECT FROM referenced_readings AS r WHERE r.sensor = f.sensor AND r.time = f.time)";
    loop {
        // The first look locks the chunks: one that is being converted may look empty.
        let found = conn.transaction(|conn| {
            conn.batch_execute(FIND)?;
            diesel::dsl::sql::<diesel::sql_types::Text>(FIND).load::<String>(conn)
        });
        match found {
            Ok(found) => return found,
            // A chunk that has just been dropped.
            Err(error) => assert!(matches!(error, DieselError::DatabaseError(..)), "{error}"),
        }
    }
}

/// Eight connections for that long, or until something dangles; gives what does.
fn chaos(db: &TestDb, conn: &mut PgConnection, is_hot: bool, duration: Duration) -> (Chaos, Vec<String>) {
    let has_columnstore = support::has_quietly(Needs::Community);
    if has_columnstore {
        columnstore(readings::table).segment_by(readings::sensor).order_by(readings::time).enable().call(conn).unwrap();
    }
    let chaos = Chaos { is_hot, ..Chaos::default() };
    let end = Instant::now() + duration;
    let mut found = Vec::new();
    // What looks like a fault while chunks are converted is looked at again when all is quiet.
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
            while Instant::now() < end && dangling(conn).is_empty() {
                std::thread::sleep(Duration::from_millis(100));
            }
            is_over.store(true, Relaxed);
        });
        found = dangling(conn);
    }
    (chaos, found)
}

/// How long chaos lasts: `CHAOS_SECONDS`.
fn seconds(default: u64) -> Duration {
    Duration::from_secs(std::env::var("CHAOS_SECONDS").map_or(default, |seconds| seconds.parse().unwrap()))
}

#[test]
fn nothing_dangles_after_chaos() {
    needs!(TwoConnections);
    let (db, mut conn) = ready();
    let (chaos, found) = chaos(&db, &mut conn, false, seconds(6));
    let done = chaos.done.each_ref().map(|count| count.load(Relaxed));
    eprintln!(
        "inserts, references, deletes, retentions, conversions: {done:?}; refused {:?}, retries {:?}",
        chaos.refused, chaos.retries
    );
    assert_eq!(found, [""; 0]);
    assert!(done[..4].iter().all(|&count| count > 0), "the chaos had no chance: {done:?}");
    let left: i64 = orders::table.filter(orders::time.is_not_null()).count().get_result(&mut conn).unwrap();
    assert!(left > 0, "nothing was left to dangle");
    assert!(done[4] > 0 || !support::has_quietly(Needs::Community), "no chunk was converted");
}

/// A part of the scheme: the function that it is in, and what to write instead of what to be without it.
struct Part {
    name: &'static str,
    function: &'static str,
    without: &'static [(&'static str, &'static str)],
}

const ONE: &str = "register_readings(text,timestamptz)";
const COLUMNSTORE: &str = "register_readings_in_columnstore(text[],timestamptz[])";

const PARTS: [Part; 6] = [
    Part {
        name: "row_lock",
        function: ONE,
        without: &[
            (" FOR KEY SHARE) AS locked", ") AS locked"),
            ("OR public.settle_readings", "OR true OR public.settle_readings"),
        ],
    },
    Part {
        name: "settle",
        function: ONE,
        without: &[("OR public.settle_readings", "OR true OR public.settle_readings")],
    },
    Part {
        name: "tombstone",
        function: "release_readings()",
        without: &[("in_columnstore OR diesel_timescale.snapshot_may_be_old()", "false")],
    },
    Part {
        name: "do_nothing",
        function: "release_readings()",
        without: &[("ON CONFLICT DO NOTHING", "ON CONFLICT (sensor, time) DO UPDATE SET time = EXCLUDED.time")],
    },
    // These two need chunks in the columnstore.
    Part { name: "second_look", function: COLUMNSTORE, without: &[("AND NOT EXISTS (", "AND false AND NOT EXISTS (")] },
    Part {
        name: "epoch",
        function: COLUMNSTORE,
        without: &[("IF diesel_timescale.snapshot_may_be_old()", "IF false")],
    },
];

/// Controls: each part taken out leaves something dangling. `CHAOS_PARTS` names those to try (default: `row_lock
/// tombstone`, which seconds show; the others may take a minute each); `CHAOS_SECONDS` says how long to try each.
#[test]
fn chaos_finds_each_part_of_the_scheme_that_is_missing() {
    needs!(TwoConnections);
    let parts = std::env::var("CHAOS_PARTS").unwrap_or_else(|_| "row_lock tombstone".into());
    for part in parts.split(' ') {
        let Part { name, function, without } = PARTS.iter().find(|known| known.name == part).unwrap();
        let (db, mut conn) = ready();
        for (text, instead) in *without {
            let definition: String = diesel::dsl::sql::<diesel::sql_types::Text>(&format!(
                "SELECT pg_get_functiondef('{function}'::regprocedure)"
            ))
            .get_result(&mut conn)
            .unwrap();
            assert!(definition.contains(text), "{function} no longer has {text:?}");
            sql(&mut conn, &definition.replace(text, instead));
        }
        let started = Instant::now();
        let is_hot = ["settle", "do_nothing"].contains(name);
        let (_, found) = chaos(&db, &mut conn, is_hot, seconds(30));
        eprintln!("without {name}: {} dangling after {:?}", found.len(), started.elapsed());
        assert_ne!(found, [""; 0], "chaos did not notice that {name} is missing");
    }
}
