//! The database, and what all workers share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::legacy_import;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::references::{self, OnDelete};
use occupancy_models::{Call, SensorEvent, SensorEventKey, bulk, run_migrations};

use crate::model::{Clock, Wipes};
use crate::support::{Needs, TestDb, has_quietly, sql, values};

diesel::table! {
    alerts (id) { id -> Int8, event -> Nullable<Int8> }
}
diesel::table! {
    holds (id) { id -> Int8, event -> Nullable<Int8> }
}

/// Slots are minutes; those before this one are subject to retention. (The rows that are imported come later.)
pub const KEPT: i64 = 4 * 24 * 60;

/// Reserved ids that all fight for.
const CONTESTED: i64 = 5_000;

pub fn at(slot: i64) -> DateTime<Utc> {
    "2025-12-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(slot)
}

pub fn slot_of(at_: DateTime<Utc>) -> i64 {
    (at_ - at(0)).num_minutes()
}

/// What was done, and how often.
#[derive(Default)]
pub struct Counts(Mutex<std::collections::BTreeMap<&'static str, u32>>);

impl Counts {
    pub fn add(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> u32 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.0.lock().unwrap();
        let texts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(&texts.join(", "))
    }
}

pub struct World {
    pub db: TestDb,
    pub clock: Clock,
    pub wipes: Wipes,
    pub versions: AtomicU64,
    pub is_over: AtomicBool,
    pub counts: Counts,
    pub faults: Mutex<Vec<String>>,
    /// References that were committed: table, row and event.
    pub references: Mutex<Vec<(&'static str, i64, i64)>>,
    pub contested: Vec<SensorEventKey>,
    pub next_contested: AtomicU32,
    /// Whether TRUNCATE is among what is done; the import of legacy tables otherwise.
    pub truncates: bool,
    /// Whether chunks are converted to the columnstore and back.
    pub converts: bool,
}

impl World {
    /// With `truncates`, TRUNCATE is among what is done; else rows of a legacy pair of tables are imported meanwhile.
    pub fn new(truncates: bool) -> (Self, PgConnection) {
        let (db, mut conn) = TestDb::new();
        let conn_ = &mut conn;
        if !truncates {
            sql(conn_, include_str!("../fixtures/legacy/tables.sql"));
            sql(conn_, &include_str!("../fixtures/legacy/rows.sql").replace("$ROWS", "2000"));
            conn_.batch_execute(legacy_import::MOVE_ASIDE).unwrap();
        }
        run_migrations(conn_).unwrap();
        SensorEvent::hypertable().chunk_interval(TimeDelta::hours(6)).allow_plain_table().call(conn_).unwrap();
        if !truncates {
            legacy_import::begin("legacy").on_duplicate(bulk::OnDuplicate::KeepFirst).call(conn_).unwrap();
        }
        for table in ["alerts", "holds"] {
            sql(
                conn_,
                &format!("CREATE TABLE {table} (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event BIGINT)"),
            );
        }
        references::add(alerts::event, sensor_events::table).on_delete(OnDelete::Cascade).call(conn_).unwrap();
        references::add(holds::event, sensor_events::table).on_delete(OnDelete::Restrict).call(conn_).unwrap();
        if has_quietly(Needs::Community) {
            SensorEvent::columnstore().enable().call(conn_).unwrap();
        }
        // Two keys of each id: one of them may be stored.
        let contested = bulk::reserve_keys((0..CONTESTED).map(|n| at(KEPT + n))).call(conn_).unwrap();
        let world = Self {
            db,
            clock: Clock::default(),
            wipes: Wipes::default(),
            versions: AtomicU64::new(1),
            is_over: AtomicBool::new(false),
            counts: Counts::default(),
            faults: Mutex::default(),
            references: Mutex::default(),
            contested,
            next_contested: AtomicU32::new(0),
            truncates,
            converts: has_quietly(Needs::Community),
        };
        (world, conn)
    }

    pub fn version(&self) -> u64 {
        self.versions.fetch_add(1, Relaxed)
    }

    pub fn connect(&self) -> PgConnection {
        let mut conn = self.db.connect();
        sql(&mut conn, "SET application_name TO chaos; SET deadlock_timeout TO '20ms'; SET lock_timeout TO '5s'");
        conn
    }

    pub fn tell(&self, faults: impl IntoIterator<Item = String>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// What dangles, is doubled or is lost, by the database alone. For when all is quiet.
    pub fn check(&self, conn: &mut PgConnection) -> Vec<String> {
        let mut faults = wrong(conn);
        let load = |conn: &mut PgConnection, sql: &str| -> std::collections::HashSet<String> {
            values(conn, sql).into_iter().collect()
        };
        let events = load(conn, "SELECT id::text FROM sensor_events");
        let rows = load(
            conn,
            "SELECT format('predictions %s %s', id, coalesce(triggering_event_id, 0)) FROM predictions
             UNION ALL SELECT format('alerts %s %s', id, event) FROM alerts",
        );
        for (table, row, event) in self.references.lock().unwrap().iter() {
            let is_there = rows.contains(&format!("{table} {row} {event}"));
            if events.contains(&event.to_string()) {
                if !is_there {
                    faults.push(format!("lost: the reference of {table} {row} to event {event}"));
                }
            } else if *table == "predictions" && !rows.contains(&format!("predictions {row} 0")) {
                faults.push(format!("prediction {row} of event {event}, which is gone, is not without it"));
            }
        }
        faults
    }
}

/// References to what is not there, and rows that are there twice. While chunks are converted, what looks so may be there: look again when all is quiet.
pub fn wrong(conn: &mut PgConnection) -> Vec<String> {
    const FIND: &str = "SELECT format('dangling: registered %s %s', r.id, r.timestamp) FROM referenced_events AS r
        LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp WHERE e.id IS NULL
        UNION ALL
        SELECT format('dangling: referenced %s', f.id)
        FROM (SELECT triggering_event_id AS id FROM predictions UNION ALL SELECT event FROM alerts UNION ALL SELECT event FROM holds) AS f
        WHERE f.id IS NOT NULL AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = f.id)
        UNION ALL
        SELECT format('doubled: id %s', id) FROM sensor_events GROUP BY id HAVING count(*) > 1
        UNION ALL
        SELECT format('doubled: %s %s', sensor_id, timestamp) FROM sensor_events
        GROUP BY sensor_id, timestamp HAVING count(*) > 1";
    for _ in 0..20 {
        let found = conn.transaction(|conn| {
            // The first look locks the chunks.
            conn.batch_execute(FIND)?;
            diesel::dsl::sql::<diesel::sql_types::Text>(FIND).load::<String>(conn)
        });
        // It may fail for a chunk that has just been dropped, or a deadlock.
        if let Ok(found) = found {
            return found;
        }
    }
    Vec::new()
}
