//! The set-up of hypertables: what it does and reports, what it refuses, and that a refusal changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::prelude::*;
use occupancy_models::timescale::{
    Edition, Error, HypertableError, HypertableReport, HypertableSetup, Outcome, Server, TimescaleVersion,
    create_extension, hypertable,
};
use occupancy_models::transaction::Retry;
use occupancy_models::{Call, SensorEvent, verify};
use support::{Catalog, TestDb, needs, server, sql, value, values};

diesel::table! {
    readings (id) {
        id -> Int8,
        at -> Timestamptz,
        stored_at -> Timestamptz,
    }
}

/// A table that nothing keeps from becoming a hypertable.
const READINGS: &str = "CREATE TABLE readings (
    id BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    code TEXT
)";

fn setup() -> HypertableSetup {
    hypertable(readings::at).chunk_interval(TimeDelta::days(1))
}

/// Inserts ten readings on each of so many days, in a chunk of its own each.
fn insert_readings(conn: &mut PgConnection, days: i32) {
    sql(
        conn,
        &format!(
            "INSERT INTO readings (id, at)
             SELECT i, TIMESTAMPTZ '2026-01-05 12:00Z' + (i % {days}) * INTERVAL '1 day'
             FROM generate_series(1, 10 * {days}) AS i"
        ),
    );
}

fn insert_events(conn: &mut PgConnection, days: i32) {
    sql(
        conn,
        &format!(
            "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
             SELECT TIMESTAMPTZ '2026-01-05 12:00Z' + i * INTERVAL '1 day', 'room', 'sensor', 'motion', 'on'
             FROM generate_series(1, {days}) AS i"
        ),
    );
}

/// Runs a set-up that must be refused with a type, checks that nothing has changed, and gives the error.
#[track_caller]
fn refusal(conn: &mut PgConnection, setup: HypertableSetup) -> HypertableError {
    let before = Catalog::new(conn);
    // A savepoint, where the test is in a transaction.
    let result = conn.transaction(|conn| setup.call(conn));
    Catalog::new(conn).assert_is(&before, "after a set-up that was refused");
    match result {
        Err(Error::Hypertable(error)) => error,
        Err(error) => panic!("the set-up must fail with a HypertableError, not with {error:?}"),
        Ok(report) => panic!("the set-up must be refused, not: {report}"),
    }
}

/// Checks a report against what the server says about a table of the current schema.
#[track_caller]
fn assert_agrees(conn: &mut PgConnection, report: &HypertableReport, table: &str, column: &str) {
    let of_table = format!("hypertable_schema = current_schema() AND hypertable_name = '{table}'");
    assert_eq!(
        values(conn, &format!("SELECT column_name FROM timescaledb_information.dimensions WHERE {of_table}")),
        [column],
        "the dimensions of {table}"
    );
    let interval: i64 = value(
        conn,
        &format!(
            "SELECT extract(epoch FROM time_interval)::bigint FROM timescaledb_information.dimensions WHERE {of_table}"
        ),
    )
    .parse()
    .unwrap();
    assert_eq!(report.chunk_interval, Some(TimeDelta::seconds(interval)), "the chunk interval of {table}");
    let chunks: i64 =
        value(conn, &format!("SELECT count(*) FROM timescaledb_information.chunks WHERE {of_table}")).parse().unwrap();
    assert_eq!(report.chunks, Some(chunks), "the chunks of {table}");
    let version: TimescaleVersion =
        value(conn, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").parse().unwrap();
    assert_eq!(report.timescaledb, Some(version), "the release");
    let edition = match value(conn, "SELECT current_setting('timescaledb.license')").as_str() {
        "timescale" => Edition::Community,
        _ => Edition::Apache,
    };
    assert_eq!(report.edition, Some(edition), "the edition");
}

#[test]
fn sensor_events_becomes_a_hypertable_and_the_server_agrees_with_the_report() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    let report = SensorEvent::hypertable().chunk_interval(TimeDelta::hours(6)).call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::Created);
    assert_eq!((report.chunk_interval, report.chunks), (Some(TimeDelta::hours(6)), Some(0)));
    assert_eq!(report.ignored_chunk_interval, None);
    assert_agrees(&mut conn, &report, "sensor_events", "timestamp");
    assert_eq!(
        report.to_string(),
        format!(
            "hypertable created, 0 chunks of 6 hours, on TimescaleDB {} ({} edition)",
            report.timescaledb.unwrap(),
            report.edition.unwrap()
        )
    );
}

#[test]
fn a_second_set_up_of_sensor_events_reports_what_is_there_and_changes_nothing() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).call(&mut conn).unwrap();
    insert_events(&mut conn, 3);
    let before = Catalog::new(&mut conn);
    for setup in [
        SensorEvent::hypertable(),
        SensorEvent::hypertable().chunk_interval(TimeDelta::hours(24)),
        // What applies to a hypertable that is created.
        SensorEvent::hypertable().default_indexes(true),
        SensorEvent::hypertable().migrate_data(true),
        SensorEvent::hypertable().allow_plain_table(),
    ] {
        let report = setup.clone().call(&mut conn).unwrap();
        assert_eq!(report.outcome, Outcome::AlreadyThere, "{setup:?}");
        assert_eq!((report.chunk_interval, report.chunks), (Some(TimeDelta::days(1)), Some(3)), "{setup:?}");
        assert_eq!(report.ignored_chunk_interval, None, "{setup:?}");
        assert_agrees(&mut conn, &report, "sensor_events", "timestamp");
        Catalog::new(&mut conn).assert_is(&before, "after a second set-up");
    }
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "3");
}

#[test]
fn another_chunk_interval_than_the_hypertable_has_is_reported() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    SensorEvent::hypertable().chunk_interval(TimeDelta::hours(1)).call(&mut conn).unwrap();
    insert_events(&mut conn, 1);
    let before = Catalog::new(&mut conn);
    let report = SensorEvent::hypertable().chunk_interval(TimeDelta::minutes(90)).call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::AlreadyThere);
    assert_eq!(
        (report.chunk_interval, report.ignored_chunk_interval),
        (Some(TimeDelta::hours(1)), Some(TimeDelta::minutes(90)))
    );
    let text = report.to_string();
    assert!(
        text.starts_with(
            "hypertable already there, 1 chunk of 1 hour (not 1.5 hours: set_chunk_interval changes it), on"
        ),
        "{text}"
    );
    Catalog::new(&mut conn).assert_is(&before, "after a set-up with another chunk interval");
}

#[test]
fn any_table_becomes_a_hypertable_with_the_chunk_interval_of_the_server_unless_told() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    let report = hypertable(readings::at).call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::Created);
    assert_eq!(report.chunk_interval, Some(TimeDelta::days(7)), "what the documentation says");
    assert_agrees(&mut conn, &report, "readings", "at");

    insert_readings(&mut conn, 15);
    let report = hypertable(readings::at).call(&mut conn).unwrap();
    assert_eq!((report.outcome, report.chunks), (Outcome::AlreadyThere, Some(3)));
    assert_agrees(&mut conn, &report, "readings", "at");
}

#[test]
fn a_hypertable_that_someone_else_made_is_found() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    // Spelled as before 2.13.
    sql(&mut conn, "SELECT create_hypertable('readings', 'at', chunk_time_interval => INTERVAL '90 minutes')");
    let report = setup().call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::AlreadyThere);
    assert_eq!(report.chunk_interval, Some(TimeDelta::minutes(90)));
    assert_agrees(&mut conn, &report, "readings", "at");
}

#[test]
fn a_second_dimension_does_not_hide_the_first() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    setup().call(&mut conn).unwrap();
    sql(&mut conn, "SELECT add_dimension('readings', by_hash('id', 2))");
    let report = setup().call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::AlreadyThere);
    assert_eq!(report.chunk_interval, Some(TimeDelta::days(1)));
}

#[test]
fn a_hypertable_of_the_same_name_in_another_schema_is_another_table() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    // Rolled back, because a schema would stay where the tests share a database.
    conn.test_transaction::<_, Error, _>(|conn| {
        let other = READINGS.replace("readings", "other.readings");
        sql(conn, &format!("CREATE SCHEMA other; {other}; {READINGS}"));
        sql(conn, "SELECT create_hypertable('other.readings', by_range('stored_at', INTERVAL '3 days'))");
        sql(conn, "INSERT INTO other.readings (id, at) VALUES (1, now())");
        let report = setup().call(conn)?;
        assert_eq!(report.outcome, Outcome::Created);
        assert_agrees(conn, &report, "readings", "at");
        Ok(())
    });
}

#[test]
fn the_default_index_is_there_unless_told() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    let indexes = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'readings'::regclass";

    sql(&mut conn, READINGS);
    setup().call(&mut conn).unwrap();
    let with = values(&mut conn, indexes);
    assert!(with.len() == 1 && with[0].ends_with("USING btree (at DESC)"), "the indexes of readings are {with:?}");

    sql(&mut conn, &format!("DROP TABLE readings; {READINGS}"));
    setup().default_indexes(false).call(&mut conn).unwrap();
    assert_eq!(values(&mut conn, indexes), [""; 0], "the indexes of readings");
}

#[test]
fn rows_are_moved_into_chunks_when_asked_for_and_refused_otherwise() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    insert_readings(&mut conn, 3);
    let rows = "SELECT md5(string_agg(r::text, ',' ORDER BY id)) FROM readings AS r";
    let before = value(&mut conn, rows);

    let error = refusal(&mut conn, setup());
    let HypertableError::TableNotEmpty { table, .. } = &error else { panic!("not TableNotEmpty: {error:?}") };
    let readings = format!("{}.readings", db.schema());
    assert_eq!(*table, readings);
    assert!(error.to_string().starts_with(&format!("{readings} is not empty. ")), "{error}");
    assert_eq!(value(&mut conn, rows), before);

    let report = setup().migrate_data(true).call(&mut conn).unwrap();
    assert_eq!((report.outcome, report.chunks), (Outcome::Created, Some(3)));
    assert_agrees(&mut conn, &report, "readings", "at");
    assert_eq!(value(&mut conn, rows), before);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM ONLY readings"), "0", "rows outside of the chunks");
}

#[test]
fn events_that_were_stored_before_the_set_up_keep_their_ids_and_their_references() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    insert_events(&mut conn, 3);
    sql(
        &mut conn,
        "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
         SELECT 'room', now(), 'state_change', 1, 'hmm', '1', id FROM sensor_events",
    );
    let refers = "SELECT string_agg(format('%s %s', e.id, e.timestamp), ', ' ORDER BY e.id)
                  FROM predictions AS p JOIN sensor_events AS e ON e.id = p.triggering_event_id";
    let before = value(&mut conn, refers);
    assert!(matches!(refusal(&mut conn, SensorEvent::hypertable()), HypertableError::TableNotEmpty { .. }));

    let report =
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).migrate_data(true).call(&mut conn).unwrap();
    assert_eq!(report.chunks, Some(3));
    // Moving the rows truncates the table, and that must not do what a TRUNCATE by hand does.
    assert_eq!(value(&mut conn, refers), before, "what the predictions refer to");
    // The chunks have the triggers that the table had.
    sql(&mut conn, "DELETE FROM sensor_events WHERE timestamp < '2026-01-07'");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions WHERE triggering_event_id IS NULL"), "1");
    sql(&mut conn, "TRUNCATE sensor_events");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions WHERE triggering_event_id IS NULL"), "3");
}

#[test]
fn moving_rows_does_not_fire_the_tables_own_truncate_triggers_and_leaves_them_as_they_were() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(
        &mut conn,
        &format!(
            r#"{READINGS};
               CREATE TABLE log (line TEXT);
               CREATE FUNCTION log() RETURNS TRIGGER LANGUAGE plpgsql
               AS $$ BEGIN INSERT INTO log VALUES (TG_NAME || ' ' || TG_WHEN); RETURN NULL; END $$;
               CREATE TRIGGER "Log It" BEFORE TRUNCATE ON readings EXECUTE FUNCTION log();
               CREATE TRIGGER log_after AFTER TRUNCATE ON readings EXECUTE FUNCTION log();
               CREATE TRIGGER log_disabled BEFORE TRUNCATE ON readings EXECUTE FUNCTION log();
               COMMENT ON TRIGGER "Log It" ON readings IS 'Why it is there.';
               ALTER TABLE readings DISABLE TRIGGER log_disabled"#
        ),
    );
    insert_readings(&mut conn, 2);
    let before = Catalog::new(&mut conn).with("EXECUTE FUNCTION log()");
    assert_eq!(before.lines().count(), 3);
    setup().migrate_data(true).call(&mut conn).unwrap();
    assert_eq!(values(&mut conn, "SELECT line FROM log"), [""; 0], "the triggers that have fired");
    Catalog::new(&mut conn).with("EXECUTE FUNCTION log()").assert_is(&before, "after rows were moved");
    sql(&mut conn, "TRUNCATE readings");
    assert_eq!(values(&mut conn, "SELECT line FROM log"), ["Log It BEFORE", "log_after AFTER"]);
}

mod elsewhere {
    #![allow(non_snake_case, reason = "the name needs quotes")]

    diesel::table! {
        #[sql_name = "Door \"Openings\""]
        Building.door_openings (door_id, opened_at) {
            door_id -> Int8,
            #[sql_name = "Opened At"]
            opened_at -> Timestamptz,
        }
    }
}

#[test]
fn a_table_in_another_schema_with_names_that_need_quotes_is_mended_and_set_up() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    // Rolled back, because a schema would stay where the tests share a database.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(
            conn,
            r#"CREATE SCHEMA "Building";
               CREATE TABLE "Building"."Door ""Openings""" (
                   "Door Id" BIGINT CONSTRAINT "One 'Door'" PRIMARY KEY,
                   "Opened At" TIMESTAMPTZ NOT NULL,
                   "Seq" BIGINT
               );
               CREATE UNIQUE INDEX "Seq ""Key""" ON "Building"."Door ""Openings""" ("Seq", "Door Id")"#,
        );
        let setup = hypertable(elsewhere::door_openings::opened_at).chunk_interval(TimeDelta::days(1));
        for name in ["One 'Door'", "Seq \"Key\""] {
            let before = Catalog::of(conn, "Building");
            let error = refusal(conn, setup.clone());
            Catalog::of(conn, "Building").assert_is(&before, "after a set-up that was refused");
            let HypertableError::UniqueIndexLacksTime { table, index, remedy, .. } = error else {
                panic!("not UniqueIndexLacksTime: {error:?}")
            };
            assert_eq!((table.as_str(), index.as_str()), (r#""Building"."Door ""Openings""""#, name));
            sql(conn, &remedy);
        }
        let report = setup.clone().call(conn)?;
        assert_eq!((report.outcome, report.chunk_interval), (Outcome::Created, Some(TimeDelta::days(1))));
        assert_eq!(
            value(
                conn,
                "SELECT format('%s|%s|%s', hypertable_name, column_name, time_interval)
                 FROM timescaledb_information.dimensions WHERE hypertable_schema = 'Building'"
            ),
            r#"Door "Openings"|Opened At|1 day"#
        );
        sql(conn, r#"INSERT INTO "Building"."Door ""Openings""" VALUES (1, '2026-01-05', 1), (1, '2026-01-07', 1)"#);
        let report = setup.clone().call(conn)?;
        assert_eq!((report.outcome, report.chunks), (Outcome::AlreadyThere, Some(2)));
        Ok(())
    });
}

#[test]
fn a_server_without_timescaledb_is_reported_and_never_passed_over() {
    needs!(PlainPostgres);
    let (_db, mut conn) = TestDb::migrated();
    let error = refusal(&mut conn, SensorEvent::hypertable());
    let HypertableError::ExtensionUnavailable { message, .. } = &error else {
        panic!("not ExtensionUnavailable: {error:?}")
    };
    assert!(message.contains(&format!("plain PostgreSQL {}", server().postgres_major())), "{message}");

    let before = Catalog::new(&mut conn);
    for _ in 0..2 {
        let report =
            SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
        assert_eq!(report.outcome, Outcome::Plain);
        assert_eq!((report.timescaledb, report.edition), (None, None));
        assert_eq!((report.chunk_interval, report.chunks), (None, None));
        assert_eq!(report.to_string(), "plain table: the server has no TimescaleDB");
    }
    Catalog::new(&mut conn).assert_is(&before, "after a set-up that left a plain table");
}

/// A database of its own with this crate's tables, and without the extension.
fn migrated_without_extension() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::without_extension();
    occupancy_models::run_migrations(&mut conn).unwrap();
    (db, conn)
}

#[test]
fn an_extension_that_is_not_created_is_reported_with_the_statement_that_creates_it() {
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = migrated_without_extension();
    // That a plain table would do does not hide that the server has more to give.
    for setup in [SensorEvent::hypertable(), SensorEvent::hypertable().allow_plain_table()] {
        let error = refusal(&mut conn, setup.clone());
        let HypertableError::ExtensionNotCreated { message, remedy } = &error else {
            panic!("not ExtensionNotCreated: {error:?}")
        };
        assert!(message.contains(&value(&mut conn, "SELECT current_database()")), "{message}");
        assert_eq!(remedy, "CREATE EXTENSION timescaledb");
    }
    let server = Server::query().call(&mut conn).unwrap();
    assert_eq!((server.timescaledb, server.available.is_some()), (None, true));
    assert!(server.to_string().contains("is not created in this database"), "{server}");

    sql(&mut conn, "SET client_min_messages TO warning; CREATE EXTENSION timescaledb");
    assert_eq!(SensorEvent::hypertable().call(&mut conn).unwrap().outcome, Outcome::Created);
}

/// What the README begins with, in a database that nobody has done anything to, on any server.
#[test]
fn the_first_code_works_in_a_fresh_database() {
    for in_transaction in [false, true] {
        let (_db, mut conn) = TestDb::without_extension();
        if in_transaction {
            conn.begin_test_transaction().unwrap();
        }
        occupancy_models::run_migrations(&mut conn).unwrap();
        let setup =
            SensorEvent::hypertable().create_extension(true).chunk_interval(TimeDelta::days(1)).allow_plain_table();
        let report = setup.clone().call(&mut conn).unwrap();
        if server().available.is_none() {
            assert_eq!(report.outcome, Outcome::Plain);
            let error = refusal(&mut conn, SensorEvent::hypertable().create_extension(true));
            assert!(matches!(error, HypertableError::ExtensionUnavailable { .. }), "{error:?}");
        } else {
            assert_eq!(report.outcome, Outcome::Created);
            assert_agrees(&mut conn, &report, "sensor_events", "timestamp");
            assert_eq!(setup.call(&mut conn).unwrap().outcome, Outcome::AlreadyThere);
        }
        insert_events(&mut conn, 3);
        assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
    }
}

#[test]
fn the_extension_is_created_once() {
    let (_db, mut conn) = migrated_without_extension();
    if server().available.is_none() {
        let error = create_extension().call(&mut conn).unwrap_err();
        assert!(matches!(error, Error::Hypertable(HypertableError::ExtensionUnavailable { .. })), "{error}");
        let report = create_extension().allow_plain_postgres(true).call(&mut conn).unwrap();
        assert_eq!((report.outcome, report.timescaledb, report.schema), (Outcome::Plain, None, None));
        return;
    }
    let report = create_extension().call(&mut conn).unwrap();
    if support::has(support::Needs::TwoConnections) {
        assert_eq!((report.outcome, report.schema.as_deref()), (Outcome::Created, Some("public")));
    }
    assert_eq!(report.timescaledb, server().timescaledb);
    let again = create_extension().allow_plain_postgres(true).call(&mut conn).unwrap();
    assert_eq!((again.outcome, again.schema), (Outcome::AlreadyThere, report.schema));
}

#[test]
fn the_extension_may_be_in_any_schema() {
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = migrated_without_extension();
    sql(&mut conn, r#"CREATE SCHEMA "Time Scale""#);
    let extension = create_extension().in_schema("Time Scale").call(&mut conn).unwrap();
    assert_eq!(extension.schema.as_deref(), Some("Time Scale"));
    let report = SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).call(&mut conn).unwrap();
    assert_eq!(report.outcome, Outcome::Created);
    assert_agrees(&mut conn, &report, "sensor_events", "timestamp");
}

#[test]
fn a_role_needs_the_right_to_create_the_extension_and_no_more() {
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = migrated_without_extension();
    let role = value(&mut conn, "SELECT current_database() || '_role'");
    sql(&mut conn, &format!("CREATE ROLE {role}; SET ROLE {role}"));
    let error = create_extension().call(&mut conn).unwrap_err();
    let Error::Hypertable(HypertableError::ExtensionNotCreated { message, remedy }) = &error else {
        panic!("not ExtensionNotCreated: {error:?}")
    };
    assert!(message.contains(&role), "{message}");
    let (create, grant) = remedy.split_once("; or ").unwrap();
    assert!(create.starts_with("CREATE EXTENSION timescaledb SCHEMA public, as"), "{create}");
    sql(&mut conn, &format!("RESET ROLE; {grant}; SET ROLE {role}"));
    assert_eq!(create_extension().call(&mut conn).unwrap().outcome, Outcome::Created);
    sql(&mut conn, &format!("RESET ROLE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn a_session_that_had_the_extension_before_creates_it_again_or_says_that_a_new_one_can() {
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, "DROP EXTENSION timescaledb");
    match create_extension().call(&mut conn) {
        Ok(report) => assert_eq!(report.outcome, Outcome::Created),
        Err(Error::Hypertable(HypertableError::ExtensionNotCreated { message, remedy })) => {
            assert!(message.contains("by this session"), "{message}");
            assert_eq!(remedy, "CREATE EXTENSION timescaledb SCHEMA public, as the first statement of a new session");
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn of_many_sessions_that_create_the_extension_at_once_one_does() {
    needs!(Timescale, TwoConnections);
    let (db, conn) = migrated_without_extension();
    drop(conn);
    let start = std::sync::Barrier::new(4);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut conn = db.connect();
                    start.wait();
                    create_extension().call(&mut conn).map(|report| report.outcome)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "{outcomes:?}");
}

/// Runs a set-up with an entry for the extension in the catalog that the server does not have; a server with
/// TimescaleDB ends the session when it finds another release in its catalog than the one it has loaded.
fn refusal_with_extension(version: &str, is_loaded: bool) -> HypertableError {
    let (_db, mut conn) = TestDb::migrated();
    conn.begin_test_transaction().unwrap();
    sql(
        &mut conn,
        &format!(
            "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
             SELECT max(oid)::bigint + 1, 'timescaledb', 10, 'public'::regnamespace, false, '{version}' FROM pg_extension"
        ),
    );
    if is_loaded {
        // What the library defines when it is loaded.
        sql(&mut conn, "SET LOCAL timescaledb.license TO apache");
    }
    refusal(&mut conn, SensorEvent::hypertable())
}

#[test]
fn a_library_that_is_not_loaded_is_reported() {
    needs!(PlainPostgres);
    let error = refusal_with_extension("2.19.3", false);
    let HypertableError::ExtensionNotLoaded { remedy, .. } = &error else {
        panic!("not ExtensionNotLoaded: {error:?}")
    };
    assert!(remedy.contains("shared_preload_libraries"), "{remedy}");
}

#[test]
fn a_timescaledb_that_is_too_old_is_reported_with_what_was_found() {
    needs!(PlainPostgres);
    for version in ["2.16.1", "2.9.0-dev", "1.7.5"] {
        let error = refusal_with_extension(version, true);
        let HypertableError::ServerTooOld { message, found, remedy } = &error else {
            panic!("{version} is not ServerTooOld: {error:?}")
        };
        assert_eq!(found, version);
        assert!(message.contains(version) && message.contains("2.17 or later"), "{message}");
        assert_eq!(remedy, "ALTER EXTENSION timescaledb UPDATE");
    }
}

#[test]
fn a_unique_index_without_the_time_column_is_refused_and_the_remedy_mends_it() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::migrated();
    // What lacks the column, the index that the error must name, and the unique index after the remedy.
    for (lacking, name, fixed) in [
        ("ALTER TABLE readings ADD PRIMARY KEY (id)", "readings_pkey", "(id, at)"),
        (r#"ALTER TABLE readings ADD CONSTRAINT "The Key" PRIMARY KEY (code, id)"#, "The Key", "(code, id, at)"),
        ("ALTER TABLE readings ADD UNIQUE (code)", "readings_code_key", "(code, at)"),
        (
            r#"ALTER TABLE readings RENAME code TO "The Code"; ALTER TABLE readings ADD CONSTRAINT "One Code" UNIQUE (id, "The Code")"#,
            "One Code",
            r#"(id, "The Code", at)"#,
        ),
        ("CREATE UNIQUE INDEX one_code ON readings (code)", "one_code", "(code, at)"),
        (r#"CREATE UNIQUE INDEX "One Code" ON readings (code, id)"#, "One Code", "(code, id, at)"),
        // To include the column is not to be unique by it.
        ("CREATE UNIQUE INDEX one_code ON readings (code) INCLUDE (at)", "one_code", "(code, at)"),
    ] {
        sql(&mut conn, &format!("DROP TABLE IF EXISTS readings; {READINGS}; {lacking}"));
        let error = refusal(&mut conn, setup());
        let HypertableError::UniqueIndexLacksTime { message, table, index, remedy } = &error else {
            panic!("{lacking}: not UniqueIndexLacksTime: {error:?}")
        };
        let readings = format!("{}.readings", db.schema());
        assert_eq!((table, index.as_str()), (&readings, name), "{lacking}");
        assert!(message.contains(name) && message.contains("readings") && message.contains("at"), "{message}");
        assert!(error.to_string().ends_with(&format!("Fix: {remedy}")), "{error}");

        sql(&mut conn, remedy);
        let report = setup().default_indexes(false).call(&mut conn).unwrap_or_else(|error| panic!("{remedy}: {error}"));
        assert_eq!(report.outcome, Outcome::Created, "{remedy}");
        let indexes = values(
            &mut conn,
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'readings'::regclass AND indisunique",
        );
        assert!(indexes.len() == 1 && indexes[0].ends_with(fixed), "{remedy} leaves {indexes:?}");
    }
}

#[test]
fn several_unique_indexes_without_the_time_column_are_mended_one_after_the_other() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(
        &mut conn,
        &format!("{READINGS}; ALTER TABLE readings ADD PRIMARY KEY (id), ADD UNIQUE (code), ADD UNIQUE (stored_at)"),
    );
    let mut fixed = Vec::new();
    let report = loop {
        match setup().call(&mut conn) {
            Err(Error::Hypertable(HypertableError::UniqueIndexLacksTime { index, remedy, .. })) => {
                sql(&mut conn, &remedy);
                fixed.push(index);
                assert!(fixed.len() <= 3, "{fixed:?}");
            }
            result => break result.unwrap(),
        }
    };
    assert_eq!(report.outcome, Outcome::Created);
    assert_eq!(fixed, ["readings_pkey", "readings_code_key", "readings_stored_at_key"], "the primary key first");
}

#[test]
fn a_unique_index_that_is_partial_or_by_expression_is_mended_in_either_way_that_the_remedy_names() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    for (lacking, with_time) in [
        ("CREATE UNIQUE INDEX one_code ON readings (code) WHERE code <> ''", "(code, at) WHERE code <> ''"),
        ("CREATE UNIQUE INDEX one_code ON readings (lower(code))", "(lower(code), at)"),
    ] {
        for fix in ["DROP INDEX one_code", &format!("DROP INDEX one_code; CREATE UNIQUE INDEX ON readings {with_time}")]
        {
            sql(&mut conn, &format!("DROP TABLE IF EXISTS readings; {READINGS}; {lacking}"));
            let error = refusal(&mut conn, setup());
            let HypertableError::UniqueIndexLacksTime { index, remedy, .. } = &error else {
                panic!("{lacking}: not UniqueIndexLacksTime: {error:?}")
            };
            assert_eq!((index.as_str(), remedy.as_str()), ("one_code", "Drop it, or add at to it"), "{lacking}");
            sql(&mut conn, fix);
            assert_eq!(setup().call(&mut conn).unwrap().outcome, Outcome::Created, "{fix}");
        }
    }
}

#[test]
fn an_exclusion_constraint_without_the_time_column_is_refused() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, &format!("{READINGS}; ALTER TABLE readings ADD CONSTRAINT one_id EXCLUDE USING btree (id WITH =)"));
    let error = refusal(&mut conn, setup());
    let HypertableError::UniqueIndexLacksTime { index, .. } = &error else {
        panic!("not UniqueIndexLacksTime: {error:?}")
    };
    assert_eq!(index, "one_id");
    sql(&mut conn, "ALTER TABLE readings DROP CONSTRAINT one_id");
    assert_eq!(setup().call(&mut conn).unwrap().outcome, Outcome::Created);
}

mod schema_of_the_functions {
    diesel::table! {
        models.readings (id) {
            id -> Int8,
            at -> Timestamptz,
        }
    }
}

#[test]
fn the_remedy_means_the_table_that_was_refused_wherever_the_search_path_leads() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::new();
    // Rolled back, because a schema would stay where the tests share a database.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(conn, "CREATE SCHEMA models; CREATE SCHEMA other; SET LOCAL search_path TO models");
        occupancy_models::run_migrations(conn).unwrap();
        sql(conn, &format!("{READINGS}; ALTER TABLE readings ADD PRIMARY KEY (id)"));
        sql(conn, "SET LOCAL search_path TO other, models");
        sql(conn, &format!("{READINGS}; ALTER TABLE readings ADD PRIMARY KEY (id)"));
        let setup = hypertable(schema_of_the_functions::readings::at);
        let error = refusal(conn, setup.clone());
        let HypertableError::UniqueIndexLacksTime { remedy, .. } = error else {
            panic!("not UniqueIndexLacksTime: {error:?}")
        };
        let other = Catalog::of(conn, "other");
        sql(conn, &remedy);
        Catalog::of(conn, "other").assert_is(&other, &format!("after {remedy}, which is for models.readings"));
        assert_eq!(setup.call(conn)?.outcome, Outcome::Created);
        Ok(())
    });
}

#[test]
fn a_hypertable_on_another_column_is_refused() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    hypertable(readings::stored_at).call(&mut conn).unwrap();
    for setup in [setup(), setup().if_not_exists(false), setup().migrate_data(true)] {
        let error = refusal(&mut conn, setup);
        let HypertableError::OtherTimeColumn { message, table, column, .. } = &error else {
            panic!("not OtherTimeColumn: {error:?}")
        };
        let readings = format!("{}.readings", db.schema());
        assert_eq!((table, column.as_str()), (&readings, "stored_at"));
        assert_eq!(*message, format!("{readings} is a hypertable on stored_at already, not on at"));
    }
    assert_eq!(hypertable(readings::stored_at).call(&mut conn).unwrap().outcome, Outcome::AlreadyThere);
}

#[test]
fn a_hypertable_that_is_there_is_refused_where_the_caller_does_not_allow_it() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::migrated();
    sql(&mut conn, READINGS);
    assert_eq!(setup().if_not_exists(false).call(&mut conn).unwrap().outcome, Outcome::Created);
    let error = refusal(&mut conn, setup().if_not_exists(false));
    let HypertableError::AlreadyAHypertable { message, table, .. } = &error else {
        panic!("not AlreadyAHypertable: {error:?}")
    };
    let readings = format!("{}.readings", db.schema());
    assert_eq!((table, message), (&readings, &format!("{readings} is a hypertable already")));
}

/// Runs the part of the remedy that is a statement.
fn drop_foreign_key(conn: &mut PgConnection, error: &HypertableError, name: &str) {
    let HypertableError::ReferencedByForeignKey { message, table, constraint, breaks, remedy } = error else {
        panic!("not ReferencedByForeignKey: {error:?}")
    };
    assert_eq!((table, constraint.as_str()), (&format!("{}.readings", value(conn, "SELECT current_schema()")), name));
    assert!(message.contains(name), "{message}");
    assert!(breaks.contains("drop_chunks"), "{breaks}");
    let (statement, advice) = remedy.split_once(", and let ").unwrap();
    assert!(advice.contains("plain table"), "{advice}");
    sql(conn, statement);
}

#[test]
fn a_table_that_a_foreign_key_references_is_refused_and_the_remedy_drops_the_foreign_key() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(
        &mut conn,
        &format!(
            r#"{READINGS};
               ALTER TABLE readings ADD PRIMARY KEY (id), ADD UNIQUE (id, at),
                   ADD COLUMN previous BIGINT CONSTRAINT follows REFERENCES readings (id);
               CREATE TABLE "Reading Notes" (
                   reading_id BIGINT CONSTRAINT "a note's reading" REFERENCES readings,
                   reading_at TIMESTAMPTZ,
                   CONSTRAINT both_columns FOREIGN KEY (reading_id, reading_at) REFERENCES readings (id, at)
               )"#
        ),
    );
    for name in ["a note's reading", "both_columns", "follows"] {
        let error = refusal(&mut conn, setup());
        drop_foreign_key(&mut conn, &error, name);
    }
    // What the foreign keys needed.
    let HypertableError::UniqueIndexLacksTime { remedy, .. } = refusal(&mut conn, setup()) else { panic!() };
    sql(&mut conn, &remedy);
    assert_eq!(setup().call(&mut conn).unwrap().outcome, Outcome::Created);
}

#[test]
fn the_remedy_for_a_foreign_key_of_a_partitioned_table_names_the_one_that_can_be_dropped() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(
        &mut conn,
        &format!(
            "{READINGS};
             ALTER TABLE readings ADD PRIMARY KEY (id, at);
             CREATE TABLE notes (id BIGINT, at TIMESTAMPTZ, CONSTRAINT z FOREIGN KEY (id, at) REFERENCES readings)
                 PARTITION BY RANGE (id);
             CREATE TABLE notes_1 (id BIGINT, at TIMESTAMPTZ, CONSTRAINT a FOREIGN KEY (id, at) REFERENCES readings);
             ALTER TABLE notes ATTACH PARTITION notes_1 FOR VALUES FROM (0) TO (10)"
        ),
    );
    let error = refusal(&mut conn, setup());
    // A partition cannot drop what it has from its table.
    drop_foreign_key(&mut conn, &error, "z");
    assert_eq!(setup().call(&mut conn).unwrap().outcome, Outcome::Created);
}

#[test]
fn what_is_not_an_ordinary_table_is_refused() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    for (what, statements) in [
        ("a view", "CREATE VIEW readings AS SELECT 1::bigint AS id, now() AS at"),
        ("a partitioned table", "CREATE TABLE readings (id BIGINT, at TIMESTAMPTZ) PARTITION BY RANGE (at)"),
        (
            "a partition",
            "CREATE TABLE parts (id BIGINT, at TIMESTAMPTZ) PARTITION BY RANGE (at);
             CREATE TABLE readings PARTITION OF parts DEFAULT",
        ),
        (
            "a table that another inherits",
            "CREATE TABLE readings (id BIGINT, at TIMESTAMPTZ); CREATE TABLE children () INHERITS (readings)",
        ),
        (
            "a table that inherits another",
            "CREATE TABLE parents (id BIGINT, at TIMESTAMPTZ); CREATE TABLE readings () INHERITS (parents)",
        ),
        ("a temporary table", "CREATE TEMPORARY TABLE readings (id BIGINT, at TIMESTAMPTZ)"),
        ("an unlogged table", "CREATE UNLOGGED TABLE readings (id BIGINT, at TIMESTAMPTZ)"),
        // Which LOCK TABLE refuses.
        ("a materialized view", "CREATE MATERIALIZED VIEW readings AS SELECT 1::bigint AS id, now() AS at"),
    ] {
        // Rolled back, so that the next one can have the name.
        conn.test_transaction::<_, Error, _>(|conn| {
            sql(conn, statements);
            let error = refusal(conn, setup());
            let HypertableError::NotATable { table, .. } = &error else { panic!("{what}: not NotATable: {error:?}") };
            assert!(table.ends_with("readings"), "{what}: {table}");
            Ok(())
        });
    }
}

#[test]
fn a_table_whose_last_child_is_gone_is_an_ordinary_table_again() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, &format!("{READINGS}; CREATE TABLE children () INHERITS (readings); DROP TABLE children"));
    // pg_class.relhassubclass stays true until the next VACUUM or ANALYZE.
    let report = setup().call(&mut conn).unwrap_or_else(|error| panic!("no table inherits readings: {error}"));
    assert_eq!(report.outcome, Outcome::Created);
}

#[test]
fn a_time_column_that_is_not_in_the_database_as_it_is_declared_is_refused() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::migrated();
    for columns in ["at TIMESTAMP", "at TEXT", "at BIGINT", "at TIMESTAMPTZ[]", r#""At" TIMESTAMPTZ"#, "id BIGINT"] {
        sql(&mut conn, &format!("DROP TABLE IF EXISTS readings; CREATE TABLE readings ({columns})"));
        let error = refusal(&mut conn, setup());
        let HypertableError::NoTimeColumn { message, table, column, .. } = &error else {
            panic!("{columns}: not NoTimeColumn: {error:?}")
        };
        let readings = format!("{}.readings", db.schema());
        assert_eq!((table, column.as_str()), (&readings, "at"), "{columns}");
        assert!(message.starts_with(&format!("{readings} has no column at ")), "{columns}: {message}");
    }
    sql(&mut conn, &format!("DROP TABLE readings; {READINGS}; ALTER TABLE readings DROP COLUMN at"));
    assert!(matches!(refusal(&mut conn, setup()), HypertableError::NoTimeColumn { .. }), "a column that was dropped");
}

#[test]
fn a_table_that_does_not_exist_is_the_error_of_the_database() {
    let (_db, mut conn) = TestDb::migrated();
    match setup().allow_plain_table().call(&mut conn) {
        Err(Error::Database(error)) => assert_eq!(error.to_string(), "relation \"readings\" does not exist"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_nullable_time_column_becomes_not_null() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(&mut conn, &format!("{READINGS}; ALTER TABLE readings ALTER at DROP NOT NULL"));
    assert_eq!(setup().call(&mut conn).unwrap().outcome, Outcome::Created);
    let is_not_null = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attname = 'at'";
    assert_eq!(value(&mut conn, is_not_null), "true");
}

#[test]
fn a_chunk_interval_that_is_not_positive_is_refused() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    // The server takes it, and every insert ends in a division by zero.
    for interval in [TimeDelta::zero(), TimeDelta::days(-1), TimeDelta::nanoseconds(999)] {
        let error = refusal(&mut conn, SensorEvent::hypertable().chunk_interval(interval));
        assert!(matches!(error, HypertableError::ChunkInterval { .. }), "{interval} is not ChunkInterval: {error:?}");
    }
}

#[test]
fn of_two_sessions_that_set_up_the_same_table_one_creates_it_and_the_other_finds_it() {
    needs!(Timescale, TwoConnections);
    let (db, mut first) = TestDb::migrated();
    let mut second = db.connect();
    std::thread::scope(|scope| {
        let (created, found) = first
            .transaction::<_, Error, _>(|first| {
                let created = SensorEvent::hypertable().call(first)?;
                let found = scope.spawn(|| SensorEvent::hypertable().call(&mut second));
                wait_for_lock(first);
                Ok((created, found))
            })
            .unwrap();
        assert_eq!(created.outcome, Outcome::Created);
        assert_eq!(found.join().unwrap().unwrap().outcome, Outcome::AlreadyThere);
    });
}

#[test]
fn the_session_that_waits_creates_the_hypertable_when_the_other_one_gives_up() {
    needs!(Timescale, TwoConnections);
    let (db, mut first) = TestDb::migrated();
    let mut second = db.connect();
    std::thread::scope(|scope| {
        let created = first.test_transaction::<_, Error, _>(|first| {
            SensorEvent::hypertable().call(first)?;
            let created = scope.spawn(|| SensorEvent::hypertable().call(&mut second));
            wait_for_lock(first);
            Ok(created)
        });
        assert_eq!(created.join().unwrap().unwrap().outcome, Outcome::Created);
    });
}

#[test]
fn the_session_that_waits_finds_the_hypertable_at_every_isolation_level() {
    needs!(Timescale, TwoConnections);
    let (db, mut first) = TestDb::migrated();
    let mut second = db.connect();
    for isolation in ["repeatable read", "serializable"] {
        sql(&mut first, &format!("DROP TABLE IF EXISTS readings; {READINGS}"));
        let mut set_up = |conn: &mut PgConnection| {
            let transaction = conn.build_transaction();
            let mut transaction =
                if isolation == "serializable" { transaction.serializable() } else { transaction.repeatable_read() };
            transaction.run(|conn| setup().call(conn))
        };
        std::thread::scope(|scope| {
            let found = first
                .transaction::<_, Error, _>(|first| {
                    setup().call(first)?;
                    let found = scope.spawn(|| Retry::default().run(&mut second, &mut set_up));
                    wait_for_lock(first);
                    Ok(found)
                })
                .unwrap();
            // Its snapshot is older than the lock and shows no hypertable.
            let report = found.join().unwrap().unwrap_or_else(|error| panic!("under {isolation}: {error}"));
            assert_eq!(report.outcome, Outcome::AlreadyThere, "under {isolation}");
        });
    }
}

#[test]
fn of_many_sessions_that_set_up_a_table_at_once_one_creates_it() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = TestDb::migrated();
    for round in 0..3 {
        sql(&mut conn, &format!("DROP TABLE IF EXISTS readings; {READINGS}"));
        let start = std::sync::Barrier::new(4);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conn = db.connect();
                        start.wait();
                        setup().call(&mut conn).map(|report| report.outcome)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        let created = outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count();
        assert_eq!(created, 1, "round {round}: {outcomes:?}");
        assert!(!outcomes.contains(&Outcome::Plain), "round {round}: {outcomes:?}");
    }
}

/// Waits until another session of this database waits for a lock. By the database, not by the session: a pooler in
/// transaction mode gives a connection another session from one transaction to the next.
fn wait_for_lock(conn: &mut PgConnection) {
    let is_waiting = "SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )";
    let deadline = Instant::now() + Duration::from_secs(30);
    while value(conn, is_waiting) != "true" {
        if Instant::now() > deadline {
            // The others might wait for this session, and the test for them.
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            sql(conn, "SELECT pg_stat_clear_snapshot()");
            values(conn, end);
            panic!("no session waits for a lock");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
