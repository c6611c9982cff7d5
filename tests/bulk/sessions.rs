//! Several sessions, and connections that break.

use occupancy_models::transaction::Retry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::fixtures::*;

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
            // Two rows of the batch, in the middle: one as it is stored, one otherwise.
            sql(&mut conn, "BEGIN");
            insert(&mut conn, &[rows[size / 2].clone(), changed(&rows[size / 2 + 1])]);
            let report = std::thread::scope(|scope| {
                let other = scope.spawn(|| upsert(&mut db.connect(), &rows));
                wait_until_blocked(&mut conn, 1);
                sql(&mut conn, if commits { "COMMIT" } else { "ROLLBACK" });
                other.join().unwrap()
            });
            let known = u64::from(!is_fresh) + u64::from(commits);
            let size = n(size);
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
                        let mut total = Report::default();
                        for round in 0..5 {
                            let mut rows: Vec<_> = rows
                                .iter()
                                .map(|row| row.clone().with_attributes(json!({ "from": seed, "round": round })))
                                .collect();
                            rows.shuffle(&mut random);
                            total += Retry::default()
                                .attempts(100)
                                .run(&mut conn, |conn| bulk::upsert_sensor_events(&rows).call(conn))
                                .unwrap();
                        }
                        total
                    })
                })
                .collect();
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        let size = n(size);
        assert_eq!(reports.iter().map(|report| report.inserted).sum::<u64>(), size);
        assert_eq!(reports.iter().map(Report::rows).sum::<u64>(), 20 * size);
        assert_eq!(count(&mut conn), i64::try_from(size).unwrap());
        // Each upsert is atomic, so the last one has every row.
        assert_eq!(value(&mut conn, "SELECT count(DISTINCT attributes) FROM sensor_events"), "1");
    }
}

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
        let total = n(size);
        let rows = events("by instant", size);
        let cut =
            cut_while_blocked(&db, &mut conn, &rows[size / 2], |conn| bulk::upsert_sensor_events(&rows).call(conn));
        assert!(matches!(cut, Err(BulkError::Database(_))), "{cut:?}");
        assert_eq!(stored(&mut conn, "by instant"), []);
        assert_eq!(counts(&upsert(&mut db.connect(), &rows)), [total, 0, 0, 0]);
        assert_eq!(counts(&upsert(&mut db.connect(), &rows)), [0, 0, total, 0]);
        assert_eq!(stored(&mut conn, "by instant"), rows);

        let rows = keyed(&mut conn, events("by key", size));
        let cut = cut_while_blocked(&db, &mut conn, rows[size / 2].row(), |conn| upsert_by_key(conn, &rows));
        assert!(matches!(cut, Err(Error::Database(_))), "{cut:?}");
        assert_eq!(stored(&mut conn, "by key"), []);
        assert_eq!(counts(&upsert_by_key(&mut db.connect(), &rows).unwrap()), [total, 0, 0, 0]);
        assert_eq!(counts(&upsert_by_key(&mut db.connect(), &rows).unwrap()), [0, 0, total, 0]);
        assert_eq!(stored_by_key(&mut conn, "by key"), rows);

        // In batches: those before the cut stay, and `first_row` tells where to go on, or all are sent again.
        let rows = events("in batches", 3 * size);
        let cut = cut_while_blocked(&db, &mut conn, &rows[size + size / 2], |conn| {
            bulk::upsert_sensor_events(rows.iter().cloned()).in_batches(size).call(conn)
        })
        .unwrap_err();
        let (done, first_row, _) = batch_error(cut);
        assert_eq!((first_row, done.inserted), (size, total));
        assert_eq!(stored(&mut conn, "in batches"), rows[..size]);
        let report = bulk::upsert_sensor_events(rows.iter().cloned()).in_batches(size).call(&mut db.connect()).unwrap();
        assert_eq!(counts(&report), [2 * total, 0, total, 0]);
        assert_eq!(stored(&mut conn, "in batches"), rows);
    }
}
