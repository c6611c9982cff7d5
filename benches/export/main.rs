//! A Parquet file of sensor events against `COPY … TO STDOUT (FORMAT binary)` of the same rows.
//!
//!     dev/db cargo bench --features arrow --bench export
//!
//! `ROWS` (2000000), `CHUNKS` (730, one a day) and `ROUNDS` (5) choose less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

mod copy_out;
#[path = "../reads/data.rs"]
#[allow(dead_code, reason = "only this crate's tables are read")]
mod data;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::sink;

use data::{Events, Home};
use measure::{Measurements, size};
use occupancy_models::{SensorEvent, export};

fn main() {
    // libpq of its own beside the connection of the tables.
    if !support::has(support::Needs::Copy) {
        return;
    }
    let events = Events { rows: size("ROWS", 2_000_000), days: size("CHUNKS", 730) };
    let rounds = size("ROUNDS", 5);
    println!("{}, {} events in {} days, {rounds} rounds", support::server(), events.rows, events.days);
    let mut home = Home::ours(&events, 1);
    let mut copy = copy_out::RawConnection::connect(home.db.url().as_str());
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        measured.time("copy_out", events.rows, || {
            let bytes = copy.copy_out(c"COPY (SELECT * FROM sensor_events) TO STDOUT (FORMAT binary)");
            assert!(bytes > events.rows);
        });
        measured.time("parquet", events.rows, || {
            let rows = export::sensor_events(SensorEvent::within(..)).write_parquet(&mut home.conn, sink()).unwrap();
            assert_eq!(rows, events.rows as u64);
        });
    }
    measured.print();
    // A rate is the inverse of a time.
    measured.ratio_as("parquet/copy_out", "copy_out", "parquet");
}
