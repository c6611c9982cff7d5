//! The plan of a declared set-up, on a database that is as declared.
//!
//!     dev/db cargo bench -p diesel-timescale --bench setup
//!
//! `HYPERTABLES` (20), `CHUNKS` (50, of each) and `ROUNDS` (15) choose less. The first plan of a session is measured, in
//! which the server plans every query, and the median of the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the tests")]
#[path = "../../tests/support/database.rs"]
mod database;
#[path = "../../../benches/measure/mod.rs"]
mod measure;

use std::time::Instant;

use database::{TestDb, server, sql};
use diesel_timescale::Call;
use diesel_timescale::setup::{Setup, StepClass};
use measure::{print_ratio, size};
use serde_json::json;

/// What a plan may take, in milliseconds.
const BUDGET: f64 = 200.0;

fn main() {
    let (hypertables, chunks, rounds) = (size("HYPERTABLES", 20), size("CHUNKS", 50), size("ROUNDS", 15));
    println!("{}, {hypertables} hypertables of {chunks} chunks, {rounds} rounds", server());
    let (db, mut conn) = TestDb::installed();
    let mut tables = serde_json::Map::new();
    for n in 0..hypertables {
        let declared = json!({
            "hypertable": { "time": "time", "chunk_interval": "1 day", "allow_plain_table": true },
            "columns": { "sensor": "text", "time": "timestamptz", "value": "float8" },
            "columnstore": { "segment_by": ["sensor"], "order_by": ["time DESC"] },
            "columnstore_policy": { "after": "7 days" },
            "retention_policy": { "drop_after": "10 years" },
        });
        tables.insert(format!("readings_{n}"), declared);
        sql(
            &mut conn,
            &format!(
                "CREATE TABLE readings_{n} (sensor TEXT, time TIMESTAMPTZ, value FLOAT8, PRIMARY KEY (sensor, time))"
            ),
        );
    }
    let setup: Setup = serde_json::from_value(json!({ "allow_unsupported": true, "tables": tables })).unwrap();
    setup.apply(StepClass::Locks).call(&mut conn).unwrap();
    for n in 0..hypertables {
        sql(
            &mut conn,
            &format!(
                "INSERT INTO readings_{n}
                 SELECT 'a', timestamptz '2026-01-05' + n * INTERVAL '1 day', 1 FROM generate_series(1, {chunks}) AS n"
            ),
        );
    }
    drop(conn);

    let mut conn = db.connect();
    let mut milliseconds: Vec<_> = (0..=rounds)
        .map(|_| {
            let start = Instant::now();
            assert!(setup.plan().call(&mut conn).unwrap().is_empty());
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    let first = milliseconds.remove(0);
    milliseconds.sort_by(f64::total_cmp);
    let median = milliseconds[milliseconds.len() / 2];
    println!("first {first:.1} ms, then {median:.1} ms");
    print_ratio("budget/first_plan", BUDGET / first);
    print_ratio("budget/plan", BUDGET / median);
}
