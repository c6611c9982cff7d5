//! Migrations and retries on diesel-async.
#![cfg(feature = "async")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use occupancy_models::asynchronous::{self, Call};
use occupancy_models::bulk;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale;
use occupancy_models::transaction::Retry;
use occupancy_models::{Error, NewSensorEvent, SensorEvent, SensorType, verify};
use support::TestDb;

/// A database without tables.
fn empty() -> TestDb {
    let (db, conn) = TestDb::new();
    drop(conn);
    db
}

async fn ready() -> (TestDb, AsyncPgConnection) {
    let (db, conn) = TestDb::ready();
    drop(conn);
    let conn = db.connect_async().await;
    (db, conn)
}

async fn runs_and_reverts(db: &TestDb) {
    let versions = asynchronous::run_migrations(db.connect_async().await).await.unwrap();
    assert!(!versions.is_empty());
    assert!(asynchronous::run_migrations(db.connect_async().await).await.unwrap().is_empty());
    let mut conn = db.connect_async().await;
    assert_eq!(verify().allow_plain_table().call(&mut conn).await.unwrap(), []);
    let mut reverted = asynchronous::revert_migrations(conn).await.unwrap();
    reverted.reverse();
    assert_eq!(reverted, versions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_run_and_revert() {
    runs_and_reverts(&empty()).await;
}

/// Its runtime ends before the database does: on a single thread, nobody else would close the connection.
#[test]
fn migrations_run_and_revert_on_a_runtime_of_one_thread() {
    let db = empty();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        support::needs!(TwoConnections);
        runs_and_reverts(&db).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_fails_is_an_error() {
    let db = empty();
    let mut conn = db.connect_async().await;
    conn.batch_execute("CREATE TABLE sensor_events (id INT)").await.unwrap();
    let error = asynchronous::run_migrations(conn).await.unwrap_err();
    assert!(matches!(error, Error::Timescale(timescale::Error::Migration(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_the_migrations_say_so() {
    let db = empty();
    let mut conn = db.connect_async().await;
    let events = [NewSensorEvent::new(chrono::Utc::now(), "hall", "sensor", SensorType::MOTION, "on")];
    let upsert = bulk::upsert_sensor_events(&events);
    // Tests that share a database share the schema diesel_timescale.
    for (result, missing) in [
        (verify().call(&mut conn).await.map(|_| ()), &["verify_sensor_events"][..]),
        (
            SensorEvent::hypertable().call(&mut conn).await.map(|_| ()).map_err(Error::from),
            &["diesel_timescale", "sensor_events"],
        ),
        (upsert.call(&mut conn).await.map(|_| ()).map_err(Error::from), &["sensor_events"]),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::NotMigrated { name, .. } if missing.contains(&name.as_str())), "{error:?}");
    }
}

fn deadlock() -> Error {
    let message = Box::new("deadlock detected".to_owned());
    Error::Database(DieselError::DatabaseError(DatabaseErrorKind::Unknown, message))
}

async fn insert(conn: &mut AsyncPgConnection, sensor: u32) -> QueryResult<usize> {
    let event = NewSensorEvent::new(chrono::Utc::now(), "hall", format!("sensor {sensor}"), SensorType::MOTION, "on");
    diesel::insert_into(sensor_events::table).values(event).execute(conn).await
}

async fn count(conn: &mut AsyncPgConnection) -> i64 {
    sensor_events::table.count().get_result(conn).await.unwrap()
}

fn quick() -> Retry {
    Retry::default().attempts(4).pause(Duration::from_micros(100))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_rolled_back_and_run_again() {
    let (_db, mut conn) = ready().await;
    let runs = AtomicU32::new(0);
    let done: Result<&str, Error> = quick()
        .transaction_async(&mut conn, async |conn| {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            insert(conn, run).await?;
            if run < 2 { Err(deadlock()) } else { Ok("done") }
        })
        .await;
    assert_eq!((done.unwrap(), runs.swap(0, Ordering::Relaxed)), ("done", 3));
    // Only what the last run stored.
    assert_eq!(count(&mut conn).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_end_and_other_errors_are_not_tried_again() {
    let (_db, mut conn) = ready().await;
    let runs = AtomicU32::new(0);
    let lost: Result<(), Error> = quick()
        .transaction_async(&mut conn, async |_| {
            runs.fetch_add(1, Ordering::Relaxed);
            Err(deadlock())
        })
        .await;
    assert_eq!(lost.unwrap_err().to_string(), "deadlock detected");
    assert_eq!(runs.swap(0, Ordering::Relaxed), 4);

    let other: QueryResult<()> = quick()
        .run_async(&mut conn, async |_| {
            runs.fetch_add(1, Ordering::Relaxed);
            Err(DieselError::NotFound)
        })
        .await;
    assert_eq!((other, runs.swap(0, Ordering::Relaxed)), (Err(DieselError::NotFound), 1));

    // Within a transaction, only the outermost one can be run again.
    let nested: Result<(), Error> = conn
        .transaction(async |conn| {
            let inner = quick().transaction_async(conn, async |_| {
                runs.fetch_add(1, Ordering::Relaxed);
                Err(deadlock())
            });
            inner.await
        })
        .await;
    assert_eq!((nested.is_err(), runs.swap(0, Ordering::Relaxed)), (true, 1));
    assert_eq!(count(&mut conn).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_opens_a_transaction_of_its_own_and_can_go_from_thread_to_thread() {
    let (db, mut conn) = ready().await;
    let task = tokio::spawn(async move {
        let sensors = vec![1, 2];
        let runs = AtomicU32::new(0);
        let stored: Result<usize, Error> = quick()
            .run_async(&mut conn, async |conn| {
                let mut transaction = conn.build_transaction().serializable();
                let run = runs.fetch_add(1, Ordering::Relaxed);
                let sensors = &sensors;
                transaction
                    .run(async move |conn| {
                        for sensor in sensors {
                            insert(conn, *sensor).await?;
                        }
                        if run == 0 { Err(deadlock()) } else { Ok(sensors.len()) }
                    })
                    .await
            })
            .await;
        (stored, count(&mut conn).await)
    });
    let (stored, count) = task.await.unwrap();
    assert_eq!((stored.unwrap(), count), (2, 2));
    drop(db);
}

#[test]
fn errors_go_wherever_an_application_sends_them() {
    fn assert_goes<T: std::error::Error + Send + Sync + 'static>() {}
    assert_goes::<Error>();
    assert_goes::<occupancy_models::timescale::ParseError>();
}
