//! Several writers at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, Report};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::readings::{Reading, hypertable, readings, rows, stored};
use crate::support::{needs, sql, value};

#[test]
fn eight_writers_with_shuffled_batches_do_not_deadlock() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let db = &db;
    let writers = std::thread::scope(|scope| {
        let work = |writer: u64| {
            move || {
                let mut conn = db.connect();
                let mut rng = StdRng::seed_from_u64(writer);
                for round in 0..12 {
                    // The same keys for all, in an order of its own; large and small batches.
                    let mut batch = rows(4, if round % 3 == 0 { 200 } else { 30 });
                    batch.iter_mut().for_each(|row| row.humidity = Some(f64::from(rng.random_range(0..2))));
                    batch.shuffle(&mut rng);
                    let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
                    call.call(&mut conn).unwrap();
                }
            }
        };
        let writers: Vec<_> = (0..8).map(|writer| scope.spawn(work(writer))).collect();
        writers.into_iter().map(|writer| writer.join().is_ok()).collect::<Vec<_>>()
    });
    assert_eq!(writers, [true; 8]);
    let keys: Vec<_> = stored(&mut conn).into_iter().map(|row| (row.device_id, row.measured_at)).collect();
    let expected: Vec<_> = rows(4, 200).into_iter().map(|row| (row.device_id, row.measured_at)).collect();
    assert!(keys == expected);
}

#[test]
fn one_fresh_batch_from_eight_writers_is_inserted_once() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let (db, barrier) = (&db, &Arc::new(Barrier::new(8)));
    for in_transaction in [false, true] {
        for round in 0..4 {
            sql(&mut conn, "TRUNCATE readings");
            let reports: Vec<Report> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(move || {
                            let (mut conn, batch) = (db.connect(), rows(5, 200));
                            let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
                            barrier.wait();
                            if in_transaction {
                                conn.transaction(|conn| call.call(conn)).unwrap()
                            } else {
                                call.call(&mut conn).unwrap()
                            }
                        })
                    })
                    .collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let inserted: u64 = reports.iter().map(|report| report.inserted).sum();
            let unchanged: u64 = reports.iter().map(|report| report.unchanged).sum();
            assert_eq!((inserted, unchanged), (1000, 7000), "round {round}: {reports:?}");
            assert_eq!(value(&mut conn, "SELECT count(*) FROM readings"), "1000");
        }
    }
}

/// The counts of all writers together are what happened.
#[test]
fn counts_add_up_over_writers_with_new_keys() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let db = &db;
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer: u64| {
                scope.spawn(move || {
                    let mut conn = db.connect();
                    let mut rng = StdRng::seed_from_u64(writer);
                    let mut total = Report::default();
                    for _ in 0..20 {
                        let from = rng.random_range(0..400);
                        let batch: Vec<_> =
                            rows(2, 1000).into_iter().filter(|_| rng.random_range(0..2) == 0).skip(from).collect();
                        let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
                        total += call.call(&mut conn).unwrap();
                    }
                    total
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let inserted: u64 = reports.iter().map(|report| report.inserted).sum();
    assert_eq!(inserted.to_string(), value(&mut conn, "SELECT count(*) FROM readings"));
    assert!(reports.iter().all(|report| report.updated == 0), "{reports:?}");
}

/// Rows that are found unchanged while another transaction deletes them are inserted or told.
#[test]
fn returned_rows_are_there_beside_a_deleter() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let batch = rows(2, 300);
    let db = &db;
    std::thread::scope(|scope| {
        let deleter = scope.spawn(move || {
            let mut conn = db.connect();
            for n in 0..200 {
                sql(
                    &mut conn,
                    &format!(
                        "DELETE FROM readings WHERE measured_at = '2026-01-01Z'::timestamptz + {n} * interval '1 min'"
                    ),
                );
            }
        });
        let mut refused = 0;
        while !deleter.is_finished() {
            let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
            match call.returning::<_, Reading>(readings::all_columns).call(&mut conn) {
                Ok((_, returned)) => assert!(returned == batch),
                Err(BulkError::NotFound { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        println!("{refused} refused");
    });
    let by_key: BTreeMap<_, _> = batch.iter().map(|row| ((row.device_id.clone(), row.measured_at), row)).collect();
    assert!(stored(&mut conn).iter().all(|row: &Reading| by_key[&(row.device_id.clone(), row.measured_at)] == row));
}
