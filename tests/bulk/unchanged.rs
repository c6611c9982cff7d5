//! Rows that would not change are not written, and what is stored is looked at in few chunks only.

use crate::fixtures::*;

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
        assert_eq!(upsert(&mut conn, &rows).unchanged, n(size));
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
        assert_eq!(upsert_by_key(&mut conn, &rows).unwrap().unchanged, n(size));
        assert_eq!(places(&mut conn, "sensor_events"), before);
        sql(&mut conn, "TRUNCATE sensor_events");

        let rows = with_ids(&mut conn, predicted(size));
        upsert_predictions(&mut conn, &rows).unwrap();
        let before = places(&mut conn, "predictions");
        assert_eq!(upsert_predictions(&mut conn, &rows).unwrap().unchanged, n(size));
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
            let (report, keys) = upsert_with_keys(conn, batch);
            assert_eq!((report.updated, keys.len()), (updated, 600));
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
        for (number, mixture) in (0..).zip(mixtures(group, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            values(&mut conn, "SELECT compress_chunk(c, true) FROM show_chunks('sensor_events') AS c");
            assert_eq!(counts(&upsert(&mut conn, &mixture.batch)), mixture.counts, "{}", sensor(number));
            assert_eq!(stored(&mut conn, &sensor(number)), mixture.after, "{}", sensor(number));
        }
        sql(&mut conn, "TRUNCATE sensor_events");
        let rows = |n, rows| keyed(&mut conn, events(&sensor(n), rows));
        let change = |row: &Keyed<NewSensorEvent<'static>>| Keyed::new(row.key().id(), changed(row.row()));
        for (number, mixture) in (0..).zip(mixtures(group, rows, change)) {
            upsert_by_key(&mut conn, &mixture.before).unwrap();
            values(&mut conn, "SELECT compress_chunk(c, true) FROM show_chunks('sensor_events') AS c");
            let report = upsert_by_key(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{} by key", sensor(number));
            assert_eq!(stored_by_key(&mut conn, &sensor(number)), mixture.after, "{} by key", sensor(number));
        }
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}
