//! What runs out: the disk, time, connections, locks. A typed error, nothing half-written, and it goes on once that clears.

use std::time::Duration;

use diesel::prelude::*;
use occupancy_models::timescale::bulk::BulkError;

use crate::readings::{self, Reading, batch, count, store, stored};
use crate::server::OwnServer;
use crate::support::{needs, sql, sql_error};

/// The server's message.
fn database_error(error: BulkError) -> String {
    match error {
        BulkError::Database(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Fills the default tablespace with a table `filler`.
pub fn fill_disk(conn: &mut PgConnection) {
    sql(conn, "CREATE TABLE filler (t TEXT); ALTER TABLE filler ALTER t SET STORAGE PLAIN");
    let full = sql_error(conn, "INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, 100000)");
    assert!(full.contains("No space left on device"), "{full}");
    // That was rolled back, and the file kept: fill what is left by ever smaller steps.
    for rows in [4_000, 400, 40, 1, 1] {
        let insert = format!("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, {rows})");
        while conn.transaction(|conn| diesel::sql_query(&insert).execute(conn)).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_an_error_and_writes_go_on_when_there_is_room() {
    let Some(server) = OwnServer::start("disk", &[], Some("32M")) else { return };
    let mut conn = server.database("disk");
    sql(&mut conn, &format!("CREATE TABLESPACE small LOCATION '/small/{}'", server.name()));
    sql(&mut conn, "SET default_tablespace TO small");
    readings::create(&mut conn);
    assert_eq!(store(&batch(0, 700), &mut conn).unwrap().inserted, 700);
    fill_disk(&mut conn);
    let mut number = 1;
    let error = loop {
        match store(&batch(number, [700, 40][number as usize % 2]), &mut conn) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 2_000, "the disk is not full");
    };
    let error = database_error(error);
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(stored(&mut conn, number), 0);
    let before = count(&mut conn);
    sql(&mut conn, "DROP TABLE filler");
    let rows = [700, 40][number as usize % 2];
    assert_eq!(store(&batch(number, rows), &mut conn).unwrap().inserted as usize, rows);
    assert_eq!((stored(&mut conn, number), count(&mut conn)), (rows, before + rows));
    println!("full disk: batch {number} refused whole, stored once there was room");
}

#[test]
fn statements_and_transactions_that_time_out_leave_nothing() {
    let Some(server) = OwnServer::start("time", &[], None) else { return };
    let mut conn = server.database("time");
    readings::create(&mut conn);
    sql(&mut conn, "SET statement_timeout TO 1");
    for rows in [400, 5_000] {
        let error = database_error(store(&batch(1, rows), &mut conn).unwrap_err());
        assert!(error.contains("statement timeout"), "{error}");
        sql(&mut conn, "SET statement_timeout TO 0");
        assert_eq!(count(&mut conn), 0);
        sql(&mut conn, "SET statement_timeout TO 1");
    }
    sql(&mut conn, "SET statement_timeout TO 0; SET idle_in_transaction_session_timeout TO 100");
    for rows in [400, 5_000] {
        let error = conn
            .transaction(|conn| {
                store(&batch(1, rows), conn)?;
                std::thread::sleep(Duration::from_millis(400));
                store(&batch(2, rows), conn)
            })
            .unwrap_err();
        // libpq tells why the session was ended, or only that it was.
        let error = database_error(error);
        assert!(error.contains("idle-in-transaction timeout") || error.contains("closed the connection"), "{error}");
        assert!(store(&batch(1, rows), &mut conn).is_err(), "a connection that has ended");
        conn = server.connect("time");
        sql(&mut conn, "SET idle_in_transaction_session_timeout TO 100");
        assert_eq!(count(&mut conn), 0);
    }
    assert_eq!(store(&batch(1, 5_000), &mut conn).unwrap().inserted, 5_000);
}

#[test]
fn out_of_connections_is_an_error_of_connecting() {
    let Some(server) =
        OwnServer::start("connections", &["max_connections=8", "superuser_reserved_connections=0"], None)
    else {
        return;
    };
    readings::create(&mut server.database("connections"));
    let url = server.url("connections");
    let mut all = Vec::new();
    let error = loop {
        match PgConnection::establish(url.as_str()) {
            Ok(conn) => all.push(conn),
            Err(error) => break error.to_string(),
        }
        assert!(all.len() < 20, "the server takes any number");
    };
    assert!(error.contains("too many clients") || error.contains("remaining connection slots"), "{error}");
    assert_eq!(store(&batch(1, 700), &mut all[0]).unwrap().inserted, 700);
    all.truncate(1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(store(&batch(2, 700), &mut server.connect("connections")).unwrap().inserted, 700);
}

#[test]
fn out_of_locks_is_an_error_and_fewer_chunks_at_once_go_through() {
    needs!(Timescale);
    let settings = ["max_locks_per_transaction=10", "max_connections=8", "max_worker_processes=1"];
    let Some(server) = OwnServer::start("locks", &settings, None) else { return };
    let mut conn = server.database("locks");
    readings::create(&mut conn);
    let day = |day: i64| Reading { at: batch(1, 1)[0].at + chrono::TimeDelta::days(day), ..batch(1, 1)[0].clone() };
    // As many new chunks in one transaction as there are locks for.
    let mut chunks = 0;
    let error = conn
        .transaction(|conn| -> Result<(), BulkError> {
            loop {
                let rows: Vec<_> = (chunks..chunks + 100).map(day).collect();
                store(&rows, conn)?;
                chunks += 100;
                assert!(chunks < 50_000, "the server has locks for anything");
            }
        })
        .unwrap_err();
    let error = database_error(error);
    assert!(error.contains("out of shared memory"), "{error}");
    assert_eq!(count(&mut conn), 0);
    println!("out of locks: refused whole after {chunks} chunks");
    // The same rows, in transactions of fewer; and read by fewer, too.
    let rows: Vec<_> = (0..150).map(day).collect();
    for part in rows.chunks(10) {
        store(part, &mut conn).unwrap();
    }
    // (A plan for any range locks every chunk.)
    sql(&mut conn, "SET plan_cache_mode TO force_custom_plan");
    for part in rows.chunks(10) {
        let stored = readings::readings::table.filter(readings::readings::at.between(part[0].at, part[9].at)).count();
        assert_eq!(stored.get_result::<i64>(&mut conn).unwrap(), 10);
    }
}
