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
    let row = (readings::device_id.eq("a"), readings::temperature.eq(readings::temperature + 1.0));
    let _ = bulk::upsert([row]).on_conflict(readings::device_id);
}
