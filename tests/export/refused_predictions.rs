//! Predictions that cannot be read or stored: which row and field, and what is stored all the same.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, NullArray, StringArray,
    TimestampMicrosecondArray,
};
use bytes::Bytes;
use diesel::prelude::*;
use occupancy_models::bulk::BulkError;
use occupancy_models::schema::predictions;
use occupancy_models::{Call, Error, bulk, export};

use super::predictions::Given;
use super::refusals::parquet;
use super::support::TestDb;

const HEAD: &str = "room_id,prediction_time,predicted_transition_time,transition_type,confidence_score,model_type,\
                    model_version,feature_importance,accuracy_minutes,is_accurate,triggering_sensor_id,triggering_timestamp";

const GOOD: &str = "office,2026-01-05T09:00:00Z,2026-01-05T09:15:00Z,state_change,0.5,hmm,1,,,,,";

fn count(conn: &mut PgConnection) -> i64 {
    predictions::table.count().get_result(conn).unwrap()
}

fn import_csv(conn: &mut PgConnection, rows: &[&str]) -> Result<bulk::Report, Error> {
    let file = format!("{HEAD}\n{}\n", rows.join("\n"));
    export::import_predictions(export::predictions_from_csv(file.as_bytes())?).call(conn)
}

#[test]
fn csv_that_cannot_be_read() {
    let (_db, mut conn) = TestDb::ready();
    for (n, (from, to, expected)) in [
        (
            "state_change",
            "leaves",
            "field transition_type: \"leaves\" is not occupied_to_vacant, vacant_to_occupied or state_change",
        ),
        ("0.5", "half", "field confidence_score: \"half\" is not a number from 0 to 1"),
        ("0.5", "", "field confidence_score: there is no value. Give it one"),
        ("09:00:00Z", "25:00:00Z", "field prediction_time: \"2026-01-05T25:00:00Z\" is not an instant"),
        ("2026-01-05T09:15:00Z", "+999999-01-05T09:15:00Z", "field predicted_transition_time: \"+999999-"),
        ("1,,,,,", "1,{,,,,", "field feature_importance: \"{\" is not JSON"),
        ("1,,,,,", "1,,much,,,", "field accuracy_minutes: \"much\" is not a number"),
        ("1,,,,,", "1,,,yes,,", "field is_accurate: \"yes\" is not true or false"),
        ("1,,,,,", "1,,,,s,", "field triggering_timestamp: there is no value"),
        ("1,,,,,", "1,,,,,2026-01-05T09:15:00Z", "field triggering_sensor_id: there is no value"),
    ]
    .into_iter()
    .enumerate()
    {
        let other = GOOD.replace("office", &format!("room {n}"));
        let bad = GOOD.replacen(from, to, 1);
        let error = import_csv(&mut conn, &[GOOD, &other, &bad, GOOD]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("row 3, ") && text.contains(expected), "{bad}: {text}");
        // What comes before is stored.
        assert_eq!(count(&mut conn), n as i64 + 2);
    }
    let error = import_csv(&mut conn, &["office"]).unwrap_err();
    assert!(matches!(error, Error::File(_)), "{error:?}");
    for (head, expected) in [
        (HEAD.replace("model_type,", ""), "the file has no field model_type. Its fields are: room_id, "),
        (
            format!("{HEAD},colour"),
            "predictions have no field \"colour\". Leave it out, or rename it to one of: id, room_id",
        ),
    ] {
        let error = export::predictions_from_csv(head.as_bytes()).err().expect("an error");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// What the database would refuse: nothing of the batch is stored, and all of it is told.
#[test]
fn values_that_the_database_would_refuse() {
    let (_db, mut conn) = TestDb::ready();
    for (from, to, column) in [
        ("0.5", "1.5", "confidence_score"),
        ("0.5", "-0.1", "confidence_score"),
        ("0.5", "NaN", "confidence_score"),
        ("office", "", "room_id"),
        ("hmm", "", "model_type"),
        ("office", "off\0ice", "room_id"),
        ("2026-01-05T09:00:00Z", "-5000-01-05T09:00:00Z", "prediction_time"),
        ("1,,,,,", "1,\"{\"\"a\"\":\"\"\\u0000\"\"}\",,,,", "feature_importance"),
        ("1,,,,,", "1,,-1,,,", "accuracy_minutes"),
    ] {
        let bad = GOOD.replacen(from, to, 1);
        let error =
            import_csv(&mut conn, &[GOOD, &bad, &bad.replace("state_change", "vacant_to_occupied")]).unwrap_err();
        let Error::Bulk(BulkError::Batch { first_row: 0, source, .. }) = &error else { panic!("{bad}: {error:?}") };
        let BulkError::InvalidRows(rows) = &**source else { panic!("{bad}: {error:?}") };
        let found: Vec<_> = rows.iter().map(|row| (row.row, row.column.as_str())).collect();
        assert_eq!(found, [(1, column), (2, column)], "{error}");
        assert_eq!(count(&mut conn), 0);
    }
    // Rows are counted from the first of all, and the batches before stay.
    let rows: Vec<String> = (0..5_002).map(|n| GOOD.replace("office", &format!("room {n}"))).collect();
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let bad = GOOD.replace("0.5", "2");
    rows[5_001] = &bad;
    let error = import_csv(&mut conn, &rows).unwrap_err();
    let Error::Bulk(BulkError::Batch { first_row: 5_000, source, done }) = &error else { panic!("{error:?}") };
    assert!(matches!(&**source, BulkError::InvalidRows(rows) if rows[0].row == 5_001), "{error:?}");
    assert_eq!((done.inserted, count(&mut conn)), (5_000, 5_000));
    assert_eq!(
        error.to_string(),
        "the batch from row 5000 on: row 5001, confidence_score: 2 is not a number from 0 to 1"
    );
}

type Column = (&'static str, ArrayRef);

fn columns() -> Vec<Column> {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text, text])) };
    let at = TimestampMicrosecondArray::from(vec![1_770_000_000_000_000, 1_770_000_001_000_000]).with_timezone("UTC");
    let dictionary: DictionaryArray<Int32Type> = ["hmm", "hmm"].into_iter().collect();
    vec![
        ("room_id", texts("office")),
        ("prediction_time", Arc::new(at.clone())),
        ("predicted_transition_time", Arc::new(at)),
        ("transition_type", texts("state_change")),
        ("confidence_score", Arc::new(Float64Array::from(vec![0.5, 0.25]))),
        ("model_type", Arc::new(dictionary)),
        ("model_version", texts("1")),
    ]
}

/// The columns, with one replaced or added.
fn with(name: &'static str, array: impl arrow_array::Array + 'static) -> Bytes {
    let mut columns: Vec<Column> = columns().into_iter().filter(|column| column.0 != name).collect();
    columns.push((name, Arc::new(array)));
    parquet(columns)
}

fn read(file: Bytes) -> Vec<Given> {
    export::predictions_from_parquet(file).unwrap().collect()
}

#[test]
fn parquet_that_cannot_be_read() {
    for (name, array) in columns() {
        let missing = parquet(columns().into_iter().filter(|column| column.0 != name).collect());
        let error = export::predictions_from_parquet(missing).err().expect("an error");
        assert!(matches!(&error, Error::NoField { field, .. } if *field == name), "{error:?}");
        // Not one of the types of the fields.
        let wrong = with(name, BooleanArray::from(vec![true, false]));
        assert!(matches!(&read(wrong)[..], [Err(Error::FieldType { field, .. })] if *field == name), "{name}");
        // Two rows without a value.
        let none = read(with(name, NullArray::new(array.len())));
        let is_told = |row: u64, found: &Result<_, Error>| matches!(found, Err(Error::NoFieldValue { row: told, field }) if *told == row && *field == name);
        assert!(is_told(1, &none[0]) && is_told(2, &none[1]), "{name}: {none:?}");
    }
    for name in ["id", "triggering_event_id", "is_accurate", "triggering_sensor_id", "validation_timestamp"] {
        let mut wrong = vec![with(name, Float32Array::from(vec![1.0, 2.0]))];
        // Integers may be such numbers: see below.
        if !["id", "triggering_event_id"].contains(&name) {
            wrong.push(with(name, Float64Array::from(vec![1.0, 2.0])));
        }
        for wrong in wrong {
            assert!(matches!(&read(wrong)[..], [Err(Error::FieldType { field, .. })] if *field == name), "{name}");
        }
        let none = read(with(name, NullArray::new(2)));
        assert!(none.iter().all(Result::is_ok), "{name}: {none:?}");
    }
    let found = read(with("transition_type", StringArray::from(vec!["state_change", "Leaves"])));
    assert!(found[0].is_ok());
    assert!(
        matches!(&found[1], Err(Error::FieldValue { row: 2, field: "transition_type", value, .. }) if value == "Leaves")
    );
    let beyond = TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX)]).with_timezone("UTC");
    let found = read(with("validation_timestamp", beyond));
    let is_told = matches!(&found[1], Err(Error::FieldValue { row: 2, field: "validation_timestamp", .. }));
    assert!(found[0].is_ok() && is_told, "{found:?}");
    // As pandas makes them of integers, where one is missing.
    for name in ["id", "triggering_event_id"] {
        let found = read(with(name, Float64Array::from(vec![Some(7.0), None])));
        assert!(found.iter().all(Result::is_ok), "{name}: {found:?}");
        let found = read(with(name, Float64Array::from(vec![7.5, f64::NAN])));
        let is_told =
            |found: &Result<_, Error>| matches!(found, Err(Error::FieldValue { field, .. }) if *field == name);
        assert!(found.iter().all(is_told), "{name}: {found:?}");
    }
    // Not taken for no id of an event.
    let found = read(with("triggering_event_id", Int64Array::from(vec![Some(7), None])));
    assert_eq!(found[0].as_ref().unwrap().0.triggering_event_id, Some(7));
}

#[test]
fn csv_as_pandas_writes_it() {
    let file = format!(
        "{HEAD},triggering_event_id\n{},7.0\n{},\n{},7.5\n",
        GOOD.replace("1,,,,,", "1,,0.5,True,,"),
        GOOD.replace("1,,,,,", "1,,0.5,False,,"),
        GOOD,
    );
    let found: Vec<_> = export::predictions_from_csv(file.as_bytes()).unwrap().collect();
    let read = |n: usize| found[n].as_ref().map(|row| (row.0.is_accurate, row.0.triggering_event_id)).unwrap();
    assert_eq!([read(0), read(1)], [(Some(true), Some(7)), (Some(false), None)]);
    let error = found[2].as_ref().unwrap_err().to_string();
    assert_eq!(error, "row 3, field triggering_event_id: \"7.5\" is not a whole number");
}
