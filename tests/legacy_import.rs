//! The code in MIGRATING.md: a plain pair of tables is imported with its data, ids and references.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::{Mutex, MutexGuard};

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::bulk::OnDuplicate;
use occupancy_models::legacy_import::{self, Severity, Violation};
use occupancy_models::{
    Call, Error, SensorEvent, drop_sensor_events_before, revert_migrations, run_migrations, verify,
};
use support::{TestDb, needs, sql, value, values};

const DOCUMENT: &str = include_str!("../MIGRATING.md");

// The two functions that MIGRATING.md shows; a test below holds the two texts together.
fn look(conn: &mut PgConnection) -> Result<Vec<Violation>, Error> {
    conn.transaction(|conn| {
        conn.batch_execute("CREATE SCHEMA occupancy_look; SET LOCAL search_path TO occupancy_look, public")?;
        run_migrations(conn)?;
        let violations =
            legacy_import::validate("public.sensor_events").predictions("public.predictions").call(conn)?;
        conn.batch_execute("DROP SCHEMA occupancy_look CASCADE")?;
        Ok(violations)
    })
}

fn import_all(conn: &mut PgConnection) -> Result<(), Error> {
    // The old tables move to the schema `legacy`, and ours take their place, empty.
    conn.transaction(|conn| {
        conn.batch_execute(legacy_import::MOVE_ASIDE)?;
        run_migrations(conn)?;
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn)?;
        legacy_import::begin("legacy").on_duplicate(OnDuplicate::KeepFirst).call(conn)
    })?;

    // From here on the application can read and write.
    loop {
        let progress = legacy_import::copy_batch("legacy", 10_000).call(conn)?;
        if progress.is_done() {
            break;
        }
        println!("{} rows copied", progress.copied_in_all);
    }

    // Every row and every reference, old against new.
    let violations = legacy_import::verify("legacy").call(conn)?;
    assert_eq!(violations, []);
    Ok(())
}

/// The code blocks of MIGRATING.md in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_document_shows_what_these_tests_run() {
    let rust = blocks("rust");
    assert_eq!(rust.len(), 2);
    for block in rust {
        assert!(include_str!("legacy_import.rs").contains(block), "not in this file:\n{block}");
    }
    assert_eq!(blocks("sql").len(), 7);
}

/// Where databases are schemas of one database, `legacy` belongs to one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static LEGACY: Mutex<()> = Mutex::new(());
    LEGACY.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A database with an old pair of tables, and that many events and a few more.
fn old_pair(rows: u32) -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::new();
    sql(
        &mut conn,
        "SET client_min_messages TO warning; DROP SCHEMA IF EXISTS legacy CASCADE; RESET client_min_messages",
    );
    sql(&mut conn, include_str!("fixtures/legacy/tables.sql"));
    sql(&mut conn, &include_str!("fixtures/legacy/rows.sql").replace("$ROWS", &rows.to_string()));
    (db, conn)
}

/// As `import_all` does first. `None` shifts duplicates.
fn begin(conn: &mut PgConnection, on_duplicate: impl Into<Option<OnDuplicate>>) -> Result<(), Error> {
    conn.transaction(|conn| {
        conn.batch_execute(legacy_import::MOVE_ASIDE)?;
        run_migrations(conn)?;
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn)?;
        let begin = legacy_import::begin("legacy");
        match on_duplicate.into() {
            Some(on_duplicate) => begin.on_duplicate(on_duplicate),
            None => begin.shift_duplicates(),
        }
        .call(conn)
    })
}

fn copy(conn: &mut PgConnection, size: u32) -> Result<(), Error> {
    while !legacy_import::copy_batch("legacy", size).call(conn)?.is_done() {}
    Ok(())
}

/// Every old event by its own words, without what the crate says of it.
const OLD_EVENTS: &str = "SELECT (
        e.id, coalesce(c.kept_timestamp, e.timestamp), e.room_id::text, e.sensor_id::text, e.sensor_type::text, e.state::text, e.previous_state::text,
        coalesce(e.attributes, '{}'), coalesce(e.is_human_triggered, true), e.confidence_score, coalesce(e.created_at, e.timestamp), e.processed_at
    )::text
    FROM legacy.sensor_events AS e
    LEFT JOIN legacy.changes AS c ON c.relation = 'sensor_events' AND c.id = e.id
    WHERE c.change IS NULL OR c.change = 'shifted'
    ORDER BY e.id";
const NEW_EVENTS: &str = "SELECT (
        id, timestamp, room_id, sensor_id, sensor_type, state, previous_state, attributes, is_human_triggered, confidence_score, created_at, processed_at
    )::text
    FROM sensor_events ORDER BY id";
const OLD_PREDICTIONS: &str = "SELECT (
        e.id, e.room_id::text, e.prediction_time, e.predicted_transition_time, e.transition_type::text, e.confidence_score, e.prediction_interval_lower,
        e.prediction_interval_upper, e.model_type::text, e.model_version::text, e.feature_importance::jsonb, e.alternatives, e.actual_transition_time,
        e.accuracy_minutes, e.is_accurate, e.validation_timestamp, coalesce(c.kept_id, e.triggering_event_id), coalesce(e.created_at, e.prediction_time),
        e.processing_time_ms::float8
    )::text
    FROM legacy.predictions AS e
    LEFT JOIN legacy.changes AS c ON c.relation = 'sensor_events' AND c.id = e.triggering_event_id
    ORDER BY e.id";
const NEW_PREDICTIONS: &str = "SELECT (
        id, room_id, prediction_time, predicted_transition_time, transition_type, confidence_score, prediction_interval_lower,
        prediction_interval_upper, model_type, model_version, feature_importance, alternatives, actual_transition_time,
        accuracy_minutes, is_accurate, validation_timestamp, triggering_event_id, created_at, processing_time_ms
    )::text
    FROM predictions ORDER BY id";

/// All rows, all references, and everything that goes on afterwards.
#[track_caller]
fn assert_imported(conn: &mut PgConnection) {
    assert!(values(conn, OLD_EVENTS) == values(conn, NEW_EVENTS), "the events differ");
    assert!(values(conn, OLD_PREDICTIONS) == values(conn, NEW_PREDICTIONS), "the predictions differ");
    let counted = value(
        conn,
        "SELECT (SELECT count(*) FROM legacy.sensor_events) - (SELECT count(*) FROM sensor_events)
             - (SELECT count(*) FROM legacy.changes WHERE relation = 'sensor_events' AND change = 'merged')",
    );
    assert_eq!(counted, "0");
    assert_eq!(legacy_import::verify("legacy").call(conn).unwrap(), []);
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);

    let handed_out = value(conn, "SELECT last_value FROM legacy.sensor_events_id_seq").parse::<i64>().unwrap();
    let next = value(conn, "SELECT * FROM reserve_sensor_event_ids(1)").parse::<i64>().unwrap();
    assert_eq!(next, handed_out + 1);
    let largest = value(conn, "SELECT max(id) FROM legacy.predictions").parse::<i64>().unwrap();
    assert_eq!(value(conn, "SELECT * FROM reserve_prediction_ids(1)").parse::<i64>().unwrap(), largest + 1);
}

/// Retention takes the older half, and nothing dangles.
fn assert_retention_works(conn: &mut PgConnection) {
    let referenced = value(conn, "SELECT count(triggering_event_id) FROM predictions").parse::<i64>().unwrap();
    drop_sensor_events_before("2026-01-06T00:00:00Z".parse().unwrap()).call(conn).unwrap();
    let left = value(conn, "SELECT count(triggering_event_id) FROM predictions").parse::<i64>().unwrap();
    assert!(0 < left && left < referenced, "{left} of {referenced}");
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
}

#[test]
fn in_rust_as_documented_and_interrupted_anywhere() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(25_000);
    if support::has(support::Needs::TwoConnections) {
        let violations = look(&mut conn).unwrap();
        let blocking: Vec<_> = violations.iter().filter(|f| f.severity == Severity::Error).collect();
        assert_eq!(blocking.len(), 1, "{violations:?}");
        assert_eq!((blocking[0].kind.as_str(), blocking[0].rows), ("duplicate_instant", Some(25)));
        assert_eq!(value(&mut conn, "SELECT to_regnamespace('occupancy_look')"), "");
    }
    import_all(&mut conn).unwrap();
    assert_imported(&mut conn);
    // Run again, it finds that all is done.
    import_all(&mut conn).unwrap();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "24992");

    assert_retention_works(&mut conn);
    sql(&mut conn, blocks("sql")[5]);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM legacy.changes"), "25");
    // After the last step there is nothing to import; what is there stays.
    let error = import_all(&mut conn).unwrap_err();
    assert!(matches!(error, Error::NothingToImport { .. }), "{error}");
    assert_ne!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "0");
}

#[test]
fn in_psql_as_documented() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(5_000);
    let steps = blocks("sql");
    sql(
        &mut conn,
        "CREATE TABLE alerts (sensor_event_id BIGINT CONSTRAINT alerts_fk REFERENCES sensor_events (id));
         INSERT INTO alerts SELECT id FROM sensor_events WHERE state = 'clear' OR id % 1000 = 3",
    );
    sql(&mut conn, steps[0]);
    sql(&mut conn, "ALTER TABLE alerts DROP CONSTRAINT alerts_fk");
    run_migrations(&mut conn).unwrap();
    for step in steps[1].split("\n\n").chain([steps[2]]) {
        sql(&mut conn, step);
    }
    assert_eq!(values(&mut conn, "SELECT id FROM verify_legacy_import()"), [""; 0]);
    assert!(steps[3].contains("verify_legacy_import()"));
    sql(&mut conn, steps[4]);
    assert_imported(&mut conn);
    let alerts = "SELECT concat_ws(' ', count(*), count(sensor_event_id), count(DISTINCT sensor_event_id)) FROM alerts";
    assert_eq!(value(&mut conn, alerts), "10 10 5");
    assert_retention_works(&mut conn);
    sql(&mut conn, steps[5]);
}

/// The connection is cut in the middle of batches, by another one that waits for it to be in one.
#[test]
fn cut_off_in_the_middle_of_a_batch_it_goes_on() {
    needs!(TwoConnections);
    let _alone = alone();
    let (db, mut conn) = old_pair(20_000);
    begin(&mut conn, None).unwrap();
    let mut cuts = 0;
    for round in 0..40 {
        let mut worker = db.connect();
        let pid = value(&mut worker, "SELECT pg_backend_pid()");
        let copying = std::thread::spawn(move || copy(&mut worker, 1_000));
        std::thread::sleep(std::time::Duration::from_millis(20 + 13 * round));
        sql(&mut conn, &format!("SELECT pg_terminate_backend({pid})"));
        match copying.join().unwrap() {
            Ok(()) => break,
            Err(_) => cuts += 1,
        }
    }
    assert!(cuts >= 3, "only {cuts} cuts");
    copy(&mut conn, 1_000).unwrap();
    assert_imported(&mut conn);
    assert_eq!(value(&mut conn, "SELECT string_agg(DISTINCT change, ',') FROM legacy.changes"), "shifted");
}

#[test]
fn several_that_copy_at_once_take_turns() {
    needs!(TwoConnections);
    let _alone = alone();
    let (db, mut conn) = old_pair(5_000);
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let mut worker = db.connect();
            std::thread::spawn(move || copy(&mut worker, 100).unwrap())
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_imported(&mut conn);
}

#[test]
fn a_rolled_back_step_has_done_nothing() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(3_000);
    begin(&mut conn, OnDuplicate::KeepLast).unwrap();
    for _ in 0..20 {
        let progress =
            |conn: &mut PgConnection| value(conn, "SELECT (phase, below, copied)::text FROM legacy.import_state");
        let before = progress(&mut conn);
        conn.transaction::<(), Error, _>(|conn| {
            legacy_import::copy_batch("legacy", 400).call(conn)?;
            Err(diesel::result::Error::RollbackTransaction.into())
        })
        .unwrap_err();
        assert_eq!(progress(&mut conn), before);
        if legacy_import::copy_batch("legacy", 400).call(&mut conn).unwrap().is_done() {
            break;
        }
    }
    copy(&mut conn, 400).unwrap();
    assert_imported(&mut conn);
    // The last of each stays, and the references go to it.
    assert_eq!(
        value(
            &mut conn,
            "SELECT count(*) FROM predictions AS p JOIN legacy.predictions AS o USING (id) WHERE p.triggering_event_id > o.triggering_event_id"
        ),
        value(
            &mut conn,
            "SELECT count(*) FROM legacy.predictions AS p JOIN legacy.changes AS c ON c.id = p.triggering_event_id"
        ),
    );
}

/// What the application does on the new tables meanwhile is kept, and a reading that it sends again is one event.
#[test]
fn the_application_goes_on_meanwhile() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(2_000);
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         SELECT timestamp, 'anew', sensor_id, 'motion', 'on' FROM legacy.sensor_events WHERE id IN (3, 13, 14);
         INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-06-01', 'new', 'sensor1', 'motion', 'on')",
    );
    copy(&mut conn, 300).unwrap();
    assert_eq!(legacy_import::verify("legacy").call(&mut conn).unwrap(), []);
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM legacy.changes WHERE change = 'stored_anew'"), "3");
    // Event 3 had a duplicate, which goes to the new one as well; so do the predictions of all of them.
    assert_eq!(
        values(
            &mut conn,
            "SELECT e.room_id FROM legacy.predictions AS o JOIN predictions AS p USING (id) JOIN sensor_events AS e ON e.id = p.triggering_event_id
             WHERE o.triggering_event_id IN (3, 13, (SELECT id FROM legacy.changes WHERE change = 'merged' ORDER BY id LIMIT 1))"
        ),
        ["anew", "anew", "anew"]
    );
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events WHERE room_id = 'new'"), "1");
}

/// An event that the application removes before its prediction came over is what `ON DELETE SET NULL` makes of it.
#[test]
fn an_event_is_removed_meanwhile() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(1_000);
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    while legacy_import::copy_batch("legacy", 300).call(&mut conn).unwrap().next.as_deref() != Some("predictions") {}
    sql(&mut conn, "DELETE FROM sensor_events WHERE id = 13");
    copy(&mut conn, 300).unwrap();
    let gone = "SELECT p.id FROM legacy.predictions AS o JOIN predictions AS p USING (id) WHERE o.triggering_event_id IS NOT NULL AND p.triggering_event_id IS NULL";
    let noted = "SELECT id FROM legacy.changes WHERE relation = 'predictions' AND change = 'event_gone' AND original ->> 'triggering_event_id' = '13'";
    assert_eq!(values(&mut conn, gone).len(), 1);
    assert_eq!(values(&mut conn, gone), values(&mut conn, noted));
    // That the event is gone is all that differs.
    let violations = legacy_import::verify("legacy").call(&mut conn).unwrap();
    let found: Vec<_> = violations.iter().map(|v| (v.kind.as_str(), v.object.as_str(), v.example.as_deref())).collect();
    assert_eq!(found, [("missing", "sensor_events", Some("13"))]);
    let old = violations[0].remedy.strip_prefix("Compare: ").unwrap();
    assert_eq!(value(&mut conn, &format!("SELECT count(*) FROM ({old}) AS old")), "1");
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::await_holding_lock, reason = "the other tests are to wait")]
async fn the_same_on_an_asynchronous_connection() {
    use occupancy_models::asynchronous::Call as AsyncCall;

    let _alone = alone();
    let (db, mut conn) = old_pair(1_000);
    begin(&mut conn, None).unwrap();
    drop(conn);
    let mut conn = db.connect_async().await;
    while !AsyncCall::call(legacy_import::copy_batch("legacy", 200), &mut conn).await.unwrap().is_done() {}
    assert_eq!(AsyncCall::call(legacy_import::verify("legacy"), &mut conn).await.unwrap(), []);
    let check = legacy_import::validate("legacy.sensor_events").predictions("legacy.predictions").shift_duplicates();
    let violations = AsyncCall::call(check, &mut conn).await.unwrap();
    assert!(violations.iter().all(|violation| violation.severity == Severity::Warning), "{violations:?}");
}

#[test]
fn back_again() {
    let _alone = alone();
    let (db, mut conn) = old_pair(1_000);
    let before = values(&mut conn, "SELECT (e.*)::text FROM sensor_events AS e ORDER BY id");
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    legacy_import::copy_batch("legacy", 100).call(&mut conn).unwrap();
    legacy_import::copy_batch("legacy", 100).call(&mut conn).unwrap();
    revert_migrations(&mut conn).unwrap();
    sql(&mut conn, &blocks("sql")[6].replace("public", db.schema()));
    assert!(values(&mut conn, "SELECT (e.*)::text FROM sensor_events AS e ORDER BY id") == before);
    // And forth.
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    copy(&mut conn, 1_000).unwrap();
    assert_imported(&mut conn);
}

/// The recipe's failed attempt: a composite key, and the foreign keys dropped; on TimescaleDB already a hypertable.
#[test]
fn a_composite_key_without_foreign_keys() {
    let _alone = alone();
    let (_db, mut conn) = old_pair(2_000);
    sql(
        &mut conn,
        "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey;
         ALTER TABLE sensor_events DROP CONSTRAINT sensor_events_pkey, ADD PRIMARY KEY (id, timestamp);
         UPDATE predictions SET triggering_event_id = 999999 WHERE id = 1",
    );
    if support::has(support::Needs::Timescale) {
        sql(&mut conn, "SELECT create_hypertable('sensor_events', 'timestamp', migrate_data => true)");
    }
    begin(&mut conn, OnDuplicate::KeepFirst).unwrap();
    let error = legacy_import::copy_batch("legacy", 500).call(&mut conn).unwrap_err();
    let Error::ImportBlocked { violations, .. } = error else { panic!("{error}") };
    assert!(
        violations.starts_with("dangling_reference of predictions.triggering_event_id (1 rows, such as id 1): UPDATE")
    );
    sql(&mut conn, violations.split(": ").nth(1).unwrap());
    copy(&mut conn, 500).unwrap();
    assert_imported(&mut conn);
}

#[test]
fn whatever_would_not_come_over_is_found_and_mended() {
    let _alone = alone();
    let (_db, mut conn) = TestDb::new();
    sql(
        &mut conn,
        "SET client_min_messages TO warning; DROP SCHEMA IF EXISTS legacy CASCADE; RESET client_min_messages",
    );
    sql(
        &mut conn,
        "CREATE TABLE sensor_events (
             id INT PRIMARY KEY, timestamp TIMESTAMP, room_id VARCHAR(50), sensor_id TEXT, sensor_type VARCHAR(9), state TEXT,
             attributes JSON, confidence_score REAL, battery INT
         );
         INSERT INTO sensor_events (id, timestamp, room_id, sensor_id, sensor_type, state, attributes, confidence_score) VALUES
             (1, '2026-01-05', 'room', 's', 'light', '21.5', NULL, 0.5),
             (2, '2026-01-05', 'room', 's', 'light', 'NaN', '{}', 0.5),
             (3, '2026-01-06', '', 't', 'light', '1e5', '{}', 0.5),
             (4, '2026-01-06', 'room', 'u', 'light', '1e999', '{}', 1.5),
             (5, '2026-01-06', 'room', 'v', 'light', NULL, '{}', 'NaN'),
             (6, 'infinity', 'room', 'w', 'light', 'inf', '{}', 0.5),
             (7, '2026-01-07', 'room', 'x', 'light', '-.5', '{\"a\": \"\\u0000\"}', 0.5),
             (8, '2026-01-08', 'room', 'x', 'light', '5 ', '{\"a\": \"\\\\u0000\"}', 0.5);
         CREATE TABLE alerts (event_id INT CONSTRAINT alerts_fk REFERENCES sensor_events (id));
         CREATE VIEW lights AS SELECT * FROM sensor_events WHERE sensor_type = 'light'",
    );
    begin(&mut conn, OnDuplicate::Fail).unwrap();
    let check = legacy_import::validate("legacy.sensor_events");
    let found = check.clone().call(&mut conn).unwrap();
    let of = |severity| {
        let mut list: Vec<_> = found
            .iter()
            .filter(|f| f.severity == severity)
            .map(|f| (f.kind.as_str(), f.object.as_str(), f.rows.unwrap_or(0)))
            .collect();
        list.sort_unstable();
        list
    };
    assert_eq!(
        of(Severity::Error),
        [
            (
                "check",
                "sensor_events: ((confidence_score >= (0)::double precision) AND (confidence_score <= (1)::double precision))",
                2
            ),
            ("check", "sensor_events: (room_id <> ''::text)", 1),
            ("duplicate_instant", "sensor_events (sensor_id, timestamp)", 1),
            ("extra_column", "sensor_events.battery", 0),
            ("infinite_time", "sensor_events.\"timestamp\"", 1),
            ("json", "sensor_events.attributes", 1),
            ("null", "sensor_events.state", 1),
            ("time_zone", "sensor_events.\"timestamp\"", 0),
        ]
    );
    assert_eq!(
        of(Severity::Warning),
        [
            ("filled", "sensor_events.attributes", 1),
            ("filled", "sensor_events.created_at", 8),
            ("filled", "sensor_events.is_human_triggered", 8),
            ("filled", "sensor_events.numeric_value", 3),
            ("referenced_by", "alerts: alerts_fk", 0),
            ("view", "lights", 0),
        ]
    );
    // Nothing is copied, and the error has every violation that blocks.
    let error = legacy_import::copy_batch("legacy", 10).call(&mut conn).unwrap_err();
    let Error::ImportBlocked { violations, .. } = &error else { panic!("{error}") };
    assert_eq!(violations.lines().count(), 8, "{violations}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "0");

    // The remedies, with what only the user knows.
    for violation in found.iter().filter(|f| f.severity == Severity::Error && f.remedy.starts_with("UPDATE")) {
        let own = match violation.object.as_str() {
            "sensor_events.\"timestamp\"" => "'2026-01-09'",
            _ => "'unknown'",
        };
        sql(&mut conn, &violation.remedy.replace("= ...", &format!("= {own}")));
    }
    // The choices, which can be made until the copy begins.
    let start = legacy_import::begin("legacy").time_zone("Europe/Berlin").leave_column("sensor_events.battery");
    start.clone().shift_duplicates().call(&mut conn).unwrap();
    let left = check.shift_duplicates().time_zone("Europe/Berlin").leave_column("sensor_events.battery");
    assert!(left.call(&mut conn).unwrap().iter().all(|f| f.severity == Severity::Warning));
    copy(&mut conn, 3).unwrap();
    assert_eq!(legacy_import::verify("legacy").call(&mut conn).unwrap(), []);
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
    assert_eq!(
        values(
            &mut conn,
            "SELECT concat_ws(' ', id, timestamp AT TIME ZONE 'UTC', room_id, numeric_value, attributes, confidence_score, created_at = timestamp) FROM sensor_events ORDER BY id"
        ),
        [
            "1 2026-01-04 23:00:00 room 21.5 {} 0.5 t",
            "2 2026-01-04 23:00:00.000001 room {} 0.5 f",
            "3 2026-01-05 23:00:00 unknown 100000 {} 0.5 t",
            "4 2026-01-05 23:00:00 room {} t",
            "5 2026-01-05 23:00:00 room {} t",
            "6 2026-01-08 23:00:00 room {} 0.5 t",
            "7 2026-01-06 23:00:00 room -0.5 {\"a\": \"\"} 0.5 t",
            "8 2026-01-07 23:00:00 room {\"a\": \"\\\\u0000\"} 0.5 t",
        ]
    );
    // Too late for another choice; and what depends on the old tables holds them.
    let error = start.call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::ImportChoice { .. }), "{error}");
    assert!(support::sql_error(&mut conn, "DROP TABLE legacy.sensor_events").contains("other objects depend"));
    assert_eq!(legacy_import::copy_batch("legacy", 3).call(&mut conn).unwrap().next, None);
}

#[test]
fn refusals_are_typed() {
    let _alone = alone();
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "SET client_min_messages TO warning; DROP SCHEMA IF EXISTS legacy CASCADE; CREATE SCHEMA legacy");
    for error in [
        legacy_import::begin("legacy").call(&mut conn).unwrap_err(),
        legacy_import::copy_batch("legacy", 1).call(&mut conn).unwrap_err(),
    ] {
        assert!(matches!(error, Error::NothingToImport { .. }), "{error}");
    }
    sql(&mut conn, "CREATE TABLE legacy.sensor_events (LIKE sensor_events, PRIMARY KEY (id))");
    let error = legacy_import::begin("legacy").time_zone("Mars/Olympus").call(&mut conn).unwrap_err();
    assert!(error.to_string().contains("'Mars/Olympus'"), "{error}");
    legacy_import::begin("legacy").call(&mut conn).unwrap();
    let error = legacy_import::copy_batch("legacy", 0).call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::ImportChoice { .. }), "{error}");
    // An empty table is imported at once, and there need be no predictions.
    copy(&mut conn, 1).unwrap();
    sql(&mut conn, "DROP SCHEMA legacy CASCADE");
}
