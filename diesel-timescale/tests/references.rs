//! References to the rows of any hypertable: by an id or by the whole key, for every type of time column.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_timescale::references::{self, OnDelete};
use diesel_timescale::transaction::Transient;
use diesel_timescale::{
    Call, Error, HypertableError, Job, ReferenceError, ViolationKind, columnstore, hypertable, jobs, run_job,
    set_integer_now, to_columnstore,
};
use support::{TestDb, needs, sql};

diesel::table! {
    readings (sensor, time) {
        sensor -> Text,
        time -> Timestamptz,
        value -> Float8,
    }
}
diesel::table! {
    events (id, ms) {
        id -> Int8,
        ms -> Int8,
    }
}
diesel::table! {
    orders (id) {
        id -> Int8,
        sensor -> Nullable<Text>,
        time -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    alerts (id) {
        id -> Int8,
        event_id -> Int8,
    }
}

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Ten days of a reading an hour, of three sensors.
fn ready() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, value FLOAT8 NOT NULL, PRIMARY KEY (sensor, time));
         CREATE TABLE orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT, time TIMESTAMPTZ)",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    for _ in 0..2 {
        references::create_target(readings::time).call(&mut conn).unwrap();
    }
    sql(
        &mut conn,
        "INSERT INTO readings SELECT 'sensor ' || n % 3, timestamptz '2026-01-05 00:00Z' + n * interval '1 hour', n
         FROM generate_series(0, 239) AS n",
    );
    (db, conn)
}

fn order_all(conn: &mut PgConnection) {
    sql(conn, "INSERT INTO orders (sensor, time) SELECT sensor, time FROM readings ORDER BY time");
}

fn attach_orders(conn: &mut PgConnection, action: OnDelete) -> OnDelete {
    references::add((orders::sensor, orders::time), readings::table).on_delete(action).call(conn).unwrap()
}

/// Orders, and how many of them have a reading.
fn counts(conn: &mut PgConnection) -> (i64, i64) {
    orders::table.select((diesel::dsl::count_star(), diesel::dsl::count(orders::time))).first(conn).unwrap()
}

fn value(conn: &mut PgConnection, query: &str) -> String {
    diesel::dsl::sql::<diesel::sql_types::Text>(&format!("SELECT ({query})::text")).get_result(conn).unwrap()
}

fn error_of(conn: &mut PgConnection, statement: &str) -> String {
    conn.transaction::<_, diesel::result::Error, _>(|conn| conn.batch_execute(statement)).unwrap_err().to_string()
}

/// What is registered and gone, and what is referenced and not registered.
fn dangling(conn: &mut PgConnection) -> String {
    value(
        conn,
        "SELECT (SELECT count(*) FROM referenced_readings AS r LEFT JOIN readings AS e USING (sensor, time) WHERE e.time IS NULL)
             + (SELECT count(*) FROM orders AS o LEFT JOIN referenced_readings AS r USING (sensor, time) WHERE o.time IS NOT NULL AND r.time IS NULL)",
    )
}

#[test]
fn rows_that_are_there_are_registered_and_later_ones_checked() {
    let (_db, mut conn) = ready();
    order_all(&mut conn);
    for _ in 0..2 {
        assert_eq!(attach_orders(&mut conn, OnDelete::SetNull), OnDelete::SetNull);
    }
    assert_eq!(value(&mut conn, "SELECT count(*) FROM referenced_readings"), "240");
    order_all(&mut conn);
    let error = error_of(&mut conn, "INSERT INTO orders (sensor, time) VALUES ('sensor 1', '2026-01-05 00:00Z')");
    assert!(error.contains("violates foreign key constraint"), "{error}");
    // With a null in it, it references nothing.
    sql(&mut conn, "INSERT INTO orders (sensor) VALUES ('no sensor')");
    assert_eq!(counts(&mut conn), (481, 480));
    assert_eq!(dangling(&mut conn), "0");
}

#[test]
fn attaching_refuses_a_row_that_references_nothing() {
    let (_db, mut conn) = ready();
    sql(&mut conn, "INSERT INTO orders (sensor, time) VALUES ('no sensor', '2026-01-05 00:00Z')");
    let call = references::add((orders::sensor, orders::time), readings::table);
    let error = call.call(&mut conn).unwrap_err().to_string();
    assert!(error.contains("violates foreign key constraint"), "{error}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'orders'::regclass"), "0");
}

#[test]
fn a_removed_row_clears_takes_along_or_stays() {
    for (action, left) in
        [(OnDelete::SetNull, (240, 239)), (OnDelete::Cascade, (239, 239)), (OnDelete::Restrict, (240, 240))]
    {
        for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
            let (_db, mut conn) = ready();
            assert_eq!(attach_orders(&mut conn, action), action);
            order_all(&mut conn);
            let outcome = conn.batch_execute(&format!(
                "BEGIN ISOLATION LEVEL {isolation};
                 DELETE FROM readings WHERE time = '2026-01-06 12:00Z';
                 COMMIT"
            ));
            if outcome.is_err() {
                sql(&mut conn, "ROLLBACK");
            }
            assert_eq!(outcome.is_err(), action == OnDelete::Restrict, "{outcome:?}");
            assert_eq!(counts(&mut conn), left, "{action:?} {isolation}");
            assert_eq!(dangling(&mut conn), "0");
        }
    }
}

#[test]
fn truncate_releases_all_and_is_refused_under_old_snapshots() {
    let (_db, mut conn) = ready();
    attach_orders(&mut conn, OnDelete::SetNull);
    order_all(&mut conn);
    let error = conn
        .build_transaction()
        .repeatable_read()
        .run::<_, Error, _>(|conn| Ok(conn.batch_execute("TRUNCATE readings")?))
        .unwrap_err();
    assert!(matches!(error, Error::Reference(ReferenceError::IsolationTooHigh { .. })), "{error}");
    sql(&mut conn, "TRUNCATE readings");
    assert_eq!(counts(&mut conn), (240, 0));
}

#[test]
fn the_key_of_a_row_cannot_change() {
    let (_db, mut conn) = ready();
    let error = conn.batch_execute("UPDATE readings SET sensor = 'another'").unwrap_err();
    let Error::Reference(ReferenceError::KeyChange { message, .. }) = error.into() else { panic!() };
    assert!(message.contains("readings"), "{message}");
    sql(&mut conn, "UPDATE readings SET value = 1, sensor = sensor");
}

#[test]
fn a_foreign_key_made_by_hand_is_recognised() {
    let (_db, mut conn) = ready();
    sql(
        &mut conn,
        "ALTER TABLE orders ALTER sensor SET NOT NULL, ALTER time SET NOT NULL,
             ADD FOREIGN KEY (sensor, time) REFERENCES referenced_readings ON DELETE CASCADE",
    );
    assert_eq!(attach_orders(&mut conn, OnDelete::SetNull), OnDelete::Cascade);
    assert_eq!(
        value(&mut conn, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'f'"),
        "1"
    );
    order_all(&mut conn);
    sql(&mut conn, "DELETE FROM readings WHERE sensor = 'sensor 1'");
    assert_eq!(counts(&mut conn), (160, 160));
}

#[test]
fn columns_that_cannot_reference_are_refused() {
    let (_db, mut conn) = ready();
    sql(&mut conn, "ALTER TABLE orders ALTER sensor SET NOT NULL");
    let error = references::add((orders::sensor, orders::time), readings::table).call(&mut conn).unwrap_err();
    let Error::Reference(ReferenceError::Column { message, remedy, .. }) = error else { panic!("{error}") };
    assert!(message.contains("orders.sensor is NOT NULL"), "{message}");
    assert!(remedy.contains("CASCADE"), "{remedy}");
    for call in [
        references::add(orders::sensor, readings::table),
        references::add((orders::time, orders::sensor), readings::table),
        references::add(orders::id, readings::table),
    ] {
        let error = call.on_delete(OnDelete::Cascade).call(&mut conn).unwrap_err();
        assert!(matches!(error, Error::Reference(ReferenceError::Column { .. })), "{error}");
    }
    let error = references::add(orders::id, orders::table).call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::Reference(ReferenceError::NotATarget { .. })), "{error}");
}

#[test]
fn tables_that_cannot_be_targets_are_refused() {
    let (_db, mut conn) = TestDb::installed();
    for (table, problem) in [
        ("CREATE TABLE events (id BIGINT, ms BIGINT, PRIMARY KEY (id, ms))", "GENERATED ALWAYS AS IDENTITY"),
        (
            "CREATE TABLE events (id INT GENERATED ALWAYS AS IDENTITY, ms BIGINT, PRIMARY KEY (id, ms))",
            "of type bigint",
        ),
        ("CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms BIGINT)", "no primary key"),
        ("CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms BIGINT, PRIMARY KEY (ms, id))", "no index"),
        ("CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms TEXT, PRIMARY KEY (id, ms))", "with a time"),
        ("CREATE VIEW events AS SELECT 1::BIGINT AS id, 2::BIGINT AS ms", "ordinary table"),
    ] {
        sql(&mut conn, table);
        let error = references::create_target(events::ms).by_id(events::id).call(&mut conn).unwrap_err();
        let Error::Reference(ReferenceError::Target { message, remedy, .. }) = error else {
            panic!("{table}: {error}")
        };
        assert!(message.contains(problem), "{table}: {message}");
        assert!(!remedy.is_empty());
        sql(&mut conn, &format!("DROP {} events", &table[7..12]));
    }
    // A remedy that is a statement is enough.
    for table in [
        "CREATE TABLE events (id BIGINT GENERATED BY DEFAULT AS IDENTITY, ms BIGINT, PRIMARY KEY (id, ms))",
        "CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms BIGINT, PRIMARY KEY (ms, id))",
    ] {
        sql(&mut conn, table);
        hypertable(events::ms).chunk_interval(1000).allow_plain_table().call(&mut conn).unwrap();
        let call = references::create_target(events::ms).by_id(events::id);
        let error = call.clone().call(&mut conn).unwrap_err();
        let Error::Reference(ReferenceError::Target { remedy, .. }) = error else { panic!("{table}: {error}") };
        sql(&mut conn, &remedy);
        call.call(&mut conn).unwrap();
        references::drop_target(events::table).call(&mut conn).unwrap();
        sql(&mut conn, "DROP TABLE events");
    }
    // Ids that the application has assigned so far.
    sql(
        &mut conn,
        "CREATE TABLE events (id BIGSERIAL, ms BIGINT, PRIMARY KEY (ms, id)); INSERT INTO events VALUES (7, 1)",
    );
    let error = references::create_target(events::ms).by_id(events::id).call(&mut conn).unwrap_err();
    let Error::Reference(ReferenceError::Target { remedy, .. }) = error else { panic!("{error}") };
    let (statement, _) = remedy.split_once(", with a number").unwrap();
    sql(&mut conn, &statement.replace("...", "8"));
    sql(&mut conn, "INSERT INTO events (ms) VALUES (2)");
    assert_eq!(value(&mut conn, "SELECT max(id) FROM events"), "8");
}

#[test]
fn detaching_and_dropping_the_target_leave_nothing_behind() {
    let (_db, mut conn) = ready();
    let generated = "SELECT count(*) FROM pg_proc WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'readings'::regclass)
                     AND prosrc LIKE '%readings%' AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')";
    attach_orders(&mut conn, OnDelete::SetNull);
    assert_eq!(value(&mut conn, generated), "8");
    assert!(references::drop_target(readings::table).call(&mut conn).is_err(), "a foreign key goes there");
    assert!(references::remove((orders::sensor, orders::time), readings::table).call(&mut conn).unwrap());
    assert!(!references::remove((orders::sensor, orders::time), readings::table).call(&mut conn).unwrap());
    references::drop_target(readings::table).call(&mut conn).unwrap();
    assert_eq!(value(&mut conn, generated), "0");
    assert_eq!(
        value(
            &mut conn,
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'readings'::regclass AND tgname LIKE '%reference%'"
        ),
        "0"
    );
    references::create_target(readings::time).call(&mut conn).unwrap();
}

#[test]
fn nobody_may_execute_what_runs_with_the_rights_of_the_owner() {
    let (_db, mut conn) = ready();
    attach_orders(&mut conn, OnDelete::SetNull);
    let open = "SELECT count(*) || '/' || count(*) FILTER (WHERE has_function_privilege('public', oid, 'EXECUTE') OR NOT proconfig::text LIKE '%search_path=pg_catalog%pg_temp%')
                FROM pg_proc WHERE prosecdef AND (prosrc LIKE '%referenced\\_readings%' OR prosrc LIKE '%register\\_readings%')";
    assert_eq!(value(&mut conn, open), "5/0");
}

#[test]
fn retention_releases_or_takes_along() {
    for (action, left) in [(OnDelete::SetNull, (240, 168)), (OnDelete::Cascade, (168, 168))] {
        let (_db, mut conn) = ready();
        attach_orders(&mut conn, action);
        order_all(&mut conn);
        let report = references::drop_before(readings::time, start() + TimeDelta::days(3)).call(&mut conn).unwrap();
        assert_eq!(report.rows_released, 72);
        assert_eq!(report.chunks_dropped * 24 + report.rows_deleted, 72);
        assert_eq!(report.dropped_before, Some(start() + TimeDelta::days(3)));
        assert_eq!(counts(&mut conn), left);
        assert_eq!(dangling(&mut conn), "0");
    }
}

#[test]
fn retention_refuses_or_keeps_what_restrict_references() {
    let (_db, mut conn) = ready();
    attach_orders(&mut conn, OnDelete::Restrict);
    // A row of the second day.
    sql(
        &mut conn,
        "INSERT INTO orders (sensor, time) SELECT sensor, time FROM readings WHERE time = '2026-01-06 06:00Z'",
    );
    let cutoff = start() + TimeDelta::days(3);
    let error = references::drop_before(readings::time, cutoff).call(&mut conn).unwrap_err();
    let Error::Reference(ReferenceError::StillReferenced { message, .. }) = error else { panic!("{error}") };
    assert!(message.contains("orders"), "{message}");
    assert_eq!(readings::table.count().get_result::<i64>(&mut conn).unwrap(), 240, "nothing has changed");

    let report = references::drop_before(readings::time, cutoff).keep_referenced(true).call(&mut conn).unwrap();
    let left: i64 = readings::table.filter(readings::time.lt(cutoff)).count().get_result(&mut conn).unwrap();
    // Its chunk, or on a plain table the row alone.
    assert_eq!(left, if report.chunks_dropped == 2 { 24 } else { 1 });
    assert_eq!(counts(&mut conn), (1, 1));
    assert_eq!(dangling(&mut conn), "0");
}

#[test]
fn retention_that_waits_holds_up_no_read_and_gives_up() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = ready();
    let (mut report, mut reader) = (db.connect(), db.connect());
    sql(&mut report, "BEGIN; SELECT count(*) FROM readings");
    let call = references::drop_before(readings::time, start() + TimeDelta::days(5))
        .lock_timeout(TimeDelta::milliseconds(2_000));
    let (error, slowest) = std::thread::scope(|scope| {
        let retention = scope.spawn(|| call.call(&mut conn).unwrap_err());
        let mut slowest = Duration::ZERO;
        while !retention.is_finished() {
            let started = Instant::now();
            assert_eq!(readings::table.count().get_result::<i64>(&mut reader).unwrap(), 240);
            slowest = slowest.max(started.elapsed());
        }
        (retention.join().unwrap(), slowest)
    });
    assert!(error.is_transient(), "{error}");
    assert!(matches!(error, Error::Reference(ReferenceError::LockTimeout { .. })), "{error}");
    assert!(slowest < Duration::from_millis(1_500), "a read took {slowest:?}");
}

/// What a plain `drop_chunks` leaves.
#[test]
fn references_to_rows_that_are_gone_are_released() {
    needs!(Timescale);
    let (_db, mut conn) = ready();
    attach_orders(&mut conn, OnDelete::SetNull);
    order_all(&mut conn);
    sql(&mut conn, "SELECT drop_chunks('readings', older_than => timestamptz '2026-01-07 00:00Z')");
    assert_eq!(references::clear_dangling(readings::table).call(&mut conn).unwrap(), 48);
    assert_eq!(counts(&mut conn), (240, 192));
    assert_eq!(references::clear_dangling(readings::table).call(&mut conn).unwrap(), 0);
}

#[test]
fn drop_chunks_and_policies_of_the_server_are_refused_for_a_target() {
    needs!(Timescale);
    let (_db, mut conn) = ready();
    let error = diesel_timescale::drop_chunks(readings::time, start()).call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::Reference(ReferenceError::LossOfReferencedRows { .. })), "{error}");
}

#[test]
fn the_columnstore_keeps_references() {
    needs!(Community);
    let (_db, mut conn) = ready();
    attach_orders(&mut conn, OnDelete::SetNull);
    columnstore(readings::table)
        .segment_by(readings::sensor)
        .order_by(readings::time)
        .enable()
        .call(&mut conn)
        .unwrap();
    for chunk in diesel_timescale::chunks(readings::time, ..).call(&mut conn).unwrap() {
        to_columnstore(&chunk).call(&mut conn).unwrap();
    }
    order_all(&mut conn);
    assert_eq!(counts(&mut conn), (240, 240));
    sql(&mut conn, "DELETE FROM readings WHERE sensor = 'sensor 1' AND time < '2026-01-06 00:00Z'");
    assert_eq!(counts(&mut conn), (240, 232));
    let report = references::drop_before(readings::time, start() + TimeDelta::days(4)).call(&mut conn).unwrap();
    assert_eq!((report.chunks_dropped, report.rows_released), (4, 88));
    assert_eq!(counts(&mut conn), (240, 144));
    assert_eq!(dangling(&mut conn), "0");
}

/// Many references into one chunk cost by what they reference, not by the rows that the chunk has.
#[test]
fn references_into_a_large_chunk_of_the_columnstore_ask_for_its_state_once_a_row() {
    needs!(Community);
    let (_db, mut conn) = ready();
    let conn = &mut conn;
    columnstore(readings::table).segment_by(readings::sensor).order_by(readings::time).enable().call(conn).unwrap();
    sql(
        conn,
        "INSERT INTO readings SELECT 'often', timestamptz '2026-01-05 00:00Z' + n * interval '30 seconds', n
         FROM generate_series(0, 2399) AS n",
    );
    for chunk in diesel_timescale::chunks(readings::time, ..).call(conn).unwrap() {
        to_columnstore(&chunk).call(conn).unwrap();
    }
    sql(
        conn,
        "SET track_functions TO 'pl';
         BEGIN;
         SELECT register_readings(array_agg(sensor), array_agg(time))
         FROM (SELECT * FROM readings WHERE sensor = 'often' AND value::int % 300 = 0) AS r",
    );
    assert_eq!(value(conn, "SELECT count(*) FROM referenced_readings"), "8");
    let calls = value(conn, "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'is_in_columnstore'");
    sql(conn, "ROLLBACK");
    // One for the chunk, and one for each row.
    assert!(calls.parse::<i64>().unwrap() <= 20, "{calls} calls for 8 of 2,408 rows");
}

#[test]
fn an_id_that_the_database_assigns_is_enough() {
    let (_db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms BIGINT, PRIMARY KEY (id, ms));
         CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id BIGINT NOT NULL)",
    );
    references::create_target(events::ms).by_id(events::id).registry("known events").call(&mut conn).unwrap();
    if support::has_quietly(support::Needs::Timescale) {
        sql(&mut conn, "SELECT create_hypertable('events', by_range('ms', 86400000))");
    }
    sql(&mut conn, "INSERT INTO events (ms) SELECT n * 3600000 FROM generate_series(0, 239) AS n");
    references::add(alerts::event_id, events::table).on_delete(OnDelete::Cascade).call(&mut conn).unwrap();
    sql(&mut conn, "INSERT INTO alerts (event_id) SELECT id FROM events");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM \"known events\""), "240");
    sql(&mut conn, "DELETE FROM events WHERE ms = 3600000");
    let error = error_of(&mut conn, "INSERT INTO alerts (event_id) VALUES (2)");
    assert!(error.contains("violates foreign key constraint"), "{error}");
    let report = references::drop_before(events::ms, 2 * 86_400_000_i64).call(&mut conn).unwrap();
    assert_eq!((report.rows_released, report.dropped_before), (47, Some(2 * 86_400_000)));
    assert_eq!(alerts::table.count().get_result::<i64>(&mut conn).unwrap(), 192);
}

/// By an id alone: the chunk of an old row is searched, not all of them.
#[test]
fn a_row_of_long_ago_is_referenced_by_its_id_in_few_chunks() {
    for (of_type, moment, width) in [
        ("TIMESTAMPTZ", "TIMESTAMPTZ '2025-01-01 00:00Z' + n * INTERVAL '8 hours'", "INTERVAL '1 day'"),
        ("DATE", "DATE '2025-01-01' + n", "INTERVAL '3 days'"),
        ("BIGINT", "n", "3"),
    ] {
        let (_db, mut conn) = TestDb::installed();
        let conn = &mut conn;
        sql(
            conn,
            &format!(
                "CREATE TABLE \"old events\" (id BIGINT GENERATED ALWAYS AS IDENTITY, \"the time\" {of_type}, PRIMARY KEY (id, \"the time\"));
                 CREATE TABLE alerts (event_id BIGINT)"
            ),
        );
        let is_hypertable = support::has_quietly(support::Needs::Timescale);
        if is_hypertable {
            sql(conn, &format!("SELECT create_hypertable('\"old events\"', by_range('the time', {width}))"));
        }
        sql(
            conn,
            &format!(
                "SELECT diesel_timescale.create_reference_target('\"old events\"', 'the time', 'id', 'known');
                 SELECT diesel_timescale.add_reference('alerts', '{{event_id}}', '\"old events\"');
                 INSERT INTO \"old events\" (\"the time\") SELECT {moment} FROM generate_series(0, 119) AS n;
                 DELETE FROM \"old events\" WHERE id = 60"
            ),
        );
        if support::has_quietly(support::Needs::Community) {
            sql(
                conn,
                "ALTER TABLE \"old events\" SET (timescaledb.compress);
                 SELECT compress_chunk(c) FROM (SELECT c FROM show_chunks('\"old events\"') AS c OFFSET 20) AS c",
            );
        }
        for id in (1..=120).step_by(7) {
            sql(conn, "BEGIN");
            sql(conn, &format!("INSERT INTO alerts VALUES ({id})"));
            let locked = value(
                conn,
                "SELECT count(DISTINCT inhrelid) FROM pg_inherits JOIN pg_locks ON relation = inhrelid
                 WHERE inhparent = '\"old events\"'::REGCLASS AND coalesce(pid, 0) = pg_backend_pid()",
            );
            sql(conn, "COMMIT");
            assert!(locked.parse::<i64>().unwrap() <= 10, "{of_type}: {locked} of 40 chunks are locked for {id}");
        }
        let right = "SELECT count(*) FROM known JOIN \"old events\" USING (id, \"the time\")";
        assert_eq!(value(conn, right), "18", "{of_type}");
        for none in [60, 121] {
            let error = error_of(conn, &format!("INSERT INTO alerts VALUES ({none})"));
            assert!(error.contains("violates foreign key constraint"), "{error}");
        }
        // One that came late lies where no search finds it.
        sql(
            conn,
            &format!(
                "INSERT INTO \"old events\" (\"the time\") SELECT {moment} FROM (SELECT 30 AS n) AS n ON CONFLICT DO NOTHING; INSERT INTO alerts VALUES (121)"
            ),
        );
        assert_eq!(value(conn, right), "19", "{of_type}");
    }
}

/// A table with this type of time column, its rows, and the cutoff that removes half of them.
macro_rules! time_column {
    ($test:ident, $sql:literal, $diesel:ident, $width:literal, $row:literal, $cutoff:expr, $left:literal) => {
        #[test]
        fn $test() {
            diesel::table! { samples (at) { at -> $diesel, } }
            diesel::table! { notes (id) { id -> Int8, at -> Nullable<$diesel>, } }
            if $sql == "UUID" && !support::has(support::Needs::UuidTime) {
                return;
            }
            let (_db, mut conn) = TestDb::installed();
            sql(&mut conn, concat!(
                "CREATE TABLE samples (at ", $sql, " PRIMARY KEY);
                 CREATE TABLE notes (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at ", $sql, ")"
            ));
            if support::has_quietly(support::Needs::Timescale) {
                sql(&mut conn, concat!("SET client_min_messages TO error; SELECT create_hypertable('samples', by_range('at', ", $width, "))"));
            }
            references::create_target(samples::at).call(&mut conn).unwrap();
            sql(&mut conn, concat!("INSERT INTO samples SELECT ", $row, " FROM generate_series(0, 39) AS n"));
            references::add(notes::at, samples::table).call(&mut conn).unwrap();
            sql(&mut conn, "INSERT INTO notes (at) SELECT at FROM samples");
            // All at once, as bulk writes do.
            sql(&mut conn, "UPDATE notes SET at = NULL; DELETE FROM referenced_samples; SELECT register_samples(array_agg(at)) FROM samples");
            assert_eq!(value(&mut conn, "SELECT count(*) FROM referenced_samples"), "40");
            sql(&mut conn, "DELETE FROM notes; INSERT INTO notes (at) SELECT at FROM samples");
            let report = references::drop_before(samples::at, $cutoff).call(&mut conn).unwrap();
            assert_eq!(report.dropped_before, Some($cutoff));
            let (rows, left) = notes::table.select((diesel::dsl::count_star(), diesel::dsl::count(notes::at))).first::<(i64, i64)>(&mut conn).unwrap();
            assert_eq!((rows, left), (40, $left));
            assert_eq!(samples::table.count().get_result::<i64>(&mut conn).unwrap(), $left);
        }
    };
}

time_column!(
    timestamptz,
    "TIMESTAMPTZ",
    Timestamptz,
    "INTERVAL '10 hours'",
    "timestamptz '1970-01-01 00:00Z' + n * INTERVAL '1 hour'",
    "1970-01-01T20:00:00Z".parse::<DateTime<Utc>>().unwrap(),
    20
);
time_column!(
    timestamp,
    "TIMESTAMP",
    Timestamp,
    "INTERVAL '10 hours'",
    "timestamp '1970-01-01' + n * INTERVAL '1 hour'",
    "1970-01-01T20:00:00".parse::<NaiveDateTime>().unwrap(),
    20
);
time_column!(
    date,
    "DATE",
    Date,
    "INTERVAL '10 days'",
    "date '1970-01-01' + n",
    "1970-01-21".parse::<NaiveDate>().unwrap(),
    20
);
time_column!(smallint, "SMALLINT", Int2, "10", "n", 20_i16, 20);
time_column!(integer, "INTEGER", Int4, "10", "n", 20_i32, 20);
time_column!(bigint, "BIGINT", Int8, "10", "n", 20_i64, 20);
time_column!(
    uuid,
    "UUID",
    Uuid,
    "INTERVAL '10 hours'",
    "to_uuidv7(timestamptz '1970-01-01 00:00Z' + n * INTERVAL '1 hour')",
    "1970-01-01T20:00:00Z".parse::<DateTime<Utc>>().unwrap(),
    20
);

#[test]
fn names_that_need_quotes_and_long_ones_work() {
    let (_db, mut conn) = TestDb::installed();
    let long = "a table with a name that is nearly as long as names can be in";
    for (table, column) in [
        ("Bad 'name", "the \"id\""),
        (r"back\slash '{mark}'", r"back\\slashes"),
        (long, "a column with a name that is nearly as long as names can be i"),
        ("$body$ {time}", "{{e}}"),
    ] {
        let (table, column) = (table.replace('"', "\"\""), column.replace('"', "\"\""));
        let (in_text, column_in_text) =
            (format!("\"{table}\"").replace('\'', "''"), column.replace("\"\"", "\"").replace('\'', "''"));
        sql(
            &mut conn,
            &format!(
                "CREATE TABLE \"{table}\" (\"{column}\" TEXT, time TIMESTAMPTZ, PRIMARY KEY (\"{column}\", time));
                 SELECT diesel_timescale.create_reference_target('{in_text}', 'time');
                 CREATE TABLE \"notes on {}\" (\"{column}\" TEXT, time TIMESTAMPTZ);
                 SELECT diesel_timescale.add_reference('\"notes on {}\"', ARRAY['{column_in_text}', 'time'], '{in_text}');
                 INSERT INTO \"{table}\" VALUES ('x', '2026-01-05 00:00Z');
                 INSERT INTO \"notes on {}\" VALUES ('x', '2026-01-05 00:00Z');
                 DELETE FROM \"{table}\"",
                &table[..5], &table[..5].replace('\'', "''"), &table[..5]
            ),
        );
        assert_eq!(
            value(&mut conn, &format!("SELECT count(time) || '/' || count(*) FROM \"notes on {}\"", &table[..5])),
            "0/1"
        );
    }
    // It looks at the whole database.
    if !support::has(support::Needs::TwoConnections) {
        return;
    }
    let found = diesel_timescale::verify().call(&mut conn).unwrap();
    assert!(found.iter().all(|violation| violation.kind == ViolationKind::JobsReportedFailed), "{found:#?}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM diesel_timescale.reference_targets()"), "4");
    // What a remedy names is found again.
    sql(
        &mut conn,
        "DO $$ DECLARE t RECORD; BEGIN FOR t IN SELECT * FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 AND tgrelid::regclass::text NOT LIKE '%epoch%' LOOP EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass); END LOOP; END $$",
    );
    for violation in diesel_timescale::verify().call(&mut conn).unwrap() {
        diesel::sql_query(&violation.remedy)
            .execute(&mut conn)
            .unwrap_or_else(|error| panic!("{error}\nin: {violation}"));
    }
    assert_eq!(diesel_timescale::verify().call(&mut conn).unwrap(), []);
}

/// Whether the error is the refusal that rows are still referenced, as a statement of the application's gets it.
#[track_caller]
fn assert_still_referenced(error: impl Into<Error>) {
    let error = error.into();
    let Error::Reference(ReferenceError::StillReferenced { message, remedy, table }) = &error else {
        panic!("{error:?}")
    };
    assert!(message.contains("foreign key constraint") && table.ends_with("readings"), "{error}");
    assert!(!remedy.is_empty());
}

#[test]
fn what_restrict_refuses_is_typed() {
    for action in ["RESTRICT", "NO ACTION"] {
        let (_db, mut conn) = ready();
        let conn = &mut conn;
        sql(
            conn,
            &format!(
                "ALTER TABLE orders ADD FOREIGN KEY (sensor, time) REFERENCES referenced_readings (sensor, time) ON DELETE {action};
                 SELECT diesel_timescale.add_reference('orders', '{{sensor,time}}', 'readings', 'RESTRICT')"
            ),
        );
        order_all(conn);
        sql(conn, "INSERT INTO readings VALUES ('unreferenced', '2026-01-05 00:00Z', 0)");
        for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
            let transaction = conn.build_transaction();
            let mut transaction =
                if isolation == "READ COMMITTED" { transaction } else { transaction.repeatable_read() };
            let error = transaction
                .run(|conn| {
                    diesel::delete(
                        readings::table.filter(readings::time.eq(start()).and(readings::sensor.eq("sensor 0"))),
                    )
                    .execute(conn)
                })
                .unwrap_err();
            assert_still_referenced(error);
        }
        let error = conn.transaction::<_, diesel::result::Error, _>(|conn| conn.batch_execute("TRUNCATE readings"));
        assert_still_referenced(error.unwrap_err());
        let report = diesel::delete(readings::table.filter(readings::sensor.eq("unreferenced"))).execute(conn);
        assert_eq!(report, Ok(1));

        // Without their rows.
        sql(
            conn,
            "SET session_replication_role TO replica; DELETE FROM readings WHERE time < '2026-01-06 00:00Z'; SET session_replication_role TO origin",
        );
        assert_still_referenced(references::clear_dangling(readings::table).call(conn).unwrap_err());
        assert_eq!(counts(conn), (240, 240));
    }
}

/// A reference with RESTRICT that comes after the removal of its row has looked for one: before it deletes, or, under an
/// older snapshot, before it begins. The order of the two sessions is set by the lock that adding the key takes.
#[test]
fn what_a_key_that_was_just_added_refuses_is_typed() {
    needs!(TwoConnections);
    for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
        let (db, mut conn) = ready();
        let mut other = db.connect();
        // Registered by another table, whose references go along.
        sql(
            &mut conn,
            "CREATE TABLE notes (sensor TEXT, time TIMESTAMPTZ);
             SELECT diesel_timescale.add_reference('notes', '{sensor,time}', 'readings', 'CASCADE');
             INSERT INTO notes VALUES ('sensor 0', '2026-01-05 00:00Z');
             INSERT INTO orders (sensor, time) SELECT * FROM notes",
        );
        let add = "SELECT diesel_timescale.add_reference('orders', '{sensor,time}', 'readings', 'RESTRICT')";
        let delete =
            || diesel::delete(readings::table.filter(readings::time.eq(start()).and(readings::sensor.eq("sensor 0"))));
        sql(&mut other, &format!("BEGIN ISOLATION LEVEL {isolation}; SELECT FROM readings"));
        let removed = if isolation == "READ COMMITTED" {
            sql(&mut conn, &format!("BEGIN; {add}"));
            std::thread::scope(|scope| {
                let removed = scope.spawn(|| delete().execute(&mut other));
                wait_until_blocked(&mut conn);
                sql(&mut conn, "COMMIT");
                removed.join().unwrap()
            })
        } else {
            sql(&mut conn, add);
            delete().execute(&mut other)
        };
        assert_still_referenced(removed.unwrap_err());
        sql(&mut other, "ROLLBACK");
        assert_eq!((counts(&mut conn), dangling(&mut conn).as_str()), ((1, 1), "0"), "{isolation}");
    }
}

/// Waits until another session of this database waits for a lock.
fn wait_until_blocked(conn: &mut PgConnection) {
    let blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + Duration::from_secs(30);
    while value(conn, blocked) == "0" {
        if Instant::now() > deadline {
            // Releases it, so that the test can end.
            sql(conn, "ROLLBACK");
            panic!("no session waits for a lock");
        }
        std::thread::sleep(Duration::from_millis(10));
        // A transaction sees what it saw at first.
        sql(conn, "SELECT pg_stat_clear_snapshot()");
    }
}

#[test]
fn an_action_that_is_not_made_is_refused() {
    let (_db, mut conn) = ready();
    for action in [OnDelete::NoAction, OnDelete::SetDefault] {
        let call = references::add((orders::sensor, orders::time), readings::table).on_delete(action);
        let error = call.call(&mut conn).unwrap_err();
        assert!(matches!(error, Error::Reference(ReferenceError::OnDelete { .. })), "{error:?}");
    }
}

#[test]
fn retention_without_a_finite_cutoff_is_refused() {
    let (_db, mut conn) = ready();
    for cutoff in ["NULL", "'infinity'", "'-infinity'"] {
        let call = format!("SELECT FROM diesel_timescale.drop_referenced_rows_before('readings', {cutoff})");
        let error = Error::from(diesel::sql_query(call).execute(&mut conn).unwrap_err());
        assert!(matches!(error, Error::Reference(ReferenceError::RetentionInterval { .. })), "{cutoff}: {error:?}");
    }
    assert_eq!(readings::table.count().get_result::<i64>(&mut conn).unwrap(), 240);
}

#[test]
fn retention_runs_as_a_job_that_refuses_or_keeps_what_restrict_references() {
    needs!(Community);
    let (_db, mut conn) = ready();
    let conn = &mut conn;
    attach_orders(conn, OnDelete::Restrict);
    sql(conn, "INSERT INTO orders (sensor, time) SELECT sensor, time FROM readings WHERE time = '2026-01-06 06:00Z'");
    let error = references::add_retention(readings::time, TimeDelta::zero()).call(conn).unwrap_err();
    assert!(matches!(error, Error::Reference(ReferenceError::RetentionInterval { .. })), "{error}");

    let age = Utc::now() - start() - TimeDelta::days(3);
    let strict = references::add_retention(readings::time, age).call(conn).unwrap();
    let error = run_job(strict).call(conn).unwrap_err();
    assert_still_referenced(error);
    let lenient = references::add_retention(readings::time, age)
        .keep_referenced(true)
        .schedule(TimeDelta::hours(3))
        .call(conn)
        .unwrap();
    assert_ne!(strict, lenient);
    // Others are of tests that share the database.
    let target = value(conn, "SELECT diesel_timescale.qualified_name('readings')");
    let is_ours = |job: &Job| job.config.as_ref().is_some_and(|config| config["retention_of"] == target.as_str());
    let ours: Vec<_> = jobs().call(conn).unwrap().into_iter().filter(is_ours).collect();
    assert_eq!((ours.len(), ours[0].id, ours[0].schedule_interval), (1, lenient, TimeDelta::hours(3)));
    run_job(lenient).call(conn).unwrap();
    let left: i64 =
        readings::table.filter(readings::time.lt(start() + TimeDelta::days(3))).count().get_result(conn).unwrap();
    assert_eq!((left, counts(conn)), (24, (1, 1)));
    assert_eq!(dangling(conn), "0");
    assert!(references::remove_retention(readings::table).call(conn).unwrap());
    assert!(!references::remove_retention(readings::table).call(conn).unwrap());
}

#[test]
fn retention_as_a_job_counts_the_units_of_the_column() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(
        conn,
        "CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, ms BIGINT, PRIMARY KEY (id, ms)); CREATE TABLE alerts (id BIGINT, event_id BIGINT)",
    );
    hypertable(events::ms).chunk_interval(86_400_000).call(conn).unwrap();
    references::create_target(events::ms).by_id(events::id).call(conn).unwrap();
    sql(conn, "SELECT diesel_timescale.add_reference('alerts', '{event_id}', 'events')");
    let error = references::add_retention(events::ms, 86_400_000).call(conn).unwrap_err();
    assert!(matches!(error, Error::Hypertable(HypertableError::NoIntegerNow { .. })), "{error:?}");
    set_integer_now(events::ms, TimeDelta::milliseconds(1)).call(conn).unwrap();
    let now = Utc::now().timestamp_millis();
    sql(
        conn,
        &format!(
            "INSERT INTO events (ms) VALUES ({}), ({now}); INSERT INTO alerts SELECT 1, id FROM events",
            now - 40 * 86_400_000
        ),
    );
    let job = references::add_retention(events::ms, 30 * 86_400_000).call(conn).unwrap();
    run_job(job).call(conn).unwrap();
    assert_eq!(events::table.select(events::ms).load::<i64>(conn), Ok(vec![now]));
    assert_eq!(value(conn, "SELECT count(event_id) || '/' || count(*) FROM alerts"), "1/2");
    assert!(references::remove_retention(events::table).call(conn).unwrap());
}

#[test]
fn attaching_a_table_with_many_rows_is_quick() {
    let (_db, mut conn) = ready();
    sql(
        &mut conn,
        "INSERT INTO readings SELECT 'many', timestamptz '2026-01-05' + n * interval '1 minute', n FROM generate_series(1, 20000) AS n;
         INSERT INTO orders (sensor, time) SELECT sensor, time FROM readings WHERE sensor = 'many' ORDER BY md5(time::text);
         ANALYZE",
    );
    let started = Instant::now();
    attach_orders(&mut conn, OnDelete::SetNull);
    eprintln!("20,000 references attached in {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(value(&mut conn, "SELECT count(*) FROM referenced_readings"), "20000");
}

/// Keys that their type calls equal, whatever their bits.
#[test]
fn keys_that_are_equal_and_not_identical_reference_each_other() {
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    if value(conn, "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "0" {
        eprintln!("left out: keys_that_are_equal_and_not_identical_reference_each_other: needs the extension citext");
        return;
    }
    sql(
        conn,
        "CREATE SCHEMA types; CREATE EXTENSION citext SCHEMA types;
         CREATE TABLE readings (sensor types.CITEXT, time TIMESTAMPTZ, value FLOAT8, PRIMARY KEY (sensor, time));
         CREATE TABLE orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor types.CITEXT, time TIMESTAMPTZ)",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn).unwrap();
    references::create_target(readings::time).call(conn).unwrap();
    attach_orders(conn, OnDelete::Restrict);
    sql(
        conn,
        "INSERT INTO readings VALUES ('Attic', '2026-01-05 00:00Z', 1), ('Cellar', '2026-01-05 00:00Z', 1);
         INSERT INTO orders (sensor, time) VALUES ('ATTIC', '2026-01-05 00:00Z'), ('attic', '2026-01-05 00:00Z')",
    );
    assert_eq!(references::verify(readings::table).call(conn).unwrap(), []);
    let error = references::clear_dangling(readings::table).call(conn);
    assert_eq!(error.unwrap(), 0);
    let cutoff = start() + TimeDelta::days(1);
    assert_still_referenced(references::drop_before(readings::time, cutoff).call(conn).unwrap_err());
    let report = references::drop_before(readings::time, cutoff)
        .keep_referenced(true)
        .lock_timeout(TimeDelta::seconds(1))
        .call(conn)
        .unwrap();
    assert_eq!((report.chunks_dropped, report.rows_released), (0, 0));
    assert_eq!(value(conn, "SELECT count(*) FROM readings WHERE sensor OPERATOR(types.=) 'attic'"), "1");
    sql(conn, "DELETE FROM orders; DELETE FROM readings WHERE value = 1");
    assert_eq!(value(conn, "SELECT count(*) FROM referenced_readings"), "0");
}
