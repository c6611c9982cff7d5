//! Retention drops chunks and clears the references to their events, atomically.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{self, ReferenceError};
use occupancy_models::transaction::Transient;
use occupancy_models::{
    Call, Error, SensorEvent, Violation, ViolationKind, drop_sensor_events_before, references, verify,
};
use support::{TestDb, needs, sql, value, values};

fn midnight() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// What is wrong with the database, but for a release that reports each run of a job as failed.
fn violations(conn: &mut PgConnection) -> Vec<Violation> {
    let found = verify().call(conn).unwrap();
    found.into_iter().filter(|violation| violation.kind != ViolationKind::JobsReportedFailed).collect()
}

/// Ten days of an event an hour, each referenced by a prediction.
fn ten_days(conn: &mut PgConnection) {
    sql(
        conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT timestamptz '2026-01-05 00:00+00' + n * interval '1 hour', 'room', 'sensor', 'motion', 'on'
         FROM generate_series(0, 239) AS n;
         INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
         SELECT 'room', now(), 'state_change', 0.5, 'hmm', '1', id FROM sensor_events ORDER BY id",
    );
}

/// Predictions, and how many of them have an event.
fn counts(conn: &mut PgConnection) -> (i64, i64) {
    predictions::table
        .select((diesel::dsl::count_star(), diesel::dsl::count(predictions::triggering_event_id)))
        .first(conn)
        .unwrap()
}

fn assert_constraints_in_place(conn: &mut PgConnection) {
    assert_eq!(
        values(
            conn,
            "SELECT conrelid::regclass || ': ' || pg_get_constraintdef(oid) FROM pg_constraint
             WHERE confrelid = 'referenced_events'::regclass OR (conrelid = 'sensor_events'::regclass AND contype = 'p')
             ORDER BY 1",
        ),
        [
            "predictions: FOREIGN KEY (triggering_event_id) REFERENCES referenced_events(id) ON DELETE SET NULL",
            "sensor_events: PRIMARY KEY (id, \"timestamp\")",
        ]
    );
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
}

#[test]
fn chunks_go_and_predictions_stay_without_their_event() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    ten_days(&mut conn);

    // The cutoff is in the fourth day: that chunk stays whole.
    let report = drop_sensor_events_before(midnight() + TimeDelta::hours(3 * 24 + 12)).call(&mut conn).unwrap();
    assert_eq!((report.chunks_dropped, report.rows_deleted, report.rows_released), (3, 0, 72));
    assert_eq!(report.dropped_before, Some(midnight() + TimeDelta::days(3)));
    assert_eq!(counts(&mut conn), (240, 168));
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 168);
    assert_constraints_in_place(&mut conn);

    let again = drop_sensor_events_before(midnight() + TimeDelta::days(3)).call(&mut conn).unwrap();
    assert_eq!((again.chunks_dropped, again.rows_released, again.dropped_before), (0, 0, None));

    drop_sensor_events_before(midnight() + TimeDelta::days(365)).call(&mut conn).unwrap();
    assert_eq!(counts(&mut conn), (240, 0));
    assert_constraints_in_place(&mut conn);
    // References work as before.
    sql(&mut conn, "TRUNCATE predictions");
    ten_days(&mut conn);
    assert_eq!(counts(&mut conn), (240, 240));
    assert_constraints_in_place(&mut conn);
}

#[test]
fn rows_go_from_a_plain_table() {
    let (_db, mut conn) = TestDb::migrated();
    ten_days(&mut conn);
    let cutoff = midnight() + TimeDelta::hours(36);
    let report = drop_sensor_events_before(cutoff).call(&mut conn).unwrap();
    assert_eq!((report.chunks_dropped, report.rows_deleted, report.rows_released), (0, 36, 36));
    assert_eq!(report.dropped_before, Some(cutoff));
    assert_eq!(counts(&mut conn), (240, 204));
    assert_constraints_in_place(&mut conn);
}

#[test]
fn every_referring_table_is_cleared() {
    let (_db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    diesel::table! {
        alerts (id) { id -> Int8, sensor_event_id -> Nullable<Int8> }
    }
    sql(&mut conn, "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor_event_id BIGINT)");
    references::add(alerts::sensor_event_id).call(&mut conn).unwrap();
    sql(&mut conn, "INSERT INTO alerts (sensor_event_id) SELECT id FROM sensor_events ORDER BY timestamp LIMIT 48");
    drop_sensor_events_before(midnight() + TimeDelta::days(1)).call(&mut conn).unwrap();
    assert_eq!(value(&mut conn, "SELECT count(sensor_event_id) FROM alerts"), "24");
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
}

#[test]
fn a_rolled_back_retention_has_done_nothing() {
    let (_db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    conn.transaction::<(), Error, _>(|conn| {
        drop_sensor_events_before(midnight() + TimeDelta::days(5)).call(conn)?;
        assert_eq!(counts(conn), (240, 120));
        Err(diesel::result::Error::RollbackTransaction.into())
    })
    .unwrap_err();
    assert_eq!(counts(&mut conn), (240, 240));
    assert_eq!(sensor_events::table.count().get_result::<i64>(&mut conn).unwrap(), 240);
    assert_constraints_in_place(&mut conn);
}

#[test]
fn retention_above_read_committed_is_refused() {
    let (db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    let error = conn
        .build_transaction()
        .serializable()
        .run(|conn| drop_sensor_events_before(midnight() + TimeDelta::days(5)).call(conn))
        .unwrap_err();
    let timescale::Error::Reference(ReferenceError::IsolationTooHigh { message, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(message, format!("retention of {}.sensor_events cannot run under SERIALIZABLE", db.schema()));
    assert_eq!(counts(&mut conn), (240, 240));
}

/// A report that reads all events, in a transaction that stays open.
#[test]
fn retention_that_waits_holds_up_no_read_and_gives_up() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    let (mut report, mut reader) = (db.connect(), db.connect());
    sql(&mut report, "BEGIN; SELECT count(*) FROM sensor_events");
    let timeout = TimeDelta::milliseconds(2_500);
    let (error, slowest) = std::thread::scope(|scope| {
        let retention = scope.spawn(|| {
            let started = Instant::now();
            let cutoff = midnight() + TimeDelta::days(5);
            let result = drop_sensor_events_before(cutoff).lock_timeout(timeout).call(&mut conn);
            (result.unwrap_err(), started.elapsed())
        });
        let mut slowest = Duration::ZERO;
        while !retention.is_finished() {
            let started = Instant::now();
            assert_eq!(sensor_events::table.count().get_result::<i64>(&mut reader).unwrap(), 240);
            slowest = slowest.max(started.elapsed());
        }
        let (error, elapsed) = retention.join().unwrap();
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
        (error, slowest)
    });
    assert!(error.is_transient(), "{error}");
    let timescale::Error::Reference(ReferenceError::LockTimeout { message, .. }) = error else { panic!("{error}") };
    assert_eq!(message, "retention of public.sensor_events could not lock within 00:00:02.5 what it drops");
    assert!(slowest < Duration::from_millis(1_500), "a read took {slowest:?}");
    assert_eq!(counts(&mut conn), (240, 240), "nothing has changed");

    sql(&mut report, "COMMIT");
    drop_sensor_events_before(midnight() + TimeDelta::days(5)).call(&mut conn).unwrap();
    assert_eq!(counts(&mut conn), (240, 120));
    assert_constraints_in_place(&mut conn);
}

#[test]
fn retention_goes_on_when_the_long_transaction_ends() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    let mut report = db.connect();
    sql(&mut report, "BEGIN; SELECT count(*) FROM sensor_events");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            sql(&mut report, "COMMIT");
        });
        let report = drop_sensor_events_before(midnight() + TimeDelta::days(5)).call(&mut conn).unwrap();
        assert_eq!((report.chunks_dropped, report.rows_released), (5, 120));
    });
    assert_eq!(value(&mut conn, "SELECT current_setting('lock_timeout')"), "0", "the caller's own setting");
    assert_constraints_in_place(&mut conn);
}

#[test]
fn the_lock_timeout_counts_on_a_plain_table_too() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::migrated();
    ten_days(&mut conn);
    let mut other = db.connect();
    sql(&mut other, "BEGIN; SELECT FROM sensor_events ORDER BY timestamp LIMIT 1 FOR UPDATE");
    let error = drop_sensor_events_before(midnight() + TimeDelta::days(5))
        .lock_timeout(TimeDelta::milliseconds(300))
        .call(&mut conn)
        .unwrap_err();
    assert!(matches!(error, timescale::Error::Reference(ReferenceError::LockTimeout { .. })), "{error}");
    assert_eq!(counts(&mut conn), (240, 240));
}

#[test]
fn what_a_plain_drop_chunks_leaves_is_found_and_mended() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    ten_days(&mut conn);
    sql(&mut conn, "SELECT drop_chunks('sensor_events', older_than => timestamptz '2026-01-07 00:00+00')");
    let violations = verify().call(&mut conn).unwrap();
    assert_eq!(
        violations.iter().map(|violation| (violation.kind, violation.object.as_str())).collect::<Vec<_>>(),
        [(ViolationKind::DanglingReference, "referenced_events")]
    );
    assert!(violations[0].detail.starts_with("48 rows"), "{}", violations[0]);

    assert_eq!(references::clear_dangling().call(&mut conn).unwrap(), 48);
    assert_eq!(counts(&mut conn), (240, 192));
    assert_constraints_in_place(&mut conn);
}

#[test]
fn compressed_chunks_are_referenced_deleted_from_and_dropped() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT timestamptz '2026-01-05 00:00+00' + n * interval '1 hour', 'room', 'sensor', 'motion', 'on'
         FROM generate_series(0, 239) AS n;
         ALTER TABLE sensor_events SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'timestamp, id');
         SELECT compress_chunk(chunk) FROM show_chunks('sensor_events') AS chunk",
    );
    let compressed = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = current_schema() AND is_compressed";
    assert_eq!(value(&mut conn, compressed), "10");

    let ids: Vec<i64> =
        sensor_events::table.order(sensor_events::id).select(sensor_events::id).load(&mut conn).unwrap();
    for id in &ids {
        diesel::sql_query(
            "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
             VALUES ('room', now(), 'state_change', 0.5, 'hmm', '1', $1)",
        )
        .bind::<diesel::sql_types::BigInt, _>(id)
        .execute(&mut conn)
        .unwrap();
    }
    assert_eq!(counts(&mut conn), (240, 240));
    assert_eq!(value(&mut conn, compressed), "10", "a reference decompresses nothing");

    let event: SensorEvent = SensorEvent::query().order(sensor_events::timestamp.desc()).first(&mut conn).unwrap();
    diesel::delete(&event).execute(&mut conn).unwrap();
    assert_eq!(counts(&mut conn), (240, 239));

    let report = drop_sensor_events_before(midnight() + TimeDelta::days(4)).call(&mut conn).unwrap();
    assert_eq!((report.chunks_dropped, report.rows_released), (4, 96));
    assert_eq!(counts(&mut conn), (240, 143));
    assert_constraints_in_place(&mut conn);
}

#[test]
fn tiers_keep_the_numbers_of_events_that_are_gone() {
    use occupancy_models::rollups::{self, daily_statistics, hourly_statistics};
    use occupancy_models::timescale::{Server, add_refresh_policy, refresh, run_job};

    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let tiers = || SensorEvent::tiers(day * 90, day * 730).columnstore_after(day * 7);
    let server = Server::query().call(conn).unwrap();
    if !server.has(timescale::Feature::Columnstore) {
        let refused = tiers().call(conn).unwrap_err();
        assert!(matches!(refused, timescale::Error::Unsupported { .. }), "{refused}");
        return;
    }
    sql(
        conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, numeric_value)
         SELECT date_trunc('day', now()) - n * INTERVAL '1 day', 'room', 'lux', 'light', 'on', n FROM generate_series(1, 100) AS n;
         INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
         SELECT 'room', now(), 'state_change', 0.5, 'hmm', '1', id FROM sensor_events ORDER BY id",
    );
    rollups::hourly_statistics().create().call(conn).unwrap();
    rollups::daily_statistics().create().call(conn).unwrap();
    SensorEvent::columnstore().enable().call(conn).unwrap();
    add_refresh_policy(hourly_statistics::bucket, Some(day * 3), hour, hour).call(conn).unwrap();
    add_refresh_policy(daily_statistics::bucket, Some(day * 7), day, day).call(conn).unwrap();
    // What would go at once is in neither yet.
    let refused = tiers().call(conn).unwrap_err();
    assert!(matches!(&refused, timescale::Error::Tiers { .. }), "{refused}");
    assert!(refused.to_string().contains("old enough to be dropped"), "{refused}");
    refresh(hourly_statistics::bucket, ..).call(conn).unwrap();
    refresh(daily_statistics::bucket, ..).call(conn).unwrap();

    // The job of this crate is changed, and not a second one added.
    let job = occupancy_models::add_sensor_events_retention(day * 200, day).call(conn).unwrap();
    let plan = tiers().call(conn).unwrap();
    assert_eq!((plan.done.len(), plan.steps.len()), (3, 0), "{plan}");
    assert!(tiers().call(conn).unwrap().done.is_empty());
    run_job(job).call(conn).unwrap();
    // An event of each day, in chunks of whole days.
    let (all, with_event) = counts(conn);
    assert_eq!(all, 100);
    assert!((89..=91).contains(&with_event), "{with_event}");
    for view in ["hourly_statistics", "daily_statistics"] {
        assert_eq!(value(conn, &format!("SELECT count(*) FROM {view}")), "100");
    }
    assert_eq!(violations(conn), []);

    // A refresh from the beginning would erase them.
    sql(
        conn,
        "SELECT alter_job(job_id, config => config || '{\"start_offset\": null}')
         FROM diesel_timescale.refresh_windows('sensor_events') JOIN timescaledb_information.jobs USING (job_id)
         WHERE view_name = 'daily_statistics'::regclass",
    );
    let found = violations(conn);
    let kinds: Vec<_> = found.iter().map(|violation| (violation.kind, &*violation.object)).collect();
    assert_eq!(kinds, [(ViolationKind::RetentionWithinRefresh, "daily_statistics")]);
    assert!(timescale::setup::Setup::new().with(tiers()).check().call(conn).is_err());
    sql(conn, &found[0].remedy);
    assert_eq!(violations(conn), []);
    timescale::setup::Setup::new().with(tiers()).check().call(conn).unwrap();

    // One that was added by tiers is removed as well.
    assert!(occupancy_models::remove_sensor_events_retention().call(conn).unwrap());
    assert_eq!(tiers().call(conn).unwrap().done.len(), 1);
    assert!(occupancy_models::remove_sensor_events_retention().call(conn).unwrap());
    assert!(!occupancy_models::remove_sensor_events_retention().call(conn).unwrap());
}
