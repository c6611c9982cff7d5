//! JSON that is nested deep: stored and read back, or refused by row and column. The stack holds either way.

use diesel::prelude::*;
use occupancy_models::bulk::{BulkError, Violation};
use serde_json::{Value, json};

use crate::edges::{event, prediction};
use crate::fixtures::*;

/// `[[…]]` or `{"a":{"a":…}}`, so deep.
pub(crate) fn nested(levels: usize, object: bool) -> Value {
    (1..levels).fold(if object { json!({}) } else { json!([]) }, |inner, _| {
        if object { Value::Object([("a".to_owned(), inner)].into_iter().collect()) } else { Value::Array(vec![inner]) }
    })
}

/// Runs it where the stack is so large: what is so deep can hardly be dropped elsewhere.
pub(crate) fn with_stack<T: Send>(megabytes: usize, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(megabytes << 20).spawn_scoped(scope, work);
        thread.unwrap().join().unwrap()
    })
}

#[track_caller]
fn is_refused<T>(result: Result<T, BulkError>, row: usize, column: &str) {
    let Err(BulkError::InvalidRows(invalid)) = result else { panic!("it is not refused") };
    assert_eq!((invalid.len(), invalid[0].row, invalid[0].column.as_str()), (1, row, column));
    assert!(matches!(&invalid[0].violation, Violation::Invalid(text) if text.starts_with("is nested deeper than 127")));
}

#[test]
fn what_is_as_deep_as_can_be_read_is_stored_and_one_level_more_is_refused() {
    let (_db, mut conn) = TestDb::migrated();
    for object in [false, true] {
        let [fits, too_deep] = [127, 128].map(|levels| event(1).with_attributes(nested(levels, object)));
        bulk::upsert_sensor_events(std::slice::from_ref(&fits)).call(&mut conn).unwrap();
        let stored: SensorEvent = SensorEvent::query().first(&mut conn).unwrap();
        assert_eq!(NewSensorEvent::from(stored), fits);
        is_refused(bulk::upsert_sensor_events(&[event(0), too_deep.clone()]).call(&mut conn), 1, "attributes");
        // That was right: it could not be read.
        diesel::insert_into(sensor_events::table)
            .values(event(5).with_attributes(nested(128, object)))
            .execute(&mut conn)
            .unwrap();
        let read: Result<Vec<SensorEvent>, _> = SensorEvent::query().load(&mut conn);
        assert!(matches!(read, Err(diesel::result::Error::DeserializationError(_))), "{read:?}");
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused_by_every_door_and_no_stack_overflows() {
    let (db, mut conn) = TestDb::migrated();
    for object in [false, true] {
        with_stack(1_024, || {
            let deep = |n| event(n).with_attributes(nested(100_000, object));
            let few = [event(0), deep(1)];
            let many: Vec<_> = (0..600).map(event).chain([deep(600)]).collect();
            let predicted = [
                prediction().with_feature_importance(nested(100_000, object)),
                prediction().with_alternatives(nested(100_000, object)),
            ];
            // As small a stack as threads have.
            with_stack(2, || {
                is_refused(bulk::upsert_sensor_events(&few).call(&mut conn), 1, "attributes");
                is_refused(bulk::upsert_sensor_events(&many).call(&mut conn), 600, "attributes");
                is_refused(bulk::insert_sensor_events(&many).call(&mut conn), 600, "attributes");
                is_refused(bulk::insert_predictions(&predicted[..1]).call(&mut conn), 0, "feature_importance");
                is_refused(bulk::insert_predictions(&predicted[1..]).call(&mut conn), 0, "alternatives");
            });
        });
    }
    drop(conn);
    on_an_asynchronous_connection(&db);
    // As text.
    let text = "[".repeat(100_000) + &"]".repeat(100_000);
    let json = format!(
        r#"{{ "timestamp": "2026-01-05T00:00:00Z", "room_id": "r", "sensor_id": "s", "sensor_type": "t", "state": "on", "attributes": {text} }}"#
    );
    let error = serde_json::from_str::<NewSensorEvent<'_>>(&json).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[cfg(not(feature = "async"))]
fn on_an_asynchronous_connection(_: &TestDb) {}

#[cfg(feature = "async")]
fn on_an_asynchronous_connection(db: &TestDb) {
    use occupancy_models::asynchronous::Call;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_stack(1_024, || {
        let many: Vec<_> = (0..600).map(event).chain([event(600).with_attributes(nested(100_000, false))]).collect();
        with_stack(2, || {
            runtime.block_on(async {
                let mut conn = db.connect_async().await;
                is_refused(Call::call(bulk::upsert_sensor_events(&many), &mut conn).await, 600, "attributes");
                is_refused(Call::call(bulk::insert_sensor_events(&many), &mut conn).await, 600, "attributes");
            });
        });
    });
}

#[test]
fn halves_of_surrogate_pairs_are_no_json() {
    for half in ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800x"] {
        let json = format!(
            r#"{{ "timestamp": "2026-01-05T00:00:00Z", "room_id": "r", "sensor_id": "s", "sensor_type": "t", "state": "{half}" }}"#
        );
        assert!(serde_json::from_str::<NewSensorEvent<'_>>(&json).is_err(), "{half}");
    }
}
