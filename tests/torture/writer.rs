//! A writer while something runs out or is in its way: it waits, says why, and goes on when that clears. Each row is
//! stored once, none is rejected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::prelude::*;
use occupancy_models::timescale::bulk::{self, Writer};
use url::Url;

use crate::limits::fill_disk;
use crate::readings::{self, Reading, batch, count, stored};
use crate::server::OwnServer;
use crate::support::{TestDb, needs, sql, value};

/// A connection for each batch, so that settings of the database hold from the next one on.
fn start(url: &Url) -> Writer<Reading> {
    let url = url.to_string();
    let writer = bulk::writer::<Reading>().on_conflict((readings::readings::sensor, readings::readings::at));
    writer.batch_of(500, Duration::from_millis(5)).start(move || PgConnection::establish(&url)).unwrap()
}

fn send(writer: &Writer<Reading>, rows: impl IntoIterator<Item = Reading>) {
    rows.into_iter().for_each(|row| writer.send(row).unwrap());
}

/// Waits until the writer has tried again, for this reason.
#[track_caller]
fn is_told(writer: &Writer<Reading>, reason: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = writer.status();
        if status.retried >= 2 && status.last_error.as_ref().is_some_and(|error| error.contains(reason)) {
            return;
        }
        assert!(Instant::now() < deadline, "{reason:?} is not told in {status:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The writer ends, and has stored so many rows and rejected none.
#[track_caller]
fn assert_ends(writer: &Writer<Reading>, rows: u64) {
    let status = writer.finish().unwrap();
    assert_eq!((status.taken, status.rejected, status.dropped), (rows, 0, 0), "{status:?}");
    assert_eq!(status.stored + status.unchanged, rows, "{status:?}");
}

#[test]
fn a_full_disk() {
    let Some(server) = OwnServer::start("writer_disk", &[], Some("32M")) else { return };
    let mut conn = server.database("disk");
    sql(&mut conn, &format!("CREATE TABLESPACE small LOCATION '/small/{}'", server.name()));
    sql(&mut conn, "SET default_tablespace TO small");
    readings::create(&mut conn);
    fill_disk(&mut conn);
    let writer = start(&server.url("disk"));
    let mut number = 0;
    while writer.status().retried < 3 {
        send(&writer, batch(number, 300));
        number += 1;
        assert!(number < 2_000, "the disk is not full");
        std::thread::sleep(Duration::from_millis(20));
    }
    is_told(&writer, "No space left on device");
    sql(&mut conn, "DROP TABLE filler");
    assert_ends(&writer, number as u64 * 300);
    assert!((0..number).all(|number| stored(&mut conn, number) == 300));
    assert_eq!(count(&mut conn), number as usize * 300);
}

#[test]
fn statements_that_time_out() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let name = value(&mut conn, "SELECT current_database()");
    sql(&mut conn, &format!("ALTER DATABASE {name} SET statement_timeout TO 1"));
    let writer = start(&db.url());
    send(&writer, batch(1, 5_000));
    is_told(&writer, "statement timeout");
    sql(&mut conn, &format!("ALTER DATABASE {name} RESET statement_timeout"));
    assert_ends(&writer, 5_000);
    assert_eq!((stored(&mut conn, 1), count(&mut conn)), (5_000, 5_000));
}

#[test]
fn locks_that_are_not_given() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let name = value(&mut conn, "SELECT current_database()");
    sql(&mut conn, &format!("ALTER DATABASE {name} SET lock_timeout TO 50"));
    sql(&mut conn, "BEGIN; LOCK TABLE readings IN SHARE ROW EXCLUSIVE MODE");
    let writer = start(&db.url());
    send(&writer, batch(1, 2_000));
    is_told(&writer, "lock timeout");
    sql(&mut conn, "COMMIT");
    assert_ends(&writer, 2_000);
    assert_eq!((stored(&mut conn, 1), count(&mut conn)), (2_000, 2_000));
}

/// Somebody who writes the same rows in another order, by hand. The writer is the one that the server ends.
#[test]
fn deadlocks() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let name = value(&mut conn, "SELECT current_database()");
    sql(&mut conn, &format!("ALTER DATABASE {name} SET deadlock_timeout TO 400"));
    // A session looks for deadlocks once, so long after it has begun to wait: the writer does so in time.
    sql(&mut conn, "SET deadlock_timeout TO '1min'");
    let rows = batch(1, 300);
    let writer = start(&db.url());
    send(&writer, rows.clone());
    assert_ends(&writer, 300);
    let key = |row: &Reading| format!("sensor = '{}' AND at = '{}'", row.sensor, row.at);
    let mut in_order = rows.clone();
    in_order.sort_by_key(|row| row.at);
    let (first, last) = (&in_order[0], &in_order[299]);
    let writer = start(&db.url());
    for attempt in 0..20 {
        sql(&mut conn, &format!("BEGIN; UPDATE readings SET value = -1 WHERE {}", key(last)));
        // Changed, so that the writer locks them.
        send(&writer, rows.iter().map(|row| Reading { value: row.value + f64::from(attempt), ..row.clone() }));
        std::thread::sleep(Duration::from_millis(100));
        sql(&mut conn, &format!("UPDATE readings SET value = -1 WHERE {}; COMMIT", key(first)));
        if writer.status().last_error.is_some() {
            break;
        }
    }
    let error = writer.status().last_error.expect("a deadlock");
    assert!(error.contains("deadlock detected"), "{error}");
    send(&writer, rows);
    let status = writer.finish().unwrap();
    assert_eq!((status.rejected, status.waiting), (0, 0), "{status:?}");
    assert_eq!((stored(&mut conn, 1), count(&mut conn)), (300, 300));
}

#[test]
fn chunks_that_are_dropped_meanwhile() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let writer = start(&db.url());
    let is_over = AtomicBool::new(false);
    let (mut number, end) = (0, Instant::now() + Duration::from_secs(2));
    std::thread::scope(|scope| {
        let dropper = scope.spawn(|| {
            let (mut conn, mut dropped) = (db.connect(), 0);
            sql(&mut conn, "SET lock_timeout TO '100ms'; SET deadlock_timeout TO '10s'");
            while !is_over.load(Ordering::Relaxed) {
                // Of the three days that each batch has rows in.
                let drop = "SELECT drop_chunks('readings', TIMESTAMPTZ '2026-01-07T00:00:00Z')";
                dropped += diesel::sql_query(drop).execute(&mut conn).unwrap_or(0);
            }
            dropped
        });
        while Instant::now() < end {
            send(&writer, batch(number, 60));
            number += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        let status = writer.finish().unwrap();
        is_over.store(true, Ordering::Relaxed);
        let dropped = dropper.join().unwrap();
        println!("dropped chunks: {dropped} under a writer that tried again {} times", status.retried);
        assert!(dropped > 0);
        assert_eq!((status.rejected, status.taken), (0, number as u64 * 60), "{status:?}");
    });
    let kept = "SELECT count(*) FROM readings WHERE at >= '2026-01-07T00:00:00Z'";
    assert_eq!(value(&mut conn, kept), (number * 20).to_string());
}

#[test]
fn connections_that_are_all_taken() {
    let settings = ["max_connections=8", "superuser_reserved_connections=0"];
    let Some(server) = OwnServer::start("writer_connections", &settings, None) else { return };
    readings::create(&mut server.database("connections"));
    let url = server.url("connections");
    let mut all = Vec::new();
    while let Ok(conn) = PgConnection::establish(url.as_str()) {
        all.push(conn);
    }
    let writer = start(&url);
    send(&writer, batch(1, 2_000));
    is_told(&writer, "clients already");
    assert_eq!(count(&mut all[0]), 0);
    all.truncate(1);
    assert_ends(&writer, 2_000);
    assert_eq!((stored(&mut all[0], 1), count(&mut all[0])), (2_000, 2_000));
}

/// One batch of more new chunks than a transaction has locks for: it goes in parts.
#[test]
fn locks_that_run_out() {
    needs!(Timescale);
    let settings = ["max_locks_per_transaction=10", "max_connections=8", "max_worker_processes=1"];
    let Some(server) = OwnServer::start("writer_locks", &settings, None) else { return };
    let mut conn = server.database("locks");
    readings::create(&mut conn);
    let writer = start(&server.url("locks"));
    let days = 300;
    let first = batch(1, 1).remove(0);
    send(&writer, (0..days).map(|day| Reading { at: first.at + TimeDelta::days(day), ..first.clone() }));
    is_told(&writer, "out of shared memory");
    assert_ends(&writer, days as u64);
}

/// A server that says what is wrong in another language than English, where this machine has one.
#[test]
fn a_server_of_another_language() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let name = value(&mut conn, "SELECT current_database()");
    let german = format!("ALTER DATABASE {name} SET lc_messages TO 'de_DE.UTF-8'");
    if diesel::sql_query(german).execute(&mut conn).is_err() {
        eprintln!("left out: a_server_of_another_language: needs the locale de_DE.UTF-8 on the server");
        return;
    }
    sql(&mut conn, &format!("ALTER DATABASE {name} SET lock_timeout TO 50"));
    sql(&mut conn, "BEGIN; LOCK TABLE readings IN SHARE ROW EXCLUSIVE MODE");
    let writer = start(&db.url());
    send(&writer, batch(1, 100));
    is_told(&writer, "lc_messages");
    sql(&mut conn, "COMMIT");
    assert_ends(&writer, 100);
    assert_eq!((stored(&mut conn, 1), count(&mut conn)), (100, 100));
}
