use diesel::prelude::*;
use diesel_timescale::bulk;

diesel::table! {
    readings (device_id, measured_at) {
        device_id -> Text,
        measured_at -> Timestamptz,
        temperature -> Nullable<Double>,
        humidity -> Nullable<Double>,
    }
}

diesel::table! {
    devices (id) {
        id -> Integer,
        name -> Text,
    }
}

#[derive(Insertable)]
#[diesel(table_name = readings)]
struct Reading<'a> {
    device_id: &'a str,
    measured_at: chrono::DateTime<chrono::Utc>,
    temperature: f64,
}

fn main() {
    let rows: Vec<Reading<'_>> = Vec::new();
    let _ = bulk::upsert(&rows).on_conflict(devices::id);
}
