//! Batch by batch.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::result::DatabaseErrorKind;

use crate::fixtures::*;

#[test]
fn batches_take_any_number_of_rows_and_tell_what_is_done() {
    let (_db, mut conn) = TestDb::ready();
    for (size, rows, expected) in [
        (10, 0, vec![]),
        (10, 9, vec![9]),
        (10, 10, vec![10]),
        (10, 25, vec![10, 20, 25]),
        (0, 3, vec![1, 2, 3]),
        (600, 1_250, vec![600, 1_200, 1_250]),
        (usize::MAX, 30, vec![30]),
    ] {
        let pulled = AtomicU64::new(0);
        let progress = Mutex::new(Vec::new());
        let sensor = format!("sensor.{size}.{rows}");
        let given = events(&sensor, rows);
        let report = bulk::upsert_sensor_events(given.iter().cloned().inspect(|_| {
            // No row of a batch is asked for before the one before is stored.
            let pulled = pulled.fetch_add(1, Ordering::Relaxed) + 1;
            let done = progress.lock().unwrap().last().copied().unwrap_or(0);
            assert!(pulled - done <= n(size.max(1)));
        }))
        .in_batches(size)
        .with_progress(|done| progress.lock().unwrap().push(done.rows()))
        .call(&mut conn)
        .unwrap();
        assert_eq!(counts(&report), [n(rows), 0, 0, 0]);
        assert_eq!(progress.into_inner().unwrap(), expected);
        assert_eq!(stored(&mut conn, &sensor), given);
    }
}

#[test]
fn reports_of_batches_add_up() {
    let (_db, mut conn) = TestDb::ready();
    for size in [7, 700] {
        let sensor = |mixture| format!("sensor.{size}.{mixture}");
        for (number, mixture) in (0..).zip(mixtures(size, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            // Every repeat in a batch of its own counts as an update, and so do the rows it repeats.
            let report = bulk::upsert_sensor_events(mixture.batch.clone()).in_batches(size).call(&mut conn).unwrap();
            assert_eq!(report.rows(), n(mixture.batch.len()));
            assert_eq!(report.inserted, mixture.counts[0]);
            assert_eq!(stored(&mut conn, &sensor(number)), mixture.after);
            // All in one batch: as without batches.
            sql(&mut conn, "TRUNCATE sensor_events");
            insert(&mut conn, &mixture.before);
            let report = bulk::upsert_sensor_events(mixture.batch).in_batches(10 * size).call(&mut conn).unwrap();
            assert_eq!(counts(&report), mixture.counts);
        }
    }
}

#[test]
fn a_failed_batch_leaves_nothing_and_those_before_it_stay() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "ALTER TABLE sensor_events ADD CONSTRAINT no_bad_state CHECK (state <> 'bad')");
    for size in [10, 600] {
        let wrong = size + size / 2;
        let sensor = format!("sensor.{size}");
        let good = events(&sensor, 3 * size);

        // Found before anything is sent.
        let mut rows = good.clone();
        rows[wrong] = rows[wrong].clone().with_confidence_score(2.0);
        let mut progress = Vec::new();
        let error = bulk::upsert_sensor_events(rows)
            .in_batches(size)
            .with_progress(|done| progress.push(done.rows()))
            .call(&mut conn)
            .unwrap_err();
        assert_eq!(progress, [n(size)]);
        assert_eq!(
            error.to_string(),
            format!("the batch from row {size} on: row {wrong}, confidence_score: 2 is not a number from 0 to 1")
        );
        let (done, first_row, source) = batch_error(error);
        assert_eq!((first_row, done.inserted), (size, n(size)));
        assert_eq!(invalid_rows(source)[0].row, wrong);
        assert_eq!(stored(&mut conn, &sensor), good[..size]);

        // Refused by the server.
        let at = good[wrong].timestamp();
        let mut rows = good.clone();
        rows[wrong] = NewSensorEvent::new(at, "room", sensor.clone(), SensorType::TEMPERATURE, "bad");
        let error = bulk::upsert_sensor_events(rows).in_batches(size).call(&mut conn).unwrap_err();
        let (done, first_row, source) = batch_error(error);
        assert_eq!((first_row, counts(&done)), (size, [0, 0, n(size), 0]));
        assert!(matches!(kind(source), Some(DatabaseErrorKind::CheckViolation)));
        assert_eq!(stored(&mut conn, &sensor), good[..size]);

        // Repeats: both rows by their index in all.
        let mut rows = good.clone();
        rows[wrong + 1] = rows[wrong].clone();
        let error = bulk::upsert_sensor_events(rows)
            .on_duplicate(OnDuplicate::Fail)
            .in_batches(size)
            .call(&mut conn)
            .unwrap_err();
        let (_, first_row, source) = batch_error(error);
        let invalid = &invalid_rows(source)[0];
        assert_eq!((invalid.row, &invalid.violation), (wrong + 1, &Violation::Repeats(wrong)));

        // The rest can be sent from there.
        let report = bulk::upsert_sensor_events(good[first_row..].to_vec()).in_batches(size).call(&mut conn).unwrap();
        assert_eq!(report.inserted, n(2 * size));
        assert_eq!(stored(&mut conn, &sensor), good);
    }
}

#[test]
fn a_failed_batch_of_an_insert_leaves_nothing_and_those_before_it_stay() {
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 25);
    insert(&mut conn, &rows[17..18]);
    let mut progress = Vec::new();
    let error = bulk::insert_sensor_events(rows.clone())
        .in_batches(10)
        .with_progress(|done| progress.push(done.rows()))
        .call(&mut conn)
        .unwrap_err();
    let (done, first_row, source) = batch_error(error);
    assert_eq!(progress, [10]);
    assert_eq!((first_row, counts(&done)), (10, [10, 0, 0, 0]));
    assert!(matches!(kind(source), Some(DatabaseErrorKind::UniqueViolation)));
    assert_eq!(count(&mut conn), 11);

    sql(&mut conn, "TRUNCATE sensor_events");
    assert_eq!(counts(&bulk::insert_sensor_events(&rows).in_batches(10).call(&mut conn).unwrap()), [25, 0, 0, 0]);
    assert_eq!(stored(&mut conn, "sensor"), rows);

    let mut rows = events("another", 25);
    rows[24] = rows[24].clone().with_numeric_value(f64::NAN);
    let error = bulk::insert_sensor_events(rows).in_batches(10).call(&mut conn).unwrap_err();
    assert_eq!(invalid_rows(batch_error(error).2)[0].row, 24);
    assert_eq!(count(&mut conn), 45);
}

#[test]
fn batches_inside_a_transaction_are_all_or_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let mut rows = events("sensor", 25);
    rows[17] = rows[17].clone().with_confidence_score(-1.0);
    let error = conn
        .transaction(|conn| Ok::<_, Error>(bulk::upsert_sensor_events(rows).in_batches(10).call(conn)?))
        .unwrap_err();
    assert!(matches!(error, Error::Bulk(BulkError::Batch { .. })), "{error}");
    assert_eq!(count(&mut conn), 0);
}
