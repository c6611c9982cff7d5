//! Everything that writes, at once, against an oracle: eight connections, every isolation level, savepoints, sessions
//! that are ended in the middle. Nothing dangles, is lost, is doubled or comes back.
//!
//!     dev/db cargo test --test oracle -- --nocapture
//!     ORACLE_SECONDS=60 dev/db cargo test --test oracle nothing -- --nocapture
//!     ORACLE_PARTS='tombstone id_lock' dev/db cargo test --test oracle each_part -- --nocapture
//!
//! `ORACLE_SECONDS` (default 4) is how long each test goes on. A seed is printed; `ORACLE_SEED=n` draws the same again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod model;
mod others;
mod worker;
mod world;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use occupancy_models::{Call, legacy_import, verify};
use support::{needs, sql, value};
use worker::{MISSED, Worker};
use world::{World, wrong};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

/// Chaos for that long, or until there is a fault; gives what is wrong. Goes on, but for no more than a minute, until
/// everything has happened.
fn chaos(world: &World, conn: &mut PgConnection, duration: Duration) -> Vec<String> {
    let seed = number("ORACLE_SEED").unwrap_or_else(rand::random);
    println!("ORACLE_SEED={seed}");
    let end = Instant::now() + duration;
    let own = if world.truncates { "truncated" } else { "imported batches" };
    let lacks = || EACH.iter().chain([&own]).find(|what| world.counts.of(what) == 0);
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || Worker::new(world, seed, number).run());
        }
        let mut importers = Vec::new();
        if !world.truncates {
            // Several: they take turns.
            importers.extend((0..3).map(|_| scope.spawn(|| others::import(world))));
        }
        scope.spawn(move || others::wipe(world, seed ^ 1));
        scope.spawn(move || others::terminate(world, seed ^ 2));
        if world.converts {
            scope.spawn(move || others::convert(world, seed ^ 3));
        }
        let has_time = || Instant::now() < end || lacks().is_some() && Instant::now() < end + Duration::from_secs(60);
        while has_time() && world.faults.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(50));
            // A later retention clears what dangles now.
            if !world.converts {
                world.tell(wrong(conn));
            }
        }
        world.is_over.store(true, Relaxed);
    });
    world.tell(world.check(conn));
    // Hardly ever: one in a thousand was measured.
    let (missed, deletes) = (world.counts.of(MISSED), world.counts.of("deletes"));
    if missed > deletes / 50 + 1 {
        world.tell([format!("{missed} of {deletes} deletes missed rows")]);
    }
    println!("oracle: {}", world.counts);
    let faults = std::mem::take(&mut *world.faults.lock().unwrap());
    assert!(!faults.is_empty() || lacks().is_none(), "no {}", lacks().unwrap());
    faults
}

fn seconds(default: u64) -> Duration {
    Duration::from_secs(number("ORACLE_SECONDS").unwrap_or(default))
}

/// What has to have happened, beside what one of the two has.
const EACH: [&str; 7] =
    ["upserts", "deletes", "references", "fights for ids", "let go", "retentions", "lost connections"];

#[test]
fn nothing_dangles_is_lost_doubled_or_comes_back() {
    needs!(TwoConnections);
    let (world, mut conn) = World::new(true);
    assert_eq!(chaos(&world, &mut conn, seconds(4)), [""; 0]);
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
    assert!(world.counts.of("conversions") > 0 || !world.converts);
}

#[test]
fn nothing_of_a_legacy_import_is_lost_or_doubled_meanwhile() {
    needs!(TwoConnections);
    let (world, mut conn) = World::new(false);
    assert_eq!(chaos(&world, &mut conn, seconds(4)), [""; 0]);
    assert_eq!(legacy_import::verify("legacy").call(&mut conn).unwrap(), []);
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
}

/// A lock, or what works like one: the function that it is in, and what to write instead of what to be without it.
struct Part {
    name: &'static str,
    function: &'static str,
    without: (&'static str, &'static str),
    /// Whether it is of the import, which goes on where nothing is truncated.
    imports: bool,
}

const PARTS: [Part; 4] = [
    // Whoever stores ids of the same range takes turns.
    Part {
        name: "id_lock",
        function: "lock_sensor_event_ids(bigint[])",
        without: ("ORDER BY slot FOR UPDATE", "ORDER BY slot"),
        imports: false,
    },
    // A removal and a registration of one event wait for each other.
    Part {
        name: "tombstone",
        function: "release_sensor_events()",
        without: ("VALUES (OLD.id, OLD.\"timestamp\")", "SELECT OLD.id, OLD.\"timestamp\" WHERE false"),
        imports: false,
    },
    Part {
        name: "truncate",
        function: "release_all_sensor_events()",
        without: ("DELETE FROM public.referenced_events;", ""),
        imports: false,
    },
    // Several who import take turns.
    Part {
        name: "import_lock",
        function: "copy_legacy_batch(name, bigint)",
        without: ("SELECT * FROM %s FOR UPDATE", "SELECT * FROM %s"),
        imports: true,
    },
];

/// Controls: each part taken out is noticed. `ORACLE_PARTS` names those to try (default: all but `tombstone`, which may
/// take a minute; tests/concurrency.rs and diesel-timescale/tests/reference_chaos.rs have all parts of references).
#[test]
fn each_part_that_is_missing_is_noticed() {
    needs!(TwoConnections);
    let parts = std::env::var("ORACLE_PARTS").unwrap_or_else(|_| "id_lock truncate import_lock".into());
    for Part { name, function, without: (text, instead), imports } in &PARTS {
        if !parts.split(' ').any(|part| part == *name) {
            continue;
        }
        let (mut world, mut conn) = World::new(!imports);
        // Conversions hold up the others, so that a missing part shows later.
        world.converts = false;
        let definition = value(&mut conn, &format!("SELECT pg_get_functiondef('{function}'::regprocedure)"));
        assert!(definition.contains(text), "{function} no longer has {text:?}:\n{definition}");
        sql(&mut conn, &definition.replace(text, instead));
        let started = Instant::now();
        let found = chaos(&world, &mut conn, seconds(60));
        println!("without {name}: {} faults after {:?}: {:?}", found.len(), started.elapsed(), found.first());
        assert_ne!(found, [""; 0], "nobody has noticed that {name} is missing");
    }
}

/// Controls of the oracle itself: one row in twenty that is not written, or not deleted, without a word.
#[test]
fn what_is_lost_or_comes_back_is_noticed() {
    needs!(TwoConnections);
    for (event, fault) in [("INSERT", "lost: slot"), ("UPDATE", "lost: slot"), ("DELETE", "resurrected: slot")] {
        let (mut world, mut conn) = World::new(true);
        world.converts = false;
        sql(
            &mut conn,
            &format!(
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                 CREATE TRIGGER swallow BEFORE {event} ON sensor_events FOR EACH ROW
                     WHEN (random() < 0.05) EXECUTE FUNCTION swallow()"
            ),
        );
        let found = chaos(&world, &mut conn, seconds(60));
        assert!(found.iter().any(|found| found.contains(fault)), "{event}: {found:?}");
    }
}
