//! Reading one's own writes from a replica.

use std::time::{Duration, Instant};

use diesel::pg::data_types::PgLsn;
use diesel::prelude::*;
use occupancy_models::timescale::replication::{wait_for, write_position};
use occupancy_models::timescale::{Call, Error};

use crate::support::{TestDb, sql, value};
use crate::{Cluster, connect, replicas, url};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_replica_that_was_waited_for_has_every_write() {
    let Some(cluster) = Cluster::get() else { return };
    let (db, mut primary) = TestDb::new();
    sql(&mut primary, "CREATE TABLE writes (n INT PRIMARY KEY)");
    let position = write_position().call(&mut primary).unwrap();
    let mut others: Vec<_> = replicas(&cluster, &db.url())
        .into_iter()
        .map(|replica| {
            // The database has to be there before one can connect to it.
            let mut base = replica.clone();
            base.set_path("postgres");
            wait_for(position, LIMIT).call(&mut connect(&base)).unwrap();
            connect(&replica)
        })
        .collect();
    assert_eq!(others.len(), 2);
    let mut waits = Vec::new();
    let mut behind = 0;
    for n in 0..300 {
        sql(&mut primary, &format!("INSERT INTO writes VALUES ({n})"));
        let position = write_position().call(&mut primary).unwrap();
        for replica in &mut others {
            let count = |replica: &mut PgConnection| value(replica, "SELECT count(*) FROM writes");
            behind += u32::from(count(replica) != (n + 1).to_string());
            let started = Instant::now();
            wait_for(position, LIMIT).call(replica).unwrap();
            waits.push(started.elapsed());
            assert_eq!(count(replica), (n + 1).to_string());
        }
    }
    waits.sort();
    println!(
        "own writes: {} reads, {behind} would have missed the write; the wait took {:?} (half), {:?} (99 of 100), {:?}",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        waits[waits.len() - 1],
    );
    // The primary has it, at once.
    wait_for(write_position().call(&mut primary).unwrap(), Duration::ZERO).call(&mut primary).unwrap();
}

#[test]
fn a_wait_ends_where_the_next_record_begins_on_a_new_page() {
    let Some(_cluster) = Cluster::get() else { return };
    let (_db, mut primary) = TestDb::new();
    let mut base = url("REPLICAS", &_db.url());
    base.set_path("postgres");
    let mut replica = connect(&base);
    let mut met = 0;
    for round in 0..2_000 {
        // Fill up to the end of the page; whatever others write meanwhile only costs rounds.
        let left: i64 =
            value(&mut primary, "SELECT 8192 - (pg_current_wal_insert_lsn() - '0/0') % 8192").parse().unwrap();
        let length = (left - 60 - i64::from(round % 40)).max(0);
        sql(&mut primary, &format!("SELECT pg_logical_emit_message(false, '', repeat('x', {length}), true)"));
        let is_met = value(&mut primary, "SELECT (pg_current_wal_insert_lsn() - '0/0') % 8192 IN (24, 40)") == "true";
        if is_met {
            met += 1;
            wait_for(write_position().call(&mut primary).unwrap(), LIMIT).call(&mut replica).unwrap();
        }
    }
    println!("the next record began on a new page {met} times");
    assert!(met > 0, "the edge was not met");
}

#[test]
fn a_wait_has_a_limit_and_is_refused_in_a_transaction() {
    let Some(_cluster) = Cluster::get() else { return };
    let (_db, mut primary) = TestDb::new();
    let mut base = url("REPLICAS", &_db.url());
    base.set_path("postgres");
    let mut replica = connect(&base);
    let limit = Duration::from_millis(300);
    let future = PgLsn(u64::MAX >> 8);
    for conn in [&mut primary, &mut replica] {
        let started = Instant::now();
        let error = wait_for(future, limit).call(conn).unwrap_err();
        assert!(
            matches!(&error, Error::NotReplayed { position, reached: Some(_), .. } if position == "FFFFFF/FFFFFFFF")
        );
        assert!(started.elapsed() >= limit && started.elapsed() < limit * 10);
        let error = conn.transaction(|conn| wait_for(PgLsn(0), limit).call(conn)).unwrap_err();
        assert!(matches!(error, Error::InsideTransaction { .. }), "{error}");
        wait_for(PgLsn(0), limit).call(conn).unwrap();
    }
    // A replica has no position of a write.
    let error = write_position().call(&mut replica).unwrap_err();
    assert!(error.to_string().contains("recovery is in progress"), "{error}");
}

mod asynchronous {
    use diesel_async::{AsyncConnection, AsyncPgConnection};
    use occupancy_models::asynchronous::Call;

    use super::{Cluster, Duration, Error, LIMIT, PgLsn, TestDb, url, wait_for, write_position};

    #[tokio::test]
    async fn the_same_on_asynchronous_connections() {
        let Some(_cluster) = Cluster::get() else { return };
        let (_db, _) = TestDb::new();
        let mut primary = _db.connect_async().await;
        let position = Call::call(write_position(), &mut primary).await.unwrap();
        let mut base = url("REPLICAS", &_db.url());
        base.set_path("postgres");
        let mut replica = AsyncPgConnection::establish(base.as_str()).await.unwrap();
        Call::call(wait_for(position, LIMIT), &mut replica).await.unwrap();
        let wait = wait_for(PgLsn(u64::MAX >> 8), Duration::from_millis(50));
        let error = Call::call(wait, &mut replica).await.unwrap_err();
        assert!(matches!(error, Error::NotReplayed { .. }), "{error}");
    }
}
