//! The SQL functions that take arrays refuse what would lose rows or values.

use diesel::connection::SimpleConnection;

use crate::fixtures::*;

/// A function, what it takes beside the columns of a batch of two rows, and these columns.
struct Function {
    name: &'static str,
    beside: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const TEXTS: &str = "'{a, b}'::text[]";
const INSTANTS: &str = "'{2026-01-05 00:00+00, 2026-01-05 00:01+00}'::timestamptz[]";

const FUNCTIONS: [Function; 4] = [
    Function {
        name: "record_prediction_outcomes",
        beside: ", tolerance_microseconds => 1",
        columns: &[("ids", "'{1, 2}'::bigint[]"), ("actual_times", "'{2026-01-05 00:00+00, NULL}'::timestamptz[]")],
    },
    Function {
        name: "sensor_events_by_keys",
        beside: "",
        columns: &[("ids", "'{1, 2}'::bigint[]"), ("timestamps", INSTANTS)],
    },
    Function { name: "sensor_event_ids_at", beside: "", columns: &[("sensor_ids", TEXTS), ("timestamps", INSTANTS)] },
    Function {
        name: "predictions_to_import",
        beside: "",
        columns: &[
            ("room_ids", TEXTS),
            ("prediction_times", INSTANTS),
            ("predicted_transition_times", INSTANTS),
            ("transition_types", TEXTS),
            ("model_types", TEXTS),
            ("model_versions", TEXTS),
            ("have_outcomes", "'{true, false}'::boolean[]"),
            ("sensor_ids", TEXTS),
            ("event_timestamps", INSTANTS),
        ],
    },
];

impl Function {
    /// A call with one column replaced.
    fn call(&self, replaced: &str, by: &str) -> String {
        let argument =
            |(name, array): &(&str, &str)| format!("{name} => {}", if *name == replaced { by } else { array });
        let arguments: Vec<String> = self.columns.iter().map(argument).collect();
        format!("SELECT FROM {}({}{})", self.name, arguments.join(", "), self.beside)
    }
}

fn refusal(conn: &mut PgConnection, statement: &str) -> Error {
    match conn.batch_execute(statement) {
        Ok(()) => panic!("this must be refused: {statement}"),
        Err(error) => error.into(),
    }
}

/// Two predictions; the number of outcomes is told afterwards.
fn with_two_predictions() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    insert_predictions(&mut conn, &predicted(2)).unwrap();
    (db, conn)
}

fn outcomes(conn: &mut PgConnection) -> String {
    value(conn, "SELECT count(validation_timestamp) FROM predictions")
}

#[test]
fn columns_of_other_lengths_are_refused_by_name() {
    let (_db, mut conn) = with_two_predictions();
    for function in &FUNCTIONS {
        for &(column, array) in function.columns {
            for wrong in [
                format!("({array})[:1]"),
                format!("({array}) || ({array})[:1]"),
                // Two dimensions, of which subscripts read null.
                format!("array_cat(ARRAY[{array}], {array})"),
                // From 0 on, so that the second element would be read for the first row.
                format!("array_fill(({array})[1], ARRAY[2], ARRAY[0])"),
                "NULL".to_owned(),
                "'{}'".to_owned(),
            ] {
                let statement = function.call(column, &wrong);
                match refusal(&mut conn, &statement) {
                    // The first column gives the number of rows, so the next one is told.
                    Error::UnevenColumns { message, column: named, remedy } => {
                        assert!(message.starts_with(function.name), "{message}");
                        assert!(remedy.starts_with("Give every column"), "{remedy}");
                        assert!(column == function.columns[0].0 || named == column, "{message}: {statement}");
                    }
                    other => panic!("{statement}: {other:?}"),
                }
            }
        }
    }
    assert_eq!(outcomes(&mut conn), "0");
}

#[test]
fn no_rows_are_recorded_without_an_error() {
    let (_db, mut conn) = with_two_predictions();
    sql(&mut conn, "SELECT FROM record_prediction_outcomes('{}', '{}', 1)");
    sql(&mut conn, "SELECT FROM sensor_events_by_keys('{}', '{}')");
    sql(&mut conn, "SELECT FROM predictions_to_import('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')");
    assert_eq!(outcomes(&mut conn), "0");
}

#[test]
fn an_id_that_comes_twice_is_refused_by_name() {
    let (_db, mut conn) = with_two_predictions();
    sql(&mut conn, "SELECT reserve_sensor_event_ids(2)");
    for (function, call) in [
        ("record_prediction_outcomes", FUNCTIONS[0].call("ids", "'{2, 2}'")),
        ("check_sensor_event_keys", "SELECT check_sensor_event_keys('{2, 2}', '{2026-01-05, 2026-01-06}')".to_owned()),
    ] {
        match refusal(&mut conn, &call) {
            Error::IdRepeated { id: 2, message, .. } => {
                assert_eq!(message, format!("{function}(): the id 2 comes twice"));
            }
            other => panic!("{call}: {other:?}"),
        }
    }
    let with_null = "SELECT FROM record_prediction_outcomes('{1, NULL}', '{NULL, NULL}', 1)";
    assert!(matches!(refusal(&mut conn, with_null), Error::UnevenColumns { .. }));
    assert_eq!(outcomes(&mut conn), "0");
}

/// Fewer times than ids would be recorded as "never".
#[test]
fn outcomes_are_recorded_for_the_ids_that_there_are() {
    let (_db, mut conn) = with_two_predictions();
    let given = "SELECT concat_ws(' ', recorded, missed, unknown_ids)
                 FROM record_prediction_outcomes('{2, 7}', '{NULL, 2026-01-05}', 1)";
    assert_eq!(value(&mut conn, given), "1 1 {7}");
    assert_eq!(outcomes(&mut conn), "1");
}
