//! Batches, inserts, streams, errors, and the statements that are prepared.

use std::sync::{Arc, Mutex};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, OnDuplicate, Report, Validate, Violation, Violations};

use super::readings::{Reading, TABLE, hypertable, minute_of, readings, rows, stored};
use crate::support::{TestDb, needs, sql, value};

impl Validate for Reading {
    fn validate(&self, violations: &mut Violations) {
        if self.humidity.is_some_and(|humidity| !(0.0..=100.0).contains(&humidity)) {
            violations.add("humidity", "is not a percentage from 0 to 100");
        }
        if self.device_id.is_empty() {
            violations.add("device_id", "is empty: name the device");
        }
    }
}

#[test]
fn batches_of_an_iterator_report_as_they_go() {
    let (_db, mut conn) = hypertable();
    let mut seen = Vec::new();
    let call = bulk::upsert(rows(5, 500)).on_conflict((readings::device_id, readings::measured_at));
    let report = call.in_batches(1000).with_progress(|done| seen.push(done.inserted)).call(&mut conn).unwrap();
    assert_eq!(report.inserted, 2500);
    assert_eq!(seen, [1000, 2000, 2500]);
    let call = bulk::upsert(rows(5, 500)).on_conflict((readings::device_id, readings::measured_at));
    assert_eq!(call.in_batches(2500).call(&mut conn).unwrap().unchanged, 2500);
    let none: [Reading; 0] = [];
    let call = bulk::upsert(&none).on_conflict((readings::device_id, readings::measured_at));
    assert_eq!(call.in_batches(0).call(&mut conn).unwrap(), Report::default());
}

#[test]
fn a_batch_that_fails_says_how_far_it_went() {
    let (_db, mut conn) = hypertable();
    let mut batch = rows(1, 2500);
    batch[2100].humidity = Some(101.0);
    batch[2300].device_id = String::new();
    let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
    let error = call.validate().in_batches(1000).call(&mut conn).unwrap_err();
    let BulkError::Batch { done, first_row, source } = error else { panic!("{error}") };
    assert_eq!((first_row, done.inserted), (2000, 2000));
    let BulkError::InvalidRows(invalid) = &*source else { panic!("{source}") };
    let told: Vec<_> = invalid.iter().map(|row| (row.row, row.column.as_str())).collect();
    assert_eq!(told, [(2100, "humidity"), (2300, "device_id")]);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM readings"), "2000");
    // Without the checks the database has no objection.
    bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at)).call(&mut conn).unwrap();
}

#[test]
fn every_repeat_is_told_where_repeats_fail() {
    let (_db, mut conn) = hypertable();
    for count in [10, 1000] {
        let mut batch = rows(1, count);
        batch.push(batch[3].clone());
        batch.push(batch[7].clone());
        batch.push(batch[3].clone());
        let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
        let error = call.on_duplicate(OnDuplicate::Fail).call(&mut conn).unwrap_err();
        let BulkError::InvalidRows(invalid) = &error else { panic!("{error}") };
        let count = usize::try_from(count).unwrap();
        let told: Vec<_> = invalid.iter().map(|row| (row.row, row.violation.clone())).collect();
        let expected = [(count, 3), (count + 1, 7), (count + 2, 3)].map(|(row, of)| (row, Violation::Repeats(of)));
        assert_eq!(told, expected);
        assert_eq!(invalid[0].column, "device_id, measured_at");
        assert_eq!(value(&mut conn, "SELECT count(*) FROM readings"), "0");
    }
}

#[test]
fn inserts_write_all_or_fail() {
    let (_db, mut conn) = hypertable();
    for (from, count) in [(0, 10), (1000, 900)] {
        let batch: Vec<_> = (from..from + count).map(|minute| Reading::new(1, minute)).collect();
        let report = bulk::insert_into(readings::table).values(&batch).call(&mut conn).unwrap();
        assert_eq!(report.inserted, u64::try_from(count).unwrap());
        let again = bulk::insert_into(readings::table).values(&batch).call(&mut conn).unwrap_err();
        assert!(
            matches!(
                again,
                BulkError::Database(diesel::result::Error::DatabaseError(
                    diesel::result::DatabaseErrorKind::UniqueViolation,
                    _
                ))
            ),
            "{again}"
        );
    }
    let report = bulk::insert_into(readings::table).values(rows(2, 1000)).in_batches(300).call(&mut conn);
    assert!(matches!(report, Err(BulkError::Batch { .. })));
    assert_eq!(stored(&mut conn).first(), Some(&Reading::new(0, 0)));
}

#[test]
fn a_target_without_a_unique_index_is_told_before_anything_is_written() {
    let (_db, mut conn) = TestDb::with(TABLE);
    sql(&mut conn, "CREATE UNIQUE INDEX ON readings (measured_at) WHERE humidity > 50");
    for count in [5, 700] {
        for in_transaction in [false, true] {
            let batch = rows(1, count);
            let call = bulk::upsert(&batch).on_conflict(readings::measured_at);
            let error = if in_transaction {
                conn.transaction(|conn| {
                    let error = call.call(conn).unwrap_err();
                    // The transaction goes on.
                    assert_eq!(value(conn, "SELECT count(*) FROM readings"), "0");
                    Err::<(), _>(error)
                })
                .unwrap_err()
            } else {
                call.call(&mut conn).unwrap_err()
            };
            assert_eq!(
                error.to_string(),
                "\"readings\" has no unique index on (measured_at), which on_conflict needs. It has \
                 readings_measured_at_idx (measured_at), partial; readings_pkey (device_id, measured_at). Fix: name the \
                 columns of one of them, or CREATE UNIQUE INDEX ON \"readings\" (measured_at)"
            );
        }
    }
    assert_eq!(value(&mut conn, "SELECT count(*) FROM readings"), "0");
}

/// Collects the statements that are prepared.
struct Prepared(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Prepared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            self.0.lock().unwrap().push(sql.to_owned());
        }
    }
}

#[test]
fn each_statement_is_prepared_once_for_any_number_of_rows() {
    let (_db, mut conn) = hypertable();
    let prepared = Arc::new(Mutex::new(Vec::new()));
    conn.set_instrumentation(Prepared(Arc::clone(&prepared)));
    let call = |conn: &mut PgConnection, batch: &[Reading]| {
        bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at)).call(conn).unwrap()
    };
    for count in [1, 2, 7, 499] {
        call(&mut conn, &rows(1, count));
    }
    assert_eq!(prepared.lock().unwrap().len(), 2, "one for a row, one for several: {prepared:?}");
    for round in 0..3 {
        for count in [500, 1000, 3000] {
            let mut batch = rows(2, count);
            call(&mut conn, &batch);
            batch.iter_mut().for_each(|row| row.humidity = Some(f64::from(round)));
            call(&mut conn, &batch);
            call(&mut conn, &batch);
        }
    }
    let prepared = prepared.lock().unwrap();
    let mut texts = prepared.clone();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), prepared.len(), "one of these was prepared twice: {prepared:#?}");
    assert!(texts.len() <= 8, "{texts:#?}");
}

#[test]
fn without_a_statement_cache_everything_goes_on() {
    let (_db, mut conn) = hypertable();
    conn.set_prepared_statement_cache_size(diesel::connection::CacheSize::Disabled);
    for count in [5, 800] {
        let batch = rows(2, count);
        let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
        let (_, returned): (Report, Vec<chrono::DateTime<chrono::Utc>>) =
            call.returning(readings::measured_at).call(&mut conn).unwrap();
        assert_eq!(returned[0], minute_of(0));
    }
    assert_eq!(
        value(
            &mut conn,
            "SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql AND statement LIKE '%readings%'"
        ),
        "0"
    );
}

#[cfg(feature = "r2d2")]
#[test]
fn a_pooled_connection_copies() {
    needs!(Copy);
    use diesel::r2d2::{ConnectionManager, Pool};

    let (db, conn) = hypertable();
    drop(conn);
    let pool = Pool::builder().max_size(1).build(ConnectionManager::<PgConnection>::new(db.url().as_str())).unwrap();
    let mut conn = pool.get().unwrap();
    let copied = Arc::new(Mutex::new(0));
    let count = Arc::clone(&copied);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            *count.lock().unwrap() += usize::from(query.to_string().starts_with("COPY"));
        }
    });
    let call = bulk::upsert(rows(2, 500)).on_conflict((readings::device_id, readings::measured_at));
    assert_eq!(call.call(&mut conn).unwrap().inserted, 1000);
    assert_eq!(*copied.lock().unwrap(), 1);
}
