//! Bulk writes against raw COPY, against the usual ways, and under the conditions that slow them down.
//!
//!     dev/db cargo bench --bench bulk
//!
//! Every round runs all candidates one after the other on tables that are empty or filled alike; a ratio is the median
//! over the rounds of the ratio in each, so that a noisy machine slows down both sides. `ROWS` (200000), `ROUNDS` (7)
//! and `ONLY` (part of a section's name) choose less. The picture goes where `PICTURE` says, or else beside what cargo
//! builds: `PICTURE=benches/bulk.svg` for the one of the README.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

mod candidates;
mod chart;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../peers/mod.rs"]
mod peers;
mod raw_copy;
#[path = "../../tests/support/mod.rs"]
mod support;

use candidates::{Bench, Rows};
use measure::{Measurements, size, wanted};
use support::{Needs, has};

fn main() {
    let rows = size("ROWS", 200_000);
    let rounds = size("ROUNDS", 7);
    let chunks = size("CHUNKS", 1_000);
    println!("{}, {rows} rows, {rounds} rounds", support::server());

    if has(Needs::Copy) {
        if wanted("batches") {
            let mut chart = Vec::new();
            for batch in [100, 1_000, 5_000, 20_000] {
                let is_reference = batch == 5_000;
                let mut measured = Measurements::new();
                for _ in 0..if is_reference { rounds } else { rounds.min(3) } {
                    candidates::round(&mut measured, &Rows::new(rows, batch), is_reference);
                }
                println!("\nbatches of {batch}");
                measured.print();
                chart.push((batch, measured.clone()));
                if is_reference {
                    measured.ratio("insert", "raw_copy");
                    measured.ratio("upsert_fresh", "raw_copy");
                    measured.ratio("upsert_unchanged", "raw_copy");
                    measured.ratio("upsert_changed", "raw_copy");
                    measured.ratio("upsert_fresh", "diesel_batch_upsert");
                    measured.ratio_as("upsert_fresh/row_by_row", "upsert_tenth", "row_by_row");
                    measured.ratio_as("async_upsert/sync_upsert", "async_upsert", "upsert_fresh");
                    for peer in candidates::PEERS {
                        measured.ratio_as(&format!("upsert_fresh/{peer}"), "upsert_tenth", peer);
                    }
                }
            }
            let picture =
                std::env::var("PICTURE").unwrap_or(concat!(env!("CARGO_TARGET_TMPDIR"), "/bulk.svg").to_owned());
            chart::draw(&picture, &chart, &format!("{}, {rows} rows", support::server())).unwrap();
            println!("the picture: {picture}");
        }
        if wanted("attributes") {
            candidates::own_attributes(rounds, rows);
        }
        if wanted("chunks") && has(Needs::Timescale) {
            compare(
                rounds,
                &[("upsert_many_chunks", Bench::with_chunks(chunks)), ("upsert_10_chunks", Bench::with_chunks(10))],
                rows,
                Bench::upsert,
            );
        }
        if wanted("references") {
            compare(
                rounds,
                &[("insert_with_references", Bench::new()), ("insert_without", Bench::without_references())],
                rows,
                Bench::insert,
            );
        }
        if wanted("indexes") {
            compare(
                rounds,
                &[("three_indexes", Bench::new()), ("ten_indexes", Bench::recipe())],
                rows,
                Bench::raw_copy,
            );
        }
    }
    if wanted("columnstore") && has(Needs::Community) {
        candidates::columnstore(rounds, rows.min(20_000));
    }
}

/// Runs the same work on two databases in turn.
fn compare(rounds: usize, sides: &[(&'static str, Bench); 2], rows: usize, work: fn(&Bench, &Rows)) {
    let rows = Rows::new(rows, 5_000);
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        for (name, bench) in sides {
            bench.clear();
            measured.time(name, rows.len(), || work(bench, &rows));
        }
    }
    println!();
    measured.print();
    measured.ratio(sides[0].0, sides[1].0);
}
