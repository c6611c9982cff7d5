//! The writer against the same batches by hand, and two connections against one and against raw COPY.
//!
//!     dev/db cargo bench -p diesel-timescale --bench writer
//!
//! Every round runs all candidates one after the other on an empty table; a ratio is the median over the rounds of the
//! ratio in each. Then ten times the rows go through one writer, and its memory is printed; and as many are sent while the
//! server is away. `ROWS` (200000), `BATCH` (5000), `ROUNDS` (7), `SECONDS` (60, for the server to be away) and `ONLY`
//! (`speed`, `memory`, `away`) choose less. Memory is that of the process: run `memory` and `away` alone for the numbers of
//! the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

#[path = "../../../benches/measure/mod.rs"]
mod measure;
#[allow(dead_code, reason = "shared with the bench of bulk writes")]
#[path = "../bulk/narrow.rs"]
mod narrow;
#[path = "../bulk/raw_copy.rs"]
mod raw_copy;
#[path = "../../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "shared with the bench of bulk writes")]
#[path = "../bulk/table.rs"]
mod table;

use std::ffi::CString;
use std::time::{Duration, Instant};
use support::needs;

use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{Connection, PgConnection};
use diesel_timescale::bulk::{self, Writer};
use measure::{Measurements, print_ratio, size, wanted};
use narrow::{Reading, readings};
use raw_copy::{Buffer, RawConnection};
use table::{Table, WideOrNarrow};

fn main() {
    let (rows, batch, rounds) = (size("ROWS", 200_000), size("BATCH", 5_000), size("ROUNDS", 7));
    println!("{rows} rows, batches of {batch}, {rounds} rounds");
    needs!(TwoConnections);
    if wanted("speed") {
        speed(rows, batch, rounds);
    }
    if wanted("memory") {
        memory(rows, batch);
    }
    if wanted("away") {
        away(rows, batch, Duration::from_secs(size("SECONDS", 60) as u64));
    }
}

fn start(pool: &Pool<ConnectionManager<PgConnection>>, connections: usize, batch: usize) -> Writer<Reading> {
    let pool = pool.clone();
    let writer = bulk::writer::<Reading>().on_conflict((readings::device_id, readings::measured_at));
    let writer = writer.connections(connections).batch_of(batch, Duration::from_secs(1));
    writer.start(move || pool.get()).unwrap()
}

fn speed(rows: usize, batch: usize, rounds: usize) {
    let mut table = Table::<Reading>::new();
    let rows: Vec<_> = (0..rows).map(|n| Reading::new(n, false, 1)).collect();
    let buffers: Vec<_> = rows.chunks(batch).map(copied).collect();
    let pool = Pool::builder().max_size(2).build(ConnectionManager::new(table.db.url())).unwrap();
    let mut raw: Vec<_> = (0..2).map(|_| RawConnection::connect(table.db.url().as_str())).collect();
    let copy = CString::new(format!("COPY {} ({}) FROM STDIN BINARY", Reading::NAME, Reading::COLUMNS)).unwrap();
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        table.clear();
        measured.time("upsert_calls", rows.len(), || {
            rows.chunks(batch).for_each(|rows| Reading::upsert(rows, &mut table.conn));
        });
        for (name, connections) in [("writer_1", 1), ("writer_2", 2)] {
            table.clear();
            let (sent, writer) = (rows.clone(), start(&pool, connections, batch));
            measured.time(name, rows.len(), || {
                sent.into_iter().for_each(|row| writer.send(row).unwrap());
                writer.finish().unwrap();
            });
        }
        table.clear();
        measured.time("raw_copy_2", rows.len(), || {
            std::thread::scope(|scope| {
                for (at, conn) in raw.iter_mut().enumerate() {
                    let (copy, buffers) = (&copy, &buffers);
                    scope.spawn(move || buffers.iter().skip(at).step_by(2).for_each(|buffer| conn.copy(copy, buffer)));
                }
            });
        });
    }
    measured.print();
    measured.ratio("writer_2", "writer_1");
    measured.ratio("writer_2", "raw_copy_2");
    measured.ratio("writer_1", "upsert_calls");
}

fn copied(rows: &[Reading]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    rows.iter().for_each(|row| row.copy(&mut buffer));
    buffer.finish()
}

/// Ten times the rows, made while they are sent.
fn memory(rows: usize, batch: usize) {
    let mut table = Table::<Reading>::new();
    table.clear();
    let pool = Pool::builder().max_size(2).build(ConnectionManager::new(table.db.url())).unwrap();
    let writer = start(&pool, 2, batch);
    let mut first = 0.0;
    for part in 0..10 {
        (part * rows..(part + 1) * rows).for_each(|n| writer.send(Reading::new(n, false, 1)).unwrap());
        let peak = peak();
        if part == 0 {
            first = peak;
        }
        println!("  {:>9} rows: at most {peak:.0} MiB in memory", (part + 1) * rows);
        if part == 9 {
            print_ratio("writer_memory_10/writer_memory_1", peak / first);
        }
    }
    writer.finish().unwrap();
}

/// The server is away while more is sent than the writer may hold: senders wait, and memory stays within its bound.
fn away(rows: usize, batch: usize, time: Duration) {
    let mut table = Table::<Reading>::new();
    table.clear();
    let (url, back) = (table.db.url().to_string(), Instant::now() + time);
    let writer = bulk::writer::<Reading>().on_conflict((readings::device_id, readings::measured_at));
    let writer = writer.batch_of(batch, Duration::from_secs(1)).start(move || {
        if Instant::now() < back {
            Err("away".to_owned())
        } else {
            PgConnection::establish(&url).map_err(|e| e.to_string())
        }
    });
    let writer = writer.unwrap();
    // As much as it holds.
    let bound = rows.min(100_000);
    (0..bound).for_each(|n| writer.send(Reading::new(n, false, 1)).unwrap());
    let full = peak();
    std::thread::scope(|scope| {
        scope.spawn(|| (bound..2 * rows).for_each(|n| writer.send(Reading::new(n, false, 1)).unwrap()));
        while Instant::now() < back {
            assert!(writer.status().waiting <= 100_000, "{:?}", writer.status());
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let status = writer.finish().unwrap();
    println!(
        "  away for {time:?}: at most {:.0} MiB in memory, {full:.0} when it was full; {} tries",
        peak(),
        status.retried
    );
    assert_eq!(status.stored, 2 * rows as u64);
    print_ratio("writer_memory_away/writer_memory_full", peak() / full);
}

/// The most memory that the process has had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
