//! Whoever attaches a table, verifies or removes events lends nobody their rights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::connection::SimpleConnection;
use occupancy_models::{Call, SensorEvent, verify};
use support::{OwnedDb, TestDb, needs, sql, sql_error, value, values};

#[test]
fn a_trigger_function_has_the_rights_of_the_owner_of_the_events_whoever_attaches() {
    needs!(TwoConnections);
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| sql(conn, "CREATE TABLE alerts (event_id BIGINT)"));
    // A superuser: the owner of the events may replace what the function calls.
    sql(&mut owned.conn, "SELECT add_sensor_event_reference('alerts', 'event_id')");
    let owners = "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace";
    assert_eq!(values(&mut owned.conn, owners), [owned.owner.clone()]);
    owned.as_owner(|conn| {
        sql(
            conn,
            "CREATE TABLE ran (role NAME);
             CREATE OR REPLACE FUNCTION register_sensor_events(event_id BIGINT) RETURNS VOID LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO public.ran VALUES (current_user); END'",
        );
        assert!(sql_error(conn, "INSERT INTO alerts VALUES (42)").contains("foreign key"));
        sql(conn, "ALTER TABLE alerts DROP CONSTRAINT alerts_event_id_fkey; INSERT INTO alerts VALUES (42)");
    });
    assert_eq!(values(&mut owned.conn, "SELECT DISTINCT role FROM ran"), [owned.owner.clone()]);
}

#[test]
fn attaching_a_table_of_another_role_is_refused_and_runs_none_of_its_code() {
    needs!(TwoConnections);
    let mut owned = OwnedDb::new();
    let attacker = owned.role("attacker");
    sql(&mut owned.conn, &format!("CREATE SCHEMA evil AUTHORIZATION {attacker}"));
    owned.as_role(&attacker, |conn| {
        sql(
            conn,
            "CREATE TABLE evil.ran (role NAME); GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT INSERT ON evil.ran TO PUBLIC;
             CREATE FUNCTION evil.note() RETURNS VOID LANGUAGE plpgsql AS 'BEGIN INSERT INTO evil.ran VALUES (current_user); END';
             CREATE FUNCTION evil.f(BIGINT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM evil.note(); RETURN 1; END';
             CREATE TABLE evil.alerts (event_id BIGINT); CREATE INDEX ON evil.alerts ((evil.f(1) + event_id));
             CREATE TABLE evil.part (event_id BIGINT); CREATE INDEX ON evil.part ((evil.f(1) + event_id));
             DELETE FROM evil.ran",
        );
    });
    sql(
        &mut owned.conn,
        "CREATE TABLE parted (event_id BIGINT) PARTITION BY LIST (event_id); ALTER TABLE parted ATTACH PARTITION evil.part DEFAULT",
    );
    sql(&mut owned.conn, "DELETE FROM evil.ran");
    for table in ["evil.alerts", "parted"] {
        let error = sql_error(&mut owned.conn, &format!("SELECT add_sensor_event_reference('{table}', 'event_id')"));
        assert!(error.contains(&attacker), "{error}");
    }
    assert_eq!(values(&mut owned.conn, "SELECT role FROM evil.ran"), [""; 0]);
}

#[test]
fn schemas_of_the_extension_are_not_read_where_it_is_absent() {
    needs!(TwoConnections);
    let (_db, mut conn) = TestDb::without_extension();
    occupancy_models::run_migrations(&mut conn).unwrap();
    sql(
        &mut conn,
        "CREATE TABLE ran (role NAME);
         CREATE FUNCTION note() RETURNS INT LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.ran VALUES (current_user); RETURN 1; END';
         -- Computed when a query is planned.
         CREATE FUNCTION trap() RETURNS INT LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.note(); END';
         CREATE SCHEMA timescaledb_information;
         CREATE VIEW timescaledb_information.chunks AS SELECT 'a'::NAME AS chunk_schema, 'b'::NAME AS chunk_name WHERE public.trap() = 1;
         CREATE VIEW timescaledb_information.jobs AS SELECT 1 AS job_id, true AS scheduled, ''::NAME AS proc_name, ''::NAME AS proc_schema,
             ''::NAME AS owner, ''::NAME AS hypertable_schema, ''::NAME AS hypertable_name WHERE public.trap() = 1",
    );
    verify().allow_plain_table().call(&mut conn).unwrap();
    assert_eq!(value(&mut conn, "SELECT sensor_events_retention_job() IS NULL"), "true");
    assert_eq!(values(&mut conn, "SELECT role FROM ran"), [""; 0]);
}

#[test]
fn nobody_else_schedules_retention() {
    needs!(TwoConnections);
    let mut owned = OwnedDb::new();
    let other = owned.role("other");
    for call in ["add_sensor_events_retention('1 day', '1 hour')", "remove_sensor_events_retention()"] {
        let refused = owned.as_role(&other, |conn| sql_error(conn, &format!("SELECT {call}")));
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

#[test]
fn a_delete_from_the_columnstore_without_its_epoch_is_refused() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    SensorEvent::columnstore().enable().call(&mut conn).unwrap();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-02-01', 'room', 'sensor', 'motion', 'on');
         SELECT compress_chunk(c) FROM show_chunks('sensor_events') AS c;
         DELETE FROM referenced_events_epoch",
    );
    let refused = sql_error(&mut conn, "DELETE FROM sensor_events");
    assert!(refused.contains("referenced_events_epoch has lost its rows"), "{refused}");
    conn.batch_execute("INSERT INTO referenced_events_epoch SELECT stripe, '0' FROM generate_series(0, 15) AS stripe")
        .unwrap();
    // A restored row may have the number of this very transaction.
    sql(
        &mut conn,
        "BEGIN;
         UPDATE referenced_events_epoch SET last_removal = pg_current_xact_id(), server_start = '-infinity';
         DELETE FROM sensor_events;
         COMMIT",
    );
    let marked = "SELECT count(*) FROM referenced_events_epoch WHERE server_start = pg_postmaster_start_time()";
    assert_eq!(value(&mut conn, marked), "1");
}
