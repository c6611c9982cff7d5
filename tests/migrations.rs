//! The migrations: there and back, at once, beside an application's own, in any schema, for any role.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::Barrier;

use chrono::Utc;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use occupancy_models::timescale::{self, Outcome, create_extension};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorType, TransitionType, bulk,
    drop_sensor_events_before, migrations, references, revert_migrations, run_migrations, verify,
};
use support::{Catalog, TestDb, needs, sql, sql_error, value, values};

/// An application's: one version sorts before those of this crate, one after.
const APP_MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/fixtures/app_migrations");

const HISTORY: &str = "occupancy_models_migrations";
const DIESELS_HISTORY: &str = "__diesel_schema_migrations";

/// The versions of a source, in order.
fn versions(source: &impl MigrationSource<Pg>) -> Vec<String> {
    let mut versions: Vec<_> =
        source.migrations().unwrap().iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    versions
}

/// All that Diesel's harness runs: those of the crate below come first.
fn all() -> Vec<String> {
    versions(&migrations::all())
}

fn ours() -> Vec<String> {
    all().into_iter().filter(|version| version.starts_with("00occupancymodels")).collect()
}

fn ours_reversed() -> Vec<String> {
    ours().into_iter().rev().collect()
}

/// The versions that a bookkeeping table has.
fn recorded(conn: &mut PgConnection, history: &str) -> Vec<String> {
    values(conn, &format!(r#"SELECT version FROM {history} ORDER BY version COLLATE "C""#))
}

/// The statement that inserts an event.
fn event_into(table: &str) -> String {
    format!(
        "INSERT INTO {table} (timestamp, room_id, sensor_id, sensor_type, state)
         VALUES ('2026-01-05 12:00Z', 'room', 'sensor', 'motion', 'on')"
    )
}

/// The statement that inserts a prediction which refers to an event.
fn prediction_into(table: &str, event_id: &str) -> String {
    format!(
        "INSERT INTO {table} (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
         VALUES ('room', now(), 'state_change', 0.5, 'hmm', '1', {event_id})"
    )
}

/// Inserts an event and gives its id.
fn insert_event(conn: &mut PgConnection) -> String {
    sql(conn, &event_into("sensor_events"));
    value(conn, "SELECT max(id) FROM sensor_events")
}

/// Runs statements in a transaction or savepoint of their own.
fn attempt(conn: &mut PgConnection, statements: &str) -> QueryResult<()> {
    use diesel::connection::SimpleConnection;
    conn.transaction(|conn| conn.batch_execute(statements))
}

/// The name of a role that no other test has: roles belong to the whole server.
fn role(conn: &mut PgConnection) -> String {
    value(conn, "SELECT format('role_of_%s_%s', current_database(), current_schema())")
}

#[test]
fn the_versions_start_with_what_no_other_crate_has() {
    assert!(!ours().is_empty());
    let below: Vec<_> = all().into_iter().filter(|version| version.starts_with("00dieseltimescale")).collect();
    assert_eq!([below, ours()].concat(), all());
    let app = versions(&APP_MIGRATIONS);
    assert!(app[0] < all()[0] && *ours().last().unwrap() < app[1], "{app:?} are before and after {:?}", ours());
}

#[test]
fn up_down_and_up_give_the_same_catalog() {
    let (_db, mut conn) = TestDb::new();
    let empty = Catalog::new(&mut conn);
    empty.assert_is(&empty.with("nothing is here"), "in an empty database");

    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    let up = Catalog::new(&mut conn);
    for name in ["table sensor_events ", "table referenced_events ", "table predictions ", "view daily_"] {
        assert!(up.lines().any(|line| line.starts_with(name)), "{name} is missing in {up:#?}");
    }

    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    let down = Catalog::new(&mut conn);
    down.without(HISTORY).assert_is(&empty, "when everything is reverted");
    down.with(HISTORY).assert_is(&up.with(HISTORY), "when everything is reverted");
    assert_eq!(recorded(&mut conn, HISTORY), [""; 0], "recorded when everything is reverted");

    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    Catalog::new(&mut conn).assert_is(&up, "when everything was reverted and has run again");
}

#[test]
fn a_hypertable_with_chunks_and_references_is_reverted_without_a_trace() {
    let (_db, mut conn) = TestDb::new();
    let outside =
        "SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname IN ('_timescaledb_internal', 'public') ORDER BY 1";
    let before = values(&mut conn, outside);
    let mut catalogs = Vec::new();
    for _ in 0..2 {
        assert_eq!(run_migrations(&mut conn).unwrap(), ours());
        SensorEvent::hypertable().allow_plain_table().call(&mut conn).unwrap();
        catalogs.push(Catalog::new(&mut conn));
        let id = insert_event(&mut conn);
        sql(&mut conn, &event_into("sensor_events").replace("2026-01-05", "2026-06-05"));
        sql(&mut conn, &prediction_into("predictions", &id));
        assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    }
    catalogs[1].assert_is(&catalogs[0], "when it was reverted and is set up again");
    let after: Vec<_> =
        values(&mut conn, outside).into_iter().filter(|name| !name.starts_with(&format!("public.{HISTORY}"))).collect();
    assert_eq!(after, before, "the relations that are left");
}

#[test]
fn a_second_run_runs_nothing() {
    let (_db, mut conn) = TestDb::new();
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    let id = insert_event(&mut conn);
    let before = Catalog::new(&mut conn);
    for _ in 0..2 {
        assert_eq!(run_migrations(&mut conn).unwrap(), [""; 0]);
        Catalog::new(&mut conn).assert_is(&before, "after a second run");
    }
    assert_eq!(recorded(&mut conn, HISTORY), ours());
    assert_eq!(value(&mut conn, "SELECT id FROM sensor_events"), id);
    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    assert_eq!(revert_migrations(&mut conn).unwrap(), [""; 0]);
}

#[test]
fn only_what_has_not_run_yet_runs() {
    let (_db, mut conn) = TestDb::new();
    run_migrations(&mut conn).unwrap();
    let all = Catalog::new(&mut conn);
    let last = ours().pop().unwrap();
    let all_migrations = migrations::all().migrations().unwrap();
    let migration = all_migrations.into_iter().find(|m| m.name().version().to_string() == last);
    let migration: Box<dyn Migration<Pg>> = migration.unwrap();
    migration.revert(&mut conn).unwrap();
    sql(&mut conn, &format!("DELETE FROM {HISTORY} WHERE version = '{last}'"));
    assert_eq!(run_migrations(&mut conn).unwrap(), [last]);
    Catalog::new(&mut conn).assert_is(&all, "when the last migration has run again");
}

#[test]
fn eight_processes_at_once_run_each_migration_once() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    for isolation in ["read committed", "serializable"] {
        let start = Barrier::new(8);
        let mut ran: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conn = db.connect();
                        sql(&mut conn, &format!("SET default_transaction_isolation TO '{isolation}'"));
                        start.wait();
                        run_migrations(&mut conn)
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        ran.sort();
        assert_eq!(ran, ours(), "what the eight have run under {isolation}");
        assert_eq!(recorded(&mut conn, HISTORY), ours(), "what is recorded under {isolation}");
        revert_migrations(&mut conn).unwrap();
    }
}

/// An advisory lock can be taken by any role, which could then hold up every deployment.
#[test]
fn no_lock_is_taken_that_a_role_without_rights_could_hold() {
    // The server of one connection does not tell whose locks they are.
    needs!(TwoConnections);
    let (_db, mut conn) = TestDb::new();
    conn.test_transaction::<_, Error, _>(|conn| {
        run_migrations(conn)?;
        let locks = |locktype: &str, mode: &str| {
            format!("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = '{locktype}' AND mode = '{mode}'")
        };
        assert_eq!(value(conn, &locks("advisory", "ExclusiveLock")), "0");
        let of_history = format!("{} AND relation = '{HISTORY}'::regclass", locks("relation", "ShareRowExclusiveLock"));
        assert_eq!(value(conn, &of_history), "1");
        Ok(())
    });
}

#[test]
fn processes_that_run_and_revert_at_once_take_turns() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    let start = Barrier::new(8);
    let (db, start) = (&db, &start);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let mut conn = db.connect();
                start.wait();
                for _ in 0..3 {
                    let done = match thread % 2 {
                        0 => run_migrations(&mut conn).map(|ran| ran.is_empty() || ran == ours()),
                        _ => revert_migrations(&mut conn).map(|ran| ran.is_empty() || ran == ours_reversed()),
                    };
                    assert!(done.unwrap(), "all or none");
                }
            });
        }
    });
    run_migrations(&mut conn).unwrap();
    assert_eq!(recorded(&mut conn, HISTORY), ours());
}

#[test]
fn an_applications_own_migrations_run_and_revert_before_and_after_without_a_care() {
    let (_db, mut conn) = TestDb::new();
    let app = versions(&APP_MIGRATIONS);

    conn.run_pending_migrations(APP_MIGRATIONS).unwrap();
    let only_app = Catalog::new(&mut conn);
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    let both = Catalog::new(&mut conn);
    assert_eq!((recorded(&mut conn, HISTORY), recorded(&mut conn, DIESELS_HISTORY)), (ours(), app.clone()));
    assert!(!conn.has_pending_migration(APP_MIGRATIONS).unwrap());

    // Diesel refuses to revert when there is a version in its migration history that it does not know.
    conn.revert_all_migrations(APP_MIGRATIONS).unwrap();
    let only_ours = Catalog::new(&mut conn);
    assert_eq!((recorded(&mut conn, HISTORY), recorded(&mut conn, DIESELS_HISTORY)), (ours(), vec![]));
    assert!(only_ours.with("rooms").lines().chain(only_ours.with("doors").lines()).next().is_none(), "{only_ours:#?}");
    conn.run_pending_migrations(APP_MIGRATIONS).unwrap();
    Catalog::new(&mut conn).assert_is(&both, "when the application's were reverted and have run again");

    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    Catalog::new(&mut conn).without(HISTORY).assert_is(&only_app, "when ours are reverted");
    assert_eq!((recorded(&mut conn, HISTORY), recorded(&mut conn, DIESELS_HISTORY)), (vec![], app.clone()));

    // Ours first.
    conn.revert_all_migrations(APP_MIGRATIONS).unwrap();
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    Catalog::new(&mut conn).assert_is(&only_ours, "when ours have run first");
    conn.run_pending_migrations(APP_MIGRATIONS).unwrap();
    Catalog::new(&mut conn).assert_is(&both, "when the application's have run after ours");
    conn.revert_last_migration(APP_MIGRATIONS).unwrap();
    assert_eq!((recorded(&mut conn, HISTORY), recorded(&mut conn, DIESELS_HISTORY)), (ours(), app[..1].to_vec()));
}

#[test]
fn diesels_own_harness_runs_and_reverts_them_and_then_run_migrations_refuses() {
    let (db, mut conn) = TestDb::new();
    let empty = Catalog::new(&mut conn);
    run_migrations(&mut conn).unwrap();
    let up = Catalog::new(&mut conn);
    revert_migrations(&mut conn).unwrap();
    sql(&mut conn, &format!("DROP TABLE {HISTORY}"));

    conn.run_pending_migrations(migrations::all()).unwrap();
    assert_eq!(recorded(&mut conn, DIESELS_HISTORY), all());
    let by_diesel = Catalog::new(&mut conn);
    by_diesel.without(DIESELS_HISTORY).assert_is(&up.without(HISTORY), "when Diesel's harness has run them");

    match run_migrations(&mut conn) {
        Err(Error::Timescale(timescale::Error::MigratedElsewhere { table })) => {
            assert_eq!(table, format!(r#""{}"."{HISTORY}""#, db.schema()))
        }
        other => panic!("run_migrations after Diesel's harness: {other:?}"),
    }
    Catalog::new(&mut conn).assert_is(&by_diesel, "after run_migrations was refused");

    conn.revert_all_migrations(migrations::all()).unwrap();
    Catalog::new(&mut conn).without(DIESELS_HISTORY).assert_is(&empty, "when Diesel's harness has reverted them");
    // Nothing of ours is in Diesel's migration history any more.
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
}

#[test]
fn revert_migrations_does_not_pass_over_what_diesels_harness_ran() {
    let (_db, mut conn) = TestDb::new();
    conn.run_pending_migrations(migrations::all()).unwrap();
    let before = Catalog::new(&mut conn);
    let result = revert_migrations(&mut conn);
    assert!(
        matches!(result, Err(Error::Timescale(timescale::Error::MigratedElsewhere { .. }))),
        "the tables are there, and it says {result:?}"
    );
    Catalog::new(&mut conn).assert_is(&before, "after revert_migrations was refused");
}

/// What an application does that composes sources.
fn composed() -> impl MigrationSource<Pg> {
    timescale::migrations::chained(APP_MIGRATIONS, migrations::all())
}

#[test]
fn composed_with_an_applications_own_they_run_in_the_order_of_the_versions() {
    let (_db, mut conn) = TestDb::new();
    let empty = Catalog::new(&mut conn);
    let app = versions(&APP_MIGRATIONS);
    let ran: Vec<_> =
        conn.run_pending_migrations(composed()).unwrap().iter().map(|version| version.to_string()).collect();
    assert_eq!(ran, [&app[..1], &all(), &app[1..]].concat());
    assert_eq!(recorded(&mut conn, DIESELS_HISTORY), ran);
    assert!(matches!(run_migrations(&mut conn), Err(Error::Timescale(timescale::Error::MigratedElsewhere { .. }))));
    conn.revert_all_migrations(composed()).unwrap();
    Catalog::new(&mut conn).without(DIESELS_HISTORY).assert_is(&empty, "when all are reverted");
}

#[test]
fn a_migration_that_fails_leaves_nothing() {
    let (_db, mut conn) = TestDb::new();
    // In the way of the third migration.
    sql(&mut conn, "CREATE TABLE predictions (of_the_weather TEXT)");
    let before = Catalog::new(&mut conn);
    let assert_fails = |conn: &mut PgConnection| match run_migrations(conn) {
        Err(error @ Error::Timescale(timescale::Error::Migration(_))) => {
            assert!(error.to_string().contains(r#"relation "predictions" already exists"#), "{error}");
        }
        other => panic!("run_migrations must fail: {other:?}"),
    };
    assert_fails(&mut conn);
    Catalog::new(&mut conn).assert_is(&before, "after a migration failed");

    // A caller's transaction goes on.
    conn.transaction::<_, Error, _>(|conn| {
        sql(conn, "CREATE TABLE rooms (id TEXT)");
        let before = Catalog::new(conn);
        assert_fails(conn);
        Catalog::new(conn).assert_is(&before, "after a migration failed in a caller's transaction");
        Ok(())
    })
    .unwrap();

    sql(&mut conn, "DROP TABLE predictions");
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
}

#[test]
fn revert_is_refused_while_a_table_of_the_application_refers_to_events() {
    let (_db, mut conn) = TestDb::ready();
    let id = insert_event(&mut conn);
    sql(
        &mut conn,
        &format!(
            "CREATE TABLE alerts (event_id BIGINT);
             SELECT add_sensor_event_reference('alerts', 'event_id');
             INSERT INTO alerts VALUES ({id})"
        ),
    );
    let before = Catalog::new(&mut conn);
    match revert_migrations(&mut conn) {
        Err(Error::Timescale(timescale::Error::Migration(_))) => {}
        other => panic!("alerts refers to events, and revert_migrations says {other:?}"),
    }
    Catalog::new(&mut conn).assert_is(&before, "after revert_migrations was refused");
    assert_eq!(recorded(&mut conn, HISTORY), ours());
    assert_eq!(value(&mut conn, "SELECT event_id FROM alerts JOIN sensor_events ON id = event_id"), id);

    sql(&mut conn, "DROP TABLE alerts");
    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
}

/// Inserts, refers, deletes, truncates, applies retention and verifies, with every name qualified.
fn assert_works(conn: &mut PgConnection, schema: &str) {
    let (events, predictions) = (format!("{schema}.sensor_events"), format!("{schema}.predictions"));
    let newest = format!("SELECT max(id) FROM {events}");
    let refers = format!("SELECT triggering_event_id FROM {predictions} ORDER BY id DESC LIMIT 1");
    for removal in [
        format!("DELETE FROM {events}"),
        format!("TRUNCATE {events}"),
        format!("SELECT {schema}.drop_sensor_events_before('2027-01-01')"),
    ] {
        sql(conn, &event_into(&events));
        let id = value(conn, &newest);
        sql(conn, &prediction_into(&predictions, &id));
        assert_eq!(value(conn, &refers), id, "before {removal}");
        sql(conn, &removal);
        assert_eq!(value(conn, &refers), "", "after {removal}");
    }
    let unknown = attempt(conn, &prediction_into(&predictions, "9999999")).unwrap_err().to_string();
    assert!(unknown.contains("violates foreign key constraint"), "{unknown}");
    assert_eq!(values(conn, &format!("SELECT v FROM {schema}.verify_sensor_events(true) AS v")), [""; 0], "violations");
}

#[test]
fn in_a_schema_of_its_own_everything_lands_there_and_works_whatever_the_search_path() {
    let (db, mut conn) = TestDb::new();
    let schema = format!("Its Own in {}", db.schema());
    let quoted = format!("\"{schema}\"");
    let caller = format!("{quoted}, {}", db.schema());
    let before = Catalog::new(&mut conn);
    sql(&mut conn, &format!("CREATE SCHEMA {quoted}; SET search_path TO {caller}"));
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    assert_eq!(value(&mut conn, "SELECT current_setting('search_path')"), caller);
    Catalog::of(&mut conn, db.schema()).assert_is(&before, "when everything went to another schema");
    assert_eq!(recorded(&mut conn, &format!("{quoted}.{HISTORY}")), ours());

    for search_path in ["pg_catalog", "pg_temp, pg_catalog"] {
        sql(&mut conn, &format!("SET search_path TO {search_path}"));
        // What a function would find in the temporary schema if it looked there first.
        sql(&mut conn, "CREATE TEMP TABLE IF NOT EXISTS sensor_events (id BIGINT, timestamp TIMESTAMPTZ)");
        sql(&mut conn, "CREATE TEMP TABLE IF NOT EXISTS referenced_events (id BIGINT, timestamp TIMESTAMPTZ)");
        assert_works(&mut conn, &quoted);
    }
    let outcome = format!(
        "SELECT outcome FROM diesel_timescale.setup_hypertable('{quoted}.sensor_events', 'timestamp', allow_plain_table => true)"
    );
    value(&mut conn, &outcome);
    assert_works(&mut conn, &quoted);
    sql(&mut conn, "DROP TABLE pg_temp.sensor_events; DROP TABLE pg_temp.referenced_events");

    // A second copy beside the first.
    sql(&mut conn, &format!("SET search_path TO {}", db.schema()));
    assert_eq!(run_migrations(&mut conn).unwrap(), ours());
    assert_works(&mut conn, db.schema());
    assert_works(&mut conn, &quoted);
    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    assert_works(&mut conn, &quoted);

    sql(&mut conn, &format!("SET search_path TO {caller}"));
    assert_eq!(revert_migrations(&mut conn).unwrap(), ours_reversed());
    Catalog::new(&mut conn).without(HISTORY).assert_is(&before.with("nothing is here"), "when everything is reverted");
    sql(&mut conn, &format!("DROP SCHEMA {quoted} CASCADE"));
}

#[test]
fn the_callers_search_path_is_restored() {
    let (db, mut conn) = TestDb::new();
    let search_path = |conn: &mut PgConnection| value(conn, "SELECT current_setting('search_path')");
    let session = format!("{}, pg_catalog", db.schema());
    let local = format!("{}, pg_temp, pg_catalog", db.schema());
    sql(&mut conn, &format!("SET search_path TO {session}"));
    // What run_migrations wants, only the outermost transaction can have.
    sql(&mut conn, "SET default_transaction_isolation TO serializable");
    run_migrations(&mut conn).unwrap();
    assert_eq!(search_path(&mut conn), session, "after a run");
    revert_migrations(&mut conn).unwrap();
    assert_eq!(search_path(&mut conn), session, "after a revert");

    conn.transaction::<_, Error, _>(|conn| {
        sql(conn, &format!("SET LOCAL search_path TO {local}"));
        assert_eq!(run_migrations(conn)?, ours());
        assert_eq!(search_path(conn), local, "after a run in a transaction");
        assert_eq!(revert_migrations(conn)?, ours_reversed());
        assert_eq!(search_path(conn), local, "after a revert in a transaction");
        sql(conn, "CREATE TABLE predictions (of_the_weather TEXT)");
        run_migrations(conn).unwrap_err();
        assert_eq!(search_path(conn), local, "after a run that failed in a transaction");
        assert_eq!(value(conn, "SELECT current_setting('transaction_isolation')"), "serializable");
        Ok(())
    })
    .unwrap();
    assert_eq!(search_path(&mut conn), session, "after the transaction");
    assert_eq!(value(&mut conn, "SELECT current_setting('default_transaction_isolation')"), "serializable");
}

#[test]
fn no_other_setting_of_the_caller_changes_either() {
    let (_db, mut conn) = TestDb::new();
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(conn, "SET LOCAL client_min_messages TO error");
        // Its settings appear with its first use.
        sql(conn, "DO 'BEGIN END'");
        let settings = "SELECT name || ' = ' || setting FROM pg_settings ORDER BY name";
        let before = values(conn, settings);
        run_migrations(conn)?;
        let changed: Vec<_> = values(conn, settings).into_iter().filter(|setting| !before.contains(setting)).collect();
        assert_eq!(changed, [""; 0], "the settings that run_migrations has changed in the caller's transaction");
        Ok(())
    });
}

#[test]
fn everything_has_a_comment() {
    let (_db, mut conn) = TestDb::migrated();
    let lacking = values(
        &mut conn,
        "SELECT 'relation ' || relname
         FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
             AND obj_description(oid, 'pg_class') IS NULL
         UNION ALL
         SELECT format('column %s.%s', relname, attname)
         FROM pg_class
         JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
             AND col_description(attrelid, attnum) IS NULL
         UNION ALL
         SELECT 'function ' || pg_proc.oid::regprocedure
         FROM pg_proc
         WHERE pronamespace = current_schema()::regnamespace
             AND obj_description(oid, 'pg_proc') IS NULL
             AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')",
    );
    assert!(lacking.is_empty(), "no comment on:\n{}", lacking.join("\n"));
}

/// The functions of this crate that fulfil a condition on `pg_proc`.
fn functions(conn: &mut PgConnection, condition: &str) -> Vec<String> {
    let mut functions = values(
        conn,
        &format!(
            "SELECT p.oid::regprocedure
             FROM pg_proc AS p
             WHERE p.pronamespace = current_schema()::regnamespace AND ({condition})
                 AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')"
        ),
    );
    functions.sort();
    functions
}

#[test]
fn every_function_fixes_its_search_path_with_the_temporary_schema_last() {
    let (_db, mut conn) = TestDb::migrated();
    assert!(functions(&mut conn, "true").len() > 10);
    let loose = functions(
        &mut conn,
        "NOT coalesce(proconfig @> ARRAY[format('search_path=%I, pg_temp', current_schema())] OR proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)",
    );
    assert_eq!(loose, [""; 0], "functions without SET search_path FROM CURRENT");
}

#[test]
fn the_trigger_functions_do_nothing_for_a_role_that_has_no_rights() {
    let (db, mut conn) = TestDb::ready();
    let id = insert_event(&mut conn);
    sql(&mut conn, &prediction_into("predictions", &id));
    let role = role(&mut conn);
    // Rolled back, because a role belongs to the whole server.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(conn, &format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA {} TO {role}; SET LOCAL ROLE {role}", db.schema()));
        for (event, function) in [
            ("BEFORE TRUNCATE ON mine FOR EACH STATEMENT", "release_all_sensor_events"),
            ("AFTER DELETE ON mine FOR EACH ROW", "release_sensor_events"),
        ] {
            // On a table of its own, which anyone may create.
            let _refused = attempt(
                conn,
                &format!(
                    "CREATE TEMP TABLE mine (id BIGINT, timestamp TIMESTAMPTZ);
                     CREATE TRIGGER mine {event} EXECUTE FUNCTION {function}();
                     INSERT INTO mine VALUES ({id}, '2026-01-05 12:00Z');
                     DELETE FROM mine;
                     TRUNCATE mine;
                     DROP TABLE mine"
                ),
            );
            sql(conn, "RESET ROLE");
            assert_eq!(
                value(conn, "SELECT format('%s %s', (SELECT triggering_event_id FROM predictions), (SELECT max(last_removal::text) FROM referenced_events_epoch))"),
                format!("{id} 0"),
                "the reference and the epoch, after a role without rights has used {function}()"
            );
            sql(conn, &format!("SET LOCAL ROLE {role}"));
        }
        Ok(())
    });
}

#[test]
fn a_role_that_may_only_insert_predictions_can_refer_to_an_event() {
    let (db, mut conn) = TestDb::ready();
    let id = insert_event(&mut conn);
    let role = role(&mut conn);
    // Rolled back, because a role belongs to the whole server.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(
            conn,
            &format!(
                "CREATE ROLE {role};
                 GRANT USAGE ON SCHEMA {} TO {role};
                 GRANT INSERT ON predictions TO {role};
                 SET LOCAL ROLE {role}",
                db.schema()
            ),
        );
        sql(conn, &prediction_into("predictions", &id));
        // Registered by now, which is another path.
        sql(conn, &prediction_into("predictions", &id));
        let unknown = attempt(conn, &prediction_into("predictions", "9999999")).unwrap_err().to_string();
        assert!(unknown.contains("violates foreign key constraint"), "{unknown}");

        for denied in [
            "SELECT FROM sensor_events".to_owned(),
            "SELECT FROM predictions".to_owned(),
            "SELECT FROM referenced_events".to_owned(),
            "DELETE FROM referenced_events".to_owned(),
            "SELECT FROM referenced_events_epoch".to_owned(),
            format!("SELECT register_sensor_events({id})"),
            format!("SELECT register_sensor_events(ARRAY[{id}], ARRAY[now()])"),
        ] {
            let error = attempt(conn, &denied).unwrap_err().to_string();
            assert!(error.starts_with("permission denied for "), "{denied}: {error}");
        }
        sql(conn, "RESET ROLE");
        assert_eq!(values(conn, "SELECT triggering_event_id FROM predictions"), [id.as_str(), &id]);
        assert_eq!(values(conn, "SELECT id FROM referenced_events"), [id.as_str()]);
        Ok(())
    });
}

#[test]
fn a_role_that_may_only_insert_and_read_predictions_can_do_so_in_bulk() {
    let (db, mut conn) = TestDb::ready();
    let id: i64 = insert_event(&mut conn).parse().unwrap();
    let role = role(&mut conn);
    // Rolled back, because a role belongs to the whole server.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(
            conn,
            &format!(
                "CREATE ROLE {role};
                 GRANT USAGE ON SCHEMA {} TO {role};
                 GRANT INSERT, SELECT ON predictions TO {role};
                 SET LOCAL ROLE {role}",
                db.schema()
            ),
        );
        let prediction = NewPrediction::new("room", Utc::now(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
            .with_triggering_event_id(id);
        // Without the right to register events in one pass, it is left to the trigger.
        let inserted = bulk::insert_predictions(&[prediction.clone(), prediction]).call(conn);
        assert_eq!(inserted.unwrap_or_else(|error| panic!("{error}")).inserted, 2);
        assert_eq!(values(conn, "SELECT triggering_event_id FROM predictions"), [id.to_string(), id.to_string()]);
        Ok(())
    });
}

#[test]
fn a_role_that_may_only_write_events_clears_the_references_to_those_it_removes() {
    let (db, mut conn) = TestDb::ready();
    let role = role(&mut conn);
    for removal in ["DELETE FROM sensor_events WHERE timestamp < '2027-01-01'", "TRUNCATE sensor_events"] {
        // Rolled back, because a role belongs to the whole server.
        conn.test_transaction::<_, Error, _>(|conn| {
            sql(
                conn,
                &format!(
                    "CREATE ROLE {role};
                     GRANT USAGE ON SCHEMA {} TO {role};
                     GRANT SELECT, INSERT, DELETE, TRUNCATE ON sensor_events TO {role};
                     SET LOCAL ROLE {role}",
                    db.schema()
                ),
            );
            // The first row of a chunk: the role makes the chunk.
            let id = insert_event(conn);
            sql(conn, &format!("RESET ROLE; {}; SET LOCAL ROLE {role}", prediction_into("predictions", &id)));
            sql(conn, removal);
            sql(conn, "RESET ROLE");
            assert_eq!(values(conn, "SELECT triggering_event_id FROM predictions"), [""], "after {removal}");
            assert_eq!(value(conn, "SELECT count(*) FROM referenced_events"), "0", "after {removal}");
            Ok(())
        });
    }
}

#[test]
fn a_role_without_special_rights_can_run_set_up_and_revert() {
    let (db, mut conn) = TestDb::new();
    let role = role(&mut conn);
    // The functions of the crate below: the role makes their schema, or finds what somebody else has installed.
    let functions = if support::has(support::Needs::TwoConnections) {
        let database = value(&mut conn, "SELECT quote_ident(current_database())");
        format!("GRANT CREATE ON DATABASE {database} TO {role}")
    } else {
        timescale::migrations::install(&mut conn).unwrap();
        String::new()
    };
    // Rolled back, because a role belongs to the whole server.
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(
            conn,
            &format!(
                "CREATE ROLE {role};
                 {};
                 GRANT USAGE, CREATE ON SCHEMA {} TO {role};
                 SET LOCAL ROLE {role}",
                functions,
                db.schema()
            ),
        );
        assert_eq!(run_migrations(conn)?, ours());
        let report = SensorEvent::hypertable().allow_plain_table().call(conn)?;
        assert_ne!(report.outcome, Outcome::AlreadyThere);
        assert_works(conn, db.schema());
        assert_eq!(revert_migrations(conn)?, ours_reversed());
        Ok(())
    });
}

#[test]
fn a_connection_without_a_schema_to_create_in_gets_an_error_and_changes_nothing() {
    let (db, mut conn) = TestDb::new();
    let before = Catalog::new(&mut conn);
    for path in ["''", "nowhere"] {
        sql(&mut conn, &format!("SET search_path TO {path}"));
        for result in [run_migrations(&mut conn), revert_migrations(&mut conn)] {
            let error = result.unwrap_err();
            let Error::Timescale(timescale::Error::NoSchema { search_path }) = &error else { panic!("{error:?}") };
            assert_eq!(search_path.replace('"', "'"), path);
        }
    }
    assert!(sql_error(&mut conn, "SELECT FROM sensor_events").contains("does not exist"));
    Catalog::of(&mut conn, db.schema()).assert_is(&before, "after run_migrations was refused");
}

/// Fails unless the result says that the migrations have not run, and names what is missing.
#[track_caller]
fn assert_not_migrated<T: std::fmt::Debug, E: Into<Error> + std::fmt::Debug>(result: Result<T, E>, missing: &str) {
    let error = result.unwrap_err().into();
    assert!(matches!(&error, Error::NotMigrated { name, .. } if name == missing), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(missing) && text.contains("run_migrations") && text.contains("search_path"), "{text}");
}

#[test]
fn calls_without_the_migrations_say_so() {
    let (_db, mut conn) = TestDb::new();
    let conn = &mut conn;
    let event = NewSensorEvent::new(Utc::now(), "room", "sensor", SensorType::MOTION, "on");
    for is_elsewhere in [false, true] {
        if is_elsewhere {
            if !support::has(support::Needs::TwoConnections) {
                // The schema would stay where the tests share a database.
                break;
            }
            sql(conn, "CREATE SCHEMA elsewhere; SET search_path TO elsewhere");
            run_migrations(conn).unwrap();
            sql(conn, "RESET search_path");
        }
        // The functions of the crate below are there for any search_path.
        let below = "SELECT count(*) FROM pg_namespace WHERE nspname = 'diesel_timescale'";
        if value(conn, below) == "1" {
            assert_not_migrated(SensorEvent::hypertable().call(conn), "sensor_events");
            assert_not_migrated(drop_sensor_events_before(Utc::now()).call(conn), "sensor_events");
        } else {
            assert_not_migrated(SensorEvent::hypertable().call(conn), "diesel_timescale");
            assert_not_migrated(create_extension().call(conn), "diesel_timescale");
            assert_not_migrated(drop_sensor_events_before(Utc::now()).call(conn), "diesel_timescale");
        }
        assert_not_migrated(verify().call(conn), "verify_sensor_events");
        assert_not_migrated(references::clear_dangling().call(conn), "clear_dangling_event_references");
        let upsert = bulk::upsert_sensor_events(std::slice::from_ref(&event));
        assert_not_migrated(upsert.call(conn), "sensor_events");
        // An application's own query, when it makes the error its own.
        let events = SensorEvent::query().load(conn);
        assert_not_migrated(events.map_err(Error::from), "sensor_events");
    }
    // What is not this crate's stays the error of the database.
    let other = diesel::sql_query("SELECT upsert_of_mine()").execute(conn).unwrap_err();
    assert!(matches!(Error::from(other), Error::Database(_)));
}

/// Everything that the migrations install, and not only what the test above calls.
#[test]
fn whatever_is_missing_of_the_migrations_is_recognised() {
    let (_db, mut conn) = TestDb::migrated();
    let functions = values(
        &mut conn,
        "SELECT format('function %s(%s) does not exist', proname, pg_get_function_identity_arguments(p.oid))
         FROM pg_proc AS p
         WHERE pronamespace = current_schema()::regnamespace AND prorettype <> 'trigger'::regtype
             AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')",
    );
    let relations = values(
        &mut conn,
        &format!(
            "SELECT format('relation \"%s.%s\" does not exist', current_schema(), relname)
             FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v') AND relname <> '{HISTORY}'"
        ),
    );
    assert!(functions.len() > 20 && relations.len() > 3);
    for message in functions.into_iter().chain(relations) {
        let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.clone()));
        assert!(matches!(Error::from(error), Error::NotMigrated { .. }), "{message}");
    }
}
