//! The ways to write that are compared, and the databases that they write to.

use std::cell::RefCell;
use std::ffi::CString;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::AsyncPgConnection;
use occupancy_models::bulk;
use occupancy_models::schema::sensor_events;
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::measure::Measurements;
use crate::raw_copy::{self, RawConnection};
use crate::support::{TestDb, sql};
use crate::{peers, support};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// The rows of a round, in batches: ten rooms with five sensors each, a reading of each a minute.
pub struct Rows {
    pub batches: Vec<Vec<NewSensorEvent<'static>>>,
    changed: Vec<Vec<NewSensorEvent<'static>>>,
    buffers: Vec<Vec<u8>>,
}

const SENSORS: usize = 50;

/// Python libraries that benches/peers/upsert.py runs.
pub const PEERS: [&str; 3] = ["sqlalchemy_upsert", "psycopg_upsert", "asyncpg_upsert"];

/// The state of a reading; benches/peers/upsert.py has the same.
fn state(n: usize, is_changed: bool) -> String {
    let is_on = ((n / SENSORS) % 2 == 0) != is_changed;
    match n % 5 {
        0 => if is_on { "on" } else { "off" }.to_owned(),
        1 => if is_on { "open" } else { "closed" }.to_owned(),
        _ => format!("{:.1}", 18.0 + (n % 97) as f64 / 10.0 + if is_changed { 0.5 } else { 0.0 }),
    }
}

/// Where rows are to have attributes of their own, `battery` is another number in each.
fn event(n: usize, is_changed: bool, batteries: usize) -> NewSensorEvent<'static> {
    let sensor = n % SENSORS;
    let sensor_type =
        [SensorType::MOTION, SensorType::DOOR, SensorType::TEMPERATURE, SensorType::HUMIDITY, SensorType::LIGHT][n % 5]
            .clone();
    let event = NewSensorEvent::new(
        start() + TimeDelta::minutes((n / SENSORS) as i64),
        format!("room_{}", sensor / 5),
        format!("sensor_{sensor:04}"),
        sensor_type,
        state(n, is_changed),
    )
    .with_attributes(json!({ "unit": "°C", "battery": n % batteries }))
    .with_human_triggered(false)
    .with_confidence_score(0.9);
    match n.checked_sub(SENSORS) {
        Some(before) => event.with_previous_state(state(before, false)),
        None => event,
    }
}

impl Rows {
    /// A hundred different attributes among all rows.
    pub fn new(rows: usize, batch: usize) -> Self {
        Self::with_attributes(rows, batch, 100)
    }

    fn with_attributes(rows: usize, batch: usize, different: usize) -> Self {
        let all = |is_changed: bool| -> Vec<Vec<_>> {
            let events: Vec<_> = (0..rows).map(|n| event(n, is_changed, different)).collect();
            events.chunks(batch).map(<[_]>::to_vec).collect()
        };
        let batches = all(false);
        let buffers = batches.iter().map(|batch| raw_copy::buffer(batch)).collect();
        Self { changed: all(true), buffers, batches }
    }

    pub fn len(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }

    /// The first batches, a tenth of all rows, for what is slow.
    fn part(&self) -> &[Vec<NewSensorEvent<'static>>] {
        &self.batches[..self.batches.len().div_ceil(10)]
    }
}

/// A database to write to.
pub struct Bench {
    conn: RefCell<PgConnection>,
    raw: RefCell<RawConnection>,
    runtime: Runtime,
    asynchronous: RefCell<AsyncPgConnection>,
    table: &'static str,
    /// How the measured rows are removed.
    clear: String,
    pub db: TestDb,
}

impl Bench {
    /// With `sensor_events` as a hypertable of weekly chunks.
    pub fn new() -> Self {
        let (db, mut conn) = TestDb::migrated();
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(7)).allow_plain_table().call(&mut conn).unwrap();
        Self::over(db, conn, "sensor_events")
    }

    fn over(db: TestDb, conn: PgConnection, table: &'static str) -> Self {
        let raw = RawConnection::connect(db.url().as_str());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asynchronous = RefCell::new(runtime.block_on(db.connect_async()));
        let clear = format!("TRUNCATE {table}");
        Self { conn: RefCell::new(conn), raw: RefCell::new(raw), runtime, asynchronous, table, clear, db }
    }

    /// With this many daily chunks before the rows.
    pub fn with_chunks(chunks: usize) -> Self {
        let (db, mut conn) = TestDb::migrated();
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).call(&mut conn).unwrap();
        sql(
            &mut conn,
            &format!(
                "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
                 SELECT timestamptz '2026-01-05 00:00+00' - n * interval '1 day', 'room_0', 'sensor_0000', 'temperature', '20'
                 FROM generate_series(1, {chunks}) AS n"
            ),
        );
        let clear = "SELECT drop_chunks('sensor_events', newer_than => timestamptz '2026-01-05 00:00+00')".to_owned();
        Self { clear, ..Self::over(db, conn, "sensor_events") }
    }

    /// Without what keeps the references: no triggers on the events.
    pub fn without_references() -> Self {
        let bench = Self::new();
        sql(
            &mut bench.conn.borrow_mut(),
            // But for the one of TimescaleDB itself.
            "DO $$
             DECLARE name NAME;
             BEGIN
                 FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'sensor_events'::regclass AND NOT tgisinternal AND tgname <> 'ts_insert_blocker' LOOP
                     EXECUTE format('DROP TRIGGER %I ON sensor_events', name);
                 END LOOP;
             END $$",
        );
        bench
    }

    /// The known recipe's table with its ten indexes.
    pub fn recipe() -> Self {
        let (db, mut conn) = TestDb::new();
        sql(&mut conn, include_str!("../recipe.sql"));
        if support::server().available.is_some() {
            sql(
                &mut conn,
                "SELECT create_hypertable('recipe_events', by_range('timestamp'), create_default_indexes => false)",
            );
        }
        Self::over(db, conn, "recipe_events")
    }

    /// Removes the rows from the start of the measured ones on; the chunks before stay.
    pub fn clear(&self) {
        let conn = &mut *self.conn.borrow_mut();
        sql(conn, &self.clear);
        sql(conn, "CHECKPOINT");
    }

    pub fn raw_copy(&self, rows: &Rows) {
        let statement = CString::new(format!("COPY {} ({}) FROM STDIN BINARY", self.table, raw_copy::COLUMNS)).unwrap();
        for buffer in &rows.buffers {
            self.raw.borrow_mut().copy(&statement, buffer);
        }
    }

    pub fn insert(&self, rows: &Rows) {
        for batch in &rows.batches {
            bulk::insert_sensor_events(batch).call(&mut *self.conn.borrow_mut()).unwrap();
        }
    }

    pub fn upsert(&self, rows: &Rows) {
        self.upsert_batches(&rows.batches);
    }

    fn upsert_batches(&self, batches: &[Vec<NewSensorEvent<'_>>]) {
        for batch in batches {
            bulk::upsert_sensor_events(batch).call(&mut *self.conn.borrow_mut()).unwrap();
        }
    }

    fn upsert_async(&self, rows: &Rows) {
        let conn = &mut *self.asynchronous.borrow_mut();
        self.runtime.block_on(async {
            for batch in &rows.batches {
                let upsert = bulk::upsert_sensor_events(batch);
                occupancy_models::asynchronous::Call::call(upsert, conn).await.unwrap();
            }
        });
    }

    /// Diesel's own batch: one statement with a parameter for each value.
    fn diesel_batch_upsert(&self, batches: &[Vec<NewSensorEvent<'static>>]) {
        use sensor_events::*;

        // 65,535 parameters at most, of eleven columns.
        for part in batches.iter().flat_map(|batch| batch.chunks(5_000)) {
            diesel::insert_into(table)
                .values(part)
                .on_conflict((sensor_id, timestamp))
                .do_update()
                .set((
                    room_id.eq(excluded(room_id)),
                    sensor_type.eq(excluded(sensor_type)),
                    state.eq(excluded(state)),
                    numeric_value.eq(excluded(numeric_value)),
                    previous_state.eq(excluded(previous_state)),
                    attributes.eq(excluded(attributes)),
                    is_human_triggered.eq(excluded(is_human_triggered)),
                    confidence_score.eq(excluded(confidence_score)),
                    processed_at.eq(excluded(processed_at)),
                ))
                .execute(&mut *self.conn.borrow_mut())
                .unwrap();
        }
    }

    fn row_by_row(&self, batches: &[Vec<NewSensorEvent<'static>>]) {
        for row in batches.iter().flatten() {
            diesel::insert_into(sensor_events::table).values(row).execute(&mut *self.conn.borrow_mut()).unwrap();
        }
    }
}

/// Our upsert on an empty table, then of the same rows again, then of changed ones.
fn upserts(measured: &mut Measurements, bench: &Bench, rows: &Rows) {
    bench.clear();
    measured.time("upsert_fresh", rows.len(), || bench.upsert(rows));
    measured.time("upsert_unchanged", rows.len(), || bench.upsert(rows));
    measured.time("upsert_changed", rows.len(), || bench.upsert_batches(&rows.changed));
}

/// One round of everything, each on an empty table; peers only for the batch size of the ratios.
///
/// What is slow gets a tenth of the rows, and is compared with `upsert_tenth`, which gets the same ones.
pub fn round(measured: &mut Measurements, rows: &Rows, with_peers: bool) {
    thread_local! {
        static BENCH: Bench = Bench::new();
    }
    BENCH.with(|bench| {
        let tenth = rows.part().iter().map(Vec::len).sum();

        bench.clear();
        measured.time("raw_copy", rows.len(), || bench.raw_copy(rows));
        bench.clear();
        measured.time("insert", rows.len(), || bench.insert(rows));
        upserts(measured, bench, rows);
        bench.clear();
        measured.time("async_upsert", rows.len(), || bench.upsert_async(rows));
        bench.clear();
        measured.time("diesel_batch_upsert", rows.len(), || bench.diesel_batch_upsert(&rows.batches));
        bench.clear();
        measured.time("upsert_tenth", tenth, || bench.upsert_batches(rows.part()));
        bench.clear();
        measured.time("row_by_row", tenth, || bench.row_by_row(rows.part()));
        if with_peers {
            for peer in PEERS {
                bench.clear();
                if let Some(elapsed) = peers::run("upsert.py", &[peer, bench.db.url().as_str(), &tenth.to_string()]) {
                    measured.record(peer, tenth, elapsed);
                }
            }
        }
    });
}

/// Rows of which no two have the same attributes: what sharing them saves is not there to be saved.
pub fn own_attributes(rounds: usize, rows: usize) {
    let rows = Rows::with_attributes(rows, 5_000, rows);
    let bench = Bench::new();
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        bench.clear();
        measured.time("raw_copy", rows.len(), || bench.raw_copy(&rows));
        upserts(&mut measured, &bench, &rows);
    }
    println!("\nevery row with attributes of its own, batches of 5000");
    measured.print();
    measured.ratio_as("own_attributes_upsert_fresh/raw_copy", "upsert_fresh", "raw_copy");
    measured.ratio_as("own_attributes_upsert_unchanged/raw_copy", "upsert_unchanged", "raw_copy");
    measured.ratio_as("own_attributes_upsert_changed/raw_copy", "upsert_changed", "raw_copy");
}

/// Late rows into compressed chunks and into chunks that are not (no COPY needed).
pub fn columnstore(rounds: usize, rows: usize) {
    let rows = Rows::new(rows, 1_000);
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "ALTER TABLE sensor_events SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'timestamp, id')",
    );
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        for (name, is_compressed) in [("upsert_rowstore", false), ("upsert_columnstore", true)] {
            sql(&mut conn, "TRUNCATE sensor_events");
            // Every other row is stored before; the late ones lie between them.
            for batch in &rows.batches {
                let stored: Vec<_> = batch.iter().step_by(2).cloned().collect();
                bulk::upsert_sensor_events(&stored).call(&mut conn).unwrap();
            }
            if is_compressed {
                sql(&mut conn, "SELECT compress_chunk(chunk) FROM show_chunks('sensor_events') AS chunk");
            }
            measured.time(name, rows.len(), || {
                for batch in &rows.batches {
                    bulk::upsert_sensor_events(batch).call(&mut conn).unwrap();
                }
            });
        }
    }
    println!("\nupserts of which half are late and half unchanged, batches of 1,000");
    measured.print();
    measured.ratio("upsert_rowstore", "upsert_columnstore");
}
