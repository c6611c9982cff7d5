//! Those who do something to all rows: retention, TRUNCATE, conversion, the import, and who ends sessions.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::{Call, Error, drop_sensor_events_before, legacy_import};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::world::{KEPT, World, at};

/// Retention to a random midnight of the old days, and TRUNCATE now and then.
pub fn wipe(world: &World, seed: u64) {
    let mut conn = world.connect();
    let mut random = StdRng::seed_from_u64(seed);
    while !world.is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(random.random_range(20..120)));
        let truncates = world.truncates && random.random_bool(0.3);
        let below = KEPT / 4 * random.random_range(1..=4);
        let wipe = world.wipes.begin(world.clock.now(), (!truncates).then_some(below));
        let result = if truncates {
            conn.transaction(|conn| Ok::<_, Error>(conn.batch_execute("DELETE FROM holds; TRUNCATE sensor_events")?))
        } else {
            let call = drop_sensor_events_before(at(below)).lock_timeout(TimeDelta::milliseconds(500));
            call.call(&mut conn).map(drop).map_err(Error::from)
        };
        let is_there = conn.batch_execute("SELECT 1").is_ok();
        match result {
            Ok(()) => {
                world.counts.add(if truncates { "truncated" } else { "retentions" });
                world.wipes.end(wipe, world.clock.now(), true);
            }
            Err(_) if is_there => world.wipes.cancel(wipe),
            Err(_) => world.wipes.end(wipe, world.clock.now(), false),
        }
        if !is_there {
            conn = world.connect();
        }
    }
}

/// Chunks to the columnstore and back.
pub fn convert(world: &World, seed: u64) {
    let mut conn = world.connect();
    let mut random = StdRng::seed_from_u64(seed);
    while !world.is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let statement = format!(
            "SET LOCAL lock_timeout TO '200ms';
             SELECT diesel_timescale.convert_chunk(chunk, {}) FROM show_chunks('sensor_events') AS chunk ORDER BY random() LIMIT 1",
            random.random_bool(0.6)
        );
        match conn.transaction(|conn| conn.batch_execute(&statement)) {
            Ok(()) => world.counts.add("conversions"),
            Err(_) => {
                if conn.batch_execute("SELECT 1").is_err() {
                    conn = world.connect();
                }
            }
        }
    }
}

/// Imports legacy rows, as one of several who do. They take turns, so none finds a batch that another has copied.
pub fn import(world: &World) {
    let mut conn = world.connect();
    loop {
        match legacy_import::copy_batch("legacy", 20).call(&mut conn) {
            Ok(progress) if progress.is_done() => return,
            Ok(_) => world.counts.add("imported batches"),
            Err(_) if conn.batch_execute("SELECT 1").is_err() => conn = world.connect(),
            Err(Error::Database(DieselError::DatabaseError(kind, information)))
                if kind == DatabaseErrorKind::UniqueViolation || information.message().contains("stored anew") =>
            {
                world.tell([format!("the import: a step was done twice: {}", information.message())]);
                return;
            }
            Err(Error::Database(DieselError::DatabaseError(..))) => world.counts.add("rolled back"),
            Err(error) => {
                world.tell([format!("the import: {error}")]);
                return;
            }
        }
        if !world.is_over.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Ends sessions in the middle of whatever they do.
pub fn terminate(world: &World, seed: u64) {
    let mut conn = world.db.connect();
    let mut random = StdRng::seed_from_u64(seed);
    while !world.is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(random.random_range(30..150)));
        let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'chaos' ORDER BY random() LIMIT 1";
        if conn.batch_execute(one).is_ok() {
            world.counts.add("terminated");
        }
    }
}
