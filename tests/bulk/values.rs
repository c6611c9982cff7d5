//! Numbers, texts, JSON and timestamps come back as they were written, bit for bit: random values by every way.
//!
//! A failure names the seed; `SEED=n` runs that one alone, `CASES=n` tries more.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Number, Value};

use crate::fixtures::*;

pub(crate) fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().expect("a number"));
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("CASES").unwrap_or(20)).collect(),
    }
}

/// Any finite number, and often one at an edge.
fn finite(random: &mut StdRng) -> f64 {
    const EDGES: [f64; 16] = [
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        9_007_199_254_740_993.0,
        1e15,
        1e16,
        1.234_567_890_123_456_7e19,
        1e22,
        1e23,
        0.119_093_437_247_072_33,
        2.225_073_858_507_201e-308,
    ];
    match random.random_range(0..4) {
        0 => EDGES[random.random_range(0..EDGES.len())],
        1 => random.random(),
        2 => f64::from(random.random::<i32>()) / 1_000.0,
        _ => {
            let number = f64::from_bits(random.random());
            if number.is_finite() { number } else { 1.0 / 3.0 }
        }
    }
}

fn score(random: &mut StdRng) -> f64 {
    [0.0, 1.0, 5e-324, 1.0 - f64::EPSILON, 0.119_093_437_247_072_33, random.random()][random.random_range(0..6)]
}

/// Any instant that both sides have, to the microsecond.
fn instant(random: &mut StdRng) -> DateTime<Utc> {
    let first: DateTime<Utc> = "-4713-11-24T00:00:00Z".parse().unwrap();
    let [first, last] = [first, DateTime::<Utc>::MAX_UTC].map(|at| at.timestamp_micros());
    DateTime::from_timestamp_micros(match random.random_range(0..5) {
        0 => first + random.random_range(0..3),
        1 => last - random.random_range(0..3),
        2 => random.random_range(-3..3),
        3 => random.random_range(first..=last),
        _ => 1_767_225_600_000_000 + random.random_range(0..1_000_000_000_000),
    })
    .unwrap()
}

pub(crate) fn text(random: &mut StdRng) -> String {
    const EDGES: [&str; 8] = ["", "\\N", "a,b\"{}\\", "\u{1}", "\u{10ffff}", "ü\u{308}", "'; --", "NULL"];
    match random.random_range(0..3) {
        0 => EDGES[random.random_range(0..EDGES.len())].to_owned(),
        _ => {
            let length = random.random_range(1..20);
            (0..length).map(|_| random.random::<char>()).filter(|c| *c != '\0').collect()
        }
    }
}

fn integer(random: &mut StdRng) -> Number {
    match random.random_range(0..3) {
        0 => u64::MAX.into(),
        1 => (1_u64 << 53 | random.random::<u64>() >> 2).into(),
        _ => random.random::<i64>().into(),
    }
}

fn json_value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth < 4 { 8 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => Value::Number(integer(random)),
        3 | 4 => json!(finite(random)),
        5 => json!(text(random)),
        6 => (0..random.random_range(0..4)).map(|_| json_value(random, depth + 1)).collect(),
        _ => {
            let fields = random.random_range(0..4);
            Value::Object((0..fields).map(|_| (text(random), json_value(random, depth + 1))).collect::<Map<_, _>>())
        }
    }
}

fn maybe<T>(random: &mut StdRng, value: fn(&mut StdRng) -> T) -> Option<T> {
    random.random::<bool>().then(|| value(random))
}

pub(crate) fn events(random: &mut StdRng, rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..rows)
        .map(|n| {
            let name = format!("{n}{}", text(random));
            let mut event = NewSensorEvent::new(instant(random), "room", name, SensorType::TEMPERATURE, text(random))
                .with_numeric_value(maybe(random, finite))
                .with_attributes(json_value(random, 0))
                .with_human_triggered(random.random());
            if let Some(state) = maybe(random, text) {
                event = event.with_previous_state(state);
            }
            if let Some(score) = maybe(random, score) {
                event = event.with_confidence_score(score);
            }
            match maybe(random, instant) {
                Some(at) => event.with_processed_at(at),
                None => event,
            }
        })
        .collect()
}

fn predicted(random: &mut StdRng, rows: usize) -> Vec<NewPrediction<'static>> {
    (0..rows)
        .map(|_| {
            let model = ModelType::new(format!("m{}", text(random)));
            let mut row = NewPrediction::new(
                "room",
                instant(random),
                TransitionType::StateChange,
                score(random),
                model,
                text(random),
            )
            .with_prediction_time(instant(random));
            let (a, b) = (instant(random), instant(random));
            row = row.with_prediction_interval(a.min(b), a.max(b));
            if let Some(time) = maybe(random, finite) {
                row = row.with_processing_time_ms(time.abs());
            }
            if random.random() {
                row = row.with_feature_importance(json_value(random, 0));
            }
            if random.random() {
                row = row.with_alternatives(json_value(random, 0));
            }
            row
        })
        .collect()
}

/// PostgreSQL keeps numbers of JSON as decimals: one that has no fraction comes back as an integer where it was written
/// with an exponent, and none is a negative zero. It is the same number for all that.
fn as_jsonb(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && (float == 0.0 || (1e16..1.8e19).contains(&float.abs())) => {
                json!({ "bits": (float + 0.0).to_bits() })
            }
            Some(float) if number.is_f64() => json!({ "bits": float.to_bits() }),
            // Any integer that a float was written as.
            Some(float) if float.abs() >= 1e16 => json!({ "bits": float.to_bits() }),
            _ => value.clone(),
        },
        Value::Array(values) => values.iter().map(as_jsonb).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), as_jsonb(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Everything of a row that can be told apart, floats by their bits.
pub(crate) fn exactly(row: &impl serde::Serialize) -> Value {
    as_exact(&json!(row))
}

fn as_exact(row: &Value) -> Value {
    let Value::Object(fields) = row else { panic!("{row}") };
    let exact = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "attributes" | "feature_importance" | "alternatives" => as_jsonb(value),
            _ => match value.as_f64() {
                Some(float) if value.is_f64() => json!({ "bits": float.to_bits() }),
                _ => value.clone(),
            },
        };
        (name.clone(), value)
    });
    Value::Object(exact.collect())
}

pub(crate) fn event_rows(rows: impl IntoIterator<Item = NewSensorEvent<'static>>) -> Vec<String> {
    let mut rows: Vec<_> = rows.into_iter().map(|row| exactly(&row).to_string()).collect();
    rows.sort_unstable();
    rows
}

pub(crate) fn stored(conn: &mut PgConnection) -> Vec<String> {
    let rows: Vec<SensorEvent> = SensorEvent::query().load(conn).unwrap();
    event_rows(rows.into_iter().map(NewSensorEvent::from))
}

/// Through JSON, as text.
fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn events_come_back_bit_for_bit_by_every_way() {
    let (_db, mut conn) = TestDb::migrated();
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        // Some large enough for COPY, and for a look at what is stored.
        let size = if seed % 10 == 0 { 600 } else { 30 };
        let rows = events(&mut random, size);
        let given = event_rows(rows.clone());

        diesel::insert_into(sensor_events::table).values(&rows).execute(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "Diesel, SEED={seed}");
        let report = bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
        assert_eq!(report.unchanged, n(size), "SEED={seed}");
        sql(&mut conn, "TRUNCATE sensor_events");

        bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "by instant, SEED={seed}");

        // What was read, through JSON and back into the database.
        let read: Vec<SensorEvent> = SensorEvent::query().load(&mut conn).unwrap();
        let again: Vec<NewSensorEvent<'_>> = read.iter().map(|row| through_json(row).into()).collect();
        assert_eq!(event_rows(again.clone()), given, "read as JSON, SEED={seed}");
        let report = bulk::upsert_sensor_events(&again).call(&mut conn).unwrap();
        assert_eq!(report.unchanged, n(size), "SEED={seed}");
        assert_eq!(event_rows(rows.iter().map(through_json)), given, "as JSON, SEED={seed}");
        sql(&mut conn, "TRUNCATE sensor_events");

        let keys = bulk::reserve_keys(rows.iter().map(NewSensorEvent::timestamp)).call(&mut conn).unwrap();
        assert!(keys.iter().zip(&rows).all(|(key, row)| key.timestamp() == row.timestamp()), "SEED={seed}");
        let keyed: Vec<_> = keys.iter().zip(&rows).map(|(key, row)| Keyed::new(key.id(), row.clone())).collect();
        bulk::upsert_sensor_events_by_key(&keyed).call(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "by key, SEED={seed}");
        sql(&mut conn, "TRUNCATE sensor_events");

        bulk::insert_sensor_events(&rows).call(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "inserted, SEED={seed}");
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn predictions_come_back_bit_for_bit_by_every_way() {
    let (_db, mut conn) = TestDb::migrated();
    let stored = |conn: &mut PgConnection| -> Vec<Value> {
        let rows: Vec<Prediction> = Prediction::query().order(predictions::id).load(conn).unwrap();
        rows.into_iter().map(|row| exactly(&NewPrediction::from(row))).collect()
    };
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        let rows = predicted(&mut random, 30);
        let given: Vec<_> = rows.iter().map(exactly).collect();

        diesel::insert_into(predictions::table).values(&rows).execute(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "Diesel, SEED={seed}");
        sql(&mut conn, "DELETE FROM predictions");
        insert_predictions(&mut conn, &rows).unwrap();
        assert_eq!(stored(&mut conn), given, "in bulk, SEED={seed}");
        let read: Vec<Prediction> = Prediction::query().order(predictions::id).load(&mut conn).unwrap();
        let again: Vec<_> = read.iter().map(|row| exactly(&NewPrediction::from(through_json(row)))).collect();
        assert_eq!(again, given, "read as JSON, SEED={seed}");
        sql(&mut conn, "DELETE FROM predictions");
        let ids = bulk::reserve_prediction_ids(30).call(&mut conn).unwrap();
        let keyed: Vec<_> = ids.into_iter().zip(&rows).map(|(id, row)| Keyed::new(id, through_json(row))).collect();
        bulk::upsert_predictions(&keyed).call(&mut conn).unwrap();
        assert_eq!(stored(&mut conn), given, "by id, SEED={seed}");
        sql(&mut conn, "DELETE FROM predictions");
    }
}

/// NaN and the infinities: the column holds them, bit for bit, and JSON refuses them.
#[test]
fn numbers_that_json_has_not_are_stored_and_refused_in_json() {
    let (_db, mut conn) = TestDb::migrated();
    let at: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    for number in [f64::NAN, -f64::NAN, f64::from_bits(0x7ff8_0000_dead_beef), f64::INFINITY, f64::NEG_INFINITY] {
        let new = NewSensorEvent::new(at, "room", "sensor", SensorType::TEMPERATURE, "?").with_numeric_value(number);
        let event: SensorEvent = diesel::insert_into(sensor_events::table)
            .values(&new)
            .returning(SensorEvent::as_returning())
            .get_result(&mut conn)
            .unwrap();
        assert_eq!(event.numeric_value.map(f64::to_bits), Some(number.to_bits()));
        sql(&mut conn, "TRUNCATE sensor_events");
        for error in [serde_json::to_string(&event).unwrap_err(), serde_json::to_value(&new).unwrap_err()] {
            assert_eq!(error.to_string(), format!("{number} is not a number that JSON can hold: leave it out"));
        }
        let changes = occupancy_models::SensorEventChanges { numeric_value: Some(Some(number)), ..Default::default() };
        assert!(serde_json::to_string(&changes).is_err());
        let prediction = NewPrediction::new("room", at, TransitionType::StateChange, number, ModelType::HMM, "1");
        assert!(serde_json::to_string(&prediction).is_err());
    }
    let huge = r#"{ "timestamp": "2026-01-05T00:00:00Z", "room_id": "r", "sensor_id": "s", "sensor_type": "t", "state": "on", "numeric_value": 1e400 }"#;
    assert!(serde_json::from_str::<NewSensorEvent<'_>>(huge).unwrap_err().to_string().contains("out of range"));
}

/// What PostgreSQL has and chrono has not.
#[test]
fn an_instant_that_chrono_has_not_is_an_error_and_no_other_instant() {
    let (_db, mut conn) = TestDb::migrated();
    for instant in ["infinity", "-infinity", "294276-12-31 23:59:59.999999+00"] {
        let read =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Timestamptz>(&format!("timestamptz '{instant}'")))
                .get_result::<DateTime<Utc>>(&mut conn);
        assert!(matches!(read, Err(diesel::result::Error::DeserializationError(_))), "{instant}: {read:?}");
    }
}

#[cfg(feature = "async")]
mod on_an_asynchronous_connection {
    // Without the traits of the synchronous ones, whose methods have the same names.
    use diesel::HasQuery as _;
    use diesel_async::RunQueryDsl as _;
    use occupancy_models::asynchronous::Call as _;

    use super::{
        NewSensorEvent, SeedableRng as _, SensorEvent, StdRng, TestDb, bulk, event_rows, events, seeds, sensor_events,
    };

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_come_back_bit_for_bit() {
        let (db, conn) = TestDb::migrated();
        drop(conn);
        let mut conn = db.connect_async().await;
        for seed in seeds() {
            let mut random = StdRng::seed_from_u64(seed);
            let rows = events(&mut random, if seed % 10 == 0 { 600 } else { 30 });
            let given = event_rows(rows.clone());
            diesel::insert_into(sensor_events::table).values(&rows).execute(&mut conn).await.unwrap();
            let read: Vec<SensorEvent> = SensorEvent::query().load(&mut conn).await.unwrap();
            assert_eq!(event_rows(read.into_iter().map(NewSensorEvent::from)), given, "Diesel, SEED={seed}");
            diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
            bulk::upsert_sensor_events(&rows).call(&mut conn).await.unwrap();
            let read: Vec<SensorEvent> = SensorEvent::query().load(&mut conn).await.unwrap();
            assert_eq!(event_rows(read.into_iter().map(NewSensorEvent::from)), given, "in bulk, SEED={seed}");
            diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
        }
    }
}
