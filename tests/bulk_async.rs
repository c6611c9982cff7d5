//! Bulk writes on diesel-async: the same calls, the same results.
//!
//! On a runtime of one thread, a connection that was dropped would stay open while the database is taken down.
#![cfg(feature = "async")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream;
use occupancy_models::asynchronous::Call;
use occupancy_models::bulk::{
    self, BatchError, Batches, InvalidRow, KeyedPrediction, KeyedSensorEvent, Problem, Repeats, UpsertReport,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{
    Error, KeyError, ModelType, NewPrediction, NewSensorEvent, SensorEventKey, SensorType, TransitionType,
};
use support::{TestDb, sql};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

fn event(n: i64) -> NewSensorEvent<'static> {
    NewSensorEvent::new(start() + TimeDelta::minutes(n), "room", "sensor", SensorType::TEMPERATURE, n.to_string())
}

fn events(rows: i64) -> Vec<NewSensorEvent<'static>> {
    (0..rows).map(event).collect()
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

fn expected_states(rows: i64) -> Vec<String> {
    (0..rows).map(|n| n.to_string()).collect()
}

fn counts(report: &UpsertReport) -> [i64; 4] {
    [report.inserted, report.updated, report.unchanged, report.merged]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_by_sensor_and_instant_give_the_same_report_and_keys() {
    let (_db, mut conn) = ready().await;
    for size in [0, 1, 40, 499, 500, 1_000] {
        let rows = [events(size), events(size)].concat();
        let report = bulk::upsert_events(&rows, Repeats::LastWins).unwrap().call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), [size, 0, 0, size]);
        let report = bulk::upsert_events(&rows, Repeats::FirstWins).unwrap().with_keys().call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), [0, 0, size, size]);
        let keys: Vec<SensorEventKey> = sensor_events::table
            .order(sensor_events::timestamp)
            .select(SensorEventKey::as_select())
            .load(&mut conn)
            .await
            .unwrap();
        assert_eq!(report.keys, [keys.clone(), keys].concat());
        assert_eq!(states(&mut conn).await, expected_states(size));
        diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_reserved_and_upserts_by_key_refuse_the_same() {
    let (_db, mut conn) = ready().await;
    let keys = bulk::reserve_keys(events(600).iter().map(NewSensorEvent::timestamp)).call(&mut conn).await.unwrap();
    let rows: Vec<_> =
        keys.iter().zip(events(600)).map(|(key, event)| KeyedSensorEvent::new(key.id(), event)).collect();
    for expected in [[600, 0, 0, 0], [0, 0, 600, 0]] {
        let report = bulk::upsert_events_by_key(&rows, Repeats::Error).unwrap().call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), expected);
    }
    assert_eq!(states(&mut conn).await, expected_states(600));

    let taken = [KeyedSensorEvent::new(keys[7].id(), event(1_000))];
    let error = bulk::upsert_events_by_key(&taken, Repeats::Error).unwrap().call(&mut conn).await.unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::Taken { id, .. }) if id == keys[7].id()), "{error:?}");
    let unknown = [KeyedSensorEvent::new(keys[599].id() + 1, event(1_000))];
    let error = bulk::upsert_events_by_key(&unknown, Repeats::Error).unwrap().call(&mut conn).await.unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::NotHandedOut { id, .. }) if id == keys[599].id() + 1), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_are_inserted_and_upserted() {
    let (_db, mut conn) = ready().await;
    let rows = events(60);
    let keys = bulk::upsert_events(&rows, Repeats::Error).unwrap().with_keys().call(&mut conn).await.unwrap().keys;
    let rows: Vec<_> = keys.iter().rev().map(|key| prediction().with_triggering_event(*key)).collect();
    let ids = bulk::insert_predictions(&rows).unwrap().call(&mut conn).await.unwrap();
    let triggers: Vec<(i64, Option<i64>)> = predictions::table
        .order(predictions::id)
        .select((predictions::id, predictions::triggering_event_id))
        .load(&mut conn)
        .await
        .unwrap();
    let expected: Vec<_> = ids.iter().copied().zip(keys.iter().rev().map(|key| Some(key.id()))).collect();
    assert_eq!(triggers, expected);

    let ids = bulk::reserve_prediction_ids(60).call(&mut conn).await.unwrap();
    let rows: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect();
    for expected in [[60, 0, 0, 0], [0, 0, 60, 0]] {
        let report = bulk::upsert_predictions(&rows, Repeats::Error).unwrap().call(&mut conn).await.unwrap();
        assert_eq!(counts(&report), expected);
    }
    let wrong = [prediction().with_triggering_event(SensorEventKey::new(1_000_000, start()))];
    let error = bulk::insert_predictions(&wrong).unwrap().call(&mut conn).await.unwrap_err();
    let Error::Database(diesel::result::Error::DatabaseError(kind, _)) = error else { panic!("{error:?}") };
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
        let report = Batches::of(size)
            .with_progress(|done| progress.push(done.rows()))
            .upsert_stream(&mut conn, stream::iter(events(rows)))
            .await
            .unwrap();
        assert_eq!(counts(&report), [rows, 0, 0, 0]);
        assert_eq!(progress, expected);
        let report = Batches::of(size).upsert_stream(&mut conn, stream::iter(events(rows))).await.unwrap();
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
    let error = Batches::of(10).upsert_stream(&mut conn, stream::iter(events(30))).await.unwrap_err();
    assert_eq!((error.first_row, counts(&error.done)), (10, [10, 0, 0, 0]));
    assert!(matches!(*error.source, Error::Database(_)), "{error}");
    assert_eq!(states(&mut conn).await, expected_states(10));
    // Found before it is sent.
    let mut rows = events(15);
    rows[14] = rows[12].clone();
    let error = Batches::of(10).repeats(Repeats::Error).upsert_stream(&mut conn, stream::iter(rows)).await.unwrap_err();
    let BatchError { done, first_row: 10, source, .. } = error else { panic!("{error}") };
    assert_eq!(counts(&done), [0, 0, 10, 0]);
    let Error::InvalidRow(InvalidRow { row, problem, .. }) = *source else { panic!("{source}") };
    assert_eq!((row, problem), (14, Problem::Repeats(12)));
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
    let report = Batches::of(10)
        .with_progress(|done| progress.push((done.rows(), given.get())))
        .upsert_stream(&mut conn, rows)
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
        let report = bulk::upsert_events(&rows, Repeats::LastWins)?.with_keys().call(&mut conn).await?;
        Ok::<_, Error>((conn, report.keys))
    })
    .await
    .unwrap()
    .unwrap();
    let mut conn = tokio::spawn(async move {
        let rows = [prediction().with_triggering_event(keys[3])];
        assert_eq!(bulk::insert_predictions(&rows)?.call(&mut conn).await?.len(), 1);
        let ids = bulk::reserve_prediction_ids(1).call(&mut conn).await?;
        let rows = [KeyedPrediction::new(ids[0], prediction())];
        assert_eq!(bulk::upsert_predictions(&rows, Repeats::Error)?.call(&mut conn).await?.inserted, 1);
        let keys = bulk::reserve_keys([event(50).timestamp()]).call(&mut conn).await?;
        let rows = [KeyedSensorEvent::new(keys[0].id(), event(50))];
        assert_eq!(bulk::upsert_events_by_key(&rows, Repeats::Error)?.call(&mut conn).await?.inserted, 1);
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
        let report = Batches::of(10).with_progress(|_| steps += 1).upsert_stream(&mut conn, stream::iter(rows)).await?;
        Ok::<_, Error>((report, steps))
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!((report.inserted, steps), (25, 3));
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many of this crate's statements are prepared. (What looks at them is prepared as well, and its driver's own.)
async fn prepared(conn: &mut AsyncPgConnection) -> i64 {
    diesel::sql_query(
        "SELECT count(*) AS count FROM pg_prepared_statements
         WHERE statement ~ '(upsert|insert|reserve)_(sensor_events|predictions|sensor_event_ids|prediction_ids)'
             AND statement !~ 'pg_prepared_statements'",
    )
    .get_result::<Count>(conn)
    .await
    .unwrap()
    .count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_prepared_once_for_any_number_of_rows_and_options() {
    let (_db, mut conn) = ready().await;
    assert_eq!(prepared(&mut conn).await, 0);
    for size in [0, 1, 2, 10, 499, 500, 1_000] {
        for repeats in [Repeats::LastWins, Repeats::FirstWins, Repeats::Error] {
            let rows = events(size);
            let call = bulk::upsert_events(&rows, repeats).unwrap();
            call.clone().call(&mut conn).await.unwrap();
            call.with_keys().call(&mut conn).await.unwrap();
            diesel::delete(sensor_events::table).execute(&mut conn).await.unwrap();
            let keys = bulk::reserve_keys(rows.iter().map(NewSensorEvent::timestamp)).call(&mut conn).await.unwrap();
            let rows: Vec<_> = keys.iter().zip(rows).map(|(key, row)| KeyedSensorEvent::new(key.id(), row)).collect();
            bulk::upsert_events_by_key(&rows, repeats).unwrap().call(&mut conn).await.unwrap();
            let mut rows = vec![prediction(); usize::try_from(size).unwrap()];
            if let (Some(row), Some(key)) = (rows.first_mut(), keys.as_slice().first()) {
                *row = row.clone().with_triggering_event(*key);
            }
            bulk::insert_predictions(&rows).unwrap().call(&mut conn).await.unwrap();
            let ids = bulk::reserve_prediction_ids(size.try_into().unwrap()).call(&mut conn).await.unwrap();
            let rows: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect();
            bulk::upsert_predictions(&rows, repeats).unwrap().call(&mut conn).await.unwrap();
        }
        Batches::of(7).upsert_stream(&mut conn, stream::iter(events(size))).await.unwrap();
    }
    // Two ways to reserve, three upserts, and the insert of predictions.
    assert_eq!(prepared(&mut conn).await, 6);
}
