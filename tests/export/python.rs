//! What pyarrow and polars read of the files.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use chrono::{TimeDelta, Utc};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use occupancy_models::analysis::FeatureMatrix;
use occupancy_models::schema::predictions;
use occupancy_models::{
    Call, ModelType, NewPrediction, Prediction, SensorEvent, TransitionType, bulk, export, queries,
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::support::TestDb;
use super::{events, instant, stored};

/// The Python of the virtual environment; `None`, saying why, where its packages cannot be installed.
fn python() -> Option<String> {
    let made = Command::new("tests/export/setup").output().expect("bash runs");
    if made.status.success() {
        return Some(String::from_utf8_lossy(&made.stdout).trim().to_owned());
    }
    let why = String::from_utf8_lossy(&made.stderr).trim().replace('\n', " ");
    let _ = writeln!(std::io::stderr(), "left out: python::pyarrow_and_polars: needs the packages of Python: {why}");
    None
}

#[test]
fn pyarrow_and_polars_read_the_same_numbers() {
    let Some(python) = python() else { return };
    let (_db, mut conn) = TestDb::ready();
    bulk::upsert_sensor_events(&events()).call(&mut conn).unwrap();
    let at = instant("2026-03-02T00:00:00Z");
    let triggers: Vec<SensorEvent> =
        SensorEvent::query().order(queries::oldest_first()).limit(9).load(&mut conn).unwrap();
    for (n, event) in triggers.iter().enumerate() {
        let row = NewPrediction::new("office", at, TransitionType::StateChange, n as f64 / 8.0, ModelType::HMM, "1")
            .with_prediction_time(event.timestamp)
            .with_triggering_event_id((n % 3 > 0).then_some(event.id));
        diesel::insert_into(predictions::table).values(row).execute(&mut conn).unwrap();
    }
    let folder = tempfile();
    let file = |name: &str| File::create(folder.join(name)).unwrap();
    let all = || SensorEvent::within(..).order(queries::oldest_first());
    export::sensor_events(all()).rows(256).write_parquet(&mut conn, file("events.parquet")).unwrap();
    let predicted = || Prediction::within(..).order(predictions::prediction_time);
    export::predictions(predicted()).write_parquet(&mut conn, file("predictions.parquet")).unwrap();
    let rows = queries::with_events(predicted())
        .load_iter::<(Prediction, Option<SensorEvent>), PgRowByRowLoadingMode>(&mut conn)
        .unwrap();
    export::predictions_to_csv(rows, file("predictions.csv")).unwrap();
    let rows = all().load_iter::<SensorEvent, PgRowByRowLoadingMode>(&mut conn).unwrap();
    export::sensor_events_to_csv(rows, file("events.csv")).unwrap();
    let matrix = FeatureMatrix::new(["sensor 1"], at..at + TimeDelta::days(1), TimeDelta::hours(1), Utc);
    let schema = export::feature_schema(&matrix);
    let rows = matrix.clone().finish();
    let mut writer = ArrowWriter::try_new(file("matrix.parquet"), schema.clone(), None).unwrap();
    writer.write(&export::feature_batch(&schema, &rows).unwrap()).unwrap();
    writer.close().unwrap();

    let output = Command::new(python).args(["tests/export/read.py", folder.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();

    let expected = stored(&mut conn);
    let count = expected.len();
    let fields: Vec<Value> = expected.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    let set = |field: &str| {
        let mut texts: Vec<&str> = fields.iter().filter_map(|event| event[field].as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        json!(texts)
    };
    let sum: f64 = expected.iter().filter_map(|event| event.numeric_value()).sum();
    let micros: i64 = expected.iter().map(|event| event.timestamp().timestamp_micros()).sum();
    let near = |found: &Value| (found.as_f64().unwrap() - sum).abs() <= sum.abs() * 1e-12;

    let pyarrow = &found["pyarrow"];
    assert_eq!((&pyarrow["rows"], &pyarrow["timestamps"]), (&json!(count), &json!(micros)));
    assert!(near(&pyarrow["sum"]), "{pyarrow}");
    assert_eq!((&pyarrow["sensors"], &pyarrow["states"]), (&set("sensor_id"), &set("state")));
    assert_eq!(pyarrow["without_previous"], fields.iter().filter(|event| event["previous_state"].is_null()).count());
    assert_eq!(found["types"]["timestamp"], "timestamp[us, tz=UTC]");
    assert_eq!(found["types"]["sensor_id"], "dictionary<values=string, indices=int32, ordered=0>");
    let polars = &found["polars"];
    assert_eq!((&polars["rows"], &polars["csv_rows"]), (&json!(count), &json!(count)));
    assert!(near(&polars["sum"]) && near(&polars["csv_sum"]), "{polars}");
    assert_eq!(polars["timestamp"], "Datetime(time_unit='us', time_zone='UTC')");
    assert_eq!(polars["first"], "2026-03-01T00:00:00.000001+00:00");
    let columns: Vec<String> = ["at".to_owned()].into_iter().chain(matrix.columns()).collect();
    assert_eq!(found["matrix"], json!({"rows": 24, "columns": columns, "unknown": 24}));
    let triggering = |n: usize, value: Value| if n % 3 > 0 { value } else { Value::Null };
    let each = |value: fn(&SensorEvent) -> Value| -> Vec<Value> {
        triggers.iter().enumerate().map(|(n, event)| triggering(n, value(event))).collect()
    };
    let sensors = each(|event| json!(event.sensor_id));
    assert_eq!(
        found["predictions"],
        json!({
            "rows": 9, "confidence": 4.5, "sensors": sensors, "timestamp": "Datetime(time_unit='us', time_zone='UTC')",
            "csv_sensors": sensors, "csv_confidence": 4.5,
        })
    );
    assert_eq!(
        found["triggered"],
        json!({
            "types": ["dictionary<values=string, indices=int32, ordered=0>", "timestamp[us, tz=UTC]"],
            "sensors": sensors, "timestamps": each(|event| json!(event.timestamp.timestamp_micros())),
        })
    );

    // And what polars has written is an import that changes nothing.
    let rows = export::sensor_events_from_parquet(File::open(folder.join("polars.parquet")).unwrap()).unwrap();
    let report = export::import_sensor_events(rows).call(&mut conn).unwrap();
    assert_eq!((report.unchanged, report.inserted, report.updated), (count as u64, 0, 0));
    let read =
        || export::predictions_from_parquet(File::open(folder.join("polars-predictions.parquet")).unwrap()).unwrap();
    let report = export::import_predictions(read()).call(&mut conn).unwrap();
    assert_eq!((report.unchanged, report.inserted, report.updated), (9, 0, 0));
    // Nor is it another one: what polars has written is all that is needed.
    let before = queries::with_events(predicted()).load::<(Prediction, Option<SensorEvent>)>(&mut conn).unwrap();
    diesel::delete(predictions::table).execute(&mut conn).unwrap();
    assert_eq!(export::import_predictions(read()).call(&mut conn).unwrap().inserted, 9);
    let after = queries::with_events(predicted()).load::<(Prediction, Option<SensorEvent>)>(&mut conn).unwrap();
    let ids = |row: &(Prediction, Option<SensorEvent>)| (row.0.id, row.0.created_at);
    for (before, (after, event)) in before.into_iter().zip(after) {
        let (id, created_at) = ids(&before);
        assert_eq!((Prediction { id, created_at, ..after }, event), before);
    }
    fs::remove_dir_all(folder).unwrap();
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("occupancy-export-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
