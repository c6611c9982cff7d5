//! The SQL functions behind bulk writes, called directly: they refuse what would lose rows or values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::bulk::{self, KeyedSensorEvent, Repeats};
use occupancy_models::{Call, Error, KeyError, NewSensorEvent, SensorType};
use support::{TestDb, needs, sql, value, values};

/// The arguments of a function that are columns of a batch of two rows, by name; whether each may be null.
type Columns = &'static [(&'static str, &'static str, bool)];

const EVENT_COLUMNS: Columns = &[
    ("timestamps", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", false),
    ("room_ids", "'{room, room}'", false),
    ("sensor_ids", "'{sensor, sensor}'", false),
    ("sensor_types", "'{motion, motion}'", false),
    ("states", "'{on, off}'", false),
    ("numeric_values", "'{1, 2}'", true),
    ("previous_states", "'{a, b}'", true),
    ("attributes_at", "'{1, 1}'", false),
    ("human_triggered", "'{true, false}'", false),
    ("confidence_scores", "'{0.5, 1}'", true),
    ("processed_ats", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", true),
];

const PREDICTION_COLUMNS: Columns = &[
    ("room_ids", "'{room, room}'", false),
    ("prediction_times", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", false),
    ("predicted_transition_times", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", false),
    ("transition_types", "'{state_change, state_change}'", false),
    ("confidence_scores", "'{0.5, 1}'", false),
    ("prediction_interval_lowers", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", true),
    ("prediction_interval_uppers", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", true),
    ("model_types", "'{hmm, hmm}'", false),
    ("model_versions", "'{1, 2}'", false),
    ("feature_importances", r#"ARRAY['{"a": 1}', '2']::jsonb[]"#, true),
    ("alternative_values", "ARRAY['[]', '2']::jsonb[]", true),
    ("triggering_event_ids", "'{NULL, NULL}'", true),
    ("triggering_event_timestamps", "'{NULL, NULL}'", true),
    ("processing_times_ms", "'{1, 2}'", true),
];

/// A function, what it takes beside the columns, its own columns, and the rest of them.
struct Function {
    name: &'static str,
    beside: &'static str,
    own: Columns,
    columns: Columns,
}

const FUNCTIONS: [Function; 6] = [
    Function {
        name: "upsert_sensor_events",
        beside: r#"sensors => '{sensor}', earliest => '2026-01-05', latest => '2026-01-06', attribute_values => '{"{}"}', "#,
        own: &[],
        columns: EVENT_COLUMNS,
    },
    Function {
        name: "upsert_sensor_events_by_key",
        beside: r#"attribute_values => '{"{}"}', "#,
        own: &[("ids", "'{1, 2}'", false)],
        columns: EVENT_COLUMNS,
    },
    Function { name: "insert_predictions", beside: "", own: &[], columns: PREDICTION_COLUMNS },
    Function {
        name: "upsert_predictions",
        beside: "",
        own: &[("ids", "'{1, 2}'", false)],
        columns: PREDICTION_COLUMNS,
    },
    Function {
        name: "record_prediction_outcomes",
        beside: "tolerance_microseconds => 1, ",
        own: &[("ids", "'{1, 2}'", false)],
        columns: &[("actual_times", "'{2026-01-05 00:00+00, NULL}'", false)],
    },
    Function {
        name: "sensor_events_by_keys",
        beside: "",
        own: &[("ids", "'{1, 2}'", false)],
        columns: &[("timestamps", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'", false)],
    },
];

impl Function {
    fn all_columns(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        self.own.iter().chain(self.columns).copied()
    }

    /// A call with one column replaced.
    fn call(&self, replaced: &str, by: &str) -> String {
        let columns: Vec<_> = self
            .all_columns()
            .map(|(name, array, _)| format!("{name} => {}", if name == replaced { by } else { array }))
            .collect();
        format!("SELECT FROM {}({}{})", self.name, self.beside, columns.join(", "))
    }
}

fn refusal(conn: &mut PgConnection, statement: &str) -> Error {
    match conn.batch_execute(statement) {
        Ok(()) => panic!("this must be refused: {statement}"),
        Err(error) => error.into(),
    }
}

/// How many events, predictions and outcomes there are.
fn stored(conn: &mut PgConnection) -> String {
    value(
        conn,
        "SELECT concat_ws(' ', (SELECT count(*) FROM sensor_events), count(*), count(validation_timestamp)) FROM predictions",
    )
}

fn reserve_two(conn: &mut PgConnection) {
    sql(conn, "SELECT reserve_sensor_event_ids(2); SELECT reserve_prediction_ids(2)");
}

#[test]
fn columns_of_other_lengths_are_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    reserve_two(&mut conn);
    for function in &FUNCTIONS {
        for (column, array, may_be_empty) in function.all_columns() {
            let array = format!("({array})::{}", column_type(&mut conn, function.name, column));
            let mut wrong = vec![
                format!("({array})[:1]"),
                format!("({array}) || ({array})[:1]"),
                // Two dimensions, of which subscripts read null.
                format!("array_cat(ARRAY[{array}], {array})"),
                // From 0 on, so that the second element would be read for the first row.
                format!("array_fill(({array})[1], ARRAY[2], ARRAY[0])"),
                "NULL".to_owned(),
            ];
            if !may_be_empty {
                wrong.push("'{}'".to_owned());
            }
            for wrong in wrong {
                let statement = function.call(column, &wrong);
                match refusal(&mut conn, &statement) {
                    // The first column gives the number of rows, so the next one is told.
                    Error::UnevenColumns { message, column: named, remedy } => {
                        assert!(message.starts_with(function.name), "{message}");
                        assert!(remedy.starts_with("Give every column"), "{remedy}");
                        let first = function.all_columns().next().unwrap().0;
                        assert!(named == column || column == first || column == "room_ids", "{message}: {statement}");
                    }
                    other => panic!("{statement}: {other:?}"),
                }
            }
        }
    }
    assert_eq!(stored(&mut conn), "0 0 0");
}

fn column_type(conn: &mut PgConnection, function: &str, argument: &str) -> String {
    let types = format!(
        "SELECT format_type(type, NULL)
         FROM pg_proc, unnest(proargnames, coalesce(proallargtypes, proargtypes::oid[])) AS argument (name, type)
         WHERE proname = '{function}' AND name = '{argument}' AND pronamespace = current_schema()::regnamespace"
    );
    value(conn, &types)
}

#[test]
fn a_column_of_nothing_but_nulls_may_be_empty() {
    let (_db, mut conn) = TestDb::ready();
    reserve_two(&mut conn);
    for function in &FUNCTIONS[..4] {
        for (column, ..) in function.all_columns().filter(|column| column.2) {
            sql(&mut conn, &function.call(column, "'{}'"));
        }
        assert_ne!(stored(&mut conn), "0 0 0", "{}", function.name);
        sql(&mut conn, "TRUNCATE sensor_events, predictions");
    }
}

#[test]
fn no_rows_are_stored_without_an_error() {
    let (_db, mut conn) = TestDb::ready();
    for function in &FUNCTIONS {
        let columns: Vec<_> = function.all_columns().map(|(name, ..)| format!("{name} => '{{}}'")).collect();
        sql(&mut conn, &format!("SELECT FROM {}({}{})", function.name, function.beside, columns.join(", ")));
    }
    assert_eq!(stored(&mut conn), "0 0 0");
}

#[test]
fn a_null_where_the_column_cannot_be_null_stores_nothing() {
    let (_db, mut conn) = TestDb::ready();
    reserve_two(&mut conn);
    for function in &FUNCTIONS[..4] {
        for (column, ..) in function.all_columns().filter(|column| !column.2) {
            let of_type = column_type(&mut conn, function.name, column);
            let with_null = format!("array_append((({})::{of_type})[:1], NULL)", function_array(function, column));
            match refusal(&mut conn, &function.call(column, &with_null)) {
                Error::Database(DieselError::DatabaseError(DatabaseErrorKind::NotNullViolation, _)) => {}
                Error::UnevenColumns { column: named, .. } => assert_eq!((named.as_str(), column), ("ids", "ids")),
                other => panic!("{} {column}: {other:?}", function.name),
            }
        }
    }
    let outcomes = "SELECT FROM record_prediction_outcomes('{1, NULL}', '{NULL, NULL}', 1)";
    assert!(matches!(refusal(&mut conn, outcomes), Error::UnevenColumns { .. }));
    // Nor attributes from beyond the end of what was sent.
    let beyond = FUNCTIONS[0].call("attributes_at", "'{1, 2}'");
    let error = refusal(&mut conn, &beyond);
    assert!(
        matches!(error, Error::Database(DieselError::DatabaseError(DatabaseErrorKind::NotNullViolation, _))),
        "{error:?}"
    );
    assert_eq!(stored(&mut conn), "0 0 0");
}

fn function_array(function: &Function, column: &str) -> &'static str {
    function.all_columns().find(|(name, ..)| *name == column).unwrap().1
}

#[test]
fn an_id_that_comes_twice_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    reserve_two(&mut conn);
    for (function, column) in [(1, "ids"), (3, "ids"), (4, "ids")] {
        match refusal(&mut conn, &FUNCTIONS[function].call(column, "'{2, 2}'")) {
            Error::Key(KeyError::Repeated { id: 2, message, .. }) => {
                assert_eq!(message, format!("{}(): the id 2 comes twice", FUNCTIONS[function].name));
            }
            other => panic!("{}: {other:?}", FUNCTIONS[function].name),
        }
    }
    assert_eq!(stored(&mut conn), "0 0 0");
}

/// What the fewer times of an earlier release recorded as "never".
#[test]
fn outcomes_without_a_time_for_each_are_refused() {
    let (_db, mut conn) = TestDb::ready();
    reserve_two(&mut conn);
    sql(&mut conn, &FUNCTIONS[3].call("", ""));
    for times in ["'{}'", "NULL", "'{2026-01-05}'"] {
        let statement = format!("SELECT FROM record_prediction_outcomes('{{1, 2}}', {times}, 1)");
        assert!(matches!(refusal(&mut conn, &statement), Error::UnevenColumns { .. }), "{times}");
    }
    assert_eq!(stored(&mut conn), "0 2 0");
    let given = "SELECT concat_ws(' ', recorded, missed, unknown_ids)
                 FROM record_prediction_outcomes('{2, 7}', '{NULL, 2026-01-05}', 1)";
    assert_eq!(value(&mut conn, given), "1 1 {7}");
}

#[test]
fn ids_of_events_are_looked_up_for_each_sensor_with_its_instant() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, &FUNCTIONS[0].call("", ""));
    for (sensors, instants) in [
        ("'{sensor}'", "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'"),
        ("'{sensor, sensor}'", "'{2026-01-05 00:00+00}'"),
        ("NULL", "'{2026-01-05 00:00+00}'"),
        ("'{sensor}'", "NULL"),
    ] {
        let error = refusal(&mut conn, &format!("SELECT sensor_event_ids({sensors}, {instants})"));
        assert!(matches!(error, Error::UnevenColumns { .. }), "{error:?}");
    }
    let both = "SELECT sensor_event_ids('{sensor, other}', '{2026-01-05 00:01+00, 2026-01-05 00:01+00}')
                       = ARRAY[(SELECT max(id) FROM sensor_events), NULL]";
    assert_eq!(value(&mut conn, both), "true");
}

/// Directly, the order of the arrays is the caller's.
#[test]
fn the_functions_write_in_order_whatever_order_the_arrays_have() {
    let (_db, mut conn) = TestDb::ready();
    for rows in [40, 600] {
        let call = format!(
            "SELECT upsert_sensor_events(
                 '{{s}}', min(t), max(t), array_agg(t ORDER BY o), array_agg('r' || n ORDER BY o), array_agg('s'::text ORDER BY o),
                 array_agg('t'::text ORDER BY o), array_agg(n::text ORDER BY o), '{{}}', '{{}}', '{{\"{{}}\"}}', array_agg(1),
                 array_agg(true), '{{}}', '{{}}'
             )
             FROM (
                 SELECT n, timestamptz '2026-01-05' + n * interval '1 minute' AS t, hashint4(n) AS o FROM generate_series(1, {rows}) AS n
             ) AS given"
        );
        values(&mut conn, &call);
        let states = values(&mut conn, "SELECT state FROM sensor_events ORDER BY id");
        assert_eq!(states, (1..=rows).map(|n| n.to_string()).collect::<Vec<_>>());
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

fn event(n: i64) -> NewSensorEvent<'static> {
    let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    NewSensorEvent::new(start + chrono::TimeDelta::minutes(n), "room", "sensor", SensorType::MOTION, "on")
}

/// A role that can connect and has no rights on the tables.
#[test]
fn nobody_without_rights_holds_up_an_upsert_by_key() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let role = format!("occupancy_stranger_{}", std::process::id());
    sql(&mut conn, &format!("CREATE ROLE {role}"));
    let mut stranger = db.connect();
    sql(&mut stranger, &format!("SET ROLE {role}"));
    // Every advisory lock that has to do with the tables or functions of the schema.
    sql(
        &mut stranger,
        "SELECT pg_advisory_lock(oid::int, slot), pg_advisory_lock(oid::bigint) FROM pg_class, generate_series(0, 63) AS slot
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'S')",
    );
    for lock in [
        "SELECT FROM sensor_event_id_locks FOR UPDATE",
        "SELECT FROM sensor_event_id_locks FOR KEY SHARE",
        "BEGIN; LOCK TABLE sensor_event_id_locks IN ACCESS SHARE MODE",
        "SELECT lock_sensor_event_ids('{1}')",
    ] {
        let error = stranger.batch_execute(lock).unwrap_err().to_string();
        assert_eq!(error, "permission denied for table sensor_event_id_locks", "{lock}");
        sql(&mut stranger, "ROLLBACK");
    }
    sql(&mut conn, "SET statement_timeout TO '10s'");
    let keys = bulk::reserve_keys([event(0).timestamp()]).call(&mut conn).unwrap();
    let rows = [KeyedSensorEvent::new(keys[0].id(), event(0))];
    conn.transaction(|conn| {
        bulk::upsert_events_by_key(&rows, Repeats::Error)?.call(conn)?;
        // It uses none at all.
        let mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
        assert_eq!(value(conn, mine), "0");
        Ok::<_, Error>(())
    })
    .unwrap();
    drop(stranger);
    sql(&mut conn, &format!("DROP ROLE {role}"));
}

/// Far from each other, ids do not wait for each other.
#[test]
fn upserts_of_other_ranges_of_ids_run_side_by_side() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    sql(&mut conn, "ALTER SEQUENCE sensor_events_id_seq RESTART WITH 1000000; SELECT reserve_sensor_event_ids(1)");
    sql(&mut conn, "BEGIN");
    let rows = [KeyedSensorEvent::new(5, event(0))];
    bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap().call(&mut conn).unwrap();
    let mut other = db.connect();
    sql(&mut other, "SET lock_timeout TO '10s'");
    // The chunk was created by the other transaction, which is a matter of its own.
    let far = NewSensorEvent::new(event(1).timestamp(), "room", "another", SensorType::MOTION, "on");
    let rows = [KeyedSensorEvent::new(900_000, far)];
    sql(&mut conn, "COMMIT; BEGIN");
    let near = [KeyedSensorEvent::new(6, event(2))];
    bulk::upsert_events_by_key(&near, Repeats::Error).unwrap().call(&mut conn).unwrap();
    bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap().call(&mut other).unwrap();
    // And near ones do.
    sql(&mut other, "SET lock_timeout TO '100ms'");
    let near = [KeyedSensorEvent::new(7, event(3))];
    let error = bulk::upsert_events_by_key(&near, Repeats::Error).unwrap().call(&mut other).unwrap_err();
    assert!(error.to_string().contains("lock timeout"), "{error}");
    sql(&mut conn, "COMMIT");
}

#[test]
fn a_copy_of_the_schema_without_its_data_says_what_it_lacks() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "DELETE FROM sensor_event_id_locks; SELECT reserve_sensor_event_ids(1)");
    let rows = [KeyedSensorEvent::new(1, event(0))];
    let error = bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap().call(&mut conn).unwrap_err();
    let Error::Database(DieselError::DatabaseError(_, information)) = error else { panic!("{error}") };
    let remedy = information.hint().unwrap().strip_prefix("Run: ").unwrap().to_owned();
    sql(&mut conn, &remedy);
    bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap().call(&mut conn).unwrap();
}
