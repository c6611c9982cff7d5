//! Bulk writes on diesel-async: the same calls, the same results.
//!
//! On a runtime of one thread, a connection that was dropped would stay open while the database is taken down.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use crate::fixtures::{batch_error, invalid_rows};
use crate::support::{TestDb, sql};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream;
use occupancy_models::asynchronous::Call;
use occupancy_models::bulk::{self, BulkError, Keyed, OnDuplicate, Report, Violation};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Error, ModelType, NewPrediction, NewSensorEvent, SensorEventKey, SensorType, TransitionType};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

fn event(n: i64) -> NewSensorEvent<'static> {
    NewSensorEvent::new(start() + TimeDelta::minutes(n), "room", "sensor", SensorType::TEMPERATURE, n.to_string())
}

fn events(rows: u64) -> Vec<NewSensorEvent<'static>> {
    (0..i64::try_from(rows).unwrap()).map(event).collect()
}

fn prediction() -> NewPrediction<'static> {
    NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_prediction_time(start())
}

/// A database and its one connection, which does not block.
async fn ready() -> (TestDb, AsyncPgConnection) {
    let (db, conn) = TestDb::ready();
    drop(conn);
    let conn = db.connect_async().await;
    (db, conn)
}

async fn states(conn: &mut AsyncPgConnection) -> Vec<String> {
    sensor_events::table.order(sensor_events::timestamp).select(sensor_events::state).load(conn).await.unwrap()
}

fn expected_states(rows: u64) -> Vec<String> {
    (0..rows).map(|n| n.to_string()).collect()
}

fn counts(report: &Report) -> [u64; 4] {
    [report.inserted, report.updated, report.unchanged, report.deduplicated]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_by_sensor_and_instant_give_the_same_report_and_keys() {
    let (_db, mut conn) = ready().await;
    for size in [0, 1, 40, 499, 500, 1_000] {
        let rows = [events(size), events(size)].concat();
        let report = bulk::upsert_sensor_events(&rows).call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), [size, 0, 0, size]);
        let call = bulk::upsert_sensor_events(&rows).on_duplicate(OnDuplicate::KeepFirst);
        let (report, found): (Report, Vec<SensorEventKey>) =
            call.returning(SensorEventKey::as_select()).call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), [0, 0, size, size]);
        let keys: Vec<SensorEventKey> = sensor_events::table
            .order(sensor_events::timestamp)
            .select(SensorEventKey::as_select())
            .load(&mut conn)
            .await
            .unwrap();
        assert_eq!(found, [keys.clone(), keys].concat());
        assert_eq!(states(&mut conn).await, expected_states(size));
        diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_reserved_and_upserts_by_key_refuse_the_same() {
    let (_db, mut conn) = ready().await;
    let keys = bulk::reserve_keys(events(600).iter().map(NewSensorEvent::timestamp)).call(&mut conn).await.unwrap();
    let rows: Vec<_> = keys.iter().zip(events(600)).map(|(key, event)| Keyed::new(key.id(), event)).collect();
    for expected in [[600, 0, 0, 0], [0, 0, 600, 0]] {
        let report = bulk::upsert_sensor_events_by_key(&rows).call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), expected);
    }
    assert_eq!(states(&mut conn).await, expected_states(600));

    let taken = [Keyed::new(keys[7].id(), event(1_000))];
    let error = Error::from(bulk::upsert_sensor_events_by_key(&taken).call(&mut conn).await.unwrap_err());
    assert!(matches!(error, Error::IdTaken { id, .. } if id == keys[7].id()), "{error:?}");
    let unknown = [Keyed::new(keys[599].id() + 1, event(1_000))];
    let error = Error::from(bulk::upsert_sensor_events_by_key(&unknown).call(&mut conn).await.unwrap_err());
    assert!(matches!(error, Error::IdNotHandedOut { id, .. } if id == keys[599].id() + 1), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_are_inserted_and_upserted() {
    let (_db, mut conn) = ready().await;
    let rows = events(60);
    let (_, keys): (Report, Vec<SensorEventKey>) =
        bulk::upsert_sensor_events(&rows).returning(SensorEventKey::as_select()).call(&mut conn).await.unwrap();
    let rows: Vec<_> = keys.iter().rev().map(|key| prediction().with_triggering_event(*key)).collect();
    let (_, ids): (Report, Vec<i64>) =
        bulk::insert_predictions(&rows).returning(predictions::id).call(&mut conn).await.unwrap();
    let triggers: BTreeMap<i64, Option<i64>> = predictions::table
        .select((predictions::id, predictions::triggering_event_id))
        .load(&mut conn)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let expected: BTreeMap<_, _> = ids.iter().copied().zip(keys.iter().rev().map(|key| Some(key.id()))).collect();
    assert_eq!(triggers, expected);

    let ids = bulk::reserve_prediction_ids(60).call(&mut conn).await.unwrap();
    let rows: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| Keyed::new(id, row)).collect();
    for expected in [[60, 0, 0, 0], [0, 0, 60, 0]] {
        let report = bulk::upsert_predictions(&rows).call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), expected);
    }
    let wrong = [prediction().with_triggering_event(SensorEventKey::new(1_000_000, start()))];
    let error = bulk::insert_predictions(&wrong).call(&mut conn).await.unwrap_err();
    let BulkError::Database(diesel::result::Error::DatabaseError(kind, _)) = error else { panic!("{error:?}") };
    assert!(matches!(kind, diesel::result::DatabaseErrorKind::ForeignKeyViolation), "{kind:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_upserted_in_batches() {
    let (_db, mut conn) = ready().await;
    for (size, rows, expected) in [
        (10, 0, vec![]),
        (10, 10, vec![10]),
        (10, 25, vec![10, 20, 25]),
        (0, 2, vec![1, 2]),
        (600, 1_250, vec![600, 1_200, 1_250]),
        (usize::MAX, 30, vec![30]),
    ] {
        let mut progress = Vec::new();
        let report = bulk::upsert_sensor_events_stream(stream::iter(events(rows)))
            .in_batches(size)
            .with_progress(|done| progress.push(done.rows()))
            .call(&mut conn)
            .await
            .unwrap();
        assert_eq!(counts(&report), [rows, 0, 0, 0]);
        assert_eq!(progress, expected);
        let report = bulk::upsert_sensor_events_stream(stream::iter(events(rows)))
            .in_batches(size)
            .call(&mut conn)
            .await
            .unwrap();
        assert_eq!(counts(&report), [0, 0, rows, 0]);
        assert_eq!(states(&mut conn).await, expected_states(rows));
        diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_batch_of_a_stream_leaves_nothing_and_those_before_it_stay() {
    let (db, conn) = ready().await;
    drop(conn);
    {
        let mut conn = db.connect();
        sql(&mut conn, "ALTER TABLE sensor_events ADD CONSTRAINT no_17 CHECK (state <> '17')");
    }
    let mut conn = db.connect_async().await;
    // Refused by the server.
    let error = bulk::upsert_sensor_events_stream(stream::iter(events(30))).in_batches(10).call(&mut conn).await;
    let (done, first_row, source) = batch_error(error.unwrap_err());
    assert_eq!((first_row, counts(&done)), (10, [10, 0, 0, 0]));
    assert!(matches!(source, BulkError::Database(_)), "{source}");
    assert_eq!(states(&mut conn).await, expected_states(10));
    // Found before it is sent.
    let mut rows = events(15);
    rows[14] = rows[12].clone();
    let error = bulk::upsert_sensor_events_stream(stream::iter(rows))
        .on_duplicate(OnDuplicate::Fail)
        .in_batches(10)
        .call(&mut conn)
        .await;
    let (done, first_row, source) = batch_error(error.unwrap_err());
    assert_eq!((first_row, counts(&done)), (10, [0, 0, 10, 0]));
    let invalid = &invalid_rows(source)[0];
    assert_eq!((invalid.row, &invalid.violation), (14, &Violation::Repeats(12)));
    assert_eq!(states(&mut conn).await, expected_states(10));
}

/// How many events were given. (A bare atomic has `load` of `RunQueryDsl` here.)
#[derive(Clone, Default)]
struct Given(Arc<AtomicI64>);

impl Given {
    fn get(&self) -> i64 {
        AtomicI64::load(&self.0, Ordering::Relaxed)
    }

    fn set(&self, rows: i64) {
        self.0.store(rows, Ordering::Relaxed);
    }
}

/// Gives events, not ready every other time, and says how many it has given.
struct Slow {
    given: Given,
    rows: i64,
    is_ready: bool,
}

impl futures_util::Stream for Slow {
    type Item = NewSensorEvent<'static>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.is_ready = !self.is_ready;
        if !self.is_ready {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = self.given.get();
        if n == self.rows {
            return Poll::Ready(None);
        }
        self.given.set(n + 1);
        Poll::Ready(Some(event(n)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_asked_for_more_when_the_batch_before_is_stored() {
    let (_db, mut conn) = ready().await;
    let given = Given::default();
    let rows = Slow { given: given.clone(), rows: 25, is_ready: false };
    let mut progress = Vec::new();
    let report = bulk::upsert_sensor_events_stream(rows)
        .in_batches(10)
        .with_progress(|done| progress.push((done.rows(), given.get())))
        .call(&mut conn)
        .await
        .unwrap();
    assert_eq!(counts(&report), [25, 0, 0, 0]);
    assert_eq!(progress, [(10, 10), (20, 20), (25, 25)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_future_is_send() {
    let (_db, mut conn) = ready().await;
    let (mut conn, keys) = tokio::spawn(async move {
        let rows = events(20);
        let (_, keys): (Report, Vec<SensorEventKey>) =
            bulk::upsert_sensor_events(&rows).returning(SensorEventKey::as_select()).call(&mut conn).await?;
        Ok::<_, Error>((conn, keys))
    })
    .await
    .unwrap()
    .unwrap();
    let mut conn = tokio::spawn(async move {
        let rows = [prediction().with_triggering_event(keys[3])];
        assert_eq!(bulk::insert_predictions(&rows).call(&mut conn).await?.inserted, 1);
        let ids = bulk::reserve_prediction_ids(1).call(&mut conn).await?;
        let rows = [Keyed::new(ids[0], prediction())];
        assert_eq!(bulk::upsert_predictions(&rows).call(&mut conn).await?.inserted, 1);
        let keys = bulk::reserve_keys([event(50).timestamp()]).call(&mut conn).await?;
        let rows = [Keyed::new(keys[0].id(), event(50))];
        assert_eq!(bulk::upsert_sensor_events_by_key(&rows).call(&mut conn).await?.inserted, 1);
        Ok::<_, Error>(conn)
    })
    .await
    .unwrap()
    .unwrap();
    let (report, steps) = tokio::spawn(async move {
        let mut steps = 0;
        // Rows that borrow, too.
        let sensor = String::from("borrowed");
        let rows = (0..25)
            .map(|n| NewSensorEvent::new(start() + TimeDelta::days(n), "room", &*sensor, SensorType::MOTION, "on"));
        let report = bulk::upsert_sensor_events_stream(stream::iter(rows))
            .in_batches(10)
            .with_progress(|_| steps += 1)
            .call(&mut conn)
            .await?;
        Ok::<_, Error>((report, steps))
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!((report.inserted, steps), (25, 3));
}
