//! The models: what is written is read back, also what this release does not know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, PredictionChanges, SensorEvent, SensorEventChanges,
    SensorEventKey, SensorState, SensorType, TransitionType, bulk,
};
use serde_json::{Value, json};
use support::{TestDb, sql, sql_error};

fn nanoseconds() -> DateTime<Utc> {
    "2026-01-01T12:00:00.123456789Z".parse().unwrap()
}

fn insert(conn: &mut PgConnection, event: NewSensorEvent<'_>) -> SensorEvent {
    diesel::insert_into(sensor_events::table)
        .values(event)
        .returning(SensorEvent::as_returning())
        .get_result(conn)
        .unwrap()
}

#[test]
fn an_event_round_trips_with_every_column() {
    let (_db, mut conn) = TestDb::ready();
    let new = NewSensorEvent::new(nanoseconds(), "room", "sensor", SensorType::new("vibration"), "0.25 g")
        .with_numeric_value(0.25)
        .with_previous_state("quiet")
        .with_attributes(json!({ "axis": "z", "nested": [1, null, "ü"] }))
        .with_human_triggered(false)
        .with_confidence_score(0.75)
        .with_processed_at(nanoseconds());
    let event = insert(&mut conn, new.clone());

    assert_eq!(event.timestamp, new.timestamp());
    assert_eq!(event.room_id, "room");
    assert_eq!(event.sensor_id, "sensor");
    assert_eq!(event.sensor_type, "vibration");
    assert_eq!(event.state, "0.25 g");
    assert_eq!(event.numeric_value, Some(0.25));
    assert_eq!(event.previous_state, Some(SensorState::new("quiet")));
    assert_eq!(event.attributes, json!({ "axis": "z", "nested": [1, null, "ü"] }));
    assert!(!event.is_human_triggered);
    assert_eq!(event.confidence_score, Some(0.75));
    assert_eq!(event.processed_at, Some(new.timestamp()));

    let again: SensorEvent =
        SensorEvent::query().find((event.key().id(), event.key().timestamp())).first(&mut conn).unwrap();
    assert_eq!(again, event);
}

#[test]
fn a_key_read_back_equals_the_key_written() {
    let (_db, mut conn) = TestDb::ready();
    let id = insert(&mut conn, NewSensorEvent::new(nanoseconds(), "room", "sensor", SensorType::MOTION, "on")).id;
    let key = SensorEventKey::new(id, nanoseconds());
    let read: SensorEventKey = sensor_events::table
        .filter(sensor_events::timestamp.eq(key.timestamp()))
        .select(SensorEventKey::as_select())
        .first(&mut conn)
        .unwrap();
    assert_eq!(read, key);

    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<SensorEventKey>(&json).unwrap(), key);
    let nanos = json.replace(".123456Z", ".123456789Z");
    assert_ne!(nanos, json);
    assert_eq!(serde_json::from_str::<SensorEventKey>(&nanos).unwrap(), key);
}

#[test]
fn the_composite_key_finds_updates_and_deletes() {
    let (_db, mut conn) = TestDb::ready();
    let mut event = insert(&mut conn, NewSensorEvent::new(nanoseconds(), "room", "sensor", SensorType::MOTION, "on"));
    insert(&mut conn, NewSensorEvent::new(nanoseconds(), "room", "another", SensorType::MOTION, "on"));

    let changes =
        SensorEventChanges { state: Some(SensorState::OFF), confidence_score: Some(Some(0.5)), ..Default::default() };
    diesel::update(&event).set(&changes).execute(&mut conn).unwrap();
    let found: SensorEvent = SensorEvent::query().find((event.id, event.timestamp)).first(&mut conn).unwrap();
    assert_eq!((&found.state, found.confidence_score), (&SensorState::OFF, Some(0.5)));
    assert_eq!(found.sensor_type, SensorType::MOTION);

    event.numeric_value = Some(3.0);
    event.confidence_score = None;
    let saved: SensorEvent = event.save_changes(&mut conn).unwrap();
    assert_eq!((saved.numeric_value, saved.confidence_score), (Some(3.0), None));

    assert_eq!(diesel::delete(&saved).execute(&mut conn).unwrap(), 1);
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 1);
}

#[test]
fn a_prediction_round_trips_with_every_column() {
    let (_db, mut conn) = TestDb::ready();
    let at = nanoseconds();
    let event = insert(&mut conn, NewSensorEvent::new(at, "room", "sensor", SensorType::MOTION, "on"));
    let new = NewPrediction::new(
        "room",
        at + TimeDelta::minutes(5),
        TransitionType::OccupiedToVacant,
        0.875,
        ModelType::new("my_model"),
        "3-beta",
    )
    .with_prediction_time(at)
    .with_prediction_interval(at, at + TimeDelta::minutes(10))
    .with_feature_importance(json!({ "light": 0.9 }))
    .with_alternatives(json!([]))
    .with_triggering_event_id(event.id)
    .with_processing_time_ms(1.5);
    let mut prediction: Prediction = diesel::insert_into(predictions::table)
        .values(&new)
        .returning(Prediction::as_returning())
        .get_result(&mut conn)
        .unwrap();

    assert_eq!(prediction.room_id, "room");
    assert_eq!(prediction.prediction_time, event.timestamp);
    assert_eq!(prediction.predicted_transition_time, event.timestamp + TimeDelta::minutes(5));
    assert_eq!(prediction.transition_type, TransitionType::OccupiedToVacant);
    assert_eq!(prediction.confidence_score, 0.875);
    assert_eq!(prediction.prediction_interval_lower, Some(event.timestamp));
    assert_eq!(prediction.prediction_interval_upper, Some(event.timestamp + TimeDelta::minutes(10)));
    assert_eq!(prediction.model_type, "my_model");
    assert_eq!(prediction.model_version, "3-beta");
    assert_eq!(prediction.feature_importance, Some(json!({ "light": 0.9 })));
    assert_eq!(prediction.alternatives, Some(json!([])));
    assert_eq!(prediction.triggering_event_id, Some(event.id));
    assert_eq!(prediction.processing_time_ms, Some(1.5));
    assert_eq!(prediction.validation_timestamp, None);

    let never = prediction.outcome(None, TimeDelta::minutes(5));
    assert_eq!((never.accuracy_minutes, never.is_accurate), (Some(None), Some(Some(false))));
    let early =
        prediction.outcome(Some(prediction.predicted_transition_time - TimeDelta::minutes(6)), TimeDelta::minutes(5));
    assert_eq!((early.accuracy_minutes, early.is_accurate), (Some(Some(6.0)), Some(Some(false))));

    diesel::update(&prediction)
        .set(PredictionChanges { triggering_event_id: Some(None), ..Default::default() })
        .execute(&mut conn)
        .unwrap();
    prediction.model_version = "4".to_owned();
    let saved: Prediction = prediction.save_changes(&mut conn).unwrap();
    assert_eq!((saved.model_version.as_str(), saved.triggering_event_id), ("4", Some(event.id)));
}

#[test]
fn serde_goes_both_ways_and_fills_in_defaults() {
    let event: NewSensorEvent<'_> = serde_json::from_value(json!({
        "timestamp": "2026-01-01T12:00:00.123456789Z",
        "room_id": "room", "sensor_id": "sensor", "sensor_type": "vibration", "state": "on"
    }))
    .unwrap();
    assert_eq!(event, NewSensorEvent::new(nanoseconds(), "room", "sensor", "vibration", "on"));
    assert_eq!(serde_json::from_value::<NewSensorEvent<'_>>(serde_json::to_value(&event).unwrap()).unwrap(), event);

    let (_db, mut conn) = TestDb::ready();
    let stored = insert(&mut conn, event.clone());
    assert_eq!(serde_json::from_value::<SensorEvent>(serde_json::to_value(&stored).unwrap()).unwrap(), stored);
    assert_eq!(NewSensorEvent::from(stored), event);
}

/// As a sensor sends it.
fn reading(state: &str) -> Value {
    json!({ "timestamp": nanoseconds(), "room_id": "room", "sensor_id": "sensor", "sensor_type": "temperature", "state": state })
}

#[test]
fn a_reading_from_json_is_the_one_that_new_makes() {
    let (_db, mut conn) = TestDb::ready();
    for state in ["21.5", " 7 ", "-0", "1e3", "on", "", "nan", "inf"] {
        let new = NewSensorEvent::new(nanoseconds(), "room", "sensor", SensorType::TEMPERATURE, state);
        let json: NewSensorEvent<'_> = serde_json::from_value(reading(state)).unwrap();
        assert_eq!(json, new);
        assert_eq!(json.numeric_value().map(f64::to_bits), new.numeric_value().map(f64::to_bits), "{state:?}");
        // Sent in both ways, it is unchanged.
        bulk::upsert_sensor_events(&[new]).call(&mut conn).unwrap();
        let report = bulk::upsert_sensor_events(&[json]).call(&mut conn).unwrap();
        assert_eq!(report.unchanged, 1, "{state:?}");
    }
}

#[test]
fn a_numeric_value_that_json_gives_counts_and_null_is_none() {
    let mut json = reading("21.5");
    for (given, expected) in [(json!(70.7), Some(70.7)), (json!(null), None)] {
        json["numeric_value"] = given;
        let event: NewSensorEvent<'_> = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(event.numeric_value(), expected);
        // Nor does it come back when the event is written and read.
        assert_eq!(serde_json::from_str::<NewSensorEvent<'_>>(&json!(event).to_string()).unwrap(), event);
    }
}

#[test]
fn a_misspelt_field_is_told_and_not_lost() {
    let misspelt = |mut json: Value| {
        json["numeric_valeu"] = json!(1);
        json
    };
    let prediction = NewPrediction::new("room", nanoseconds(), TransitionType::StateChange, 0.5, ModelType::HMM, "1");
    let errors = [
        serde_json::from_value::<NewSensorEvent<'_>>(misspelt(reading("1"))).unwrap_err(),
        serde_json::from_value::<NewPrediction<'_>>(misspelt(json!(prediction))).unwrap_err(),
        serde_json::from_value::<SensorEventChanges<'_>>(misspelt(json!({ "state": "on" }))).unwrap_err(),
        serde_json::from_value::<PredictionChanges<'_>>(misspelt(json!({}))).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("unknown field `numeric_valeu`"), "{error}");
    }
}

fn micros() -> DateTime<Utc> {
    "2026-01-01T12:00:00.123456Z".parse().unwrap()
}

/// Each field with a value, as JSON, and whether null clears it.
fn event_changes() -> [(&'static str, Value, bool); 8] {
    [
        ("sensor_type", json!("light"), false),
        ("state", json!("off"), false),
        ("numeric_value", json!(0.119_093_437_247_072_33), true),
        ("previous_state", json!("on"), true),
        ("attributes", json!({ "a": [1, null] }), false),
        ("is_human_triggered", json!(false), false),
        ("confidence_score", json!(0.25), true),
        ("processed_at", json!(micros()), true),
    ]
}

fn prediction_changes() -> [(&'static str, Value, bool); 15] {
    [
        ("predicted_transition_time", json!(micros()), false),
        ("transition_type", json!("vacant_to_occupied"), false),
        ("confidence_score", json!(0.119_093_437_247_072_33), false),
        ("prediction_interval_lower", json!(micros()), true),
        ("prediction_interval_upper", json!(micros()), true),
        ("model_type", json!("mine"), false),
        ("model_version", json!("2"), false),
        ("feature_importance", json!({ "light": 0.5 }), true),
        ("alternatives", json!([]), true),
        ("actual_transition_time", json!(micros()), true),
        ("accuracy_minutes", json!(2.5), true),
        ("is_accurate", json!(false), true),
        ("validation_timestamp", json!(micros()), true),
        ("triggering_event_id", json!(7), true),
        ("processing_time_ms", json!(1.5), true),
    ]
}

#[test]
fn json_of_changes_comes_back_as_it_was_and_only_what_is_set() {
    fn check<T>(fields: &[(&str, Value, bool)])
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + Default,
    {
        assert_eq!(json!(T::default()), json!({}));
        assert_eq!(serde_json::from_value::<T>(json!({})).unwrap(), T::default());
        // Mixtures of absent, null and set.
        let mixtures = 3_usize.pow(u32::try_from(fields.len()).unwrap());
        for mixture in (0..mixtures).step_by((mixtures / 10_000).max(17) | 1) {
            let mut json = json!({});
            for (place, (field, value, is_nullable)) in (0..).zip(fields) {
                match mixture / 3_usize.pow(place) % 3 {
                    0 => {}
                    1 if *is_nullable => json[field] = Value::Null,
                    _ => json[field] = value.clone(),
                }
            }
            let changes: T = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(json!(changes), json);
            assert_eq!(serde_json::from_str::<T>(&json.to_string()).unwrap(), changes);
        }
        for (field, _, is_nullable) in fields {
            let cleared = serde_json::from_value::<T>(json!({ *field: null }));
            if *is_nullable {
                assert_ne!(cleared.unwrap(), T::default(), "{field}");
            } else if *field != "attributes" {
                let error = cleared.unwrap_err().to_string();
                assert!(error.starts_with("null in a column that cannot be null: leave the field out"), "{error}");
            }
        }
    }
    check::<SensorEventChanges<'static>>(&event_changes());
    check::<PredictionChanges<'static>>(&prediction_changes());
    // A value of JSON, which the column may hold.
    let cleared: SensorEventChanges<'_> = serde_json::from_str(r#"{ "attributes": null }"#).unwrap();
    assert_eq!(cleared.attributes, Some(Value::Null));
    assert_eq!(json!(cleared), json!({ "attributes": null }));
}

#[test]
fn every_change_from_json_reaches_its_column_and_no_other() {
    let (_db, mut conn) = TestDb::ready();
    let full = NewSensorEvent::new(nanoseconds(), "room", "sensor", SensorType::TEMPERATURE, "21.5")
        .with_previous_state("20")
        .with_confidence_score(1.0)
        .with_processed_at(nanoseconds() + TimeDelta::days(1));
    let event = insert(&mut conn, full);
    for (field, value, is_nullable) in event_changes() {
        for value in [Some(value), is_nullable.then_some(Value::Null)].into_iter().flatten() {
            let changes: SensorEventChanges<'_> = serde_json::from_value(json!({ field: value })).unwrap();
            let changed: SensorEvent = diesel::update(&event)
                .set(&changes)
                .returning(SensorEvent::as_returning())
                .get_result(&mut conn)
                .unwrap();
            let mut expected = json!(event);
            expected[field] = value;
            assert_eq!(json!(changed), expected);
            event.clone().save_changes::<SensorEvent>(&mut conn).unwrap();
        }
    }
    let full = NewPrediction::new("room", nanoseconds(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_feature_importance(json!({}))
        .with_alternatives(json!([1]))
        .with_triggering_event_id(event.id)
        .with_processing_time_ms(1.0);
    let prediction: Prediction = diesel::insert_into(predictions::table)
        .values(&full)
        .returning(Prediction::as_returning())
        .get_result(&mut conn)
        .unwrap();
    assert_eq!(NewPrediction::from(prediction.clone()), full);
    for (field, value, is_nullable) in prediction_changes() {
        let value = if field == "triggering_event_id" { json!(event.id) } else { value };
        for value in [Some(value), is_nullable.then_some(Value::Null)].into_iter().flatten() {
            let changes: PredictionChanges<'_> = serde_json::from_value(json!({ field: value })).unwrap();
            let changed: Prediction = diesel::update(&prediction)
                .set(&changes)
                .returning(Prediction::as_returning())
                .get_result(&mut conn)
                .unwrap();
            let mut expected = json!(prediction);
            expected[field] = value;
            assert_eq!(json!(changed), expected);
            prediction.clone().save_changes::<Prediction>(&mut conn).unwrap();
        }
    }
}

#[test]
fn the_database_refuses_what_the_columns_do_not_allow() {
    let (_db, mut conn) = TestDb::ready();
    let event = |assignment: &str| {
        let (column, value) = assignment.split_once('=').unwrap();
        let mut columns = vec![("room_id", "'r'"), ("sensor_id", "'s'"), ("sensor_type", "'t'"), ("state", "'on'")];
        columns.retain(|(name, _)| *name != column);
        columns.push((column, value));
        let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        format!("INSERT INTO sensor_events ({}) VALUES ({})", names.join(", "), values.join(", "))
    };
    for wrong in [
        "room_id=''",
        "sensor_id=''",
        "sensor_type=''",
        "confidence_score=1.1",
        "confidence_score=-0.1",
        "confidence_score='NaN'",
    ] {
        assert!(sql_error(&mut conn, &event(wrong)).contains("violates check constraint"), "{wrong}");
    }
    assert!(sql_error(&mut conn, &event("id=1")).contains("cannot insert a non-DEFAULT value"));
    sql(&mut conn, &event("confidence_score=1"));

    let prediction = |columns: &str, values: &str| {
        format!(
            "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version{columns})
             VALUES ('r', now(), 'state_change', 0.5, 'm', '1'{values})"
        )
    };
    sql(&mut conn, &prediction(", prediction_interval_lower, prediction_interval_upper", ", now(), now()"));
    for (columns, values) in [
        (", prediction_interval_lower, prediction_interval_upper", ", now(), now() - interval '1 microsecond'"),
        (", accuracy_minutes", ", -1"),
        (", processing_time_ms", ", -1"),
    ] {
        assert!(sql_error(&mut conn, &prediction(columns, values)).contains("violates check constraint"), "{columns}");
    }
    let unknown = prediction("", "").replace("state_change", "teleport");
    assert!(sql_error(&mut conn, &unknown).contains("violates check constraint"));
    assert_eq!(
        "teleport".parse::<TransitionType>().unwrap_err().to_string(),
        r#""teleport" is not a transition type: use occupied_to_vacant, vacant_to_occupied or state_change"#
    );
}

#[test]
fn every_transition_type_is_known_on_both_sides() {
    let (_db, mut conn) = TestDb::migrated();
    for transition in TransitionType::ALL {
        assert_eq!(transition.as_str().parse(), Ok(transition));
        let stored: TransitionType = diesel::insert_into(predictions::table)
            .values(NewPrediction::new("room", Utc::now(), transition, 1.0, ModelType::HMM, "1"))
            .returning(predictions::transition_type)
            .get_result(&mut conn)
            .unwrap();
        assert_eq!(stored, transition);
    }
}
