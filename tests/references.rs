//! References to sensor events hold: on insert, on every way to remove events, and for other tables' columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use occupancy_models::timescale::{self, ReferenceError};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, ReferencedEvent, SensorEvent, SensorType,
    TransitionType, reference, verify,
};
use support::{TestDb, sql, sql_error, value};

diesel::table! {
    alerts (id) {
        id -> Int8,
        sensor_event_id -> Nullable<Int8>,
        other_event_id -> Nullable<Int8>,
    }
}

fn noon() -> DateTime<Utc> {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

/// One event a day, from noon on.
fn insert_events(conn: &mut PgConnection, days: i64) -> Vec<SensorEvent> {
    let events: Vec<_> = (0..days)
        .map(|day| NewSensorEvent::new(noon() + TimeDelta::days(day), "room", "sensor", SensorType::MOTION, "on"))
        .collect();
    diesel::insert_into(sensor_events::table)
        .values(events)
        .returning(SensorEvent::as_returning())
        .get_results(conn)
        .unwrap()
}

fn prediction(event_id: impl Into<Option<i64>>) -> NewPrediction<'static> {
    NewPrediction::new("room", noon(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_triggering_event_id(event_id)
}

fn predict(conn: &mut PgConnection, event_id: impl Into<Option<i64>>) -> QueryResult<Prediction> {
    diesel::insert_into(predictions::table)
        .values(prediction(event_id))
        .returning(Prediction::as_returning())
        .get_result(conn)
}

fn references(conn: &mut PgConnection) -> Vec<Option<i64>> {
    predictions::table.order(predictions::id).select(predictions::triggering_event_id).load(conn).unwrap()
}

fn assert_healthy(conn: &mut PgConnection) {
    let faults = verify().allow_plain_table().call(conn).unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_prediction_needs_only_the_id_of_its_event() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    let prediction = predict(&mut conn, event.id).unwrap();
    assert_eq!(prediction.triggering_event_id, Some(event.id));

    let registered: Vec<ReferencedEvent> = ReferencedEvent::query().load(&mut conn).unwrap();
    assert_eq!(registered.iter().map(ReferencedEvent::key).collect::<Vec<_>>(), [event.key()]);
    assert_healthy(&mut conn);
}

#[test]
fn a_prediction_without_an_event_registers_nothing() {
    let (_db, mut conn) = TestDb::ready();
    insert_events(&mut conn, 1);
    predict(&mut conn, None).unwrap();
    assert_eq!(references(&mut conn), [None]);
    assert_eq!(referenced_events::table.count().get_result::<i64>(&mut conn).unwrap(), 0);
}

#[test]
fn an_event_that_does_not_exist_is_a_foreign_key_violation() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    let error = predict(&mut conn, event.id + 1).unwrap_err();
    assert!(matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)), "{error}");
    assert_eq!(references(&mut conn), []);
}

#[test]
fn a_reference_can_change_to_another_event() {
    let (_db, mut conn) = TestDb::ready();
    let events = insert_events(&mut conn, 2);
    let prediction = predict(&mut conn, events[0].id).unwrap();
    let set = |conn: &mut PgConnection, id: i64| {
        diesel::update(&prediction).set(predictions::triggering_event_id.eq(id)).execute(conn)
    };
    set(&mut conn, events[1].id).unwrap();
    assert_eq!(references(&mut conn), [Some(events[1].id)]);
    let error = set(&mut conn, -1).unwrap_err();
    assert!(matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)), "{error}");
    assert_healthy(&mut conn);
}

/// A native foreign key fails at the sixth row here, on releases before 2.21.1 (a cached generic plan).
#[test]
fn a_thousand_references_one_by_one_in_one_session() {
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT timestamptz '2026-01-05' + n * interval '10 minutes', 'room', 'sensor', 'motion', 'on'
         FROM generate_series(1, 1000) AS n",
    );
    let ids: Vec<i64> =
        sensor_events::table.order(sensor_events::id).select(sensor_events::id).load(&mut conn).unwrap();
    assert_eq!(ids.len(), 1000);
    for id in &ids {
        predict(&mut conn, *id).unwrap();
    }
    assert_eq!(references(&mut conn), ids.into_iter().map(Some).collect::<Vec<_>>());
    assert_healthy(&mut conn);
}

#[test]
fn deleting_events_clears_the_references_to_them() {
    let (_db, mut conn) = TestDb::ready();
    let events = insert_events(&mut conn, 3);
    for event in &events {
        predict(&mut conn, event.id).unwrap();
        predict(&mut conn, event.id).unwrap();
    }
    assert_eq!(diesel::delete(&events[1]).execute(&mut conn).unwrap(), 1);
    let (first, last) = (Some(events[0].id), Some(events[2].id));
    assert_eq!(references(&mut conn), [first, first, None, None, last, last]);
    assert_healthy(&mut conn);

    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    assert_eq!(references(&mut conn), [None; 6]);
    assert_healthy(&mut conn);
}

#[test]
fn a_rolled_back_delete_leaves_the_references() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    predict(&mut conn, event.id).unwrap();
    conn.transaction::<(), _, _>(|conn| {
        diesel::delete(event).execute(conn)?;
        assert_eq!(references(conn), [None]);
        Err(DieselError::RollbackTransaction)
    })
    .unwrap_err();
    assert_eq!(references(&mut conn), [Some(event.id)]);
    assert_healthy(&mut conn);
}

#[test]
fn truncate_clears_every_reference() {
    let (_db, mut conn) = TestDb::ready();
    for event in insert_events(&mut conn, 2) {
        predict(&mut conn, event.id).unwrap();
    }
    sql(&mut conn, "TRUNCATE sensor_events");
    assert_eq!(references(&mut conn), [None; 2]);
    assert_healthy(&mut conn);
}

#[test]
fn deletes_above_read_committed_clear_the_references_too() {
    let (_db, mut conn) = TestDb::ready();
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        let event = &insert_events(&mut conn, 1)[0];
        predict(&mut conn, event.id).unwrap();
        sql(
            &mut conn,
            &format!("BEGIN ISOLATION LEVEL {isolation}; DELETE FROM sensor_events WHERE id = {}; COMMIT", event.id),
        );
        assert_eq!(referenced_events::table.count().get_result::<i64>(&mut conn).unwrap(), 0, "{isolation}");
    }
    assert_eq!(references(&mut conn), [None; 2]);
    assert_healthy(&mut conn);
}

#[test]
fn truncate_above_read_committed_is_refused() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    predict(&mut conn, event.id).unwrap();
    let error = conn
        .build_transaction()
        .repeatable_read()
        .run(|conn| diesel::sql_query("TRUNCATE sensor_events").execute(conn).map_err(Error::from))
        .unwrap_err();
    let Error::Timescale(timescale::Error::Reference(ReferenceError::IsolationTooHigh { message, remedy })) = error
    else {
        panic!("{error}")
    };
    assert_eq!(message, "TRUNCATE of sensor_events cannot run under REPEATABLE READ");
    assert_eq!(remedy, "Run it under READ COMMITTED.");
    assert_eq!(references(&mut conn), [Some(event.id)]);
}

#[test]
fn the_key_of_an_event_cannot_change() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    predict(&mut conn, event.id).unwrap();

    let error: Error = diesel::update(event)
        .set(sensor_events::timestamp.eq(event.timestamp + TimeDelta::hours(1)))
        .execute(&mut conn)
        .unwrap_err()
        .into();
    let Error::Timescale(timescale::Error::Reference(ReferenceError::KeyChange { message, .. })) = &error else {
        panic!("{error}")
    };
    assert!(message.contains(&format!("({}, ", event.id)), "{message}");
    assert!(sql_error(&mut conn, "UPDATE sensor_events SET id = DEFAULT").contains("cannot change"));
    // The same value is no change.
    diesel::update(event).set(sensor_events::timestamp.eq(event.timestamp)).execute(&mut conn).unwrap();
    assert_healthy(&mut conn);
}

#[test]
fn another_tables_column_gets_the_same_guarantee() {
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "CREATE TABLE alerts (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            sensor_event_id BIGINT,
            other_event_id BIGINT
        )",
    );
    let events = insert_events(&mut conn, 3);
    // A row that is there already.
    diesel::insert_into(alerts::table).values(alerts::sensor_event_id.eq(events[0].id)).execute(&mut conn).unwrap();
    for _ in 0..2 {
        reference::attach(alerts::sensor_event_id).call(&mut conn).unwrap();
        reference::attach(alerts::other_event_id).call(&mut conn).unwrap();
    }
    assert_eq!(
        value(&mut conn, "SELECT count(*) FROM pg_index WHERE indrelid = 'alerts'::regclass"),
        "3",
        "the primary key, and one index for each reference, also after attaching twice"
    );

    diesel::insert_into(alerts::table)
        .values((alerts::sensor_event_id.eq(events[1].id), alerts::other_event_id.eq(events[2].id)))
        .execute(&mut conn)
        .unwrap();
    let error =
        diesel::insert_into(alerts::table).values(alerts::other_event_id.eq(-1)).execute(&mut conn).unwrap_err();
    assert!(matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)), "{error}");
    assert_healthy(&mut conn);

    diesel::delete(&events[0]).execute(&mut conn).unwrap();
    diesel::delete(&events[2]).execute(&mut conn).unwrap();
    let rows: Vec<(Option<i64>, Option<i64>)> = alerts::table
        .order(alerts::id)
        .select((alerts::sensor_event_id, alerts::other_event_id))
        .load(&mut conn)
        .unwrap();
    assert_eq!(rows, [(None, None), (Some(events[1].id), None)]);
    assert_healthy(&mut conn);
}

#[test]
fn attaching_refuses_rows_that_refer_to_nothing() {
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "CREATE TABLE alerts (id BIGINT PRIMARY KEY, sensor_event_id BIGINT, other_event_id BIGINT);
         INSERT INTO alerts VALUES (1, 42)",
    );
    let error = reference::attach(alerts::sensor_event_id).call(&mut conn).unwrap_err();
    let Error::Database(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, information)) = &error
    else {
        panic!("{error}")
    };
    assert!(information.details().unwrap().contains("(42)"), "{information:?}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'alerts'::regclass"), "0");
}

#[test]
fn attaching_refuses_columns_that_cannot_refer() {
    let (_db, mut conn) = TestDb::ready();
    for (columns, expected) in [
        ("sensor_event_id INTEGER", "alerts has no column sensor_event_id of type bigint"),
        (
            "sensor_event_id BIGINT NOT NULL",
            "alerts.sensor_event_id is NOT NULL, so a removed event could not clear it",
        ),
        ("unrelated BIGINT", "alerts has no column sensor_event_id of type bigint"),
    ] {
        sql(&mut conn, &format!("CREATE TABLE alerts (id BIGINT PRIMARY KEY, {columns})"));
        let error = reference::attach(alerts::sensor_event_id).call(&mut conn).unwrap_err();
        let Error::Timescale(timescale::Error::Reference(ReferenceError::Column { message, table, column, remedy })) =
            error
        else {
            panic!("{error}")
        };
        assert_eq!((message.as_str(), table.as_str(), column.as_str()), (expected, "alerts", "sensor_event_id"));
        assert!(!remedy.is_empty());
        sql(&mut conn, "DROP TABLE alerts");
    }
}

#[test]
fn a_long_name_in_another_schema_can_refer() {
    let (db, mut conn) = TestDb::ready();
    let schema = format!("{} Grüße", db.schema());
    let table = "a table with a name that is nearly as long as names can be in";
    let column = "a column with a name that is nearly as long as names can be i";
    sql(
        &mut conn,
        &format!(
            r#"CREATE SCHEMA "{schema}"; CREATE TABLE "{schema}"."{table}" ("{column}" BIGINT, "{column}2" BIGINT)"#
        ),
    );
    let event = &insert_events(&mut conn, 1)[0];
    for column in [column.to_owned(), format!("{column}2")] {
        sql(&mut conn, &format!(r#"SELECT reference_sensor_events('"{schema}"."{table}"', '{column}')"#));
        sql(&mut conn, &format!(r#"INSERT INTO "{schema}"."{table}" ("{column}") VALUES ({})"#, event.id));
    }
    diesel::delete(event).execute(&mut conn).unwrap();
    for column in [column.to_owned(), format!("{column}2")] {
        assert_eq!(value(&mut conn, &format!(r#"SELECT count("{column}") FROM "{schema}"."{table}""#)), "0");
    }
    assert_healthy(&mut conn);
    sql(&mut conn, &format!(r#"SET client_min_messages TO warning; DROP SCHEMA "{schema}" CASCADE"#));
}
