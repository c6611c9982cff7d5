//! Bulk writes: any number of rows is stored, each once, and counted right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::bulk::{
    self, Batches, InvalidRow, KeyedPrediction, KeyedSensorEvent, Problem, Repeats, UpsertReport,
};
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use occupancy_models::timescale::{self, ReferenceError};
use occupancy_models::transaction::Retry;
use occupancy_models::{
    Call, Error, KeyError, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey,
    SensorType, TransitionType,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::json;
use support::{TestDb, needs, sql, value, values};

/// From 500 rows on, upsert_sensor_events() looks ahead.
const SIZES: [usize; 5] = [1, 40, 499, 500, 1_000];

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Events of one sensor, in a chunk a day: 205 to each.
fn events(sensor: &str, rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..rows)
        .map(|n| {
            let at = start() + TimeDelta::minutes(7 * i64::try_from(n).unwrap());
            NewSensorEvent::new(at, "room", sensor.to_owned(), SensorType::TEMPERATURE, n.to_string())
        })
        .collect()
}

/// The same sensor and instant, and something else to say.
fn changed(event: &NewSensorEvent<'_>) -> NewSensorEvent<'static> {
    NewSensorEvent::new(
        event.timestamp(),
        "another room",
        event.sensor_id().to_owned(),
        SensorType::LIGHT,
        format!("not {}", event.state()),
    )
    .with_attributes(json!({ "changed": true }))
}

fn insert(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) {
    diesel::insert_into(sensor_events::table).values(rows.to_vec()).execute(conn).unwrap();
}

fn upsert(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) -> UpsertReport {
    bulk::upsert_events(rows, Repeats::LastWins).unwrap().call(conn).unwrap()
}

/// Each with a key that was reserved for it.
fn keyed(conn: &mut PgConnection, events: Vec<NewSensorEvent<'static>>) -> Vec<KeyedSensorEvent<'static>> {
    let keys = bulk::reserve_keys(events.iter().map(NewSensorEvent::timestamp)).call(conn).unwrap();
    keys.into_iter().zip(events).map(|(key, event)| KeyedSensorEvent::new(key.id(), event)).collect()
}

fn upsert_by_key(conn: &mut PgConnection, rows: &[KeyedSensorEvent<'_>]) -> Result<UpsertReport, Error> {
    bulk::upsert_events_by_key(rows, Repeats::LastWins)?.call(conn)
}

/// What is stored of a sensor, by time.
fn stored_by_key(conn: &mut PgConnection, sensor: &str) -> Vec<KeyedSensorEvent<'static>> {
    SensorEvent::query()
        .filter(sensor_events::sensor_id.eq(sensor))
        .order(sensor_events::timestamp)
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|event| KeyedSensorEvent::new(event.id, event.into()))
        .collect()
}

fn stored(conn: &mut PgConnection, sensor: &str) -> Vec<NewSensorEvent<'static>> {
    stored_by_key(conn, sensor).iter().map(|row| row.event().clone()).collect()
}

fn predicted(rows: usize) -> Vec<NewPrediction<'static>> {
    (0..rows)
        .map(|n| {
            NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, n.to_string())
                .with_prediction_time(start())
        })
        .collect()
}

fn with_ids(conn: &mut PgConnection, rows: Vec<NewPrediction<'static>>) -> Vec<KeyedPrediction<'static>> {
    let ids = bulk::reserve_prediction_ids(rows.len().try_into().unwrap()).call(conn).unwrap();
    ids.into_iter().zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect()
}

fn upsert_predictions(conn: &mut PgConnection, rows: &[KeyedPrediction<'_>]) -> Result<UpsertReport, Error> {
    bulk::upsert_predictions(rows, Repeats::LastWins)?.call(conn)
}

/// Predictions from an id on.
fn stored_predictions(conn: &mut PgConnection, from: i64) -> Vec<KeyedPrediction<'static>> {
    Prediction::query()
        .filter(predictions::id.ge(from))
        .order(predictions::id)
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|row| KeyedPrediction::new(row.id, row.into()))
        .collect()
}

/// Inserted, updated, unchanged, merged.
fn counts(report: &UpsertReport) -> [i64; 4] {
    [report.inserted, report.updated, report.unchanged, report.merged]
}

fn count(conn: &mut PgConnection) -> i64 {
    sensor_events::table.count().get_result(conn).unwrap()
}

fn kind(error: &Error) -> Option<&DatabaseErrorKind> {
    match error {
        Error::Database(DieselError::DatabaseError(kind, _)) => Some(kind),
        _ => None,
    }
}

/// Waits until other sessions of this database wait for locks.
fn wait_until_blocked(conn: &mut PgConnection, sessions: usize) {
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

// Any number of rows.

/// Around what 65,535 parameters hold, with nine and eleven columns; and far beyond.
const NUMBERS: [usize; 9] = [0, 1, 5_956, 5_957, 5_958, 7_280, 7_281, 7_282, 100_000];

/// Ten sensors, a reading a minute each.
fn ten_sensors(rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..i64::try_from(rows).unwrap())
        .map(|n| {
            let sensor = format!("sensor.{}", n % 10);
            NewSensorEvent::new(
                start() + TimeDelta::minutes(n / 10),
                "room",
                sensor,
                SensorType::TEMPERATURE,
                n.to_string(),
            )
        })
        .collect()
}

fn assert_holds(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) {
    let found: BTreeSet<(String, DateTime<Utc>, String)> = sensor_events::table
        .select((sensor_events::sensor_id, sensor_events::timestamp, sensor_events::state))
        .load(conn)
        .unwrap()
        .into_iter()
        .collect();
    let given = rows
        .iter()
        .map(|row| (row.sensor_id().to_owned(), row.timestamp(), row.state().to_string()))
        .collect::<BTreeSet<_>>();
    assert!(found == given, "{} rows are stored, {} were given, and they differ", found.len(), given.len());
    assert_eq!(count(conn), i64::try_from(rows.len()).unwrap());
}

#[test]
fn an_upsert_takes_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    for number in NUMBERS {
        let rows = ten_sensors(number);
        let number = i64::try_from(number).unwrap();
        assert_eq!(counts(&upsert(&mut conn, &rows)), [number, 0, 0, 0]);
        assert_holds(&mut conn, &rows);
        assert_eq!(counts(&upsert(&mut conn, &rows)), [0, 0, number, 0]);
        assert_eq!(count(&mut conn), number);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn an_insert_takes_any_number_of_rows() {
    needs!(Copy);
    let (_db, mut conn) = TestDb::ready();
    for number in NUMBERS {
        let rows = ten_sensors(number);
        assert_eq!(bulk::insert_events(&rows).unwrap().execute(&mut conn).unwrap(), number);
        assert_holds(&mut conn, &rows);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn an_upsert_by_key_takes_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "SET statement_timeout TO '60s'");
    for number in [0, 1, 5_957, 7_281, 100_000] {
        // No timeout ends a statement of the WebAssembly server.
        if number == 100_000 && !support::has(support::Needs::TwoConnections) {
            return;
        }
        let rows = keyed(&mut conn, ten_sensors(number));
        let number = i64::try_from(number).unwrap();
        assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [number, 0, 0, 0]);
        assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [0, 0, number, 0]);
        assert_eq!(count(&mut conn), number);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn every_column_is_stored_by_every_door() {
    let (_db, mut conn) = TestDb::ready();
    let full = |sensor: &'static str| {
        NewSensorEvent::new(start(), "room", sensor, SensorType::new("vibration"), "0.25 g")
            .with_numeric_value(0.25)
            .with_previous_state("quiet")
            .with_attributes(json!({ "axis": "z", "nested": [1, null, "ü", "a,b\"{}\\"] }))
            .with_human_triggered(false)
            .with_confidence_score(0.75)
            .with_processed_at(start() + TimeDelta::microseconds(1))
    };
    assert_eq!(upsert(&mut conn, &[full("by instant")]).inserted, 1);
    let rows = keyed(&mut conn, vec![full("by key")]);
    assert_eq!(upsert_by_key(&mut conn, &rows).unwrap().inserted, 1);
    assert_eq!(stored(&mut conn, "by instant"), [full("by instant")]);
    assert_eq!(stored_by_key(&mut conn, "by key"), rows);
    if support::has(support::Needs::Copy) {
        bulk::insert_events(&[full("by copy")]).unwrap().execute(&mut conn).unwrap();
        assert_eq!(stored(&mut conn, "by copy"), [full("by copy")]);
    }
    // Among enough others for the look ahead, fresh and not.
    for extra in 0..2 {
        let mut rows = events("filler", 600 + extra);
        rows.insert(300, full("in a large batch"));
        upsert(&mut conn, &rows);
        assert_eq!(stored(&mut conn, "in a large batch"), [full("in a large batch")]);
        sql(&mut conn, "DELETE FROM sensor_events WHERE sensor_id = 'in a large batch'");
    }
}

// What an upsert counts and writes.

struct Mixture<T> {
    before: Vec<T>,
    batch: Vec<T>,
    after: Vec<T>,
    counts: [i64; 4],
}

/// Rows that are stored just so, stored otherwise, new, and repeated: each of these there or not. At most four
/// groups of rows go into a batch.
fn mixtures<T: Clone>(
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
            let counts = [new, other, same, repeats.len()].map(|rows| i64::try_from(rows).unwrap());
            let batch = repeats.into_iter().chain(after.iter().cloned()).collect();
            Mixture { before, batch, after, counts }
        })
        .collect()
}

#[test]
fn every_mixture_is_counted_and_stored_by_sensor_and_instant() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 600] {
        let sensor = |mixture| format!("sensor.{group}.{mixture}");
        for (n, mixture) in (0..).zip(mixtures(group, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            assert_eq!(counts(&upsert(&mut conn, &mixture.batch)), mixture.counts, "{}", sensor(n));
            assert_eq!(stored(&mut conn, &sensor(n)), mixture.after, "{}", sensor(n));
        }
    }
}

#[test]
fn every_mixture_is_counted_and_stored_by_key() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 300] {
        let sensor = |mixture| format!("sensor.{group}.{mixture}");
        let rows = |n, rows| keyed(&mut conn, events(&sensor(n), rows));
        let change = |row: &KeyedSensorEvent<'static>| KeyedSensorEvent::new(row.key().id(), changed(row.event()));
        for (n, mixture) in (0..).zip(mixtures(group, rows, change)) {
            upsert_by_key(&mut conn, &mixture.before).unwrap();
            let report = upsert_by_key(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{}", sensor(n));
            assert_eq!(stored_by_key(&mut conn, &sensor(n)), mixture.after, "{}", sensor(n));
        }
    }
}

#[test]
fn every_mixture_is_counted_and_stored_of_predictions() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 300] {
        let rows = |_, rows| with_ids(&mut conn, predicted(rows));
        let change = |row: &KeyedPrediction<'static>| {
            let other = NewPrediction::new("r", start(), TransitionType::OccupiedToVacant, 1.0, ModelType::LSTM, "x");
            KeyedPrediction::new(row.id(), other.with_prediction_time(start()))
        };
        for (n, mixture) in mixtures(group, rows, change).into_iter().enumerate() {
            upsert_predictions(&mut conn, &mixture.before).unwrap();
            let report = upsert_predictions(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{n}");
            let first = mixture.after.first().map_or(i64::MAX, KeyedPrediction::id);
            assert_eq!(stored_predictions(&mut conn, first), mixture.after, "{n}");
            sql(&mut conn, "DELETE FROM predictions");
        }
    }
}

/// Where each row is, and which transaction wrote it.
fn places(conn: &mut PgConnection, table: &str) -> Vec<String> {
    values(conn, &format!("SELECT concat_ws(' ', id, tableoid, ctid, xmin) FROM {table} ORDER BY id"))
}

#[test]
fn unchanged_rows_are_not_rewritten() {
    let (_db, mut conn) = TestDb::ready();
    for size in SIZES {
        let mut rows = events("sensor", size);
        insert(&mut conn, &rows);
        let before = places(&mut conn, "sensor_events");
        assert_eq!(upsert(&mut conn, &rows).unchanged, i64::try_from(size).unwrap());
        assert_eq!(places(&mut conn, "sensor_events"), before);

        // Nor are they when one among them has changed.
        rows[size / 2] = changed(&rows[size / 2]);
        assert_eq!(upsert(&mut conn, &rows).updated, 1);
        let after = places(&mut conn, "sensor_events");
        assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1, "{size}");
        sql(&mut conn, "TRUNCATE sensor_events");

        let rows = keyed(&mut conn, rows);
        upsert_by_key(&mut conn, &rows).unwrap();
        let before = places(&mut conn, "sensor_events");
        assert_eq!(upsert_by_key(&mut conn, &rows).unwrap().unchanged, i64::try_from(size).unwrap());
        assert_eq!(places(&mut conn, "sensor_events"), before);
        sql(&mut conn, "TRUNCATE sensor_events");

        let rows = with_ids(&mut conn, predicted(size));
        upsert_predictions(&mut conn, &rows).unwrap();
        let before = places(&mut conn, "predictions");
        assert_eq!(upsert_predictions(&mut conn, &rows).unwrap().unchanged, i64::try_from(size).unwrap());
        assert_eq!(places(&mut conn, "predictions"), before);
        sql(&mut conn, "DELETE FROM predictions");
    }
}

#[test]
fn a_large_batch_without_changes_only_reads() {
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 1_000);
    insert(&mut conn, &rows);
    conn.begin_test_transaction().unwrap();
    assert_eq!(upsert(&mut conn, &rows).unchanged, 1_000);
    assert_eq!(value(&mut conn, "SELECT pg_current_xact_id_if_assigned()"), "");
}

/// Rows that share attributes send them once.
#[test]
fn each_row_keeps_its_own_attributes_whatever_others_share_them() {
    let (_db, mut conn) = TestDb::ready();
    let with_attributes = |rows: &[NewSensorEvent<'static>], step: usize| -> Vec<_> {
        rows.iter()
            .enumerate()
            .map(|(n, row)| match n * step % 7 {
                0 => row.clone(),
                kind => row.clone().with_attributes(json!({ "kind": kind, "own": if kind == 1 { n } else { 0 } })),
            })
            .collect()
    };
    for size in SIZES {
        let rows = events("sensor", size);
        let size = i64::try_from(size).unwrap();
        let first = with_attributes(&rows, 1);
        assert_eq!(counts(&upsert(&mut conn, &first)), [size, 0, 0, 0]);
        assert_eq!(stored(&mut conn, "sensor"), first);
        assert_eq!(counts(&upsert(&mut conn, &first)), [0, 0, size, 0]);

        // The same ones go to other rows; where n and 2n leave the same rest, to the same.
        let other = with_attributes(&rows, 2);
        let updated = i64::try_from(first.iter().zip(&other).filter(|(a, b)| a != b).count()).unwrap();
        assert_eq!(counts(&upsert(&mut conn, &other)), [0, updated, size - updated, 0]);
        assert_eq!(stored(&mut conn, "sensor"), other);

        let by_key: Vec<_> = stored_by_key(&mut conn, "sensor")
            .iter()
            .zip(&first)
            .map(|(row, event)| KeyedSensorEvent::new(row.key().id(), event.clone()))
            .collect();
        assert_eq!(counts(&upsert_by_key(&mut conn, &by_key).unwrap()), [0, updated, size - updated, 0]);
        assert_eq!(stored_by_key(&mut conn, "sensor"), by_key);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

/// The look ahead has another query for that.
#[test]
fn a_batch_may_have_much_else_in_its_range() {
    let (_db, mut conn) = TestDb::ready();
    let all = events("sensor", 12_000);
    upsert(&mut conn, &all);
    let mut batch: Vec<_> = all.iter().step_by(20).cloned().collect();
    conn.test_transaction::<_, Error, _>(|conn| {
        assert_eq!(counts(&upsert(conn, &batch)), [0, 0, 600, 0]);
        // It found all of them: nothing was left to write.
        assert_eq!(value(conn, "SELECT pg_current_xact_id_if_assigned()"), "");
        Ok(())
    });
    for row in batch.iter_mut().step_by(2) {
        *row = changed(row);
    }
    assert_eq!(counts(&upsert(&mut conn, &batch)), [0, 300, 300, 0]);
    let stored = stored(&mut conn, "sensor");
    assert_eq!(stored.iter().step_by(20).cloned().collect::<Vec<_>>(), batch);
    assert_eq!(stored.iter().zip(&all).filter(|(stored, given)| stored != given).count(), 300);
}

#[test]
fn what_a_batch_is_said_to_span_changes_no_result() {
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 600);
    let spans = [
        "'{sensor}', '2026-01-05', '2026-01-08'",
        "'{another}', '2026-01-05', '2026-01-08'",
        "'{sensor}', '1999-01-01', '1999-01-02'",
        "'{}', '2026-01-08', '2026-01-05'",
        "'{}', NULL, NULL",
        "NULL, NULL, NULL",
    ];
    for span in spans {
        let call = |conn: &mut PgConnection, state: &str| {
            let call = format!(
                "SELECT concat_ws(' ', inserted, updated, unchanged)
                 FROM (
                     SELECT array_agg(timestamp ORDER BY id) AS timestamps, array_agg(room_id ORDER BY id) AS rooms,
                         array_agg(sensor_id ORDER BY id) AS sensors, array_agg(sensor_type ORDER BY id) AS types,
                         array_agg({state} ORDER BY id) AS states, array_agg(1) AS ones
                     FROM given
                 ) AS given,
                 upsert_sensor_events({span}, timestamps, rooms, sensors, types, states, '{{}}', '{{}}', '{{\"{{}}\"}}', ones,
                     array_fill(false, ARRAY[600]), '{{}}', '{{}}')"
            );
            value(conn, &call)
        };
        insert(&mut conn, &rows);
        sql(&mut conn, "CREATE TEMPORARY TABLE given AS TABLE sensor_events; TRUNCATE sensor_events");
        assert_eq!(call(&mut conn, "state"), "600 0 0", "{span}");
        assert_eq!(call(&mut conn, "state"), "0 0 600", "{span}");
        let half = "CASE WHEN id % 2 = 0 THEN state ELSE 'not ' || state END";
        assert_eq!(call(&mut conn, half), "0 300 300", "{span}");
        sql(&mut conn, "DROP TABLE given; TRUNCATE sensor_events");
    }
}

/// A plan locks what it may read, so that the locks tell which chunks were left out.
#[test]
fn an_upsert_looks_only_into_the_chunks_of_its_batch() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    // 205 rows to each of thirty chunks.
    let rows = events("sensor", 205 * 30);
    upsert(&mut conn, &rows);
    let batch = &rows[..600];
    let half_changed: Vec<_> =
        batch.iter().enumerate().map(|(n, row)| if n % 2 == 0 { row.clone() } else { changed(row) }).collect();
    for (batch, updated) in [(batch, 0), (&half_changed, 300)] {
        conn.test_transaction::<_, Error, _>(|conn| {
            let report = bulk::upsert_events(batch, Repeats::LastWins)?.with_keys().call(conn)?;
            assert_eq!((report.updated, report.keys.len()), (updated, 600));
            let locked = "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_inherits ON inhrelid = relation
                          WHERE coalesce(pid, 0) = pg_backend_pid() AND inhparent = 'sensor_events'::regclass";
            assert_eq!(value(conn, locked), "3", "{updated} updated");
            Ok(())
        });
    }
}

#[test]
fn chunks_keep_room_for_changed_rows() {
    let (_db, mut conn) = TestDb::ready();
    upsert(&mut conn, &events("sensor", 1));
    let options = "SELECT reloptions FROM pg_class WHERE oid = (SELECT tableoid FROM sensor_events)";
    assert_eq!(value(&mut conn, options), "{fillfactor=70}");
}

#[test]
fn a_reimport_keeps_processed_at_and_clears_every_other_column() {
    let (_db, mut conn) = TestDb::ready();
    for size in SIZES {
        let sensor = format!("sensor.{size}");
        let bare = events(&sensor, size);
        let processed = |at| bare.iter().map(|row| row.clone().with_processed_at(at)).collect::<Vec<_>>();
        let full: Vec<_> = processed(start())
            .into_iter()
            .map(|row| {
                row.with_previous_state("before")
                    .with_numeric_value(-1.0)
                    .with_confidence_score(0.5)
                    .with_human_triggered(false)
                    .with_attributes(json!({ "unit": "ppm" }))
            })
            .collect();
        insert(&mut conn, &full);
        assert_eq!(upsert(&mut conn, &bare).updated, i64::try_from(size).unwrap());
        assert_eq!(stored(&mut conn, &sensor), processed(start()), "{size}");
        // What only lacks processed_at is no change; another processed_at is one.
        assert_eq!(upsert(&mut conn, &bare).unchanged, i64::try_from(size).unwrap());
        let later = processed(start() + TimeDelta::hours(1));
        assert_eq!(upsert(&mut conn, &later).updated, i64::try_from(size).unwrap());
        assert_eq!(stored(&mut conn, &sensor), later, "{size}");

        let ids: Vec<_> = stored_by_key(&mut conn, &sensor).iter().map(|row| row.key().id()).collect();
        let by_key = |rows: &[NewSensorEvent<'static>]| -> Vec<_> {
            ids.iter().zip(rows).map(|(id, row)| KeyedSensorEvent::new(*id, row.clone())).collect()
        };
        assert_eq!(upsert_by_key(&mut conn, &by_key(&full)).unwrap().updated, i64::try_from(size).unwrap());
        assert_eq!(upsert_by_key(&mut conn, &by_key(&bare)).unwrap().updated, i64::try_from(size).unwrap());
        assert_eq!(stored(&mut conn, &sensor), processed(start()), "{size} by key");
    }
}

#[test]
fn a_column_that_becomes_null_or_stops_to_be_is_a_change() {
    let (_db, mut conn) = TestDb::ready();
    for size in [1, 600] {
        let sensor = format!("sensor.{size}");
        let rows = events(&sensor, size);
        upsert(&mut conn, &rows);
        for change in [
            (|row| row.with_numeric_value(None)) as fn(NewSensorEvent<'static>) -> NewSensorEvent<'static>,
            |row| row.with_previous_state("before"),
            |row| row.with_confidence_score(0.0),
            |row| row.with_attributes(json!([])),
            |row| row.with_human_triggered(false),
        ] {
            let mut changed = rows.clone();
            changed[size / 2] = change(rows[size / 2].clone());
            for rows in [&changed, &rows] {
                let report = upsert(&mut conn, rows);
                assert_eq!((report.updated, report.unchanged), (1, i64::try_from(size - 1).unwrap()));
                assert_eq!(&stored(&mut conn, &sensor), rows);
            }
        }
    }
}

// Repeats.

#[test]
fn repeats_are_resolved_as_told_for_every_target() {
    let (_db, mut conn) = TestDb::ready();
    for size in [2, 600] {
        let sensor = format!("sensor.{size}");
        let first = events(&sensor, size);
        let last: Vec<_> = first.iter().map(changed).collect();
        let rows = [first.clone(), last.clone()].concat();
        let merged = i64::try_from(size).unwrap();
        for (repeats, expected) in [(Repeats::LastWins, &last), (Repeats::FirstWins, &first)] {
            let report = bulk::upsert_events(&rows, repeats).unwrap().call(&mut conn).unwrap();
            assert_eq!((report.merged, report.rows()), (merged, 2 * merged));
            assert_eq!(&stored(&mut conn, &sensor), expected, "{repeats:?}");
        }
        let error = bulk::upsert_events(&rows, Repeats::Error).unwrap_err();
        assert_eq!(error.to_string(), format!("row {size}, sensor_id, timestamp: repeats row 0"));

        let first = stored_by_key(&mut conn, &sensor);
        let last: Vec<_> =
            first.iter().map(|row| KeyedSensorEvent::new(row.key().id(), changed(row.event()))).collect();
        let rows = [first.clone(), last.clone()].concat();
        for (repeats, expected) in [(Repeats::LastWins, &last), (Repeats::FirstWins, &first)] {
            let report = bulk::upsert_events_by_key(&rows, repeats).unwrap().call(&mut conn).unwrap();
            assert_eq!(report.merged, merged);
            assert_eq!(&stored_by_key(&mut conn, &sensor), expected, "{repeats:?}");
        }
        let error = bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap_err();
        assert_eq!(error.to_string(), format!("row {size}, id: repeats row 0"));

        let first = with_ids(&mut conn, predicted(size));
        let other = NewPrediction::new("r", start(), TransitionType::OccupiedToVacant, 1.0, ModelType::LSTM, "x")
            .with_prediction_time(start());
        let last: Vec<_> = first.iter().map(|row| KeyedPrediction::new(row.id(), other.clone())).collect();
        let rows = [first.clone(), last.clone()].concat();
        for (repeats, expected) in [(Repeats::LastWins, &last), (Repeats::FirstWins, &first)] {
            let report = bulk::upsert_predictions(&rows, repeats).unwrap().call(&mut conn).unwrap();
            assert_eq!(report.merged, merged);
            assert_eq!(&stored_predictions(&mut conn, first[0].id()), expected, "{repeats:?}");
        }
        let error = bulk::upsert_predictions(&rows, Repeats::Error).unwrap_err();
        assert_eq!(error.to_string(), format!("row {size}, id: repeats row 0"));
    }
}

#[test]
fn instants_that_differ_in_nanoseconds_only_are_repeats() {
    let (_db, mut conn) = TestDb::ready();
    let reading = |nanos| {
        NewSensorEvent::new(start() + TimeDelta::nanoseconds(nanos), "room", "sensor", SensorType::TEMPERATURE, "1")
    };
    assert_eq!(counts(&upsert(&mut conn, &[reading(0), reading(999), reading(1_000)])), [2, 0, 0, 1]);
}

#[test]
fn keys_come_in_input_order_with_repeats_and_rows_already_stored() {
    let (_db, mut conn) = TestDb::ready();
    for size in SIZES {
        let sensor = format!("sensor.{size}");
        let mut rows = events(&sensor, size);
        insert(&mut conn, &rows[..size / 2]);
        rows.extend(rows.iter().step_by(3).map(changed).collect::<Vec<_>>());
        rows.shuffle(&mut StdRng::seed_from_u64(1));
        let report = bulk::upsert_events(&rows, Repeats::LastWins).unwrap().with_keys().call(&mut conn).unwrap();
        let ids: BTreeMap<_, _> =
            stored_by_key(&mut conn, &sensor).into_iter().map(|row| (row.key().timestamp(), row.key())).collect();
        let expected: Vec<SensorEventKey> = rows.iter().map(|row| ids[&row.timestamp()]).collect();
        assert_eq!(report.keys, expected, "{size}");
        assert_eq!(ids.len(), size);
        assert_eq!(upsert(&mut conn, &rows).keys, []);
    }
    let report = bulk::upsert_events(&[], Repeats::LastWins).unwrap().with_keys().call(&mut conn).unwrap();
    assert_eq!(report, UpsertReport::default());
}

// Several sessions.

#[test]
fn what_another_session_stores_meanwhile_is_neither_doubled_nor_lost() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    for size in [40, 1_000] {
        for (is_fresh, has_chunks, commits) in
            [(true, true, true), (true, true, false), (true, false, true), (false, true, true), (false, true, false)]
        {
            let case = format!("{size} rows, fresh: {is_fresh}, chunks: {has_chunks}, commits: {commits}");
            let rows = events("sensor", size);
            if has_chunks {
                insert(&mut conn, &events("another", size));
            }
            if !is_fresh {
                // One that is there, and one that has changed.
                insert(&mut conn, &[rows[0].clone(), changed(&rows[1])]);
            }
            // Two rows of the batch, in the middle: one just so, one otherwise.
            sql(&mut conn, "BEGIN");
            insert(&mut conn, &[rows[size / 2].clone(), changed(&rows[size / 2 + 1])]);
            let report = std::thread::scope(|scope| {
                let other = scope.spawn(|| upsert(&mut db.connect(), &rows));
                wait_until_blocked(&mut conn, 1);
                sql(&mut conn, if commits { "COMMIT" } else { "ROLLBACK" });
                other.join().unwrap()
            });
            let known = i64::from(!is_fresh) + i64::from(commits);
            let size = i64::try_from(size).unwrap();
            assert_eq!(counts(&report), [size - 2 * known, known, known, 0], "{case}");
            assert_eq!(stored(&mut conn, "sensor"), rows, "{case}");
            // Without its lock on the chunks: they go as well.
            sql(&mut conn, "TRUNCATE sensor_events");
        }
    }
}

#[test]
fn sessions_that_upsert_the_same_rows_in_other_orders_store_each_once() {
    needs!(TwoConnections);
    for size in [100, 1_000] {
        let (db, mut conn) = TestDb::ready();
        let rows = events("sensor", size);
        let reports: Vec<_> = std::thread::scope(|scope| {
            let sessions: Vec<_> = (0..4)
                .map(|seed| {
                    let (db, rows) = (&db, &rows);
                    scope.spawn(move || {
                        let mut conn = db.connect();
                        sql(&mut conn, "SET deadlock_timeout TO '20ms'");
                        let mut random = StdRng::seed_from_u64(seed);
                        let mut total = UpsertReport::default();
                        for round in 0..5 {
                            let mut rows: Vec<_> = rows
                                .iter()
                                .map(|row| row.clone().with_attributes(json!({ "from": seed, "round": round })))
                                .collect();
                            rows.shuffle(&mut random);
                            total += Retry::default()
                                .attempts(100)
                                .run(&mut conn, |conn| bulk::upsert_events(&rows, Repeats::Error)?.call(conn))
                                .unwrap();
                        }
                        total
                    })
                })
                .collect();
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        let size = i64::try_from(size).unwrap();
        assert_eq!(reports.iter().map(|report| report.inserted).sum::<i64>(), size);
        assert_eq!(reports.iter().map(UpsertReport::rows).sum::<i64>(), 20 * size);
        assert_eq!(count(&mut conn), size);
        // Each upsert is atomic, so the last one has every row.
        assert_eq!(value(&mut conn, "SELECT count(DISTINCT attributes) FROM sensor_events"), "1");
    }
}

// Compressed chunks.

#[test]
fn an_upsert_into_compressed_chunks_counts_right_and_stores_once() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "ALTER TABLE sensor_events SET
             (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'timestamp, id')",
    );
    for group in [3, 300] {
        let sensor = |mixture| format!("sensor.{group}.{mixture}");
        for (n, mixture) in (0..).zip(mixtures(group, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            values(&mut conn, "SELECT compress_chunk(c, true) FROM show_chunks('sensor_events') AS c");
            assert_eq!(counts(&upsert(&mut conn, &mixture.batch)), mixture.counts, "{}", sensor(n));
            assert_eq!(stored(&mut conn, &sensor(n)), mixture.after, "{}", sensor(n));
        }
        sql(&mut conn, "TRUNCATE sensor_events");
        let rows = |n, rows| keyed(&mut conn, events(&sensor(n), rows));
        let change = |row: &KeyedSensorEvent<'static>| KeyedSensorEvent::new(row.key().id(), changed(row.event()));
        for (n, mixture) in (0..).zip(mixtures(group, rows, change)) {
            upsert_by_key(&mut conn, &mixture.before).unwrap();
            values(&mut conn, "SELECT compress_chunk(c, true) FROM show_chunks('sensor_events') AS c");
            let report = upsert_by_key(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{} by key", sensor(n));
            assert_eq!(stored_by_key(&mut conn, &sensor(n)), mixture.after, "{} by key", sensor(n));
        }
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

// By key.

#[test]
fn reserved_keys_are_distinct_and_in_order() {
    let (_db, mut conn) = TestDb::ready();
    let timestamps: Vec<_> = events("sensor", 1_000).iter().rev().map(NewSensorEvent::timestamp).collect();
    let first = bulk::reserve_keys(timestamps.iter().copied()).call(&mut conn).unwrap();
    let second = bulk::reserve_keys([start(), start()]).call(&mut conn).unwrap();
    assert_eq!(first.iter().map(SensorEventKey::timestamp).collect::<Vec<_>>(), timestamps);
    let ids: Vec<_> = first.iter().chain(&second).map(SensorEventKey::id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // Nor does anybody else get one of them.
    insert(&mut conn, &events("sensor", 1));
    assert!(stored_by_key(&mut conn, "sensor")[0].key().id() > ids[1_001]);
    assert_eq!(bulk::reserve_keys([]).call(&mut conn).unwrap(), []);

    let ids = bulk::reserve_prediction_ids(1_000).call(&mut conn).unwrap();
    assert!(ids.len() == 1_000 && ids.is_sorted_by(|a, b| a < b));
    assert_eq!(bulk::reserve_prediction_ids(0).call(&mut conn).unwrap(), [0_i64; 0]);
}

#[test]
fn a_batch_sent_twice_by_key_is_stored_once() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 1_000));
    assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [1_000, 0, 0, 0]);
    assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [0, 0, 1_000, 0]);
    assert_eq!(stored_by_key(&mut conn, "sensor"), rows);
}

#[test]
fn an_id_with_another_timestamp_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 10));
    upsert_by_key(&mut conn, &rows).unwrap();
    let taken = rows[4].key().id();
    // An hour later in the same chunk, and in another one.
    for delta in [TimeDelta::hours(1) + TimeDelta::seconds(1), TimeDelta::days(30)] {
        let mut batch = keyed(&mut conn, events("another", 5));
        batch[2] = KeyedSensorEvent::new(
            taken,
            NewSensorEvent::new(rows[4].event().timestamp() + delta, "room", "another", SensorType::TEMPERATURE, "1"),
        );
        match upsert_by_key(&mut conn, &batch) {
            Err(Error::Key(KeyError::Taken { id, message, .. })) => {
                assert_eq!(id, taken);
                assert!(message.contains("2026-01-05 00:28:00+00"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored(&mut conn, "another"), []);
}

/// Sent as one batch, too: no repeat resolves this, because the id alone makes a repeat.
#[test]
fn an_id_with_two_timestamps_in_one_batch_is_stored_once() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 2));
    let both = [rows[0].clone(), KeyedSensorEvent::new(rows[0].key().id(), rows[1].event().clone())];
    assert_eq!(upsert_by_key(&mut conn, &both).unwrap().merged, 1);
    assert_eq!(count(&mut conn), 1);
    assert!(bulk::upsert_events_by_key(&both, Repeats::Error).is_err());
}

#[test]
fn an_id_that_was_never_handed_out_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    let event = events("sensor", 1).remove(0);
    for (id, reserve) in [(1, false), (2, true), (0, true), (-1, true), (i64::MAX, true)] {
        if reserve && id == 2 {
            bulk::reserve_keys([start()]).call(&mut conn).unwrap();
        }
        match upsert_by_key(&mut conn, &[KeyedSensorEvent::new(id, event.clone())]) {
            Err(Error::Key(KeyError::NotHandedOut { id: named, .. })) => assert_eq!(named, id),
            other => panic!("{id}: {other:?}"),
        }
        match upsert_predictions(&mut conn, &[KeyedPrediction::new(id, predicted(1).remove(0))]) {
            Err(Error::Key(KeyError::NotHandedOut { id: named, .. })) => assert_eq!(named, id),
            other => panic!("{id}: {other:?}"),
        }
        bulk::reserve_prediction_ids(u32::from(id == 1)).call(&mut conn).unwrap();
    }
    assert_eq!(count(&mut conn), 0);
    // The first id that was handed out will do.
    assert_eq!(upsert_by_key(&mut conn, &[KeyedSensorEvent::new(1, event)]).unwrap().inserted, 1);
}

#[test]
fn of_two_sessions_that_give_an_id_to_two_events_one_wins() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let event = |n: i64| {
        NewSensorEvent::new(start() + TimeDelta::days(n), "room", format!("sensor.{n}"), SensorType::TEMPERATURE, "1")
    };
    // One after the other has to wait for the end of the first.
    let id = bulk::reserve_keys([start()]).call(&mut conn).unwrap()[0].id();
    sql(&mut conn, "BEGIN");
    upsert_by_key(&mut conn, &[KeyedSensorEvent::new(id, event(0))]).unwrap();
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| upsert_by_key(&mut db.connect(), &[KeyedSensorEvent::new(id, event(1))]));
        wait_until_blocked(&mut conn, 1);
        sql(&mut conn, "COMMIT");
        second.join().unwrap()
    });
    assert!(matches!(second, Err(Error::Key(KeyError::Taken { id: taken, .. })) if taken == id), "{second:?}");

    // All at once.
    for round in 1..=20 {
        let id = bulk::reserve_keys([start()]).call(&mut conn).unwrap()[0].id();
        let results: Vec<_> = std::thread::scope(|scope| {
            let sessions = [1, 2].map(|n| {
                let row = KeyedSensorEvent::new(id, event(10 * round + n));
                let db = &db;
                scope.spawn(move || upsert_by_key(&mut db.connect(), &[row]))
            });
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let refused = results.into_iter().find_map(Result::err);
        assert!(matches!(refused, Some(Error::Key(KeyError::Taken { .. }))), "{refused:?}");
    }
    assert_eq!(value(&mut conn, "SELECT count(*) - count(DISTINCT id) FROM sensor_events"), "0");
}

#[test]
fn an_upsert_by_key_runs_under_read_committed_only() {
    let (db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 1));
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        sql(&mut conn, &format!("BEGIN ISOLATION LEVEL {isolation}"));
        match upsert_by_key(&mut conn, &rows) {
            Err(Error::Timescale(timescale::Error::Reference(ReferenceError::IsolationTooHigh {
                message, ..
            }))) => {
                let schema = db.schema();
                assert_eq!(message, format!("an upsert by key of {schema}.sensor_events cannot run under {isolation}"));
            }
            other => panic!("{other:?}"),
        }
        sql(&mut conn, "ROLLBACK");
    }
    assert_eq!(count(&mut conn), 0);
}

#[test]
fn another_event_of_the_sensor_and_instant_is_a_unique_violation() {
    let (_db, mut conn) = TestDb::ready();
    let first = keyed(&mut conn, events("sensor", 10));
    upsert_by_key(&mut conn, &first).unwrap();
    let mut rows = keyed(&mut conn, events("another", 10));
    rows[7] = KeyedSensorEvent::new(rows[7].key().id(), first[7].event().clone());
    let error = upsert_by_key(&mut conn, &rows).unwrap_err();
    assert!(matches!(kind(&error), Some(DatabaseErrorKind::UniqueViolation)), "{error}");
    // Nothing is left of the batch, and the event is what it was.
    assert_eq!(count(&mut conn), 10);
    assert_eq!(stored_by_key(&mut conn, "sensor"), first);
}

#[test]
fn an_insert_of_an_event_that_is_stored_stores_nothing() {
    needs!(Copy);
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 1_000);
    insert(&mut conn, &rows[999..]);
    let error = bulk::insert_events(&rows).unwrap().execute(&mut conn).unwrap_err();
    assert!(matches!(kind(&error), Some(DatabaseErrorKind::UniqueViolation)), "{error}");
    assert_eq!(count(&mut conn), 1);
}

// Predictions.

/// One event a day, for 60 days.
fn sixty_days(conn: &mut PgConnection) -> Vec<SensorEventKey> {
    let rows: Vec<_> = (0..60)
        .map(|day| NewSensorEvent::new(start() + TimeDelta::days(day), "room", "sensor", SensorType::MOTION, "on"))
        .collect();
    bulk::upsert_events(&rows, Repeats::Error).unwrap().with_keys().call(conn).unwrap().keys
}

/// The event of each of these predictions, in their order, by what the database has.
fn triggers(conn: &mut PgConnection, ids: &[i64]) -> Vec<Option<i64>> {
    let by_id: BTreeMap<i64, Option<i64>> = predictions::table
        .filter(predictions::id.eq_any(ids))
        .select((predictions::id, predictions::triggering_event_id))
        .load(conn)
        .unwrap()
        .into_iter()
        .collect();
    ids.iter().map(|id| by_id[id]).collect()
}

fn registered(conn: &mut PgConnection) -> i64 {
    referenced_events::table.count().get_result(conn).unwrap()
}

#[test]
fn predictions_refer_to_events_of_any_chunk_by_key_or_by_id() {
    let (_db, mut conn) = TestDb::ready();
    let mut keys = sixty_days(&mut conn);
    keys.shuffle(&mut StdRng::seed_from_u64(1));
    let by_key: Vec<_> =
        predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event(*key)).collect();
    let by_id: Vec<_> =
        predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event_id(key.id())).collect();
    // The timestamp only leads to the chunk: one that leads nowhere leaves the look to the trigger.
    let by_wrong_key: Vec<_> = predicted(60)
        .into_iter()
        .zip(&keys)
        .map(|(row, key)| {
            row.with_triggering_event(SensorEventKey::new(key.id(), key.timestamp() + TimeDelta::days(100)))
        })
        .collect();
    let without = predicted(60);
    let every_way: Vec<_> =
        [&by_id, &without, &by_key, &by_key, &by_wrong_key].into_iter().flatten().cloned().collect();
    for rows in [&by_key, &by_id, &by_wrong_key, &without, &every_way] {
        let ids = bulk::insert_predictions(rows).unwrap().call(&mut conn).unwrap();
        let expected: Vec<Option<i64>> = rows.iter().map(|row| json!(row)["triggering_event_id"].as_i64()).collect();
        assert_eq!(triggers(&mut conn, &ids), expected);
        assert_eq!(registered(&mut conn), expected.iter().flatten().collect::<BTreeSet<_>>().len() as i64);
        sql(&mut conn, "DELETE FROM predictions; DELETE FROM referenced_events");

        let rows = with_ids(&mut conn, rows.clone());
        assert_eq!(upsert_predictions(&mut conn, &rows).unwrap().inserted, i64::try_from(rows.len()).unwrap());
        let ids: Vec<_> = rows.iter().map(KeyedPrediction::id).collect();
        assert_eq!(triggers(&mut conn, &ids), expected);
        sql(&mut conn, "DELETE FROM predictions; DELETE FROM referenced_events");
    }
}

#[test]
fn ids_of_predictions_come_in_input_order() {
    let (_db, mut conn) = TestDb::ready();
    for size in [0, 1, 2_000] {
        let mut rows = predicted(size);
        rows.shuffle(&mut StdRng::seed_from_u64(1));
        let ids = bulk::insert_predictions(&rows).unwrap().call(&mut conn).unwrap();
        let found = stored_predictions(&mut conn, ids.first().copied().unwrap_or(i64::MAX));
        let given: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect();
        assert_eq!(found, given);
    }
}

#[test]
fn a_prediction_of_an_event_that_does_not_exist_stores_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let keys = sixty_days(&mut conn);
    let nobody = SensorEventKey::new(1_000_000, keys[30].timestamp());
    for wrong in [
        predicted(1).remove(0).with_triggering_event(nobody),
        predicted(1).remove(0).with_triggering_event_id(nobody.id()),
    ] {
        let mut rows: Vec<_> =
            predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event(*key)).collect();
        rows[30] = wrong;
        let error = bulk::insert_predictions(&rows).unwrap().call(&mut conn).unwrap_err();
        assert!(matches!(kind(&error), Some(DatabaseErrorKind::ForeignKeyViolation)), "{error}");
        let rows = with_ids(&mut conn, rows);
        let error = upsert_predictions(&mut conn, &rows).unwrap_err();
        assert!(matches!(kind(&error), Some(DatabaseErrorKind::ForeignKeyViolation)), "{error}");
        assert_eq!((stored_predictions(&mut conn, 0).len(), registered(&mut conn)), (0, 0));
    }
}

#[test]
fn every_column_of_a_prediction_is_stored_and_validation_is_kept() {
    let (_db, mut conn) = TestDb::ready();
    let key = sixty_days(&mut conn)[7];
    let full = NewPrediction::new("room", start(), TransitionType::VacantToOccupied, 0.25, ModelType::new("mine"), "1")
        .with_prediction_time(start() + TimeDelta::seconds(1))
        .with_prediction_interval(start() + TimeDelta::seconds(2), start() + TimeDelta::seconds(3))
        .with_feature_importance(json!({ "light": 0.9 }))
        .with_alternatives(json!([1, "a,b"]))
        .with_processing_time_ms(1.5)
        .with_triggering_event_id(key.id());
    let rows = with_ids(&mut conn, vec![full.clone()]);
    let id = rows[0].id();
    assert_eq!(counts(&upsert_predictions(&mut conn, &rows).unwrap()), [1, 0, 0, 0]);
    let prediction: Prediction = Prediction::query().find(id).first(&mut conn).unwrap();
    assert_eq!(stored_predictions(&mut conn, 0), rows);
    let ids = bulk::insert_predictions(std::slice::from_ref(&full)).unwrap().call(&mut conn).unwrap();
    assert_eq!(stored_predictions(&mut conn, ids[0]), [KeyedPrediction::new(ids[0], full)]);

    let outcome = prediction.outcome(Some(start() + TimeDelta::minutes(1)), TimeDelta::minutes(5));
    let validated: Prediction =
        diesel::update(&prediction).set(&outcome).returning(Prediction::as_returning()).get_result(&mut conn).unwrap();
    assert_eq!(counts(&upsert_predictions(&mut conn, &rows).unwrap()), [0, 0, 1, 0]);
    let bare = [KeyedPrediction::new(id, predicted(1).remove(0))];
    assert_eq!(counts(&upsert_predictions(&mut conn, &bare).unwrap()), [0, 1, 0, 0]);
    let after: Prediction = Prediction::query().find(id).first(&mut conn).unwrap();
    assert_eq!(after.model_type, ModelType::HMM);
    assert_eq!((after.triggering_event_id, &after.feature_importance), (None, &None));
    assert_eq!(after.created_at, validated.created_at);
    assert_eq!(
        (after.actual_transition_time, after.accuracy_minutes, after.is_accurate, after.validation_timestamp),
        (
            validated.actual_transition_time,
            validated.accuracy_minutes,
            validated.is_accurate,
            validated.validation_timestamp
        ),
    );
    assert_eq!(after.is_accurate, Some(true));
}

// A connection that breaks.

/// Cuts the connection of what a thread runs, while it waits for a row that is not committed, and lets go of the row.
fn cut_while_blocked<T: Send>(
    db: &TestDb,
    conn: &mut PgConnection,
    row: &NewSensorEvent<'_>,
    work: impl FnOnce(&mut PgConnection) -> T + Send,
) -> T {
    sql(conn, "BEGIN");
    insert(conn, std::slice::from_ref(row));
    let mut worker = db.connect();
    let pid = value(&mut worker, "SELECT pg_backend_pid()");
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(move || work(&mut worker));
        wait_until_blocked(conn, 1);
        assert_eq!(value(conn, &format!("SELECT pg_terminate_backend({pid}, 10000)")), "true");
        worker.join().unwrap()
    });
    sql(conn, "ROLLBACK");
    result
}

#[test]
fn a_batch_whose_connection_was_cut_is_stored_exactly_once_when_sent_again() {
    needs!(TwoConnections);
    for size in [40, 1_000] {
        let (db, mut conn) = TestDb::ready();
        // The chunks are there, so that the batch gets into its middle.
        insert(&mut conn, &events("another", size));
        let total = i64::try_from(size).unwrap();
        let rows = events("by instant", size);
        let cut = cut_while_blocked(&db, &mut conn, &rows[size / 2], |conn| {
            bulk::upsert_events(&rows, Repeats::LastWins).unwrap().call(conn)
        });
        assert!(matches!(cut, Err(Error::Database(_))), "{cut:?}");
        assert_eq!(stored(&mut conn, "by instant"), []);
        assert_eq!(counts(&upsert(&mut db.connect(), &rows)), [total, 0, 0, 0]);
        assert_eq!(counts(&upsert(&mut db.connect(), &rows)), [0, 0, total, 0]);
        assert_eq!(stored(&mut conn, "by instant"), rows);

        let rows = keyed(&mut conn, events("by key", size));
        let cut = cut_while_blocked(&db, &mut conn, rows[size / 2].event(), |conn| upsert_by_key(conn, &rows));
        assert!(matches!(cut, Err(Error::Database(_))), "{cut:?}");
        assert_eq!(stored(&mut conn, "by key"), []);
        assert_eq!(counts(&upsert_by_key(&mut db.connect(), &rows).unwrap()), [total, 0, 0, 0]);
        assert_eq!(counts(&upsert_by_key(&mut db.connect(), &rows).unwrap()), [0, 0, total, 0]);
        assert_eq!(stored_by_key(&mut conn, "by key"), rows);

        // In batches: those before the cut stay, and `first_row` tells where to go on, or all are sent again.
        let rows = events("in batches", 3 * size);
        let cut = cut_while_blocked(&db, &mut conn, &rows[size + size / 2], |conn| {
            Batches::of(size).upsert_events(conn, rows.iter().cloned())
        })
        .unwrap_err();
        assert_eq!((cut.first_row, cut.done.inserted), (size, total));
        assert_eq!(stored(&mut conn, "in batches"), rows[..size]);
        let report = Batches::of(size).upsert_events(&mut db.connect(), rows.iter().cloned()).unwrap();
        assert_eq!(counts(&report), [2 * total, 0, total, 0]);
        assert_eq!(stored(&mut conn, "in batches"), rows);
    }
}

// Prepared statements.

/// Keeps the SQL of every statement that is prepared.
#[derive(Clone, Default)]
struct Prepared(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Prepared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            self.0.lock().unwrap().push(sql.to_owned());
        }
    }
}

#[test]
fn a_statement_is_prepared_once_for_any_number_of_rows_and_options() {
    let (_db, mut conn) = TestDb::ready();
    let keys = sixty_days(&mut conn);
    let key = keys[0];
    let before: usize = value(&mut conn, "SELECT count(*) FROM pg_prepared_statements").parse().unwrap();
    let prepared = Prepared::default();
    conn.set_instrumentation(prepared.clone());
    for size in [0, 1, 2, 10, 499, 500, 1_000] {
        for repeats in [Repeats::LastWins, Repeats::FirstWins, Repeats::Error] {
            let rows = events(&format!("sensor.{size}"), size);
            let call = bulk::upsert_events(&rows, repeats).unwrap();
            call.clone().call(&mut conn).unwrap();
            call.with_keys().call(&mut conn).unwrap();
            let rows = keyed(&mut conn, events(&format!("keyed.{size}.{repeats:?}"), size));
            bulk::upsert_events_by_key(&rows, repeats).unwrap().call(&mut conn).unwrap();
            let mut rows = predicted(size);
            if let Some(row) = rows.first_mut() {
                *row = row.clone().with_triggering_event(key);
            }
            bulk::insert_predictions(&rows).unwrap().call(&mut conn).unwrap();
            let rows = with_ids(&mut conn, rows);
            bulk::upsert_predictions(&rows, repeats).unwrap().call(&mut conn).unwrap();
        }
        Batches::of(7).upsert_events(&mut conn, events("in batches", size)).unwrap();
    }
    let prepared = prepared.0.lock().unwrap();
    // Two ways to reserve, three upserts, and the insert of predictions.
    // One of them may have been prepared before, by sixty_days().
    let distinct: BTreeSet<_> = prepared.iter().collect();
    assert_eq!((prepared.len(), distinct.len()), (5, 5), "{prepared:#?}");
    let after: usize = value(&mut conn, "SELECT count(*) FROM pg_prepared_statements").parse().unwrap();
    assert_eq!(after - before, 5);
}

// Batch by batch.

#[test]
fn batches_take_any_number_of_rows_and_tell_what_is_done() {
    let (_db, mut conn) = TestDb::ready();
    for (size, rows, expected) in [
        (10, 0, vec![]),
        (10, 9, vec![9]),
        (10, 10, vec![10]),
        (10, 25, vec![10, 20, 25]),
        (0, 3, vec![1, 2, 3]),
        (600, 1_250, vec![600, 1_200, 1_250]),
        (usize::MAX, 30, vec![30]),
    ] {
        let pulled = Cell::new(0);
        let progress = Mutex::new(Vec::new());
        let sensor = format!("sensor.{size}.{rows}");
        let given = events(&sensor, rows);
        let report = Batches::of(size)
            .with_progress(|done| progress.lock().unwrap().push(done.rows()))
            .upsert_events(
                &mut conn,
                given.iter().cloned().inspect(|_| {
                    pulled.set(pulled.get() + 1);
                    // No row of a batch is asked for before the one before is stored.
                    let done = progress.lock().unwrap().last().copied().unwrap_or(0);
                    assert!(pulled.get() - done <= i64::try_from(size.max(1)).unwrap_or(i64::MAX));
                }),
            )
            .unwrap();
        assert_eq!(counts(&report), [i64::try_from(rows).unwrap(), 0, 0, 0]);
        assert_eq!(progress.into_inner().unwrap(), expected);
        assert_eq!(stored(&mut conn, &sensor), given);
    }
}

#[test]
fn reports_of_batches_add_up() {
    let (_db, mut conn) = TestDb::ready();
    for size in [7, 700] {
        let sensor = |mixture| format!("sensor.{size}.{mixture}");
        for (n, mixture) in (0..).zip(mixtures(size, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            // Every repeat in a batch of its own counts as an update, and so do the rows it repeats.
            let report = Batches::of(size).upsert_events(&mut conn, mixture.batch.clone()).unwrap();
            assert_eq!(report.rows(), i64::try_from(mixture.batch.len()).unwrap());
            assert_eq!(report.inserted, mixture.counts[0]);
            assert_eq!(stored(&mut conn, &sensor(n)), mixture.after);
            // All in one batch: as without batches.
            sql(&mut conn, "TRUNCATE sensor_events");
            insert(&mut conn, &mixture.before);
            let report = Batches::of(10 * size).upsert_events(&mut conn, mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts);
        }
    }
}

#[test]
fn a_failed_batch_leaves_nothing_and_those_before_it_stay() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "ALTER TABLE sensor_events ADD CONSTRAINT no_bad_state CHECK (state <> 'bad')");
    for size in [10, 600] {
        let wrong = size + size / 2;
        let sensor = format!("sensor.{size}");
        let good = events(&sensor, 3 * size);

        // Found before anything is sent.
        let mut rows = good.clone();
        rows[wrong] = rows[wrong].clone().with_confidence_score(2.0);
        let mut progress = Vec::new();
        let error = Batches::of(size)
            .with_progress(|done| progress.push(done.rows()))
            .upsert_events(&mut conn, rows)
            .unwrap_err();
        assert_eq!(progress, [i64::try_from(size).unwrap()]);
        assert_eq!((error.first_row, error.done.inserted), (size, i64::try_from(size).unwrap()));
        assert_eq!(
            error.to_string(),
            format!(
                "the batch from row {size} on: row {wrong}, confidence_score: 2 is no confidence: give a number from 0 to 1"
            )
        );
        let Error::InvalidRow(InvalidRow { row, .. }) = *error.source else { panic!("{error}") };
        assert_eq!(row, wrong);
        assert_eq!(stored(&mut conn, &sensor), good[..size]);

        // Refused by the server.
        let at = good[wrong].timestamp();
        let mut rows = good.clone();
        rows[wrong] = NewSensorEvent::new(at, "room", sensor.clone(), SensorType::TEMPERATURE, "bad");
        let error = Batches::of(size).upsert_events(&mut conn, rows).unwrap_err();
        assert_eq!((error.first_row, counts(&error.done)), (size, [0, 0, i64::try_from(size).unwrap(), 0]));
        assert!(matches!(kind(&error.source), Some(DatabaseErrorKind::CheckViolation)), "{error}");
        assert_eq!(stored(&mut conn, &sensor), good[..size]);

        // Repeats: both rows by their index in all.
        let mut rows = good.clone();
        rows[wrong + 1] = rows[wrong].clone();
        let error = Batches::of(size).repeats(Repeats::Error).upsert_events(&mut conn, rows).unwrap_err();
        let Error::InvalidRow(invalid) = *error.source else { panic!("{error}") };
        assert_eq!((invalid.row, invalid.problem), (wrong + 1, Problem::Repeats(wrong)));

        // The rest can be sent from there.
        let report = Batches::of(size).upsert_events(&mut conn, good[error.first_row..].to_vec()).unwrap();
        assert_eq!(report.inserted, i64::try_from(2 * size).unwrap());
        assert_eq!(stored(&mut conn, &sensor), good);
    }
}

#[test]
fn a_failed_batch_of_an_insert_leaves_nothing_and_those_before_it_stay() {
    needs!(Copy);
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 25);
    insert(&mut conn, &rows[17..18]);
    let mut progress = Vec::new();
    let error = Batches::of(10)
        .with_progress(|done| progress.push(done.rows()))
        .insert_events(&mut conn, rows.clone())
        .unwrap_err();
    assert_eq!(progress, [10]);
    assert_eq!((error.first_row, counts(&error.done)), (10, [10, 0, 0, 0]));
    assert!(matches!(kind(&error.source), Some(DatabaseErrorKind::UniqueViolation)), "{error}");
    assert_eq!(count(&mut conn), 11);

    sql(&mut conn, "TRUNCATE sensor_events");
    assert_eq!(counts(&Batches::of(10).insert_events(&mut conn, rows.clone()).unwrap()), [25, 0, 0, 0]);
    assert_eq!(stored(&mut conn, "sensor"), rows);

    let mut rows = events("another", 25);
    rows[24] = rows[24].clone().with_numeric_value(f64::NAN);
    let error = Batches::of(10).insert_events(&mut conn, rows).unwrap_err();
    assert!(matches!(&*error.source, Error::InvalidRow(InvalidRow { row: 24, .. })), "{error}");
    assert_eq!(count(&mut conn), 45);
}

#[test]
fn batches_inside_a_transaction_are_all_or_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let mut rows = events("sensor", 25);
    rows[17] = rows[17].clone().with_confidence_score(-1.0);
    let error = conn.transaction(|conn| Ok::<_, Error>(Batches::of(10).upsert_events(conn, rows)?)).unwrap_err();
    assert!(matches!(error, Error::Batch(_)), "{error}");
    assert_eq!(count(&mut conn), 0);
}
