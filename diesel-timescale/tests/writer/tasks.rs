//! The writer on diesel-async: pools, and futures that are dropped.

use std::time::Duration;

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool, mobc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use diesel_timescale::asynchronous::Writer;
use diesel_timescale::bulk::BulkError;
use tokio::time::timeout;

use crate::failures::Killer;
use crate::readings::{Reading, hypertable, rows, stored};
use crate::support::{Needs, TestDb, has, needs};
use crate::ways::{Way, assert_balance, eventually, writer};

/// Runs an asynchronous test on a hypertable.
fn run<F: Future>(test: impl FnOnce(String) -> F) -> Option<(TestDb, diesel::PgConnection, F::Output)> {
    if !has(Needs::TwoConnections) {
        return None;
    }
    let (db, conn) = hypertable();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let output = runtime.block_on(test(db.url().to_string()));
    Some((db, conn, output))
}

async fn send(writer: &Writer<Reading>, rows: &[Reading]) {
    for row in rows {
        writer.send(row.clone()).await.unwrap();
    }
}

#[test]
fn every_pool_works() {
    let manager = |url: &str| AsyncDieselConnectionManager::<AsyncPgConnection>::new(url);
    let result = run(async |url| {
        let pool = bb8::Pool::builder().max_size(2).build(manager(&url)).await.unwrap();
        let bb8 = writer().connections(2).start_async(async move || pool.get_owned().await).unwrap();
        send(&bb8, &rows(3, 1000)).await;
        assert_eq!(bb8.finish().await.unwrap().stored, 3000);

        let pool = deadpool::Pool::builder(manager(&url)).max_size(2).build().unwrap();
        let deadpool = writer().connections(2).start_async(async move || pool.get().await).unwrap();
        send(&deadpool, &rows(3, 1000)).await;
        assert_eq!(deadpool.finish().await.unwrap().unchanged, 3000);

        let pool = mobc::Pool::new(manager(&url));
        let mobc = writer().connections(2).start_async(async move || pool.get().await).unwrap();
        send(&mobc, &rows(4, 1000)).await;
        let status = mobc.finish().await.unwrap();
        assert_eq!((status.stored, status.unchanged), (1000, 3000));
    });
    if let Some((_db, mut conn, ())) = result {
        assert!(stored(&mut conn) == rows(4, 1000));
    }
}

#[test]
fn each_confirmed_row_is_stored_though_its_connections_are_killed() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let killer = Killer::of(&db);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sent = runtime.block_on(async {
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(db.url().as_str());
        let pool = deadpool::Pool::builder(manager).max_size(2).build().unwrap();
        let writer = writer().connections(2).batch_of(100, Duration::from_millis(5));
        let writer = writer.start_async(async move || pool.get().await).unwrap();
        let mut confirmations = Vec::new();
        let mut sent = Vec::new();
        while !killer.has_killed() || sent.len() < 10_000 {
            let row = Reading::new(sent.len() % 100, i64::try_from(sent.len() / 100).unwrap());
            confirmations.push(writer.send_and_confirm(row.clone()).await.unwrap());
            sent.push(row);
        }
        for confirmation in confirmations {
            confirmation.await.unwrap();
        }
        let status = writer.finish().await.unwrap();
        assert_balance(&status);
        assert!(status.retried > 0, "{status:?}");
        sent
    });
    killer.stop();
    sent.sort_by(|a, b| (&a.device_id, a.measured_at).cmp(&(&b.device_id, b.measured_at)));
    assert!(stored(&mut conn) == sent);
}

#[test]
fn futures_that_are_dropped_leave_nothing_half_done() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let way = Way::closed(&db);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let url = db.url().to_string();
        let connect = {
            let way = way.clone();
            async move || match way.connect() {
                Ok(_) => AsyncPgConnection::establish(&url).await.map_err(|error| error.to_string()),
                Err(error) => Err(error),
            }
        };
        let writer = writer().batch_of(10, Duration::ZERO).holding(20, usize::MAX).start_async(connect).unwrap();
        send(&writer, &rows(1, 20)).await;
        // It is full. The first two do not get in, and are not in the way of the third.
        let brief = Duration::from_millis(50);
        assert!(timeout(brief, writer.send(Reading::new(7, 0))).await.is_err());
        let mut waiting = Box::pin(writer.send(Reading::new(8, 0)));
        assert!(timeout(brief, &mut waiting).await.is_err());
        let mut third = Box::pin(writer.send(Reading::new(9, 0)));
        assert!(timeout(brief, &mut third).await.is_err());
        drop(waiting);
        assert!(timeout(brief, writer.finish_within(Duration::from_secs(60))).await.is_err());
        // A writer that finishes takes no more.
        assert!(matches!(third.await, Err(BulkError::WriterClosed)));
        way.open();
        let status = writer.finish().await.unwrap();
        assert_balance(&status);
        assert_eq!((status.taken, status.stored), (20, 20));
    });
    assert!(stored(&mut conn) == rows(1, 20));
}

#[test]
fn the_third_gets_in_when_the_second_has_gone() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let way = Way::closed(&db);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let url = db.url().to_string();
        let gate = way.clone();
        let connect = async move || {
            gate.connect()?;
            AsyncPgConnection::establish(&url).await.map_err(|error| error.to_string())
        };
        let writer = writer().batch_of(10, Duration::ZERO).holding(20, usize::MAX);
        let writer = writer.start_async(connect).unwrap();
        send(&writer, &rows(1, 20)).await;
        let mut second = Box::pin(writer.send(Reading::new(8, 0)));
        assert!(timeout(Duration::from_millis(20), &mut second).await.is_err());
        let third = writer.send(Reading::new(9, 0));
        let gone = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(second);
            way.open();
        };
        let (result, ()) = futures_util::future::join(third, gone).await;
        result.unwrap();
        assert_eq!(writer.finish().await.unwrap().stored, 21);
    });
    assert_eq!(stored(&mut conn).last(), Some(&Reading::new(9, 0)));
}

#[test]
fn a_runtime_that_ends_closes_the_writer() {
    needs!(TwoConnections);
    let (db, _conn) = hypertable();
    let start = |url: String| {
        let connect = async move || AsyncPgConnection::establish(&url).await;
        writer().start_async(connect)
    };
    assert!(matches!(start(db.url().to_string()), Err(BulkError::Start(_))));
    // The one thread of the second never comes to the tasks of the writer.
    let builders = [tokio::runtime::Builder::new_multi_thread(), tokio::runtime::Builder::new_current_thread()];
    for mut builder in builders {
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let writer = runtime.block_on(async { start(db.url().to_string()) }).unwrap();
        drop(runtime);
        let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        other.block_on(async {
            assert!(matches!(writer.send(Reading::new(0, 0)).await, Err(BulkError::WriterClosed)));
            assert!(matches!(writer.finish().await, Err(BulkError::WriterClosed)));
        });
    }
}

#[test]
fn the_end_does_not_wait_for_a_statement_that_hangs() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let key = Reading::new(0, 0);
    let insert = format!("BEGIN; INSERT INTO readings VALUES ('{}', '{}')", key.device_id, key.measured_at);
    crate::support::sql(&mut conn, &insert);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(db.url().as_str());
        let pool = bb8::Pool::builder().max_size(1).build(manager).await.unwrap();
        let of = pool.clone();
        let writer = writer().on_rejected(|_, error| assert!(matches!(error, BulkError::NotInTime { .. })));
        let writer = writer.start_async(async move || of.get_owned().await).unwrap();
        writer.send(key.clone()).await.unwrap();
        let status = writer.finish_within(Duration::from_secs(1)).await.unwrap();
        assert_eq!((status.rejected, status.waiting), (1, 0), "{status:?}");
        // Its connection is not kept.
        let mut conn = timeout(Duration::from_secs(5), pool.get()).await.unwrap().unwrap();
        diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, "SELECT 1").await.unwrap();
    });
    crate::support::sql(&mut conn, "ROLLBACK");
    eventually("nothing runs", || {
        let active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'";
        crate::support::value(&mut conn, active) == "1"
    });
}
