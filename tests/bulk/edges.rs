//! What PostgreSQL would refuse of a row is found before anything is sent, and what is at the very edge is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use serde_json::Value;

use crate::fixtures::*;

/// 24 November 4714 BC by Gregorian reckoning, which has a year 0: PostgreSQL's first instant.
fn earliest() -> DateTime<Utc> {
    "-4713-11-24T00:00:00Z".parse().unwrap()
}

fn too_early() -> DateTime<Utc> {
    earliest() - TimeDelta::microseconds(1)
}

pub(crate) fn event(n: i64) -> NewSensorEvent<'static> {
    NewSensorEvent::new(start() + TimeDelta::seconds(n), "room", "sensor", SensorType::TEMPERATURE, "on")
}

pub(crate) fn prediction() -> NewPrediction<'static> {
    NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
}

/// An event with one field set to something else.
fn event_with(field: &str, value: impl Into<Value>) -> NewSensorEvent<'static> {
    let mut json = json!(event(0));
    json[field] = value.into();
    serde_json::from_value(json).unwrap()
}

fn prediction_with(field: &str, value: impl Into<Value>) -> NewPrediction<'static> {
    let mut json = json!(prediction());
    json[field] = value.into();
    serde_json::from_value(json).unwrap()
}

const NUL: &str = "a\0b";

/// Every JSON that PostgreSQL refuses.
fn refused_json() -> [Value; 4] {
    [json!(NUL), json!({ NUL: 1 }), json!([1, null, { "a": [{ "b": NUL }] }]), json!({ "a": 1, "b": { NUL: {} } })]
}

/// A column, part of what is told, and an event that is refused for it.
fn wrong_events() -> Vec<(&'static str, String, NewSensorEvent<'static>)> {
    let mut wrong = vec![
        ("timestamp", "not from 4714-11-24 BC", event_with("timestamp", json!(too_early()))),
        (
            "timestamp",
            "not from 4714-11-24 BC",
            NewSensorEvent::new(DateTime::<Utc>::MIN_UTC, "room", "sensor", SensorType::MOTION, "on"),
        ),
        ("room_id", "is empty", event_with("room_id", "")),
        ("room_id", "NUL", event_with("room_id", NUL)),
        ("sensor_id", "is empty", event_with("sensor_id", "")),
        ("sensor_id", "NUL", event_with("sensor_id", NUL)),
        ("sensor_type", "is empty", event_with("sensor_type", "")),
        ("sensor_type", "NUL", event_with("sensor_type", NUL)),
        ("state", "NUL", event_with("state", NUL)),
        ("previous_state", "NUL", event_with("previous_state", NUL)),
        ("processed_at", "not from 4714-11-24 BC", event(0).with_processed_at(too_early())),
    ]
    .into_iter()
    .map(|(column, text, row)| (column, text.to_owned(), row))
    .collect::<Vec<_>>();
    for json in refused_json() {
        wrong.push(("attributes", "\\u0000".to_owned(), event(0).with_attributes(json)));
    }
    for number in [-0.1, 1.000_001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let text = format!("{number} is not a number from 0 to 1");
        wrong.push(("confidence_score", text, event(0).with_confidence_score(number)));
    }
    wrong
}

fn wrong_predictions() -> Vec<(&'static str, String, NewPrediction<'static>)> {
    let later = start() + TimeDelta::microseconds(1);
    let mut wrong = vec![
        ("room_id", "is empty", prediction_with("room_id", "")),
        ("room_id", "NUL", prediction_with("room_id", NUL)),
        ("prediction_time", "not from 4714-11-24 BC", prediction().with_prediction_time(too_early())),
        (
            "predicted_transition_time",
            "not from 4714-11-24 BC",
            prediction_with("predicted_transition_time", json!(too_early())),
        ),
        (
            "prediction_interval_lower",
            "not from 4714-11-24 BC",
            prediction().with_prediction_interval(too_early(), start()),
        ),
        (
            "prediction_interval_upper",
            "not from 4714-11-24 BC",
            prediction_with("prediction_interval_upper", json!(too_early())),
        ),
        (
            "prediction_interval_lower",
            "the interval starts at 2026-01-05 00:00:00.000001 UTC, after its end at 2026-01-05 00:00:00 UTC",
            prediction().with_prediction_interval(later, start()),
        ),
        ("model_type", "is empty", prediction_with("model_type", "")),
        ("model_type", "NUL", prediction_with("model_type", NUL)),
        ("model_version", "NUL", prediction_with("model_version", NUL)),
        ("processing_time_ms", "-0.001 is not", prediction().with_processing_time_ms(-0.001)),
        ("processing_time_ms", "-inf is not", prediction().with_processing_time_ms(f64::NEG_INFINITY)),
    ]
    .into_iter()
    .map(|(column, text, row)| (column, text.to_owned(), row))
    .collect::<Vec<_>>();
    for json in refused_json() {
        wrong.push(("feature_importance", "\\u0000".to_owned(), prediction().with_feature_importance(json.clone())));
        wrong.push(("alternatives", "\\u0000".to_owned(), prediction().with_alternatives(json)));
    }
    for number in [-0.1, 1.000_001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let row = NewPrediction::new("room", start(), TransitionType::StateChange, number, ModelType::HMM, "1");
        wrong.push(("confidence_score", format!("{number} is not a number from 0 to 1"), row));
    }
    wrong
}

/// Row 2 is the only one that is told, by this column, with this in the text.
#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, BulkError>, column: &str, text: &str) {
    let [found] = &invalid_rows(result.unwrap_err())[..] else { panic!("{column}: {text}") };
    assert_eq!((found.row, found.column.as_str()), (2, column));
    assert!(found.to_string().contains(text), "{found}: {text}");
}

#[test]
fn every_violation_of_an_event_is_told_with_its_row_and_column() {
    let (_db, mut conn) = TestDb::ready();
    for (column, text, wrong) in wrong_events() {
        let mut rows = vec![event(1), event(2), event(3)];
        rows.insert(2, wrong);
        assert_invalid(bulk::insert_sensor_events(&rows).call(&mut conn), column, &text);
        assert_invalid(bulk::upsert_sensor_events(&rows).call(&mut conn), column, &text);
        let rows: Vec<_> = (1..).zip(rows).map(|(id, row)| Keyed::new(id, row)).collect();
        assert_invalid(bulk::upsert_sensor_events_by_key(&rows).call(&mut conn), column, &text);
    }
    assert_eq!(count(&mut conn), 0);
}

#[test]
fn every_violation_of_a_prediction_is_told_with_its_row_and_column() {
    let (_db, mut conn) = TestDb::ready();
    for (column, text, wrong) in wrong_predictions() {
        let mut rows = vec![prediction(); 3];
        rows.insert(2, wrong);
        assert_invalid(bulk::insert_predictions(&rows).call(&mut conn), column, &text);
        let rows: Vec<_> = (1..).zip(rows).map(|(id, row)| Keyed::new(id, row)).collect();
        assert_invalid(bulk::upsert_predictions(&rows).call(&mut conn), column, &text);
    }
    assert_eq!(stored_predictions(&mut conn, 0), []);
}

/// These PostgreSQL takes: NaN is greater than all to it. Nobody means them.
#[test]
fn numbers_that_are_not_finite_are_told_as_well() {
    let (_db, mut conn) = TestDb::ready();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let rows = [event(0), event(1), event(2).with_numeric_value(number)];
        let text = format!("{number} is not a finite number");
        assert_invalid(bulk::upsert_sensor_events(&rows).call(&mut conn), "numeric_value", &text);
        assert_invalid(bulk::insert_sensor_events(&rows).call(&mut conn), "numeric_value", &text);
        let rows = [prediction(), prediction(), prediction().with_processing_time_ms(number)];
        let text = format!("{number} is not a finite number");
        assert_invalid(bulk::insert_predictions(&rows).call(&mut conn), "processing_time_ms", &text);
    }
}

#[test]
fn every_violation_of_every_row_is_told() {
    let (_db, mut conn) = TestDb::ready();
    let rows = [
        event(0),
        event_with("room_id", "").with_confidence_score(2.0),
        event(1),
        event_with("timestamp", json!(too_early())),
        event_with("state", NUL),
    ];
    let found = invalid_rows(bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap_err());
    let found: Vec<_> = found.iter().map(|row| (row.row, row.column.as_str())).collect();
    assert_eq!(found, [(1, "room_id"), (1, "confidence_score"), (3, "timestamp"), (4, "state")]);
}

#[test]
fn the_database_would_refuse_each_of_these_rows() {
    let (_db, mut conn) = TestDb::ready();
    for (column, text, wrong) in wrong_events() {
        let result = diesel::insert_into(sensor_events::table).values(&wrong).execute(&mut conn);
        assert!(result.is_err(), "{column}: {text}");
    }
    for (column, text, wrong) in wrong_predictions() {
        let result = diesel::insert_into(predictions::table).values(&wrong).execute(&mut conn);
        assert!(result.is_err(), "{column}: {text}");
    }
    assert_eq!(count(&mut conn), 0);
    assert_eq!(stored_predictions(&mut conn, 0), []);
}

/// Counts the queries that start.
#[derive(Clone, Default)]
struct Queries(Arc<AtomicUsize>);

impl Instrumentation for Queries {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } | InstrumentationEvent::BeginTransaction { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn nothing_is_sent_of_a_batch_with_a_violation() {
    let (_db, mut conn) = TestDb::ready();
    let queries = Queries::default();
    conn.set_instrumentation(queries.clone());
    for (column, text, wrong) in wrong_events() {
        let rows = [event(0), event(1), wrong];
        let error = bulk::upsert_sensor_events(&rows).in_batches(10).call(&mut conn).unwrap_err();
        assert_invalid::<()>(Err(batch_error(error).2), column, &text);
        let error = bulk::insert_sensor_events(&rows).in_batches(10).call(&mut conn).unwrap_err();
        assert_invalid::<()>(Err(batch_error(error).2), column, &text);
    }
    let twice = [event(0), event(10), event(0)];
    let call = bulk::upsert_sensor_events(&twice).on_duplicate(OnDuplicate::Fail).call(&mut conn);
    assert_invalid(call, "sensor_id, timestamp", "repeats row 0");
    assert_eq!(queries.0.load(Ordering::Relaxed), 0);
    // The count can tell.
    bulk::upsert_sensor_events([event(0)]).call(&mut conn).unwrap();
    assert_eq!(queries.0.load(Ordering::Relaxed), 1);
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!("\u{1}"), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
}

/// At the very edge of what the checks let through.
fn edge_events() -> Vec<NewSensorEvent<'static>> {
    let at = |timestamp| NewSensorEvent::new(timestamp, "room", "edge of time", SensorType::MOTION, "on");
    vec![
        at(earliest()),
        at(earliest() + TimeDelta::microseconds(1)),
        at(DateTime::<Utc>::MAX_UTC),
        event(1).with_confidence_score(0.0),
        event(2).with_confidence_score(1.0),
        event(3).with_confidence_score(-0.0),
        event(4).with_processed_at(earliest()),
        event(5).with_processed_at(DateTime::<Utc>::MAX_UTC),
        event(6).with_numeric_value(f64::MAX),
        event(7).with_numeric_value(f64::MIN_POSITIVE),
        event(8).with_attributes(deep(120)),
        event(9)
            .with_attributes(json!({ "": "", "\u{1}": "\u{ffff}\u{10ffff}\\u0000", "n": [u64::MAX, i64::MIN, 1e300] })),
        event(10).with_attributes(json!(null)),
        NewSensorEvent::new(start(), "\u{1}", "\u{1}\u{10ffff}", "\u{1}", "").with_previous_state(""),
        NewSensorEvent::new(start(), "r".repeat(100_000), "s".repeat(1_000), " ", "\\N\t\n\"{},"),
    ]
}

fn stored(conn: &mut PgConnection) -> Vec<Value> {
    let mut rows: Vec<Value> = SensorEvent::query()
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|event: SensorEvent| json!(NewSensorEvent::from(event)))
        .collect();
    rows.sort_by_key(Value::to_string);
    rows
}

#[test]
fn values_at_the_very_edge_are_stored_by_every_door() {
    let (_db, mut conn) = TestDb::ready();
    let rows = edge_events();
    let mut given: Vec<_> = rows.iter().map(|row| json!(row)).collect();
    given.sort_by_key(Value::to_string);

    diesel::insert_into(sensor_events::table).values(&rows).execute(&mut conn).unwrap();
    assert_eq!(stored(&mut conn), given);
    let (report, keys) = upsert_with_keys(&mut conn, &rows);
    assert_eq!(report.unchanged, n(rows.len()));
    assert_eq!(
        keys.iter().map(SensorEventKey::timestamp).collect::<Vec<_>>(),
        rows.iter().map(NewSensorEvent::timestamp).collect::<Vec<_>>()
    );

    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    let report = bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
    assert_eq!(report.inserted, n(rows.len()));
    assert_eq!(stored(&mut conn), given);

    // With the look ahead, which goes by the range of time.
    let filler = events("filler", 600);
    let large: Vec<_> = rows.iter().cloned().chain(filler).collect();
    let report = bulk::upsert_sensor_events(&large).call(&mut conn).unwrap();
    assert_eq!((report.inserted, report.unchanged), (600, n(rows.len())));

    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    let keys = bulk::reserve_keys(rows.iter().map(NewSensorEvent::timestamp)).call(&mut conn).unwrap();
    let keyed: Vec<_> = keys.iter().zip(&rows).map(|(key, row)| Keyed::new(key.id(), row.clone())).collect();
    bulk::upsert_sensor_events_by_key(&keyed).call(&mut conn).unwrap();
    assert_eq!(stored(&mut conn), given);

    // Large enough for COPY.
    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    bulk::insert_sensor_events(&large).call(&mut conn).unwrap();
    diesel::delete(sensor_events::table.filter(sensor_events::sensor_id.eq("filler"))).execute(&mut conn).unwrap();
    assert_eq!(stored(&mut conn), given);
}

#[test]
fn predictions_at_the_very_edge_are_stored() {
    let (_db, mut conn) = TestDb::ready();
    let rows = [
        prediction().with_prediction_interval(start(), start()).with_prediction_time(earliest()),
        prediction().with_prediction_interval(earliest(), DateTime::<Utc>::MAX_UTC),
        prediction_with("predicted_transition_time", json!(earliest())),
        prediction_with("confidence_score", 0.0),
        prediction_with("confidence_score", 1.0),
        prediction_with("model_version", ""),
        prediction_with("model_type", "\u{1}"),
        prediction().with_processing_time_ms(0.0).with_feature_importance(deep(120)).with_alternatives(json!(null)),
        prediction_with("prediction_interval_lower", json!(start())),
        prediction_with("prediction_interval_upper", json!(start())),
    ];
    let ids = insert_predictions(&mut conn, &rows).unwrap();
    let by_id: Vec<Prediction> = Prediction::query().order(predictions::id).load(&mut conn).unwrap();
    assert_eq!(ids, by_id.iter().map(|row| row.id).collect::<Vec<_>>());
    for (row, found) in rows.iter().zip(by_id) {
        assert_eq!(NewPrediction::from(found), *row);
    }
}

/// By way of JSON, one end can be there without the other.
#[test]
fn one_end_of_an_interval_is_checked_without_the_other() {
    let (_db, mut conn) = TestDb::ready();
    for column in ["prediction_interval_lower", "prediction_interval_upper"] {
        let rows = [prediction(), prediction(), prediction_with(column, json!(too_early()))];
        assert_invalid(bulk::insert_predictions(&rows).call(&mut conn), column, "not from 4714-11-24 BC");
    }
}
