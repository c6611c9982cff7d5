//! Statements are prepared once, for any number of rows.

use std::sync::{Arc, Mutex};

use diesel::connection::{Instrumentation, InstrumentationEvent};

use crate::fixtures::*;

/// Keeps the SQL of every statement that is prepared.
#[derive(Clone, Default)]
struct Prepared(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Prepared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            self.0.lock().unwrap().push(sql.to_owned());
        }
    }
}

/// Every call with new, changed, unchanged and repeated rows.
fn every_call(conn: &mut PgConnection, size: usize, name: &str, key: SensorEventKey) {
    for on_duplicate in [OnDuplicate::KeepLast, OnDuplicate::KeepFirst] {
        let rows = events(&format!("{name}.{size}.{on_duplicate:?}"), size);
        let half: Vec<_> = rows.iter().step_by(2).map(changed).collect();
        for rows in [rows.clone(), rows.clone(), half.clone(), [rows, half].concat()] {
            bulk::upsert_sensor_events(&rows).on_duplicate(on_duplicate).call(conn).unwrap();
            let call = bulk::upsert_sensor_events(&rows).on_duplicate(on_duplicate);
            let _: (Report, Vec<SensorEventKey>) = call.returning(SensorEventKey::as_select()).call(conn).unwrap();
        }
        let rows = keyed(conn, events(&format!("{name}.keyed.{size}.{on_duplicate:?}"), size));
        for _ in 0..2 {
            bulk::upsert_sensor_events_by_key(&rows).on_duplicate(on_duplicate).call(conn).unwrap();
        }
        let mut rows = predicted(size);
        if let Some(row) = rows.first_mut() {
            *row = row.clone().with_triggering_event(key);
        }
        insert_predictions(conn, &rows).unwrap();
        bulk::insert_predictions(&rows).call(conn).unwrap();
        let rows = with_ids(conn, rows);
        for _ in 0..2 {
            bulk::upsert_predictions(&rows).on_duplicate(on_duplicate).call(conn).unwrap();
        }
    }
    bulk::upsert_sensor_events(events(&format!("{name}.batches"), size)).in_batches(7).call(conn).unwrap();
}

#[test]
fn statements_are_prepared_once_for_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    let key = sixty_days(&mut conn)[0];
    let prepared = Prepared::default();
    conn.set_instrumentation(prepared.clone());
    // Fewer than four rows send no value once for all.
    for size in [1, 2, 10, 499, 1_000] {
        every_call(&mut conn, size, "first", key);
    }
    let first = prepared.0.lock().unwrap().len();
    for size in [0, 1, 2, 3, 25, 498, 500, 501, 999, 1_500] {
        every_call(&mut conn, size, "second", key);
    }
    let prepared = prepared.0.lock().unwrap();
    assert_eq!(prepared[first..], [""; 0]);
    assert!(first > 5, "{prepared:#?}");
}
