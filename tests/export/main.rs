//! Files of events, predictions and matrices: written, read again here and by others, and refused with row and field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod predictions;
mod python;
mod refusals;
mod refused_predictions;
#[path = "../support/mod.rs"]
mod support;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use occupancy_models::schema::sensor_events;
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType, bulk, export, queries};
use serde_json::json;
use support::{TestDb, sql};

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Events with every kind of value that a file could lose.
pub fn events() -> Vec<NewSensorEvent<'static>> {
    let start = instant("2026-03-01T00:00:00.000001Z");
    let texts = ["on", "", "21.5", "a \"quoted\", comma", "two\nlines", "Küche ☕", "NULL", "null", "true"];
    (0..700)
        .map(|n: i64| {
            let at = start + TimeDelta::microseconds(n * 1_234_567_891);
            let state = texts[n as usize % texts.len()];
            let sensor = format!("sensor {}", n % 7);
            let mut event = NewSensorEvent::new(at, "office", sensor, SensorType::LIGHT, state)
                .with_attributes(json!({"n": n, "text": "ä\"\n", "list": [1.5, null]}))
                .with_human_triggered(n % 2 == 0);
            if n % 3 > 0 {
                event = event.with_numeric_value([0.1 + n as f64, -0.0, 1e300, 5e-324][n as usize % 4]);
            }
            if n % 5 > 0 {
                event = event.with_previous_state(texts[(n as usize + 3) % texts.len()]).with_confidence_score(0.3);
            }
            if n % 4 == 0 {
                event = event.with_processed_at(at + TimeDelta::seconds(1));
            }
            event
        })
        .collect()
}

/// What is stored, but for what the database assigns.
fn stored(conn: &mut PgConnection) -> Vec<NewSensorEvent<'static>> {
    let events: Vec<SensorEvent> = SensorEvent::query().order(queries::oldest_first()).load(conn).unwrap();
    events.into_iter().map(NewSensorEvent::from).collect()
}

#[test]
fn what_is_written_is_read_and_storing_it_again_changes_nothing() {
    let (_db, mut conn) = TestDb::ready();
    bulk::upsert_sensor_events(&events()).call(&mut conn).unwrap();
    let before = stored(&mut conn);
    assert_eq!(before.len(), 700);
    let all = || SensorEvent::within(..).order(queries::oldest_first());

    let mut parquet = Vec::new();
    let count = export::sensor_events(all()).rows(64).write_parquet(&mut conn, &mut parquet).unwrap();
    assert_eq!(count, 700);
    let mut csv = Vec::new();
    let rows = all().load_iter::<SensorEvent, PgRowByRowLoadingMode>(&mut conn).unwrap();
    assert_eq!(export::sensor_events_to_csv(rows, &mut csv).unwrap(), 700);

    let from_parquet = || export::sensor_events_from_parquet(Bytes::from(parquet.clone())).unwrap();
    let read: Vec<_> = from_parquet().map(Result::unwrap).collect();
    assert_same(&read, &before, false);
    let from_csv = || export::sensor_events_from_csv(csv.as_slice()).unwrap();
    let read: Vec<_> = from_csv().map(Result::unwrap).collect();
    assert_same(&read, &before, true);

    // Into an empty table, and again.
    for (name, first) in [("parquet", true), ("csv", false)] {
        if first {
            sql(&mut conn, "TRUNCATE sensor_events");
        }
        for again in [false, true] {
            let report = match name {
                "parquet" => export::import_sensor_events(from_parquet()).call(&mut conn).unwrap(),
                _ => export::import_sensor_events(from_csv()).call(&mut conn).unwrap(),
            };
            let new = if first && !again { 700 } else { 0 };
            assert_eq!(report.inserted, new, "{name}");
            // An empty previous state is none in CSV.
            let changed =
                if name == "csv" && !again { before.iter().filter(|e| has_empty_previous(e)).count() } else { 0 };
            assert_eq!(report.updated, changed as u64, "{name}");
        }
        if first {
            assert_same(&stored(&mut conn), &before, false);
        }
    }
}

fn has_empty_previous(event: &NewSensorEvent<'_>) -> bool {
    serde_json::to_value(event).unwrap()["previous_state"] == ""
}

#[track_caller]
fn assert_same(found: &[NewSensorEvent<'_>], expected: &[NewSensorEvent<'_>], is_csv: bool) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        if is_csv && has_empty_previous(expected) {
            continue;
        }
        assert_eq!(found, expected);
        let bits = |event: &NewSensorEvent<'_>| event.numeric_value().map(f64::to_bits);
        assert_eq!(bits(found), bits(expected));
    }
}

#[test]
fn batches_are_bounded_and_have_the_schema() {
    let (_db, mut conn) = TestDb::ready();
    let none = export::sensor_events(SensorEvent::within(..)).load(&mut conn).unwrap().count();
    assert_eq!(none, 0);
    let mut empty = Vec::new();
    assert_eq!(export::sensor_events(SensorEvent::within(..)).write_parquet(&mut conn, &mut empty).unwrap(), 0);
    assert_eq!(export::sensor_events_from_parquet(Bytes::from(empty)).unwrap().count(), 0);

    bulk::upsert_sensor_events(&events()).call(&mut conn).unwrap();
    let sizes: Vec<usize> = export::sensor_events(SensorEvent::within(..))
        .rows(300)
        .load(&mut conn)
        .unwrap()
        .map(|batch| {
            let batch = batch.unwrap();
            assert_eq!(batch.schema(), export::sensor_events_schema());
            batch.num_rows()
        })
        .collect();
    assert_eq!(sizes, [300, 300, 100]);
    // What is left of a query is thrown away, and the connection can be used.
    let mut some = export::sensor_events(SensorEvent::within(..)).rows(10).load(&mut conn).unwrap();
    assert_eq!(some.next().unwrap().unwrap().num_rows(), 10);
    drop(some);
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 700);
    // The columns of the models are those of the tables.
    let names = |schema: arrow_schema::SchemaRef| -> Vec<String> {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    for (table, schema, more) in [
        ("sensor_events", export::sensor_events_schema(), &[][..]),
        ("predictions", export::predictions_schema(), &["triggering_sensor_id", "triggering_timestamp"]),
    ] {
        let columns = support::values(
            &mut conn,
            &format!(
                "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
            ),
        );
        let more = more.iter().map(|name: &&str| (*name).to_owned());
        assert_eq!(names(schema), columns.into_iter().chain(more).collect::<Vec<_>>());
    }
}
