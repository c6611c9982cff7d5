//! A table of ten columns, with JSON and three indexes: sensor events.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_timescale::Call;
use diesel_timescale::bulk;
use serde_json::{Value, json};

use crate::narrow::{micros, start};
use crate::raw_copy::Buffer;
use crate::table::WideOrNarrow;

diesel::table! {
    events (id, at) {
        id -> BigInt,
        at -> Timestamptz,
        room_id -> Text,
        sensor_id -> Text,
        sensor_type -> Text,
        state -> Text,
        number -> Nullable<Double>,
        previous_state -> Nullable<Text>,
        attributes -> Jsonb,
        is_human -> Bool,
        confidence -> Nullable<Double>,
    }
}

#[derive(Insertable, Clone)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
pub struct Event {
    at: DateTime<Utc>,
    room_id: String,
    sensor_id: String,
    sensor_type: &'static str,
    state: String,
    number: Option<f64>,
    previous_state: Option<String>,
    attributes: Value,
    is_human: bool,
    confidence: Option<f64>,
}

const SENSORS: usize = 50;

fn number(n: usize, is_changed: bool) -> f64 {
    18.0 + (n % 97) as f64 / 10.0 + if is_changed { 0.5 } else { 0.0 }
}

impl WideOrNarrow for Event {
    const NAME: &'static str = "events";
    const COLUMNS: &'static str =
        "at, room_id, sensor_id, sensor_type, state, number, previous_state, attributes, is_human, confidence";
    const CREATE: &'static str = "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL,
            room_id text NOT NULL, sensor_id text NOT NULL, sensor_type text NOT NULL, state text NOT NULL, number float8,
            previous_state text, attributes jsonb NOT NULL, is_human boolean NOT NULL, confidence float8,
            PRIMARY KEY (id, at), UNIQUE (sensor_id, at)) WITH (fillfactor = 70);
        CREATE INDEX ON events (room_id, at DESC)";
    const TIME: &'static str = "at";

    fn new(n: usize, is_changed: bool, different: usize) -> Self {
        let sensor = n % SENSORS;
        Self {
            at: start() + TimeDelta::minutes((n / SENSORS) as i64),
            room_id: format!("room_{}", sensor / 5),
            sensor_id: format!("sensor_{sensor:04}"),
            sensor_type: ["motion", "door", "temperature", "humidity", "light"][n % 5],
            state: format!("{:.1}", number(n, is_changed)),
            number: (n % 5 > 1).then(|| number(n, is_changed)),
            previous_state: n.checked_sub(SENSORS).map(|n| format!("{:.1}", number(n, false))),
            attributes: json!({ "unit": "°C", "battery": n % different }),
            is_human: false,
            confidence: Some(0.9),
        }
    }

    fn copy(&self, buffer: &mut Buffer) {
        let (number, confidence) = (self.number.map(f64::to_be_bytes), self.confidence.map(f64::to_be_bytes));
        let json = [b"\x01", self.attributes.to_string().as_bytes()].concat();
        buffer.row(&[
            Some(&micros(self.at)),
            Some(self.room_id.as_bytes()),
            Some(self.sensor_id.as_bytes()),
            Some(self.sensor_type.as_bytes()),
            Some(self.state.as_bytes()),
            number.as_ref().map(<[u8; 8]>::as_slice),
            self.previous_state.as_deref().map(str::as_bytes),
            Some(&json),
            Some(&[u8::from(self.is_human)]),
            confidence.as_ref().map(<[u8; 8]>::as_slice),
        ]);
    }

    fn upsert(rows: &[Self], conn: &mut PgConnection) {
        bulk::upsert(rows).on_conflict((events::sensor_id, events::at)).call(conn).unwrap();
    }

    fn insert(rows: &[Self], conn: &mut PgConnection) {
        bulk::insert_into(events::table).values(rows).call(conn).unwrap();
    }

    fn diesel_batch(rows: &[Self], conn: &mut PgConnection) {
        use events::*;

        diesel::insert_into(table)
            .values(rows)
            .on_conflict((sensor_id, at))
            .do_update()
            .set((
                room_id.eq(excluded(room_id)),
                sensor_type.eq(excluded(sensor_type)),
                state.eq(excluded(state)),
                number.eq(excluded(number)),
                previous_state.eq(excluded(previous_state)),
                attributes.eq(excluded(attributes)),
                is_human.eq(excluded(is_human)),
                confidence.eq(excluded(confidence)),
            ))
            .execute(conn)
            .unwrap();
    }
}
