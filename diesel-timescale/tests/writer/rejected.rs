//! Rows that can never be stored.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel_timescale::bulk::{self, BulkError, OnDuplicate, Validate, Violation, Violations};

use crate::readings::{Reading, TABLE, hypertable, readings, rows, stored};
use crate::support::{TestDb, needs, sql};
use crate::ways::{Way, assert_balance, pool, writer};

impl Validate for Reading {
    fn validate(&self, violations: &mut Violations) {
        if self.humidity == Some(-1.0) {
            violations.add("humidity", "-1 is no percentage: use 0 to 100");
        }
    }
}

type Back = Arc<Mutex<Vec<(Reading, String)>>>;

fn receive(back: &Back) -> impl Fn(Reading, &BulkError) + Send + Sync + use<> {
    let back = Arc::clone(back);
    move |row, error| back.lock().unwrap().push((row, error.to_string()))
}

#[test]
fn bad_rows_come_back_and_the_others_are_stored() {
    needs!(TwoConnections);
    for batch in [100, 1000] {
        let (db, mut conn) = hypertable();
        sql(&mut conn, "ALTER TABLE readings ADD CONSTRAINT cool CHECK (temperature < 100)");
        let back = Back::default();
        let way = Way::to(&db);
        let writer = writer().batch_of(batch, Duration::from_millis(50)).validate().on_rejected(receive(&back));
        let writer = writer.start(move || way.connect()).unwrap();
        let mut sent = rows(2, 500);
        let hot = |minute| Reading { temperature: Some(200.0), ..Reading::new(0, minute) };
        let mut expected = sent.clone();
        for n in [3, 77, 78, 499] {
            sent[n] = Reading { temperature: Some(200.0), ..sent[n].clone() };
        }
        // A second row of the same key in the same batch, and one before it.
        sent.insert(11, hot(10));
        sent.insert(13, hot(13));
        // What PostgreSQL cannot store, and what means nothing.
        sent.insert(20, Reading { device_id: "a\0b".to_owned(), ..Reading::new(0, 0) });
        sent.insert(21, Reading { humidity: Some(-1.0), ..Reading::new(0, 900) });
        let confirmations: Vec<_> = sent.iter().map(|row| writer.send_and_confirm(row.clone()).unwrap()).collect();
        let status = writer.finish().unwrap();
        assert_balance(&status);
        for (row, confirmation) in sent.iter().zip(confirmations) {
            let is_bad = row.temperature == Some(200.0) || row.device_id.contains('\0') || row.humidity == Some(-1.0);
            match confirmation.wait() {
                Ok(()) => assert!(!is_bad || row.measured_at == Reading::new(0, 13).measured_at, "{row:?}"),
                Err(BulkError::Rejected(_)) => assert!(is_bad, "{row:?}"),
                Err(error) => panic!("{error}"),
            }
        }
        let back = back.lock().unwrap();
        let texts = |part: &str| back.iter().filter(|(_, error)| error.contains(part)).count();
        let hot_rows = back.iter().filter(|(row, _)| row.temperature == Some(200.0)).count();
        // The one that a good row of the same batch replaces may never be tried.
        assert!((5..=6).contains(&hot_rows), "{back:?}");
        assert_eq!((texts("cool"), texts("NUL"), texts("percentage")), (hot_rows, 1, 1), "{back:?}");
        assert_eq!(status.rejected, back.len() as u64);
        let bad = [3, 77, 78, 499].map(|minute| Reading::new(0, minute).measured_at);
        expected.retain(|row| row.device_id != "device-0000" || !bad.contains(&row.measured_at));
        assert!(stored(&mut conn) == expected);
    }
}

#[test]
fn a_null_is_told_by_its_row() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    sql(&mut conn, "ALTER TABLE readings ALTER humidity SET NOT NULL");
    let back = Back::default();
    let way = Way::to(&db);
    let writer = writer().on_rejected(receive(&back)).start(move || way.connect()).unwrap();
    let mut sent = rows(1, 600);
    sent[5].humidity = None;
    sent[500].humidity = None;
    sent.iter().for_each(|row| writer.send(row.clone()).unwrap());
    let status = writer.finish().unwrap();
    assert_eq!((status.stored, status.rejected), (598, 2));
    let back = back.lock().unwrap();
    assert_eq!(*back, [5, 500].map(|n| (sent[n].clone(), format!("row 0, humidity: {}", Violation::Null))));
}

#[test]
fn without_a_receiver_the_end_fails() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let pool = pool(db.url().as_str(), 1);
    let writer = writer().connections(2).start(move || pool.get()).unwrap();
    writer.send(Reading { device_id: "\0".to_owned(), ..Reading::new(0, 0) }).unwrap();
    writer.send(Reading::new(0, 1)).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
    assert_eq!((writer.status().stored, writer.status().rejected), (1, 1));
    assert!(stored(&mut conn) == [Reading::new(0, 1)]);
}

#[test]
fn a_panic_in_the_receiver_stops_nothing() {
    needs!(TwoConnections);
    let (db, _conn) = hypertable();
    let way = Way::to(&db);
    let writer = writer().on_rejected(|row, _| panic!("on purpose: {}", row.device_id)).start(move || way.connect());
    let writer = writer.unwrap();
    for minute in 0..10 {
        let device_id = if minute % 5 == 0 { "\0".to_owned() } else { "attic".to_owned() };
        writer.send(Reading { device_id, ..Reading::new(0, minute) }).unwrap();
    }
    let status = writer.finish().unwrap();
    assert_eq!((status.stored, status.rejected), (8, 2));
}

#[test]
fn repeats_come_back_if_that_was_chosen() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let back = Back::default();
    let way = Way::to(&db);
    let writer = writer().on_duplicate(OnDuplicate::Fail).on_rejected(receive(&back)).start(move || way.connect());
    let writer = writer.unwrap();
    writer.send(Reading::new(0, 1)).unwrap();
    writer.send(Reading { temperature: Some(1.0), ..Reading::new(0, 1) }).unwrap();
    assert_eq!(writer.finish().unwrap().rejected, 1);
    assert!(stored(&mut conn) == [Reading::new(0, 1)]);
    assert_eq!(back.lock().unwrap()[0].0.temperature, Some(1.0));
}

#[test]
fn a_missing_index_rejects_all_rows() {
    needs!(TwoConnections);
    let (db, _conn) = TestDb::with(TABLE);
    let back = Back::default();
    let way = Way::to(&db);
    let writer = bulk::writer::<Reading>().on_conflict(readings::device_id).connections(2).on_rejected(receive(&back));
    let writer = writer.start(move || way.connect()).unwrap();
    rows(1, 600).into_iter().for_each(|row| writer.send(row).unwrap());
    let status = writer.finish().unwrap();
    assert_balance(&status);
    assert_eq!((status.rejected, status.retried), (600, 0));
    let back = back.lock().unwrap();
    assert!(back.iter().all(|(_, error)| error.contains("no unique index on (device_id)")), "{:?}", back[0]);
}
