//! What PostgreSQL would refuse of a row is found before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use occupancy_models::bulk::{self, Batches, InvalidRow, KeyedPrediction, KeyedSensorEvent, Problem, Repeats};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType,
    TransitionType,
};
use serde_json::{Value, json};
use support::TestDb;

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// 24 November 4714 BC by Gregorian reckoning, which has a year 0: PostgreSQL's first instant.
fn earliest() -> DateTime<Utc> {
    "-4713-11-24T00:00:00Z".parse().unwrap()
}

fn too_early() -> DateTime<Utc> {
    earliest() - TimeDelta::microseconds(1)
}

fn event(n: i64) -> NewSensorEvent<'static> {
    NewSensorEvent::new(start() + TimeDelta::seconds(n), "room", "sensor", SensorType::TEMPERATURE, "on")
}

fn prediction() -> NewPrediction<'static> {
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

fn nul() -> Problem {
    Problem::Nul(NUL.to_owned())
}

fn json_nul() -> Problem {
    Problem::JsonNul(NUL.to_owned())
}

/// Every JSON that PostgreSQL refuses.
fn refused_json() -> [Value; 4] {
    [json!(NUL), json!({ NUL: 1 }), json!([1, null, { "a": [{ "b": NUL }] }]), json!({ "a": 1, "b": { NUL: {} } })]
}

/// Field, problem, and an event that has it.
fn wrong_events() -> Vec<(&'static str, Problem, NewSensorEvent<'static>)> {
    let mut wrong = vec![
        ("timestamp", Problem::Timestamp(too_early()), event_with("timestamp", json!(too_early()))),
        (
            "timestamp",
            Problem::Timestamp(DateTime::<Utc>::MIN_UTC),
            NewSensorEvent::new(DateTime::<Utc>::MIN_UTC, "room", "sensor", SensorType::MOTION, "on"),
        ),
        ("room_id", Problem::Empty, event_with("room_id", "")),
        ("room_id", nul(), event_with("room_id", NUL)),
        ("sensor_id", Problem::Empty, event_with("sensor_id", "")),
        ("sensor_id", nul(), event_with("sensor_id", NUL)),
        ("sensor_type", Problem::Empty, event_with("sensor_type", "")),
        ("sensor_type", nul(), event_with("sensor_type", NUL)),
        ("state", nul(), event_with("state", NUL)),
        ("previous_state", nul(), event_with("previous_state", NUL)),
        ("processed_at", Problem::Timestamp(too_early()), event(0).with_processed_at(too_early())),
    ];
    for json in refused_json() {
        wrong.push(("attributes", json_nul(), event(0).with_attributes(json)));
    }
    for number in [-0.1, 1.000_001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        wrong.push(("confidence_score", Problem::Confidence(number), event(0).with_confidence_score(number)));
    }
    wrong
}

fn wrong_predictions() -> Vec<(&'static str, Problem, NewPrediction<'static>)> {
    let later = start() + TimeDelta::microseconds(1);
    let mut wrong = vec![
        ("room_id", Problem::Empty, prediction_with("room_id", "")),
        ("room_id", nul(), prediction_with("room_id", NUL)),
        ("prediction_time", Problem::Timestamp(too_early()), prediction().with_prediction_time(too_early())),
        (
            "predicted_transition_time",
            Problem::Timestamp(too_early()),
            prediction_with("predicted_transition_time", json!(too_early())),
        ),
        (
            "prediction_interval_lower",
            Problem::Timestamp(too_early()),
            prediction().with_prediction_interval(too_early(), start()),
        ),
        (
            "prediction_interval_upper",
            Problem::Timestamp(too_early()),
            prediction().with_prediction_interval(earliest(), too_early()),
        ),
        (
            "prediction_interval_lower",
            Problem::Interval(later, start()),
            prediction().with_prediction_interval(later, start()),
        ),
        ("model_type", Problem::Empty, prediction_with("model_type", "")),
        ("model_type", nul(), prediction_with("model_type", NUL)),
        ("model_version", nul(), prediction_with("model_version", NUL)),
        ("processing_time_ms", Problem::Number(-0.001), prediction().with_processing_time_ms(-0.001)),
        (
            "processing_time_ms",
            Problem::Number(f64::NEG_INFINITY),
            prediction().with_processing_time_ms(f64::NEG_INFINITY),
        ),
    ];
    for json in refused_json() {
        wrong.push(("feature_importance", json_nul(), prediction().with_feature_importance(json.clone())));
        wrong.push(("alternatives", json_nul(), prediction().with_alternatives(json)));
    }
    for number in [-0.1, 1.000_001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let row = NewPrediction::new("room", start(), TransitionType::StateChange, number, ModelType::HMM, "1");
        wrong.push(("confidence_score", Problem::Confidence(number), row));
    }
    wrong
}

/// As `==`, and NaN is NaN.
#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>, row: usize, field: &str, problem: &Problem) {
    match result {
        Err(Error::InvalidRow(found)) => {
            assert_eq!((found.row, found.field, found.problem.to_string()), (row, field, problem.to_string()));
            assert_eq!(std::mem::discriminant(&found.problem), std::mem::discriminant(problem));
            assert_eq!(found.to_string(), format!("row {row}, {field}: {problem}"));
        }
        other => panic!("row {row}, {field}: {problem}: {other:?}"),
    }
}

#[test]
fn every_problem_of_an_event_is_told_with_its_row_and_field() {
    for (field, problem, wrong) in wrong_events() {
        let mut rows = vec![event(1), event(2), event(3)];
        rows.insert(2, wrong);
        assert_invalid(bulk::insert_events(&rows), 2, field, &problem);
        assert_invalid(bulk::upsert_events(&rows, Repeats::LastWins), 2, field, &problem);
        let rows: Vec<_> = (1..).zip(rows).map(|(id, row)| KeyedSensorEvent::new(id, row)).collect();
        assert_invalid(bulk::upsert_events_by_key(&rows, Repeats::LastWins), 2, field, &problem);
    }
}

#[test]
fn every_problem_of_a_prediction_is_told_with_its_row_and_field() {
    for (field, problem, wrong) in wrong_predictions() {
        let mut rows = vec![prediction(); 3];
        rows.insert(2, wrong);
        assert_invalid(bulk::insert_predictions(&rows), 2, field, &problem);
        let rows: Vec<_> = (1..).zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect();
        assert_invalid(bulk::upsert_predictions(&rows, Repeats::LastWins), 2, field, &problem);
    }
}

/// These PostgreSQL takes: NaN is greater than all to it. Nobody means them.
#[test]
fn numbers_that_are_none_are_told_as_well() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let rows = [event(0), event(1).with_numeric_value(number)];
        assert_invalid(bulk::upsert_events(&rows, Repeats::LastWins), 1, "numeric_value", &Problem::Number(number));
        assert_invalid(bulk::insert_events(&rows), 1, "numeric_value", &Problem::Number(number));
        let rows = [prediction(), prediction().with_processing_time_ms(number)];
        assert_invalid(bulk::insert_predictions(&rows), 1, "processing_time_ms", &Problem::Number(number));
    }
}

#[test]
fn the_first_problem_of_the_first_row_is_told() {
    let rows =
        [event(0), event_with("room_id", "").with_confidence_score(2.0), event_with("timestamp", json!(too_early()))];
    assert_invalid(bulk::insert_events(&rows), 1, "room_id", &Problem::Empty);
}

#[test]
fn the_database_would_refuse_each_of_these_rows() {
    let (_db, mut conn) = TestDb::ready();
    for (field, problem, wrong) in wrong_events() {
        let result = diesel::insert_into(sensor_events::table).values(&wrong).execute(&mut conn);
        assert!(result.is_err(), "{field}: {problem}");
    }
    for (field, problem, wrong) in wrong_predictions() {
        let result = diesel::insert_into(predictions::table).values(&wrong).execute(&mut conn);
        assert!(result.is_err(), "{field}: {problem}");
    }
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 0);
    assert_eq!(predictions::table.count().get_result::<i64>(&mut conn).unwrap(), 0);
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
fn nothing_is_sent_of_a_batch_with_a_problem() {
    let (_db, mut conn) = TestDb::ready();
    let queries = Queries::default();
    conn.set_instrumentation(queries.clone());
    for (field, problem, wrong) in wrong_events() {
        let rows = [event(0), wrong];
        let error = Batches::of(10).upsert_events(&mut conn, rows.clone()).unwrap_err();
        assert_invalid::<()>(Err(*error.source), 1, field, &problem);
        let error = Batches::of(10).insert_events(&mut conn, rows).unwrap_err();
        assert_invalid::<()>(Err(*error.source), 1, field, &problem);
    }
    let twice = [event(0), event(0)];
    let error = Batches::of(10).repeats(Repeats::Error).upsert_events(&mut conn, twice).unwrap_err();
    assert!(matches!(
        *error.source,
        Error::InvalidRow(InvalidRow { row: 1, field: "sensor_id, timestamp", problem: Problem::Repeats(0) })
    ));
    assert_eq!(queries.0.load(Ordering::Relaxed), 0);
    // The count can tell.
    Batches::of(10).upsert_events(&mut conn, [event(0)]).unwrap();
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
    let report = bulk::upsert_events(&rows, Repeats::Error).unwrap().with_keys().call(&mut conn).unwrap();
    assert_eq!(report.unchanged, i64::try_from(rows.len()).unwrap());
    assert_eq!(
        report.keys.iter().map(SensorEventKey::timestamp).collect::<Vec<_>>(),
        rows.iter().map(NewSensorEvent::timestamp).collect::<Vec<_>>()
    );

    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    let report = bulk::upsert_events(&rows, Repeats::Error).unwrap().call(&mut conn).unwrap();
    assert_eq!(report.inserted, i64::try_from(rows.len()).unwrap());
    assert_eq!(stored(&mut conn), given);

    // With the look ahead, which goes by the range of time.
    let filler = (100..700).map(event);
    let large: Vec<_> = rows.iter().cloned().chain(filler.clone()).collect();
    let report = bulk::upsert_events(&large, Repeats::Error).unwrap().call(&mut conn).unwrap();
    assert_eq!((report.inserted, report.unchanged), (600, i64::try_from(rows.len()).unwrap()));

    diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
    let keys = bulk::reserve_keys(rows.iter().map(NewSensorEvent::timestamp)).call(&mut conn).unwrap();
    let keyed: Vec<_> = keys.iter().zip(&rows).map(|(key, row)| KeyedSensorEvent::new(key.id(), row.clone())).collect();
    bulk::upsert_events_by_key(&keyed, Repeats::Error).unwrap().call(&mut conn).unwrap();
    assert_eq!(stored(&mut conn), given);

    if support::has(support::Needs::Copy) {
        diesel::delete(sensor_events::table).execute(&mut conn).unwrap();
        bulk::insert_events(&rows).unwrap().execute(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given);
    }
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
    let ids = bulk::insert_predictions(&rows).unwrap().call(&mut conn).unwrap();
    let by_id: Vec<Prediction> = Prediction::query().order(predictions::id).load(&mut conn).unwrap();
    assert_eq!(ids, by_id.iter().map(|row| row.id).collect::<Vec<_>>());
    for (row, found) in rows.iter().zip(by_id) {
        assert_eq!(NewPrediction::from(found), *row);
    }
}

/// By way of JSON, one end can be there without the other.
#[test]
fn one_end_of_an_interval_is_checked_without_the_other() {
    for field in ["prediction_interval_lower", "prediction_interval_upper"] {
        let rows = [prediction(), prediction_with(field, json!(too_early()))];
        assert_invalid(bulk::insert_predictions(&rows), 1, field, &Problem::Timestamp(too_early()));
    }
}

/// It is no column, and sent all the same.
#[test]
fn the_timestamp_of_a_triggering_event_is_checked() {
    let rows = [prediction(), prediction().with_triggering_event(SensorEventKey::new(1, too_early()))];
    match bulk::insert_predictions(&rows) {
        Err(Error::InvalidRow(InvalidRow { row: 1, problem: Problem::Timestamp(at), .. })) => {
            assert_eq!(at, too_early());
        }
        other => panic!("{other:?}"),
    }
}
