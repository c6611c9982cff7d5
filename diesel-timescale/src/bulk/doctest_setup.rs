// What the examples of bulk writes start from: a database of its own with a table of readings, gone afterwards.
// Included by its path from the package: rustdoc builds all examples as one program, elsewhere, and one by one, which
// takes five times as long, where that does not compile.
#[allow(unused_imports)]
use chrono::{DateTime, TimeDelta, Utc};
#[allow(unused_imports)]
use diesel::prelude::*;
#[allow(unused_imports)]
use diesel_timescale::*;

#[allow(dead_code, unused_imports, unused_macros)]
mod database {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs"));
}

diesel::table! {
    readings (device_id, measured_at) {
        device_id -> Text,
        measured_at -> Timestamptz,
        temperature -> Nullable<Double>,
        humidity -> Nullable<Double>,
    }
}

#[derive(Insertable, Clone)]
#[diesel(table_name = readings)]
struct Reading {
    device_id: String,
    measured_at: DateTime<Utc>,
    temperature: Option<f64>,
    humidity: Option<f64>,
}

#[allow(dead_code)]
fn reading(device_id: &str, minute: i64) -> Reading {
    let measured_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    Reading { device_id: device_id.to_owned(), measured_at, temperature: Some(21.5), humidity: None }
}

#[allow(dead_code)]
const TABLE: &str = "CREATE TABLE readings (
    device_id text NOT NULL, measured_at timestamptz NOT NULL, temperature float8, humidity float8,
    PRIMARY KEY (device_id, measured_at))";

#[allow(dead_code)]
fn run(example: impl FnOnce(&mut PgConnection) -> std::result::Result<(), bulk::BulkError>) {
    let (_db, mut conn) = database::TestDb::with(TABLE);
    if let Err(error) = example(&mut conn) {
        panic!("{error}");
    }
}

#[allow(dead_code)]
fn run_with_db(
    example: impl FnOnce(&database::TestDb, &mut PgConnection) -> std::result::Result<(), bulk::BulkError>,
) {
    // The example connects itself.
    if !database::has(database::Needs::TwoConnections) {
        return;
    }
    let (db, mut conn) = database::TestDb::with(TABLE);
    if let Err(error) = example(&db, &mut conn) {
        panic!("{error}");
    }
}
