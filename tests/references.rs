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
    TransitionType, references, verify,
};
use support::{TestDb, sql, sql_error, value, values};

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
    let violations = verify().allow_plain_table().call(conn).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn a_prediction_needs_only_the_id_of_its_event() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    let prediction = predict(&mut conn, event.id).unwrap();
    assert_eq!(prediction.triggering_event_id, Some(event.id));

    let registered: Vec<ReferencedEvent> = ReferencedEvent::query().load(&mut conn).unwrap();
    assert_eq!(registered.iter().map(ReferencedEvent::key).collect::<Vec<_>>(), [event.key()]);
    let of_event = Prediction::belonging_to(&registered).select(Prediction::as_select()).load(&mut conn).unwrap();
    assert_eq!(of_event, [prediction]);
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
    let (db, mut conn) = TestDb::ready();
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
    assert_eq!(message, format!("TRUNCATE of {}.sensor_events cannot run under REPEATABLE READ", db.schema()));
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
        references::add(alerts::sensor_event_id).call(&mut conn).unwrap();
        references::add(alerts::other_event_id).call(&mut conn).unwrap();
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
    let error = references::add(alerts::sensor_event_id).call(&mut conn).unwrap_err();
    let Error::Database(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, information)) = &error
    else {
        panic!("{error}")
    };
    assert!(information.details().unwrap().contains("(42)"), "{information:?}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'alerts'::regclass"), "0");
}

#[test]
fn attaching_refuses_columns_that_cannot_refer() {
    let (db, mut conn) = TestDb::ready();
    let alerts = format!("{}.alerts", db.schema());
    for (columns, expected) in [
        ("sensor_event_id INTEGER", " has no columns (sensor_event_id) of the types (pg_catalog.int8)"),
        ("sensor_event_id BIGINT NOT NULL", ".sensor_event_id is NOT NULL, so a removed row could not clear it"),
        ("unrelated BIGINT", " has no columns (sensor_event_id) of the types (pg_catalog.int8)"),
    ] {
        sql(&mut conn, &format!("CREATE TABLE alerts (id BIGINT PRIMARY KEY, {columns})"));
        let error = references::add(alerts::sensor_event_id).call(&mut conn).unwrap_err();
        let Error::Timescale(timescale::Error::Reference(ReferenceError::Column { message, table, column, remedy })) =
            error
        else {
            panic!("{error}")
        };
        assert_eq!(
            (message, table, column.as_str()),
            (format!("{alerts}{expected}"), alerts.clone(), "sensor_event_id")
        );
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
        sql(&mut conn, &format!(r#"SELECT add_sensor_event_reference('"{schema}"."{table}"', '{column}')"#));
        sql(&mut conn, &format!(r#"INSERT INTO "{schema}"."{table}" ("{column}") VALUES ({})"#, event.id));
    }
    diesel::delete(event).execute(&mut conn).unwrap();
    for column in [column.to_owned(), format!("{column}2")] {
        assert_eq!(value(&mut conn, &format!(r#"SELECT count("{column}") FROM "{schema}"."{table}""#)), "0");
    }
    assert_healthy(&mut conn);
    sql(&mut conn, &format!(r#"SET client_min_messages TO warning; DROP SCHEMA "{schema}" CASCADE"#));
}

fn constraints(conn: &mut PgConnection, table: &str) -> Vec<String> {
    values(
        conn,
        &format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid = '{table}'::regclass AND contype = 'f' ORDER BY 1"
        ),
    )
}

/// What guards references and is not a part of the tables of this crate.
fn generated(conn: &mut PgConnection) -> Vec<String> {
    values(conn, "SELECT oid::regproc FROM pg_proc WHERE prosrc LIKE '%.register\\_sensor\\_events(NEW.%' ORDER BY 1")
}

#[test]
fn a_foreign_key_made_by_hand_is_recognised() {
    let (_db, mut conn) = TestDb::ready();
    for (action, type_, validity) in [
        ("ON DELETE CASCADE", "BIGINT NOT NULL", ""),
        ("ON DELETE RESTRICT", "BIGINT NOT NULL", ""),
        ("", "BIGINT", ""),
        ("ON DELETE CASCADE", "BIGINT", " NOT VALID"),
    ] {
        let event = &insert_events(&mut conn, 1)[0];
        sql(
            &mut conn,
            &format!(
                "CREATE TABLE notes (event_id {type_});
                 ALTER TABLE notes ADD FOREIGN KEY (event_id) REFERENCES referenced_events {action}{validity}",
            ),
        );
        for _ in 0..2 {
            sql(&mut conn, "SELECT add_sensor_event_reference('notes', 'event_id')");
        }
        let expected = format!("FOREIGN KEY (event_id) REFERENCES referenced_events(id) {action}");
        assert_eq!(constraints(&mut conn, "notes"), [expected.trim()], "{action} {validity}");

        sql(&mut conn, &format!("INSERT INTO notes VALUES ({})", event.id));
        if action == "ON DELETE CASCADE" {
            diesel::delete(event).execute(&mut conn).unwrap();
            assert_eq!(value(&mut conn, "SELECT count(*) FROM notes"), "0");
        } else {
            let error = diesel::delete(event).execute(&mut conn).unwrap_err().to_string();
            // PostgreSQL 18 names the setting of the key.
            assert!(error.contains("foreign key constraint \"notes_event_id_fkey\""), "{error}");
        }
        sql(
            &mut conn,
            "SELECT remove_sensor_event_reference('notes', 'event_id'); DROP TABLE notes; DELETE FROM sensor_events",
        );
    }
}

#[test]
fn a_column_that_may_not_be_null_needs_a_foreign_key_that_leaves_it_alone() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "CREATE TABLE notes (event_id BIGINT NOT NULL REFERENCES referenced_events ON DELETE SET NULL)");
    let error = sql_error(&mut conn, "SELECT add_sensor_event_reference('notes', 'event_id')");
    assert!(error.contains("is NOT NULL"), "{error}");
}

#[test]
fn detaching_leaves_nothing_behind() {
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor_event_id BIGINT, other_event_id BIGINT)",
    );
    let before = generated(&mut conn);
    assert!(!references::remove(alerts::sensor_event_id).call(&mut conn).unwrap());
    references::add(alerts::sensor_event_id).call(&mut conn).unwrap();
    references::add(alerts::other_event_id).call(&mut conn).unwrap();
    assert_eq!(generated(&mut conn).len(), before.len() + 2);

    assert!(references::remove(alerts::sensor_event_id).call(&mut conn).unwrap());
    assert_eq!(generated(&mut conn).len(), before.len() + 1, "the function of the other column stays");
    assert!(references::remove(alerts::other_event_id).call(&mut conn).unwrap());
    assert!(!references::remove(alerts::other_event_id).call(&mut conn).unwrap());
    assert_eq!(generated(&mut conn), before);
    assert_eq!(constraints(&mut conn, "alerts"), [""; 0]);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'alerts'::regclass"), "0");
    // Anything goes again.
    sql(&mut conn, "INSERT INTO alerts (sensor_event_id) VALUES (42)");
}

#[test]
fn attaching_again_follows_a_renamed_table_and_column() {
    let (_db, mut conn) = TestDb::ready();
    let before = generated(&mut conn);
    sql(&mut conn, "CREATE TABLE alerts (a BIGINT); SELECT add_sensor_event_reference('alerts', 'a')");
    let event = &insert_events(&mut conn, 1)[0];
    sql(&mut conn, "ALTER TABLE alerts RENAME a TO b");
    let error = sql_error(&mut conn, &format!("INSERT INTO alerts VALUES ({})", event.id));
    assert!(error.contains(r#"record "new" has no field "a""#), "never silently: {error}");
    sql(&mut conn, "ALTER TABLE alerts RENAME TO warnings");
    for _ in 0..2 {
        sql(&mut conn, "SELECT add_sensor_event_reference('warnings', 'b')");
        assert_eq!(generated(&mut conn).len(), before.len() + 1);
    }
    sql(&mut conn, &format!("INSERT INTO warnings VALUES ({})", event.id));
    diesel::delete(event).execute(&mut conn).unwrap();
    assert_eq!(value(&mut conn, "SELECT count(b) FROM warnings"), "0");
    assert_healthy(&mut conn);
}

/// Names that would be one and the same if they were only put together.
#[test]
fn no_two_columns_share_a_trigger_function() {
    let (_db, mut conn) = TestDb::ready();
    let event = &insert_events(&mut conn, 1)[0];
    let pairs = [("a_b", "c"), ("a", "b_c"), ("a.b", "c"), ("a", "b.c"), ("A", "B C"), ("$body$", "a'b\"c$body$")];
    for (table, column) in pairs {
        let relation = quoted(table).replace('\'', "''");
        let name = column.replace('\'', "''");
        let (table, column) = (quoted(table), quoted(column));
        sql(&mut conn, &format!("CREATE TABLE IF NOT EXISTS {table} (); ALTER TABLE {table} ADD {column} BIGINT"));
        sql(&mut conn, &format!("SELECT add_sensor_event_reference('{relation}', '{name}')"));
    }
    for (table, column) in pairs {
        sql(&mut conn, &format!("INSERT INTO {} ({}) VALUES ({})", quoted(table), quoted(column), event.id));
    }
    diesel::delete(event).execute(&mut conn).unwrap();
    for (table, column) in pairs {
        let left = format!("SELECT count({}) FROM {}", quoted(column), quoted(table));
        assert_eq!(value(&mut conn, &left), "0", "{table} {column}");
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn attaching_a_table_with_many_rows_is_quick() {
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT timestamptz '2026-01-05' + n * interval '1 minute', 'room', 'sensor', 'motion', 'on'
         FROM generate_series(1, 20000) AS n;
         ANALYZE sensor_events;
         CREATE TABLE alerts (id BIGINT PRIMARY KEY, sensor_event_id BIGINT, other_event_id BIGINT);
         INSERT INTO alerts (id, sensor_event_id) SELECT row_number() OVER (ORDER BY md5(id::text)), id FROM sensor_events",
    );
    let started = std::time::Instant::now();
    references::add(alerts::sensor_event_id).call(&mut conn).unwrap();
    let elapsed = started.elapsed();
    eprintln!("20,000 references attached in {elapsed:?}");
    assert_eq!(referenced_events::table.count().get_result::<i64>(&mut conn).unwrap(), 20_000);
    // One by one it takes ten times as long.
    assert!(elapsed < std::time::Duration::from_secs(4), "{elapsed:?}");
}

#[test]
fn an_event_is_at_no_infinity() {
    let (_db, mut conn) = TestDb::ready();
    // TimescaleDB refuses what it has no chunk for.
    for timestamp in ["infinity", "-infinity"] {
        let error = sql_error(
            &mut conn,
            &format!(
                "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('{timestamp}', 'room', 'sensor', 'motion', 'on')"
            ),
        );
        assert!(error.contains("violates check constraint") || error.contains("out of range"), "{error}");
    }
    let check = "SELECT pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE conrelid = 'sensor_events'::regclass AND contype = 'c' AND conkey = ARRAY[2::smallint]";
    assert_eq!(values(&mut conn, check), [r#"CHECK (isfinite("timestamp"))"#]);
}
