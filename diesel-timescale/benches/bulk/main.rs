//! Bulk writes of tables that the crate has never seen, against raw COPY and against Diesel's own batch.
//!
//!     dev/db cargo bench -p diesel-timescale --bench bulk
//!
//! Every round runs all candidates one after the other on tables that are empty or filled alike; a ratio is the median
//! over the rounds of the ratio in each, so that a noisy machine slows down both sides. `ROWS` (200000), `BATCH` (5000),
//! `ROUNDS` (7) and `ONLY` (part of a section's name) choose less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../../../benches/measure/mod.rs"]
mod measure;
mod narrow;
mod raw_copy;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;
mod wide;

use measure::{Measurements, size, wanted};
use narrow::Reading;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use support::needs;
use table::{Rows, Table, WideOrNarrow};
use wide::Event;

fn main() {
    let (rows, batch, rounds) = (size("ROWS", 200_000), size("BATCH", 5_000), size("ROUNDS", 7));
    println!("{rows} rows, batches of {batch}, {rounds} rounds");
    needs!(TwoConnections);
    if wanted("narrow") {
        let measured = candidates::<Reading>(rounds, rows, batch, 1, true);
        ratios(&measured, "narrow");
        measured.ratio_as("narrow_fresh/diesel_batch", "fresh", "diesel_fresh");
        measured.ratio_as("narrow_unchanged/diesel_batch", "unchanged", "diesel_unchanged");
    }
    if wanted("wide") {
        ratios(&candidates::<Event>(rounds, rows, batch, 100, false), "wide");
    }
    if wanted("own_attributes") {
        ratios(&candidates::<Event>(rounds, rows, batch, rows, false), "own_attributes");
    }
    if wanted("small") {
        small(rounds, rows / 20);
    }
    if wanted("order") {
        order(rounds);
    }
    if wanted("async") {
        asynchronous(rounds, rows, batch);
    }
}

fn candidates<R: WideOrNarrow>(
    rounds: usize,
    rows: usize,
    batch: usize,
    different: usize,
    with_diesel: bool,
) -> Measurements {
    let (mut table, rows) = (Table::<R>::new(), Rows::<R>::new(rows, batch, different));
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        table.round(&rows, &mut measured, with_diesel);
    }
    println!("\n{}, {different} different JSON values", R::NAME);
    measured.print();
    measured
}

fn ratios(measured: &Measurements, name: &str) {
    for way in ["insert", "fresh", "unchanged", "changed"] {
        measured.ratio_as(&format!("{name}_{way}/raw_copy"), way, "raw_copy");
    }
}

/// Batches of 1 and of 10 rows, against Diesel's plain insert.
fn small(rounds: usize, rows: usize) {
    for (size, upsert, insert) in [(1, "upsert_1", "plain_insert_1"), (10, "upsert_10", "plain_insert_10")] {
        let (mut table, rows) = (Table::<Reading>::new(), Rows::<Reading>::new(rows, size, 1));
        let mut measured = Measurements::new();
        for _ in 0..rounds {
            table.clear();
            measured.time(insert, rows.len, || {
                rows.batches.iter().for_each(|batch| narrow::plain_insert(batch, &mut table.conn));
            });
            table.clear();
            measured.time(upsert, rows.len, || {
                rows.batches.iter().for_each(|batch| Reading::upsert(batch, &mut table.conn));
            });
        }
        println!();
        measured.print();
        measured.ratio_as(&format!("upsert_small_{size}/plain_insert_{size}"), upsert, insert);
    }
}

/// Eight connections that change the same rows, given in the order of the key or in orders of their own.
fn order(rounds: usize) {
    let mut table = Table::<Reading>::new();
    let mut measured = Measurements::new();
    let batches: Vec<Vec<Reading>> =
        (0..2).map(|kind| (0..400).map(|n| Reading::new(n, kind == 1, 1)).collect()).collect();
    const BATCHES: usize = 40;
    for _ in 0..rounds {
        for (name, is_shuffled) in [("sorted_8", false), ("shuffled_8", true)] {
            table.clear();
            let (db, batches) = (&table.db, &batches);
            let mut conns: Vec<_> = (0..8).map(|_| db.connect()).collect();
            let work = |(writer, conn): (usize, &mut diesel::PgConnection)| {
                let mut rng = StdRng::seed_from_u64(writer as u64);
                for n in 0..BATCHES {
                    let mut batch = batches[(n + writer) % 2].clone();
                    if is_shuffled {
                        batch.shuffle(&mut rng);
                    } else {
                        batch.sort_by(|a, b| (&a.device_id, a.measured_at).cmp(&(&b.device_id, b.measured_at)));
                    }
                    Reading::upsert(&batch, conn);
                }
            };
            measured.time(name, 8 * BATCHES, || {
                std::thread::scope(|scope| {
                    for writer in conns.iter_mut().enumerate() {
                        scope.spawn(move || work(writer));
                    }
                });
            });
        }
    }
    println!("\nbatches of 400 rows, eight connections (batches/s)");
    measured.print();
    measured.ratio("shuffled_8", "sorted_8");
}

/// The asynchronous driver against the synchronous one.
fn asynchronous(rounds: usize, rows: usize, batch: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut table, rows) = (Table::<Reading>::new(), Rows::<Reading>::new(rows, batch, 1));
    let mut conn = runtime.block_on(table.db.connect_async());
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        table.clear();
        measured.time("sync_upsert", rows.len, || {
            rows.batches.iter().for_each(|batch| Reading::upsert(batch, &mut table.conn));
        });
        table.clear();
        measured.time("async_upsert", rows.len, || runtime.block_on(narrow::upsert_async(&rows, &mut conn)));
    }
    println!();
    measured.print();
    measured.ratio("async_upsert", "sync_upsert");
}
