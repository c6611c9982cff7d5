//! What the tests of bulk writes start from.

pub(crate) use chrono::{DateTime, TimeDelta, Utc};
pub(crate) use diesel::prelude::*;
pub(crate) use occupancy_models::bulk::{self, BulkError, InvalidRow, Keyed, OnDuplicate, Report, Violation};
pub(crate) use occupancy_models::schema::{predictions, referenced_events, sensor_events};
pub(crate) use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType,
    TransitionType,
};
pub(crate) use serde_json::json;

use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error as DieselError};

pub(crate) use crate::support::{Needs, TestDb, has, needs, sql, value, values};

/// From 500 rows on, upsert_sensor_events() looks ahead.
pub(crate) const SIZES: [usize; 5] = [1, 40, 499, 500, 1_000];

pub(crate) fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Events of one sensor, in a chunk a day: 205 to each.
pub(crate) fn events(sensor: &str, rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..rows)
        .map(|n| {
            let at = start() + TimeDelta::minutes(7 * i64::try_from(n).unwrap());
            NewSensorEvent::new(at, "room", sensor.to_owned(), SensorType::TEMPERATURE, n.to_string())
        })
        .collect()
}

/// The same sensor and instant, and something else to say.
pub(crate) fn changed(event: &NewSensorEvent<'_>) -> NewSensorEvent<'static> {
    NewSensorEvent::new(
        event.timestamp(),
        "another room",
        event.sensor_id().to_owned(),
        SensorType::LIGHT,
        format!("not {}", event.state()),
    )
    .with_attributes(json!({ "changed": true }))
}

pub(crate) fn insert(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) {
    diesel::insert_into(sensor_events::table).values(rows.to_vec()).execute(conn).unwrap();
}

pub(crate) fn upsert(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) -> Report {
    bulk::upsert_sensor_events(rows).call(conn).unwrap()
}

/// Each with a key that was reserved for it.
pub(crate) fn keyed(
    conn: &mut PgConnection,
    events: Vec<NewSensorEvent<'static>>,
) -> Vec<Keyed<NewSensorEvent<'static>>> {
    let keys = bulk::reserve_keys(events.iter().map(NewSensorEvent::timestamp)).call(conn).unwrap();
    keys.into_iter().zip(events).map(|(key, event)| Keyed::new(key.id(), event)).collect()
}

pub(crate) fn upsert_by_key(conn: &mut PgConnection, rows: &[Keyed<NewSensorEvent<'_>>]) -> Result<Report, Error> {
    Ok(bulk::upsert_sensor_events_by_key(rows).call(conn)?)
}

/// What is stored of a sensor, by time.
pub(crate) fn stored_by_key(conn: &mut PgConnection, sensor: &str) -> Vec<Keyed<NewSensorEvent<'static>>> {
    SensorEvent::query()
        .filter(sensor_events::sensor_id.eq(sensor))
        .order(sensor_events::timestamp)
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|event| Keyed::new(event.id, event.into()))
        .collect()
}

pub(crate) fn stored(conn: &mut PgConnection, sensor: &str) -> Vec<NewSensorEvent<'static>> {
    stored_by_key(conn, sensor).iter().map(|row| row.row().clone()).collect()
}

pub(crate) fn predicted(rows: usize) -> Vec<NewPrediction<'static>> {
    (0..rows)
        .map(|n| {
            NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, n.to_string())
                .with_prediction_time(start())
        })
        .collect()
}

pub(crate) fn with_ids(
    conn: &mut PgConnection,
    rows: Vec<NewPrediction<'static>>,
) -> Vec<Keyed<NewPrediction<'static>>> {
    let ids = bulk::reserve_prediction_ids(rows.len().try_into().unwrap()).call(conn).unwrap();
    ids.into_iter().zip(rows).map(|(id, row)| Keyed::new(id, row)).collect()
}

pub(crate) fn upsert_predictions(conn: &mut PgConnection, rows: &[Keyed<NewPrediction<'_>>]) -> Result<Report, Error> {
    Ok(bulk::upsert_predictions(rows).call(conn)?)
}

/// Predictions from an id on.
pub(crate) fn stored_predictions(conn: &mut PgConnection, from: i64) -> Vec<Keyed<NewPrediction<'static>>> {
    Prediction::query()
        .filter(predictions::id.ge(from))
        .order(predictions::id)
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|row| Keyed::new(row.id, row.into()))
        .collect()
}

/// Inserted, updated, unchanged, deduplicated.
pub(crate) fn counts(report: &Report) -> [u64; 4] {
    [report.inserted, report.updated, report.unchanged, report.deduplicated]
}

/// A number of rows, as reports have it.
pub(crate) fn n(rows: usize) -> u64 {
    rows.try_into().unwrap()
}

/// An upsert by sensor and instant that asks for the keys.
pub(crate) fn upsert_with_keys(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) -> (Report, Vec<SensorEventKey>) {
    bulk::upsert_sensor_events(rows).returning(SensorEventKey::as_select()).call(conn).unwrap()
}

/// Inserts predictions, and gives their ids.
pub(crate) fn insert_predictions(conn: &mut PgConnection, rows: &[NewPrediction<'_>]) -> Result<Vec<i64>, Error> {
    let (report, ids) = bulk::insert_predictions(rows).returning(predictions::id).call(conn)?;
    assert_eq!(report.inserted, n(rows.len()));
    Ok(ids)
}

/// What the batches before did, the first row of the batch that failed, and what went wrong.
pub(crate) fn batch_error(error: BulkError) -> (Report, usize, BulkError) {
    match error {
        BulkError::Batch { done, first_row, source } => (done, first_row, *source),
        error => panic!("{error}"),
    }
}

/// The rows that were refused.
pub(crate) fn invalid_rows(error: BulkError) -> Vec<InvalidRow> {
    match error {
        BulkError::InvalidRows(rows) => rows,
        error => panic!("{error}"),
    }
}

pub(crate) fn count(conn: &mut PgConnection) -> i64 {
    sensor_events::table.count().get_result(conn).unwrap()
}

/// What kind of error the database gave.
pub(crate) fn kind(error: impl Into<Error>) -> Option<DatabaseErrorKind> {
    match error.into() {
        Error::Database(DieselError::DatabaseError(kind, _)) => Some(kind),
        _ => None,
    }
}

/// Waits until other sessions of this database wait for locks.
pub(crate) fn wait_until_blocked(conn: &mut PgConnection, sessions: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let blocked = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";
    while value(conn, blocked) != sessions.to_string() {
        if Instant::now() > deadline {
            // Lets go of them, so that the test can end.
            sql(conn, "ROLLBACK");
            panic!("nobody waits");
        }
        std::thread::sleep(Duration::from_millis(10));
        // A transaction sees what it saw at first.
        value(conn, "SELECT pg_stat_clear_snapshot()");
    }
}

/// One event a day, for 60 days.
pub(crate) fn sixty_days(conn: &mut PgConnection) -> Vec<SensorEventKey> {
    let rows: Vec<_> = (0..60)
        .map(|day| NewSensorEvent::new(start() + TimeDelta::days(day), "room", "sensor", SensorType::MOTION, "on"))
        .collect();
    upsert_with_keys(conn, &rows).1
}

pub(crate) fn registered(conn: &mut PgConnection) -> i64 {
    referenced_events::table.count().get_result(conn).unwrap()
}

pub(crate) struct Mixture<T> {
    pub(crate) before: Vec<T>,
    pub(crate) batch: Vec<T>,
    pub(crate) after: Vec<T>,
    pub(crate) counts: [u64; 4],
}

/// Rows that are stored as they are, stored otherwise, new, and repeated: each of these there or not. At most four
/// groups of rows go into a batch.
pub(crate) fn mixtures<T: Clone>(
    group: usize,
    mut rows: impl FnMut(u32, usize) -> Vec<T>,
    changed: impl Fn(&T) -> T,
) -> Vec<Mixture<T>> {
    (0..16)
        .map(|mixture: u32| {
            let [same, other, new, repeated] = [0, 1, 2, 3].map(|bit| if mixture >> bit & 1 == 1 { group } else { 0 });
            let after = rows(mixture, same + other + new);
            let before = after[..same].iter().cloned().chain(after[same..same + other].iter().map(&changed)).collect();
            let repeats: Vec<_> = after.iter().rev().take(repeated).map(&changed).collect();
            let counts = [new, other, same, repeats.len()].map(n);
            let batch = repeats.into_iter().chain(after.iter().cloned()).collect();
            Mixture { before, batch, after, counts }
        })
        .collect()
}
