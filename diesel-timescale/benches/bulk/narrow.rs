//! A table of four columns: text, timestamptz, two float8; the key is the first two.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_timescale::Call;
use diesel_timescale::bulk;

use crate::raw_copy::Buffer;
use crate::table::{Rows, WideOrNarrow};

diesel::table! {
    readings (device_id, measured_at) {
        device_id -> Text,
        measured_at -> Timestamptz,
        temperature -> Double,
        humidity -> Nullable<Double>,
    }
}

#[derive(Insertable, Clone)]
#[diesel(table_name = readings, treat_none_as_default_value = false)]
pub struct Reading {
    pub device_id: String,
    pub measured_at: DateTime<Utc>,
    pub temperature: f64,
    pub humidity: Option<f64>,
}

/// Batches begin and end between readings of the same time.
const DEVICES: usize = 47;

pub fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

pub fn micros(at: DateTime<Utc>) -> [u8; 8] {
    (at.timestamp_micros() - 946_684_800_000_000).to_be_bytes()
}

impl WideOrNarrow for Reading {
    const NAME: &'static str = "readings";
    const COLUMNS: &'static str = "device_id, measured_at, temperature, humidity";
    const CREATE: &'static str = "CREATE TABLE readings (device_id text NOT NULL, measured_at timestamptz NOT NULL,
        temperature float8 NOT NULL, humidity float8, PRIMARY KEY (device_id, measured_at)) WITH (fillfactor = 70)";
    const TIME: &'static str = "measured_at";

    fn new(n: usize, is_changed: bool, _: usize) -> Self {
        Self {
            device_id: format!("device_{:04}", n % DEVICES),
            measured_at: start() + TimeDelta::minutes((n / DEVICES) as i64),
            temperature: 18.0 + (n % 97) as f64 / 10.0 + if is_changed { 0.5 } else { 0.0 },
            humidity: (n % 5 != 0).then_some(40.0 + (n % 31) as f64),
        }
    }

    fn copy(&self, buffer: &mut Buffer) {
        let humidity = self.humidity.map(f64::to_be_bytes);
        buffer.row(&[
            Some(self.device_id.as_bytes()),
            Some(&micros(self.measured_at)),
            Some(&self.temperature.to_be_bytes()),
            humidity.as_ref().map(<[u8; 8]>::as_slice),
        ]);
    }

    fn upsert(rows: &[Self], conn: &mut PgConnection) {
        bulk::upsert(rows).on_conflict((readings::device_id, readings::measured_at)).call(conn).unwrap();
    }

    fn insert(rows: &[Self], conn: &mut PgConnection) {
        bulk::insert_into(readings::table).values(rows).call(conn).unwrap();
    }

    fn diesel_batch(rows: &[Self], conn: &mut PgConnection) {
        use readings::*;

        diesel::insert_into(table)
            .values(rows)
            .on_conflict((device_id, measured_at))
            .do_update()
            .set((temperature.eq(excluded(temperature)), humidity.eq(excluded(humidity))))
            .execute(conn)
            .unwrap();
    }
}

pub async fn upsert_async(rows: &Rows<Reading>, conn: &mut diesel_async::AsyncPgConnection) {
    for batch in &rows.batches {
        let call = bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at));
        diesel_timescale::asynchronous::Call::call(call, conn).await.unwrap();
    }
}

/// Without COPY, as every other driver has it.
pub fn plain_insert(rows: &[Reading], conn: &mut PgConnection) {
    match rows {
        [row] => diesel::insert_into(readings::table).values(row).execute(conn).unwrap(),
        rows => diesel::insert_into(readings::table).values(rows).execute(conn).unwrap(),
    };
}
