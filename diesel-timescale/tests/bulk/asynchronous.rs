//! The calls on an asynchronous connection.

use std::sync::Arc;

use diesel_timescale::asynchronous::Call;
use diesel_timescale::bulk::{self, BulkError};

use super::readings::{Reading, hypertable, readings, rows};
use crate::support::{needs, value};

#[tokio::test]
async fn streams_and_transactions_on_an_asynchronous_connection() {
    needs!(TwoConnections);
    use diesel_async::AsyncConnection;

    let (db, mut sync) = tokio::task::spawn_blocking(hypertable).await.unwrap();
    let mut conn = db.connect_async().await;
    let stream = futures_util::stream::iter(rows(5, 500));
    let call = bulk::upsert_stream(stream).on_conflict((readings::device_id, readings::measured_at));
    let report = call.validate().in_batches(1000).call(&mut conn).await.unwrap();
    assert_eq!(report.inserted, 2500);
    let result: Result<(), BulkError> = conn
        .transaction(async |conn| {
            let batch = rows(6, 500);
            let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
            let (report, returned) = call.returning(readings::all_columns).call(conn).await?;
            assert_eq!((report.inserted, report.unchanged), (500, 2500));
            let returned: Vec<Reading> = returned;
            assert!(returned == batch);
            let call = bulk::upsert((0..900).map(|minute| Reading::new(9, minute)));
            let call = call.on_conflict((readings::device_id, readings::measured_at)).in_batches(600);
            assert_eq!(call.call(conn).await?.inserted, 900);
            Err(diesel::result::Error::RollbackTransaction.into())
        })
        .await;
    assert!(result.is_err());
    let stream = futures_util::stream::iter((0..700).map(|minute| Reading::new(7, minute)));
    let call = bulk::insert_into(readings::table).values_stream(stream).in_batches(600);
    assert_eq!(call.call(&mut conn).await.unwrap().inserted, 700);
    tokio::task::spawn_blocking(move || {
        assert_eq!(value(&mut sync, "SELECT count(*) FROM readings"), "3200");
        drop((db, sync));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_all_or_nothing() {
    needs!(TwoConnections);
    use diesel_async::SimpleAsyncConnection;

    let (db, mut sync) = tokio::task::spawn_blocking(hypertable).await.unwrap();
    for (round, count) in [(0, 100), (1, 2000)] {
        // Another transaction holds the last key.
        let batch: Vec<_> = (0..count).map(|minute| Reading::new(round, minute)).collect();
        let mut other = db.connect_async().await;
        let key = batch.last().unwrap();
        let insert = format!("BEGIN; INSERT INTO readings VALUES ('{}', '{}')", key.device_id, key.measured_at);
        other.batch_execute(&insert).await.unwrap();
        let mut conn = db.connect_async().await;
        let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
        let waiting = call.call(&mut conn);
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), waiting).await.is_err(), "it waits");
        drop(conn);
        other.batch_execute("ROLLBACK").await.unwrap();
        sync = tokio::task::spawn_blocking(move || {
            let query = format!("SELECT count(*) FROM readings WHERE device_id = 'device-{round:04}'");
            let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'";
            while value(&mut sync, idle) != "1" {}
            let stored = value(&mut sync, &query);
            assert!(stored == "0" || stored == count.to_string(), "{stored} rows");
            sync
        })
        .await
        .unwrap();
    }
    tokio::task::spawn_blocking(move || drop((sync, db))).await.unwrap();
}

/// The futures can be spawned.
#[tokio::test(flavor = "multi_thread")]
async fn futures_go_from_thread_to_thread() {
    needs!(TwoConnections);
    let (db, _sync) = tokio::task::spawn_blocking(hypertable).await.unwrap();
    let db = Arc::new(db);
    let tasks: Vec<_> = (0..4)
        .map(|device| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                let mut conn = db.connect_async().await;
                let batch: Vec<_> = (0..600).map(|minute| Reading::new(device, minute)).collect();
                let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
                call.in_batches(200).call(&mut conn).await.unwrap().inserted
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 600);
    }
    tokio::task::spawn_blocking(move || drop((db, _sync))).await.unwrap();
}
