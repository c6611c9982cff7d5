//! What cannot be read, stored or written says which row and field.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use chrono::Utc;
use diesel::prelude::*;
use occupancy_models::bulk::BulkError;
use occupancy_models::export::{self, ExportError, record_batches};
use occupancy_models::schema::sensor_events;
use occupancy_models::{Call, Error, NewSensorEvent, SensorEvent, SensorType};
use parquet::arrow::ArrowWriter;

use super::support::{TestDb, sql};

const HEAD: &str = "timestamp,room_id,sensor_id,sensor_type,state,numeric_value,attributes";

fn first_error(csv: &str) -> String {
    match export::sensor_events_from_csv(csv.as_bytes()) {
        Ok(mut rows) => rows.find_map(Result::err).expect("an error").to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn csv_that_cannot_be_read() {
    for (row, expected) in [
        (
            "now,office,s,light,on,1,{}",
            r#"row 2, field timestamp: "now" is not an instant such as 2026-01-05T09:00:00Z"#,
        ),
        (",office,s,light,on,1,{}", "row 2, field timestamp: there is no value. Give it one"),
        ("2026-01-05T09:00:00Z,office,s,light,on,much,{}", r#"row 2, field numeric_value: "much" is not a number"#),
        ("2026-01-05T09:00:00Z,office,s,light,on,1,{", r#"row 2, field attributes: "{" is not JSON"#),
        ("2026-01-05T09:00:00Z,office", "found record with 2 fields"),
    ] {
        let found = first_error(&format!("{HEAD}\n2026-01-05 09:00:00+01:00,a,b,c,d,,\n{row}\n"));
        assert!(found.contains(expected), "{found}");
    }
    assert!(
        first_error("timestamp,room_id\n")
            .contains("the file has no field sensor_id. Its fields are: timestamp, room_id")
    );
    let found = first_error(&format!("{HEAD},colour\n"));
    assert!(found.contains("events have no field \"colour\""), "{found}");
    assert!(first_error("").contains("the file has no field timestamp"));
}

#[test]
fn rows_before_one_that_is_refused_are_stored_and_the_rest_after_a_correction() {
    let (_db, mut conn) = TestDb::ready();
    let row = |n: u32, room: &str, value: &str| format!("2026-01-05T09:00:{n:02}Z,{room},s,light,on,{value},\n");
    let count = |conn: &mut PgConnection| sensor_events::table.count().get_result::<i64>(conn).unwrap();
    let import = |conn: &mut PgConnection, rows: &[String]| {
        let file = format!("{HEAD}\n{}", rows.concat());
        export::import_sensor_events(export::sensor_events_from_csv(file.as_bytes()).unwrap()).call(conn)
    };
    let unreadable = [row(0, "office", "1"), row(1, "office", "x"), row(2, "office", "3")];
    let error = import(&mut conn, &unreadable).unwrap_err();
    assert!(matches!(error, Error::FieldValue { row: 2, field: "numeric_value", .. }), "{error:?}");
    assert_eq!(count(&mut conn), 1);
    // Not refused before it is stored: the general layer tells the row, too.
    let invalid = [row(0, "office", "1"), row(1, "", "NaN"), row(2, "office", "3")];
    let error = import(&mut conn, &invalid).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Bulk(BulkError::Batch { .. })), "{error:?}");
    assert!(text.contains("room_id") && text.contains("numeric_value"), "{text}");
    let report = import(&mut conn, &[row(0, "office", "1"), row(1, "office", "2"), row(2, "office", "3")]).unwrap();
    assert_eq!((report.inserted, report.unchanged, count(&mut conn)), (2, 1, 3));
}

pub fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|column| column.1).collect()).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

#[test]
fn parquet_that_cannot_be_read() {
    let text = |values: [Option<&str>; 2]| -> ArrayRef { Arc::new(StringArray::from_iter(values)) };
    let at = |zone: Option<&str>| -> ArrayRef {
        let instants = TimestampSecondArray::from(vec![1_770_000_000, 1_770_000_001]);
        match zone {
            Some(zone) => Arc::new(instants.with_timezone(zone)),
            None => Arc::new(instants),
        }
    };
    let file = |instants: ArrayRef, rooms: ArrayRef, value: Option<ArrayRef>| {
        let on = || text([Some("on"), Some("off")]);
        let mut columns = vec![
            ("timestamp", instants),
            ("room_id", rooms),
            ("sensor_id", on()),
            ("sensor_type", on()),
            ("state", on()),
        ];
        columns.extend(value.map(|value| ("numeric_value", value)));
        parquet(columns)
    };
    let rooms = || text([Some("office"), Some("hall")]);
    let read = |file: Bytes| -> Vec<_> { export::sensor_events_from_parquet(file).unwrap().collect() };

    let good = read(file(at(Some("+01:00")), rooms(), None));
    assert_eq!(good[1].as_ref().unwrap().timestamp().timestamp(), 1_770_000_001);
    let without_room = read(file(at(Some("UTC")), text([Some("office"), None]), None));
    assert!(without_room[0].is_ok());
    assert!(matches!(without_room[1], Err(Error::NoFieldValue { row: 2, field: "room_id" })), "{without_room:?}");
    for (bad, field) in [
        (file(at(None), rooms(), None), "timestamp"),
        (file(at(Some("UTC")), Arc::new(Int64Array::from(vec![1, 2])), None), "room_id"),
        (file(at(Some("UTC")), rooms(), Some(rooms())), "numeric_value"),
    ] {
        let found = read(bad);
        assert!(matches!(&found[..], [Err(Error::FieldType { field: f, .. })] if *f == field), "{found:?}");
    }
    assert!(matches!(export::sensor_events_from_parquet(Bytes::from("no file")).err(), Some(Error::File(_))));
    let other = parquet(vec![("room_id", rooms())]);
    assert!(matches!(export::sensor_events_from_parquet(other).err(), Some(Error::NoField { field: "timestamp", .. })));
}

#[test]
fn queries_that_do_not_fit_the_schema() {
    let (_db, mut conn) = TestDb::ready();
    let event = NewSensorEvent::new(Utc::now(), "office", "s", SensorType::LIGHT, "on");
    diesel::insert_into(sensor_events::table).values(event).execute(&mut conn).unwrap();
    let schema = |data_type: DataType, nullable| Arc::new(Schema::new(vec![Field::new("value", data_type, nullable)]));
    let mut error = |schema| -> ExportError {
        match record_batches(sensor_events::table.select(sensor_events::numeric_value), schema).load(&mut conn) {
            Ok(mut batches) => batches.next().unwrap().unwrap_err(),
            Err(error) => error,
        }
    };
    assert!(matches!(error(schema(DataType::Float64, false)), ExportError::Null { field } if field == "value"));
    assert!(matches!(error(schema(DataType::Date32, true)), ExportError::UnsupportedType { .. }));
    let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
    assert!(matches!(error(schema(zone, true)), ExportError::UnsupportedType { .. }));
    let query = || sensor_events::table.select(sensor_events::state);
    let wrong = record_batches(query(), schema(DataType::Int64, true)).load(&mut conn).unwrap().next().unwrap();
    assert!(matches!(wrong, Err(ExportError::Type { oid: 25, .. })), "{wrong:?}");
    let wrong = record_batches(query(), export::sensor_events_schema()).load(&mut conn).unwrap().next().unwrap();
    assert!(matches!(wrong, Err(ExportError::Columns { selected: 1, fields: 13 })), "{wrong:?}");
    // The connection goes on after all of them.
    sql(&mut conn, "UPDATE sensor_events SET processed_at = 'infinity'");
    let wrong = export::sensor_events(SensorEvent::within(..)).load(&mut conn).unwrap().next().unwrap();
    assert!(matches!(wrong, Err(ExportError::Value { .. })), "{wrong:?}");
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 1);
}
