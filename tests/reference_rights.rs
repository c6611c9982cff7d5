//! The functions that guard references run with their owner's rights, and lend them to nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::prelude::*;
use occupancy_models::schema::sensor_events;
use occupancy_models::{Call, Error, NewSensorEvent, SensorType, references, timescale};
use support::{TestDb, needs, sql, value, values};

diesel::table! {
    attacker.alerts (id) {
        id -> Int8,
        event_id -> Nullable<Int8>,
    }
}

/// Statements of a role that can connect and create tables of its own. Whatever its function `attacker.f` runs as is in
/// `attacker.ran_as` afterwards.
const ATTACKER: &str = "
    CREATE ROLE occupancy_attacker;
    CREATE SCHEMA attacker AUTHORIZATION occupancy_attacker;
    GRANT USAGE ON SCHEMA $schema TO occupancy_attacker;
    SET LOCAL SESSION AUTHORIZATION occupancy_attacker;
    CREATE TABLE attacker.ran_as (who NAME);
    GRANT INSERT ON attacker.ran_as TO PUBLIC;
    GRANT USAGE ON SCHEMA attacker TO PUBLIC;
    CREATE TYPE attacker.evil AS ENUM ('x');
    CREATE FUNCTION attacker.f() RETURNS BOOLEAN LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO attacker.ran_as VALUES (current_user); RETURN true; END $$;
    CREATE FUNCTION attacker.to_json(attacker.evil) RETURNS JSON LANGUAGE sql AS $$ SELECT to_json(attacker.f()) $$;
    CREATE FUNCTION attacker.to_bigint(attacker.evil) RETURNS BIGINT LANGUAGE sql AS $$ SELECT attacker.f()::INT::BIGINT $$;
    CREATE CAST (attacker.evil AS JSON) WITH FUNCTION attacker.to_json(attacker.evil);
    CREATE CAST (attacker.evil AS BIGINT) WITH FUNCTION attacker.to_bigint(attacker.evil) AS IMPLICIT;
    CREATE DOMAIN attacker.checked AS BIGINT CHECK (VALUE IS NULL OR attacker.f());
    CREATE FUNCTION attacker.same(BIGINT, BIGINT) RETURNS BOOLEAN LANGUAGE sql AS $$ SELECT attacker.f() $$;
    CREATE OPERATOR attacker.= (FUNCTION = attacker.same, LEFTARG = BIGINT, RIGHTARG = BIGINT);
    CREATE FUNCTION attacker.same(OID, OID) RETURNS BOOLEAN LANGUAGE sql AS $$ SELECT NOT attacker.f() $$;
    CREATE OPERATOR attacker.<> (FUNCTION = attacker.same, LEFTARG = OID, RIGHTARG = OID);";

/// Runs `work` with that role there, and undoes everything: a role belongs to the whole server.
fn with_attacker(work: impl FnOnce(&mut PgConnection)) {
    let (db, mut conn) = TestDb::ready();
    diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(chrono::Utc::now(), "room", "sensor", SensorType::MOTION, "on"))
        .execute(&mut conn)
        .unwrap();
    conn.test_transaction::<_, Error, _>(|conn| {
        sql(conn, &ATTACKER.replace("$schema", db.schema()));
        work(conn);
        Ok(())
    });
}

/// Runs statements that may fail, as far as they go.
fn attempt(conn: &mut PgConnection, statements: &str) -> QueryResult<()> {
    use diesel::connection::SimpleConnection;
    conn.transaction(|conn| conn.batch_execute(statements))
}

fn as_owner(conn: &mut PgConnection, statements: &str) {
    sql(
        conn,
        &format!("RESET SESSION AUTHORIZATION; {statements}; SET LOCAL SESSION AUTHORIZATION occupancy_attacker"),
    );
}

#[track_caller]
fn assert_only_ran_as_the_attacker(conn: &mut PgConnection, after: &str) {
    assert_eq!(
        values(conn, "SELECT DISTINCT who FROM attacker.ran_as WHERE who <> 'occupancy_attacker'"),
        [""; 0],
        "the attacker's function ran as somebody else after {after}"
    );
}

#[test]
fn no_trigger_function_can_be_attached_by_a_role_without_rights() {
    needs!(TwoConnections);
    with_attacker(|conn| {
        let functions = values(
            conn,
            "SELECT p.oid::regproc FROM pg_proc AS p
             WHERE prosecdef AND prorettype = 'trigger'::regtype
                 AND pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'predictions'::regclass)
             ORDER BY 1",
        );
        assert!(functions.len() >= 3, "{functions:?}");
        let carriers = [
            "CREATE TEMP TABLE t (id BIGINT, p attacker.evil, triggering_event_id attacker.evil, timestamp TIMESTAMPTZ)",
            "CREATE TABLE attacker.t (id attacker.checked, p attacker.evil, triggering_event_id attacker.checked, timestamp TIMESTAMPTZ)",
            "CREATE TABLE attacker.t (id BIGINT, p attacker.evil, triggering_event_id BIGINT, timestamp TIMESTAMPTZ) PARTITION BY LIST (id);
             CREATE TABLE attacker.t1 PARTITION OF attacker.t DEFAULT",
            "CREATE TABLE attacker.parent (id BIGINT, p attacker.evil, triggering_event_id attacker.evil, timestamp TIMESTAMPTZ);
             CREATE TABLE attacker.t () INHERITS (attacker.parent)",
            "CREATE VIEW attacker.t AS SELECT 1::BIGINT AS id, 'x'::attacker.evil AS p, 1::BIGINT AS triggering_event_id, now() AS timestamp WHERE attacker.f()",
        ];
        for function in &functions {
            for carrier in carriers {
                for argument in ["", "'id'"] {
                    let t = if carrier.contains("TEMP") { "pg_temp.t" } else { "attacker.t" };
                    for event in if carrier.contains("VIEW") {
                        ["INSTEAD OF INSERT", "INSTEAD OF DELETE"]
                    } else {
                        ["BEFORE INSERT", "AFTER DELETE"]
                    } {
                        let error = attempt(
                            conn,
                            &format!(
                                "{carrier}; CREATE TRIGGER t {event} ON {t} FOR EACH ROW EXECUTE FUNCTION {function}({argument})"
                            ),
                        );
                        let error = error.expect_err(&format!("{function} on {carrier}")).to_string();
                        assert!(
                            error.starts_with("permission denied for function"),
                            "{function} on {carrier}: {error}"
                        );
                    }
                }
            }
        }
    });
}

/// The attack that made any role a superuser: the cast of a row that a function with the owner's rights converts.
#[test]
fn nothing_of_a_foreign_row_is_converted() {
    needs!(TwoConnections);
    with_attacker(|conn| {
        let functions =
            values(conn, "SELECT oid::regproc FROM pg_proc WHERE prosecdef AND prorettype = 'trigger'::regtype");
        for function in functions {
            let _refused = attempt(
                conn,
                &format!(
                    "CREATE TEMP TABLE t (id BIGINT, p attacker.evil);
                     CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION {function}('id');
                     INSERT INTO t VALUES (1, 'x')"
                ),
            );
            assert_only_ran_as_the_attacker(conn, &function);
        }
    });
}

#[test]
fn the_owner_of_a_referring_table_gets_nothing_run_by_changing_its_columns() {
    needs!(TwoConnections);
    with_attacker(|conn| {
        as_owner(
            conn,
            "CREATE TABLE attacker.alerts (id BIGINT, event_id BIGINT, other attacker.evil);
             SELECT add_sensor_event_reference('attacker.alerts', 'event_id');
             ALTER TABLE attacker.alerts OWNER TO occupancy_attacker",
        );
        let id = value(conn, "SELECT 1");
        // Conversion of another column.
        sql(conn, &format!("INSERT INTO attacker.alerts (id, event_id, other) VALUES (1, {id}, 'x')"));
        assert_only_ran_as_the_attacker(conn, "an insert with another column of an own type");
        for change in [
            // Another column of the name, of a type that converts to bigint.
            "ALTER TABLE attacker.alerts RENAME event_id TO old; ALTER TABLE attacker.alerts ADD event_id attacker.evil;
             INSERT INTO attacker.alerts (old, event_id) VALUES (1, 'x')",
            "ALTER TABLE attacker.alerts RENAME event_id TO old; ALTER TABLE attacker.alerts ADD event_id attacker.checked;
             INSERT INTO attacker.alerts (old, event_id) VALUES (1, 1)",
            "ALTER TABLE attacker.alerts ALTER event_id TYPE attacker.checked; INSERT INTO attacker.alerts (event_id) VALUES (1)",
            "SET LOCAL search_path TO attacker, pg_catalog; INSERT INTO attacker.alerts (event_id) VALUES (1), (2), (1)",
        ] {
            for _ in 0..2 {
                let outcome = attempt(conn, change);
                assert_only_ran_as_the_attacker(conn, &format!("{change}: {outcome:?}"));
            }
        }
    });
}

#[test]
fn attaching_reads_no_view_and_obeys_no_policy_of_another_role() {
    // The server of one connection has one user.
    needs!(TwoConnections);
    with_attacker(|conn| {
        sql(conn, "CREATE VIEW attacker.alerts AS SELECT 1::BIGINT AS id, 1::BIGINT AS event_id WHERE attacker.f()");
        sql(conn, "RESET SESSION AUTHORIZATION");
        let error = conn.transaction(|conn| references::add(alerts::event_id).call(conn)).unwrap_err();
        assert!(matches!(error, Error::Timescale(timescale::Error::Reference(_))), "{error}");
        assert_only_ran_as_the_attacker(conn, "attaching to a view");

        // The owner of the functions is no superuser here, who would not be asked.
        sql(
            conn,
            "SET LOCAL SESSION AUTHORIZATION occupancy_attacker;
             DROP VIEW attacker.alerts;
             CREATE TABLE attacker.alerts (id BIGINT, event_id BIGINT);
             INSERT INTO attacker.alerts VALUES (1, 1);
             CREATE POLICY p ON attacker.alerts USING (attacker.f());
             ALTER TABLE attacker.alerts ENABLE ROW LEVEL SECURITY;
             GRANT ALL ON attacker.alerts TO PUBLIC;
             RESET SESSION AUTHORIZATION;
             CREATE ROLE occupancy_administrator;
             GRANT ALL ON referenced_events, sensor_events TO occupancy_administrator;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO occupancy_administrator;
             SET LOCAL SESSION AUTHORIZATION occupancy_administrator",
        );
        let outcome = conn.transaction(|conn| references::add(alerts::event_id).call(conn));
        sql(conn, "RESET SESSION AUTHORIZATION");
        assert!(outcome.is_err());
        assert_only_ran_as_the_attacker(conn, "attaching to a table with a policy");
    });
}
