//! Migrations of any library: each has a history and a lock of its own, and nobody without the right to migrate can
//! hold one up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::Barrier;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_timescale::Error;
use diesel_timescale::migrations::{self, EmbeddedMigrations, History, embed_migrations};
use support::{TestDb, needs, sql, sql_error, value, values};

const APPLICATION: EmbeddedMigrations = embed_migrations!("tests/fixtures/application");
const VERSIONS: [&str; 2] = ["20260101000000", "20260201000000"];

fn reversed() -> Vec<String> {
    VERSIONS.iter().rev().map(ToString::to_string).collect()
}

fn history(conn: &mut PgConnection, table: &str) -> Vec<String> {
    values(conn, &format!("SELECT version FROM {table} ORDER BY version"))
}

/// What a migrated database has of the application.
fn tables(conn: &mut PgConnection) -> Vec<String> {
    values(
        conn,
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 1",
    )
}

/// The name of a role that no other test has: roles belong to the whole server.
fn role(conn: &mut PgConnection) -> String {
    value(conn, "SELECT format('role_of_%s_%s', current_database(), current_schema())")
}

#[test]
fn an_application_runs_and_reverts_its_migrations_with_a_history_of_its_own() {
    let (_db, mut conn) = TestDb::installed();
    let search_path = value(&mut conn, "SELECT current_setting('search_path')");
    assert_eq!(migrations::run(&mut conn, "application", APPLICATION).unwrap(), VERSIONS);
    assert_eq!(migrations::run(&mut conn, "application", APPLICATION).unwrap(), [""; 0], "a second run");
    assert_eq!(history(&mut conn, "application_migrations"), VERSIONS);
    assert_eq!(tables(&mut conn), ["application_migrations", "readings", "rooms"]);
    assert_eq!(value(&mut conn, "SELECT current_setting('search_path')"), search_path);

    assert_eq!(migrations::revert(&mut conn, "application", APPLICATION).unwrap(), reversed());
    assert_eq!(history(&mut conn, "application_migrations"), [""; 0]);
    assert_eq!(tables(&mut conn), ["application_migrations"]);
    assert_eq!(migrations::run(&mut conn, "application", APPLICATION).unwrap(), VERSIONS);
}

#[test]
fn a_migration_that_fails_leaves_everything_as_it_was() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, "CREATE TABLE rooms (of_their_own TEXT)");
    match migrations::run(&mut conn, "application", APPLICATION) {
        Err(Error::Migration(error)) => assert!(error.to_string().contains("\"rooms\" already exists"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(tables(&mut conn), ["rooms"]);
}

#[test]
fn a_history_may_have_any_name_and_a_schema_of_its_own() {
    let (db, mut conn) = TestDb::installed();
    let schema = format!("Histories of \"{}\"", db.schema());
    let history_of = History::new("it's \"Ours\"").in_schema(schema.clone());
    assert_eq!(history_of.run(&mut conn, APPLICATION).unwrap(), VERSIONS);
    assert_eq!(history_of.run(&mut conn, APPLICATION).unwrap(), [""; 0], "a second run");
    assert_eq!(tables(&mut conn), ["readings", "rooms"]);
    let quoted = schema.replace('"', "\"\"");
    assert_eq!(history(&mut conn, &format!(r#""{quoted}"."it's ""Ours""_migrations""#)), VERSIONS);
    assert_eq!(history_of.revert(&mut conn, APPLICATION).unwrap(), reversed());
    sql(&mut conn, &format!(r#"DROP SCHEMA "{quoted}" CASCADE"#));
}

#[test]
fn starts_at_once_run_each_migration_once() {
    needs!(TwoConnections);
    for isolation in ["read committed", "serializable"] {
        let (db, mut conn) = TestDb::new();
        // From nothing, where the histories are made as well; then with histories that are empty.
        for round in ["from nothing", "again", "a third time"] {
            let start = Barrier::new(4);
            let ran: Vec<Vec<String>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut conn = db.connect();
                            sql(&mut conn, &format!("SET default_transaction_isolation TO '{isolation}'"));
                            start.wait();
                            migrations::install(&mut conn).unwrap();
                            migrations::run(&mut conn, "application", APPLICATION).unwrap()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(ran.concat(), VERSIONS, "what the four have run {round}, under {isolation}");
            migrations::revert(&mut conn, "application", APPLICATION).unwrap();
            migrations::uninstall(&mut conn).unwrap();
        }
    }
}

#[test]
fn a_start_that_finds_everything_done_waits_for_nobody_and_needs_no_rights() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::installed();
    migrations::run(&mut conn, "application", APPLICATION).unwrap();
    let mut other = db.connect();
    other.test_transaction::<_, Error, _>(|other| {
        // As a start that is not done yet does.
        other.batch_execute("LOCK TABLE application_migrations IN SHARE ROW EXCLUSIVE MODE")?;
        sql(&mut conn, "SET lock_timeout TO '5s'");
        assert_eq!(migrations::run(&mut conn, "application", APPLICATION)?, [""; 0]);
        Ok(())
    });

    let role = role(&mut conn);
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(conn, &format!("CREATE ROLE {role}; SET LOCAL ROLE {role}"));
        assert_eq!(migrations::install(conn)?, [""; 0]);
        Ok(())
    });
}

#[test]
fn nobody_without_the_right_to_migrate_holds_a_migration_up() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::installed();
    migrations::run(&mut conn, "application", APPLICATION).unwrap();
    migrations::revert(&mut conn, "application", APPLICATION).unwrap();
    let role = role(&mut conn);
    // Reads the history, as monitoring does.
    sql(&mut conn, &format!("CREATE ROLE {role}; GRANT SELECT ON application_migrations TO {role}"));

    let mut other = db.connect();
    other.begin_test_transaction().unwrap();
    sql(&mut other, &format!("SET LOCAL ROLE {role}"));
    let mut held = 0;
    for mode in ["ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE", "ROW EXCLUSIVE", "ACCESS SHARE"] {
        let lock = format!("LOCK TABLE application_migrations IN {mode} MODE");
        held += usize::from(other.transaction(|other| other.batch_execute(&lock)).is_ok());
    }
    assert_eq!(held, 1, "a reader locks against nothing but a drop");

    sql(&mut conn, "SET lock_timeout TO '5s'");
    let ran = migrations::run(&mut conn, "application", APPLICATION);
    let advisory = value(&mut conn, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
    drop(other);
    sql(&mut conn, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(ran.unwrap(), VERSIONS);
    assert_eq!(advisory, "0");
}

#[test]
fn a_schema_of_that_name_that_somebody_else_has_made_is_refused() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    let role = role(&mut conn);
    conn.test_transaction::<_, Error, _>(|conn| {
        let database = value(conn, "SELECT quote_ident(current_database())");
        sql(
            conn,
            &format!(
                "CREATE ROLE {role}; GRANT CREATE ON DATABASE {database} TO {role};
                 SET LOCAL ROLE {role}; CREATE SCHEMA diesel_timescale; RESET ROLE"
            ),
        );
        let refused = migrations::install(conn).unwrap_err();
        assert!(refused.to_string().contains(&role), "{refused}");
        assert!(sql_error(conn, "SELECT diesel_timescale.require_timescaledb()").contains("does not exist"));
        Ok(())
    });
    drop(conn);
    drop(db);
}

#[test]
fn functions_that_diesels_harness_has_reverted_are_installed_again() {
    use diesel_migrations::MigrationHarness;

    let (_db, mut conn) = TestDb::installed();
    conn.run_pending_migrations(diesel_timescale::MIGRATIONS).unwrap();
    conn.revert_all_migrations(diesel_timescale::MIGRATIONS).unwrap();
    assert!(sql_error(&mut conn, "SELECT diesel_timescale.require_timescaledb()").contains("does not exist"));
    assert!(!migrations::install(&mut conn).unwrap().is_empty());
    assert_eq!(migrations::run(&mut conn, "application", APPLICATION).unwrap(), VERSIONS);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn an_application_on_diesel_async_runs_its_migrations_the_same_way() {
    use diesel_timescale::asynchronous;

    // Tests that share a database share the schema.
    needs!(TwoConnections);
    let (db, conn) = TestDb::new();
    drop(conn);
    assert!(!asynchronous::migrations::install(db.connect_async().await).await.unwrap().is_empty());
    let ran = asynchronous::migrations::run(db.connect_async().await, "application", APPLICATION).await.unwrap();
    assert_eq!(ran, VERSIONS);
    let reverted =
        asynchronous::migrations::revert(db.connect_async().await, "application", APPLICATION).await.unwrap();
    assert_eq!(reverted, reversed());
    let uninstalled = asynchronous::migrations::uninstall(db.connect_async().await).await.unwrap();
    assert!(!uninstalled.is_empty());
}

/// TimescaleDB keeps a procedure that a job runs, so the revert begins with the job.
#[test]
fn a_job_of_a_table_that_is_gone_does_not_keep_the_functions() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let revert = include_str!("../migrations/00-diesel-timescale-05_references/down.sql");
    let (jobs_first, _) = revert.split_once("DROP ").unwrap();
    sql(
        conn,
        "CREATE TABLE gone (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMPTZ, PRIMARY KEY (id, at));
         SELECT create_hypertable('gone', 'at');
         SELECT diesel_timescale.create_reference_target('gone', 'at', 'id');
         SELECT diesel_timescale.add_reference_retention('gone', INTERVAL '30 days')",
    );
    let name = value(conn, "SELECT format('%I.gone', current_schema())");
    let jobs = format!("SELECT count(*) FROM timescaledb_information.jobs WHERE config ->> 'retention_of' = '{name}'");
    sql(conn, jobs_first);
    assert_eq!(value(conn, &jobs), "1", "the table is there");
    sql(conn, "DROP TABLE gone CASCADE");
    assert_eq!(value(conn, &jobs), "1");
    sql(conn, jobs_first);
    assert_eq!(value(conn, &jobs), "0");
}
