//! Who may do what: functions with the rights of their owner, verification in hostile company, row-level security, and
//! the least rights for each task.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{TimeDelta, TimeZone, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::ViolationKind::{self, MissingForeignKey, Unchecked};
use occupancy_models::bulk::{self, Keyed};
use occupancy_models::rollups::DailyPredictionAccuracy;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{self, ReferenceError};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType,
    TransitionType, Violation, drop_sensor_events_before, references, verify,
};
use support::{Needs, OwnedDb, TestDb, needs, sql, sql_error, value, values};

const EVENTS: &str = "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
     SELECT timestamptz '2026-01-05' + n * interval '1 day', 'room', 'sensor', 'motion', 'on' FROM generate_series(1, 3) AS n;
     INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
     SELECT 'room', now(), 'state_change', 0.5, 'hmm', '1', id FROM sensor_events";

fn violations(conn: &mut PgConnection) -> Vec<Violation> {
    verify().allow_plain_table().call(conn).unwrap()
}

fn kinds(found: &[Violation]) -> Vec<(ViolationKind, &str)> {
    found.iter().map(|violation| (violation.kind, violation.object.as_str())).collect()
}

/// Functions with the rights of their owner that fulfil a condition on `pg_proc`, wherever they are installed.
fn security_definers(conn: &mut PgConnection, schemas: &str, condition: &str) -> Vec<String> {
    values(
        conn,
        &format!(
            "SELECT p.oid::regprocedure
             FROM pg_proc AS p
             WHERE p.prosecdef AND p.pronamespace::regnamespace::text ~ '^\"?({schemas})' AND ({condition})
                 AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
             ORDER BY p.oid::regprocedure::text COLLATE \"C\""
        ),
    )
}

const FOR_EVERYONE: &str = "has_function_privilege('public', p.oid, 'EXECUTE')";
const SEARCH_PATH_IS_LOOSE: &str =
    "NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting ~ '^search_path=.+, pg_temp$')";
/// NEW and OLD stand for nothing but one of their columns, and for what a trigger returns.
const CONVERTS_A_ROW: &str = r#"regexp_replace(regexp_replace(p.prosrc, '--[^\n]*', '', 'g'), '\mRETURN\s+(NEW|OLD)\s*;', '', 'gi') ~* '\m(NEW|OLD)\M(?!\.[a-z_"])'"#;

/// A database with a referring table in a schema of its own, and the schemas in which functions may be.
fn with_a_reference_elsewhere() -> (TestDb, PgConnection, String) {
    let (db, mut conn) = TestDb::ready();
    let schema = db.schema().to_owned();
    sql(
        &mut conn,
        &format!(
            "CREATE SCHEMA {schema}_other; CREATE TABLE {schema}_other.alerts (event_id BIGINT);
             SELECT add_sensor_event_reference('{schema}_other.alerts', 'event_id')"
        ),
    );
    (db, conn, format!("{schema}(_other)?$|diesel_timescale$"))
}

fn drop_the_other_schema(db: &TestDb, conn: &mut PgConnection) {
    sql(conn, &format!("SET client_min_messages TO warning; DROP SCHEMA {}_other CASCADE", db.schema()));
}

#[test]
fn functions_with_the_rights_of_their_owner_are_for_nobody_else_and_look_nowhere_else() {
    let (db, mut conn, schemas) = with_a_reference_elsewhere();
    let all = security_definers(&mut conn, &schemas, "true");
    assert!(all.iter().any(|function| function.contains("release_sensor_events()")), "{all:?}");
    assert_eq!(security_definers(&mut conn, &schemas, FOR_EVERYONE), [""; 0], "executable by PUBLIC");
    assert_eq!(security_definers(&mut conn, &schemas, SEARCH_PATH_IS_LOOSE), [""; 0], "without a fixed search_path");
    assert_eq!(security_definers(&mut conn, &schemas, CONVERTS_A_ROW), [""; 0], "converting a row");

    // What these conditions find, a trigger function among them.
    let body = |line: &str| format!("LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {line} RETURN NEW; END $$");
    sql(
        &mut conn,
        &format!(
            "CREATE FUNCTION loose() RETURNS TRIGGER {};
             CREATE FUNCTION whole_row() RETURNS TRIGGER {};
             CREATE FUNCTION one_column() RETURNS TRIGGER {}",
            body(""),
            body("PERFORM to_jsonb(NEW);"),
            body("PERFORM NEW.id; -- of NEW\n"),
        ),
    );
    for (condition, found) in [
        (FOR_EVERYONE, vec!["loose()", "one_column()", "whole_row()"]),
        (SEARCH_PATH_IS_LOOSE, vec!["loose()", "one_column()", "whole_row()"]),
        (CONVERTS_A_ROW, vec!["whole_row()"]),
    ] {
        assert_eq!(security_definers(&mut conn, &schemas, condition), found, "{condition}");
    }
    drop_the_other_schema(&db, &mut conn);
}

/// A relation that refers to events and runs its owner's code where somebody else reads it.
struct Trap {
    name: &'static str,
    /// What the attacker does; `id` is the referring column of `evil.NAME`.
    set: &'static str,
    /// Whether a superuser who reads it steps into it, as every other role does.
    catches_superusers: bool,
}

const fn trap(name: &'static str, set: &'static str) -> Trap {
    Trap { name, set, catches_superusers: true }
}

const TRAPS: &[Trap] = &[
    trap(
        "index_expression",
        "CREATE TABLE index_expression (id BIGINT REFERENCES referenced_events); CREATE INDEX ON index_expression ((id + f(1)))",
    ),
    trap(
        "index_predicate",
        "CREATE TABLE index_predicate (id BIGINT REFERENCES referenced_events); CREATE INDEX ON index_predicate (id) WHERE f(1) > 0",
    ),
    trap(
        "statistics",
        "CREATE TABLE statistics (id BIGINT REFERENCES referenced_events); CREATE STATISTICS statistics_1 ON (id + f(1)) FROM statistics",
    ),
    trap(
        "partition_key",
        "CREATE TABLE partition_key (id BIGINT REFERENCES referenced_events) PARTITION BY RANGE ((id + f(1)));
         CREATE TABLE partition_key_1 PARTITION OF partition_key DEFAULT",
    ),
    trap(
        "partition",
        "CREATE TABLE partition (id BIGINT REFERENCES referenced_events) PARTITION BY HASH (id);
         CREATE TABLE partition_1 PARTITION OF partition FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE INDEX ON partition_1 ((id + f(1)))",
    ),
    trap(
        "child",
        "CREATE TABLE child (id BIGINT REFERENCES referenced_events); CREATE TABLE child_1 () INHERITS (child);
         CREATE INDEX ON child_1 ((id + f(1)))",
    ),
    trap(
        "foreign_type",
        "CREATE TYPE mood AS ENUM ('x');
         CREATE FUNCTION id_of(mood) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN evil.f(1); END';
         CREATE CAST (mood AS BIGINT) WITH FUNCTION id_of(mood) AS IMPLICIT;
         CREATE TABLE foreign_type (id mood REFERENCES referenced_events);
         INSERT INTO foreign_type VALUES ('x')",
    ),
    // Whoever owns the schema may drop the table of somebody else, and make another one of its name.
    trap(
        "schema",
        "CREATE TABLE schema (id BIGINT REFERENCES referenced_events); CREATE INDEX ON schema ((id + f(1)))",
    ),
    Trap {
        name: "policy",
        set:
            "CREATE TABLE policy (id BIGINT REFERENCES referenced_events); ALTER TABLE policy ENABLE ROW LEVEL SECURITY;
              CREATE POLICY p ON policy USING (f(id) > 0); INSERT INTO policy VALUES (1)",
        catches_superusers: false,
    },
];

/// Makes a role that has been let in to refer to events, and sets every trap.
fn among_traps() -> (OwnedDb, String) {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| sql(conn, EVENTS));
    let attacker = owned.role("attacker");
    let evil = format!("{}_evil", owned.db.schema());
    let schema = owned.db.schema().to_owned();
    sql(
        &mut owned.conn,
        &format!(
            "CREATE SCHEMA {evil} AUTHORIZATION {attacker}; GRANT USAGE ON SCHEMA {schema} TO {attacker};
             GRANT SELECT, REFERENCES ON referenced_events TO {attacker}"
        ),
    );
    let search_path = value(&mut owned.conn, "SELECT current_setting('search_path')");
    owned.as_role(&attacker, |conn| {
        sql(
            conn,
            &format!(
                "SET search_path TO {evil}, {schema};
                 CREATE TABLE ran (role NAME, context TEXT); GRANT USAGE ON SCHEMA {evil} TO PUBLIC; GRANT INSERT ON ran TO PUBLIC;
                 CREATE FUNCTION note() RETURNS VOID LANGUAGE plpgsql AS
                     'DECLARE context TEXT;
                      BEGIN
                          GET DIAGNOSTICS context = PG_CONTEXT;
                          IF current_user <> ''{attacker}'' THEN INSERT INTO {evil}.ran VALUES (current_user, context); END IF;
                      END';
                 CREATE FUNCTION f(BIGINT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS
                     'BEGIN PERFORM {evil}.note(); RETURN 1; END'"
            ),
        );
        for trap in TRAPS {
            sql(conn, &trap.set.replace("evil.", &format!("{evil}.")));
        }
        // PostgreSQL has cast what was inserted for its foreign key, with the rights of the owner of `referenced_events`:
        // the documentation warns of granting REFERENCES.
        sql(conn, &format!("DELETE FROM {evil}.ran; GRANT SELECT ON ALL TABLES IN SCHEMA {evil} TO PUBLIC; SET search_path TO {search_path}"));
    });
    sql(&mut owned.conn, &format!("ALTER TABLE {evil}.schema OWNER TO {}", owned.owner));
    (owned, evil)
}

#[test]
fn verify_runs_nobody_elses_code() {
    let (mut owned, evil) = among_traps();
    let superuser = value(&mut owned.conn, "SELECT current_user");
    for admin in [superuser.clone(), owned.owner.clone()] {
        let found = owned.as_role(&admin, violations);
        let ran = values(&mut owned.conn, &format!("SELECT role || ' by ' || context FROM {evil}.ran"));
        assert_eq!(ran, [""; 0], "{admin} has run the attacker's code");
        // Each is told, and nothing in the report is for anyone but the attacker to run.
        for trap in TRAPS {
            let object = format!("{evil}.{}.id", trap.name);
            let of_it: Vec<_> = found.iter().filter(|violation| violation.object == object).collect();
            assert!(of_it.iter().any(|violation| violation.kind == Unchecked), "{}: {found:#?}", trap.name);
            for violation in of_it {
                let is_for_others =
                    violation.remedy.starts_with("As the owner of ") || violation.remedy.starts_with("Let its owner ");
                assert!(is_for_others, "{violation}");
            }
        }
    }

    // What reading them plainly does, so that the traps are known to work. Once each: a session computes the expressions
    // of an index once.
    for trap in TRAPS {
        let admin = if trap.catches_superusers { superuser.clone() } else { owned.owner.clone() };
        owned.as_role(&admin, |conn| {
            sql(
                conn,
                &format!(
                    "SELECT count(*) FROM {evil}.{} AS t WHERE NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = t.id)",
                    trap.name
                ),
            );
        });
        let caught = values(&mut owned.conn, &format!("SELECT role FROM {evil}.ran"));
        sql(&mut owned.conn, &format!("DELETE FROM {evil}.ran"));
        assert!(caught.contains(&admin), "the trap {} does not catch {admin}", trap.name);
    }
    sql(&mut owned.conn, &format!("SET client_min_messages TO warning; DROP SCHEMA {evil} CASCADE"));
}

/// A trigger goes onto what no foreign key can be on; the function is only for whom it was granted.
#[test]
fn verify_reads_no_view_and_no_foreign_table() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| {
        sql(conn, EVENTS);
        sql(conn, "CREATE VIEW seen AS SELECT 1 / (id - id) AS id FROM sensor_events");
    });
    let owner = owned.owner.clone();
    sql(
        &mut owned.conn,
        &format!(
            "DROP FOREIGN DATA WRAPPER IF EXISTS nowhere CASCADE; CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
             GRANT USAGE ON FOREIGN SERVER nowhere TO {owner}"
        ),
    );
    owned.as_owner(|conn| {
        sql(
            conn,
            "CREATE FOREIGN TABLE afar (id BIGINT) SERVER nowhere;
                 CREATE TABLE parted (id BIGINT) PARTITION BY LIST (id);
                 CREATE FOREIGN TABLE parted_afar PARTITION OF parted DEFAULT SERVER nowhere;
                 SELECT diesel_timescale.create_reference_trigger(t, '{id}', 'sensor_events') FROM unnest('{parted,afar}'::regclass[]) AS t;
                 CREATE TRIGGER reference_id INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION \"reference_parted.id\"()",
        );
        for unreadable in ["afar", "seen", "parted"] {
            sql_error(conn, &format!("SELECT id FROM {unreadable}"));
        }
        let found = violations(conn);
        assert_eq!(
            kinds(&found),
            // No foreign key can be on the others, so they refer to nothing.
            [(Unchecked, "parted.id"), (MissingForeignKey, "parted.id")],
            "{found:#?}"
        );
    });
    sql(&mut owned.conn, "DROP FOREIGN DATA WRAPPER nowhere CASCADE");
}

#[test]
fn a_table_that_cannot_be_read_is_reported_and_its_fix_lets_it_be_read() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| {
        sql(conn, EVENTS);
        sql(conn, "CREATE TABLE alerts (event_id BIGINT); SELECT add_sensor_event_reference('alerts', 'event_id')");
    });
    let reader = owned.role("reader");
    let schema = owned.db.schema().to_owned();
    let readable = "sensor_events, referenced_events, predictions";
    sql(
        &mut owned.conn,
        &format!(
            "GRANT USAGE ON SCHEMA {schema} TO {reader}; GRANT SELECT ON {readable} TO {reader};
             GRANT SELECT ON SEQUENCE sensor_events_id_seq, predictions_id_seq TO {reader}"
        ),
    );
    let found = owned.as_role(&reader, violations);
    assert_eq!(kinds(&found), [(Unchecked, "alerts.event_id")]);
    assert!(found[0].detail.contains("permission denied for table alerts"), "{}", found[0]);
    sql(&mut owned.conn, &found[0].remedy);
    assert_eq!(owned.as_role(&reader, violations), []);

    // Each of them, one by one, as well.
    for (right, objects) in [
        (
            "SELECT ON sensor_events",
            vec!["alerts.event_id", "referenced_events", "sensor_events", "*sensor_events_id_seq"],
        ),
        (
            "SELECT ON referenced_events",
            vec!["predictions.triggering_event_id", "alerts.event_id", "referenced_events", "sensor_events"],
        ),
        ("SELECT ON predictions", vec!["predictions.triggering_event_id", "*predictions_id_seq"]),
        ("SELECT ON SEQUENCE predictions_id_seq", vec!["*predictions_id_seq"]),
        ("SELECT ON SEQUENCE sensor_events_id_seq", vec!["*sensor_events_id_seq"]),
    ] {
        sql(&mut owned.conn, &format!("REVOKE {right} FROM {reader}"));
        let found = owned.as_role(&reader, violations);
        assert!(
            !found.is_empty() && found.iter().all(|violation| violation.kind == Unchecked),
            "without {right}: {found:#?}"
        );
        for violation in &found {
            let is_expected = |object: &&str| violation.object.ends_with(object.trim_start_matches('*'));
            assert!(objects.iter().any(is_expected), "without {right}: {violation}");
        }
        for violation in &found {
            sql(&mut owned.conn, &violation.remedy);
        }
        assert_eq!(owned.as_role(&reader, violations), [], "after the fix for what was missing without {right}");
    }
}

#[test]
fn a_temporary_table_of_another_session_is_reported() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let mut other = db.connect();
    sql(
        &mut other,
        "CREATE TEMP TABLE mine (id BIGINT); SELECT diesel_timescale.create_reference_trigger('mine', '{id}', 'sensor_events')",
    );
    let found = violations(&mut conn);
    assert!(found.iter().all(|violation| violation.object.ends_with(".mine.id")), "{found:#?}");
    assert_eq!(found.iter().map(|violation| violation.kind).collect::<Vec<_>>(), [Unchecked, MissingForeignKey]);
    assert!(found[0].detail.contains("temporary table of another session"), "{}", found[0]);
}

#[test]
fn names_in_a_database_of_another_encoding() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::new();
    let name = value(&mut conn, "SELECT current_database()");
    drop(conn);
    // In place of the one that there is.
    let mut admin = PgConnection::establish(support::base_url().as_str()).unwrap();
    sql(&mut admin, &format!("DROP DATABASE {name} WITH (FORCE)"));
    sql(
        &mut admin,
        &format!("CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"),
    );
    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT getdatabaseencoding()"), "LATIN1");
    occupancy_models::run_migrations(&mut conn).unwrap();
    sql(&mut conn, "CREATE TABLE alerts (\"é\" BIGINT); SELECT add_sensor_event_reference('alerts', 'é')");
    assert_eq!(violations(&mut conn), []);
    sql(&mut conn, "ALTER TABLE alerts DROP CONSTRAINT \"alerts_é_fkey\"");
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(MissingForeignKey, "alerts.\"é\"")]);
    sql(&mut conn, &found[0].remedy);
    assert_eq!(violations(&mut conn), []);
}

#[test]
fn under_a_policy_an_event_is_found_by_id_if_it_is_visible() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| {
        sql(
            conn,
            "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
             SELECT TIMESTAMPTZ '2025-01-01 00:00Z' + n * INTERVAL '8 hours', CASE n % 20 WHEN 3 THEN 'hall' ELSE 'attic' END,
                 'sensor', 'motion', 'on'
             FROM generate_series(1, 100) AS n;
             ALTER TABLE sensor_events ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON sensor_events USING (room_id = 'hall')",
        );
    });
    let (schema, app) = (owned.db.schema().to_owned(), owned.role("app"));
    sql(
        &mut owned.conn,
        &format!("GRANT USAGE ON SCHEMA {schema} TO {app}; GRANT SELECT ON {schema}.sensor_events TO {app}"),
    );
    let found = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM generate_series(1, 100) AS n, sensor_event_by_id(n)";
    assert_eq!(owned.as_role(&app, |conn| value(conn, found)), "3 23 43 63 83");
    assert_eq!(owned.as_owner(|conn| value(conn, found)).split(' ').count(), 100);
}

#[test]
fn under_a_policy_hidden_events_are_not_taken_for_missing() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| {
        sql(conn, EVENTS);
        sql(
            conn,
            "ALTER TABLE sensor_events ENABLE ROW LEVEL SECURITY; ALTER TABLE predictions ENABLE ROW LEVEL SECURITY;
             CREATE POLICY p ON sensor_events USING (id = 1); CREATE POLICY p ON predictions USING (id = 1)",
        );
        assert_eq!(violations(conn), [], "the owner sees all");
    });
    let schema = owned.db.schema().to_owned();
    let app = owned.role("app");
    sql(
        &mut owned.conn,
        &format!(
            "GRANT USAGE ON SCHEMA {schema} TO {app}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {app};
             GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {app}; GRANT ALL ON ALL FUNCTIONS IN SCHEMA {schema} TO {app}"
        ),
    );
    owned.as_role(&app, |conn| {
        assert_eq!(value(conn, "SELECT count(*) FROM sensor_events"), "1");
        match references::clear_dangling().call(conn) {
            Err(Error::Timescale(timescale::Error::Reference(ReferenceError::RowSecurity { message, remedy }))) => {
                assert_eq!(
                    message,
                    format!(
                        "clear_dangling_references() of {schema}.sensor_events cannot run under a row-level security policy"
                    )
                );
                assert!(remedy.contains("BYPASSRLS"), "{remedy}");
            }
            other => panic!("{other:?}"),
        }
        // And verification says that it has not seen all.
        let found = violations(conn);
        assert!(!found.is_empty() && found.iter().all(|violation| violation.kind == Unchecked), "{found:#?}");
        assert!(found.iter().all(|violation| violation.detail.contains("row-level security")), "{found:#?}");
        // What the role reads of the predictions is what the policy lets it, by way of views too.
        assert_eq!(value(conn, "SELECT sum(predictions) FROM daily_prediction_accuracy"), "1");
    });
    assert_eq!(value(&mut owned.conn, "SELECT count(triggering_event_id) FROM predictions"), "3");
    // The owner, under a policy that holds for him.
    owned.as_owner(|conn| {
        sql(conn, "ALTER TABLE sensor_events FORCE ROW LEVEL SECURITY");
        assert!(matches!(
            references::clear_dangling().call(conn),
            Err(Error::Timescale(timescale::Error::Reference(ReferenceError::RowSecurity { .. })))
        ));
        assert!(matches!(
            drop_sensor_events_before(Utc::now()).call(conn),
            Err(timescale::Error::Reference(ReferenceError::RowSecurity { .. }))
        ));
        sql(conn, "ALTER TABLE sensor_events NO FORCE ROW LEVEL SECURITY");
        assert_eq!(references::clear_dangling().call(conn).unwrap(), 0);
    });
}

/// The documentation, of which the statements are executed as they stand there.
const RIGHTS: &str = include_str!("../src/rights.md");

/// Each task of the documentation with its statements.
fn documented_tasks() -> Vec<(&'static str, Vec<&'static str>)> {
    RIGHTS
        .split("\n### ")
        .skip(1)
        // Files are read with a feature.
        .filter(|section| cfg!(any(feature = "arrow", feature = "csv")) || !section.starts_with("Import predictions"))
        .map(|section| {
            let (task, text) = section.split_once('\n').unwrap();
            let block = text.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
            (task, block.lines().collect())
        })
        .collect()
}

/// A statement with one of its rights each, and those of the other statements.
fn with_one_right_less(statements: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut fewer = Vec::new();
    for (position, statement) in statements.iter().enumerate() {
        let (rights, on) = statement.strip_prefix("GRANT ").unwrap().split_once(" ON ").unwrap();
        let rights: Vec<_> = rights.split(", ").collect();
        for left_out in &rights {
            let mut rest: Vec<String> = statements.iter().map(|&statement| statement.to_owned()).collect();
            let kept: Vec<_> = rights.iter().filter(|right| right != &left_out).copied().collect();
            if kept.is_empty() {
                rest.remove(position);
            } else {
                rest[position] = format!("GRANT {} ON {on}", kept.join(", "));
            }
            fewer.push((format!("{left_out} ON {on}"), rest));
        }
    }
    fewer
}

fn event(day: u32, state: &str) -> NewSensorEvent<'_> {
    let at = Utc.with_ymd_and_hms(2026, 1, day, 0, 0, 0).unwrap();
    NewSensorEvent::new(at, "room", "sensor", SensorType::MOTION, state.to_owned())
}

fn prediction(event_id: i64) -> NewPrediction<'static> {
    NewPrediction::new("room", Utc::now(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
        .with_triggering_event_id(event_id)
}

/// Does a task, on a database with events 1 to 3 of January 6 to 8, and a prediction by each.
fn perform(task: &str, conn: &mut PgConnection) -> Result<(), Error> {
    match task {
        "Insert events" => {
            diesel::insert_into(sensor_events::table).values(event(20, "on")).execute(conn)?;
            assert_eq!(bulk::insert_sensor_events(&[event(21, "on")]).call(conn)?.inserted, 1);
        }
        "Upsert events by sensor and instant" => {
            let rows = [event(6, "off"), event(7, "on"), event(20, "on")];
            let (report, _): (bulk::Report, Vec<i64>) =
                bulk::upsert_sensor_events(&rows).returning(sensor_events::id).call(conn)?;
            assert_eq!((report.inserted, report.updated, report.unchanged), (1, 1, 1));
        }
        "Reserve keys and upsert events by key" => {
            let rows = [event(20, "on"), event(21, "on")];
            let keys = bulk::reserve_keys(rows.iter().map(NewSensorEvent::timestamp)).call(conn)?;
            let rows: Vec<_> = keys.into_iter().zip(rows).map(|(key, row)| Keyed::new(key.id(), row)).collect();
            for _ in 0..2 {
                bulk::upsert_sensor_events_by_key(&rows).call(conn)?;
            }
        }
        "Read events" => assert_eq!(SensorEvent::query().load(conn)?.len(), 3),
        "Delete events" => {
            let day = event(6, "on").timestamp();
            let old = sensor_events::table.filter(sensor_events::timestamp.le(day));
            assert_eq!(diesel::delete(old).execute(conn)?, 1);
        }
        "Insert a prediction" => {
            diesel::insert_into(predictions::table).values(prediction(3)).execute(conn)?;
            let by_key = prediction(2).with_triggering_event(SensorEventKey::new(2, event(7, "on").timestamp()));
            diesel::insert_into(predictions::table).values(by_key).execute(conn)?;
        }
        "Insert many predictions" => {
            let call = bulk::insert_predictions(vec![prediction(2), prediction(3)]).returning(predictions::id);
            let (_, ids): (bulk::Report, Vec<i64>) = call.call(conn)?;
            assert_eq!(ids.len(), 2);
        }
        "Reserve ids and upsert predictions" => {
            let ids = bulk::reserve_prediction_ids(2).call(conn)?;
            let rows: Vec<_> = ids.into_iter().map(|id| Keyed::new(id, prediction(3))).collect();
            for _ in 0..2 {
                bulk::upsert_predictions(&rows).call(conn)?;
            }
        }
        #[cfg(any(feature = "arrow", feature = "csv"))]
        "Import predictions" => {
            let prediction = Prediction::query().order(predictions::id).first::<Prediction>(conn)?;
            let again = Ok((prediction.clone(), None));
            let event = Some(("sensor".to_owned(), event(8, "on").timestamp()));
            let new = Ok((Prediction { model_version: "2".to_owned(), ..prediction }, event));
            let report = occupancy_models::export::import_predictions([again, new]).call(conn)?;
            assert_eq!((report.inserted, report.unchanged), (1, 1));
        }
        "Record outcomes" => {
            let report =
                bulk::record_outcomes(&[(1, None), (2, Some(Utc::now()))], TimeDelta::minutes(5)).call(conn)?;
            assert_eq!(report.recorded, 2);
        }
        "Read predictions with their events" => {
            let all = Prediction::query().load(conn)?;
            assert_eq!(Prediction::triggering_events(&all).load::<Option<SensorEvent>>(conn)?.len(), 3);
        }
        "Read the accuracy of predictions" => {
            assert_eq!(DailyPredictionAccuracy::query().load(conn)?.len(), 1);
        }
        "Verify" => {
            let found = verify().allow_plain_table().call(conn)?;
            if let Some(violation) = found.first() {
                assert_eq!(violation.kind, Unchecked, "{violation}");
                return Err(timescale::Error::Migration(violation.to_string().into()).into());
            }
        }
        other => panic!("the documentation has a task without a test: {other}"),
    }
    Ok(())
}

#[test]
fn the_documented_rights_are_enough_for_each_task_and_each_of_them_is_needed() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| sql(conn, EVENTS));
    let app = format!("{}_app", owned.db.schema());
    let here = |statement: &str| {
        statement
            .replace("SCHEMA public", &format!("SCHEMA {}", owned.db.schema()))
            .replace("TO app", &format!("TO {app}"))
    };
    // Everyone may use the schema public, unless that is taken away.
    sql(&mut owned.conn, &format!("REVOKE ALL ON SCHEMA {} FROM PUBLIC", owned.db.schema()));
    let tasks = documented_tasks();
    assert!(tasks.len() >= 12, "{tasks:?}");
    let conn = &mut owned.conn;
    let owner = owned.owner.clone();
    // Rolled back each time, with the role.
    let mut attempt = |task: &str, statements: &[String]| {
        let mut outcome = Ok(());
        conn.test_transaction::<_, Error, _>(|conn| {
            sql(conn, &format!("CREATE ROLE {app}; SET LOCAL SESSION AUTHORIZATION {owner}"));
            for statement in statements {
                sql(conn, &here(statement));
            }
            sql(conn, &format!("SET LOCAL SESSION AUTHORIZATION {app}"));
            // In a savepoint, so that the rest can go on.
            outcome = conn.transaction(|conn| perform(task, conn)).map_err(|error| error.to_string());
            Ok(())
        });
        outcome
    };
    for (task, statements) in &tasks {
        let all: Vec<_> = statements.iter().map(|&statement| statement.to_owned()).collect();
        assert_eq!(attempt(task, &all), Ok(()), "{task}, with all of its rights");
        for (left_out, rest) in with_one_right_less(statements) {
            match attempt(task, &rest) {
                Err(error) if error.contains("permission denied") || error.contains("does not exist") => {}
                other => panic!("{task} without {left_out}: {other:?}"),
            }
        }
    }
}

/// What is left to the owner, whatever else a role may do.
#[test]
fn what_only_the_owner_does() {
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| sql(conn, EVENTS));
    let app = owned.role("app");
    let schema = owned.db.schema().to_owned();
    sql(
        &mut owned.conn,
        &format!(
            "GRANT USAGE, CREATE ON SCHEMA {schema} TO {app}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {app};
             GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {app}"
        ),
    );
    // An event that nothing refers to yet.
    sql(
        &mut owned.conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-02-01', 'room', 'sensor', 'motion', 'on');
         CREATE TABLE alerts (sensor_event_id BIGINT); INSERT INTO alerts SELECT max(id) FROM sensor_events",
    );
    let attach = "SELECT add_sensor_event_reference('alerts', 'sensor_event_id')";
    for (owner_of_alerts, may_attach) in [(app.clone(), false), (owned.owner.clone(), true)] {
        sql(&mut owned.conn, &format!("ALTER TABLE alerts OWNER TO {owner_of_alerts}"));
        let outcome =
            owned.as_role(&owner_of_alerts, |conn| conn.batch_execute(attach).map_err(|error| error.to_string()));
        match outcome {
            Ok(()) => assert!(may_attach, "{owner_of_alerts} may attach"),
            Err(error) => assert!(!may_attach && error.contains("permission denied"), "{owner_of_alerts}: {error}"),
        }
    }
    if support::has(Needs::Timescale) {
        let cutoff = Utc.with_ymd_and_hms(2026, 1, 8, 0, 0, 0).unwrap();
        let refused = owned.as_role(&app, |conn| drop_sensor_events_before(cutoff).call(conn)).unwrap_err().to_string();
        assert!(refused.contains("must be owner") || refused.contains("permission denied"), "{refused}");
        let report = owned.as_owner(|conn| drop_sensor_events_before(cutoff).call(conn)).unwrap();
        assert_eq!((report.chunks_dropped, report.rows_released), (2, 2));
    }
}

#[test]
fn a_policy_does_not_cover_a_chunk_that_is_read_directly() {
    needs!(Timescale);
    let mut owned = OwnedDb::new();
    owned.as_owner(|conn| {
        sql(conn, EVENTS);
        sql(
            conn,
            "ALTER TABLE sensor_events ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON sensor_events USING (false)",
        );
    });
    let app = owned.role("app");
    let schema = owned.db.schema().to_owned();
    sql(&mut owned.conn, &format!("GRANT USAGE ON SCHEMA {schema} TO {app}; GRANT SELECT ON sensor_events TO {app}"));
    owned.as_role(&app, |conn| {
        assert_eq!(value(conn, "SELECT count(*) FROM sensor_events"), "0");
        let chunk =
            value(conn, "SELECT min(inhrelid)::regclass FROM pg_inherits WHERE inhparent = 'sensor_events'::regclass");
        assert_eq!(value(conn, &format!("SELECT count(*) FROM {chunk}")), "1", "as the documentation says");
    });
}

#[test]
fn the_owner_of_a_database_needs_no_superuser_for_the_extension_and_the_migrations() {
    needs!(Timescale, TwoConnections);
    let (db, conn) = TestDb::new();
    let name = db.url().path().trim_start_matches('/').to_owned();
    drop(conn);
    let owner = format!("{name}_owner");
    // In place of the one that there is, which has the extension.
    let mut admin = PgConnection::establish(support::base_url().as_str()).unwrap();
    sql(&mut admin, &format!("CREATE ROLE {owner} LOGIN"));
    sql(&mut admin, &format!("DROP DATABASE {name} WITH (FORCE)"));
    sql(&mut admin, &format!("CREATE DATABASE {name} OWNER {owner}"));
    let mut url = db.url();
    url.set_username(&owner).unwrap();
    let mut conn = PgConnection::establish(url.as_str()).unwrap();
    assert_eq!(value(&mut conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "false");
    sql(&mut conn, "SET client_min_messages TO warning; CREATE EXTENSION timescaledb");
    occupancy_models::run_migrations(&mut conn).unwrap();
    SensorEvent::hypertable().call(&mut conn).unwrap();
    sql(&mut conn, EVENTS);
    assert_eq!(verify().call(&mut conn).unwrap(), []);
    drop((conn, db));
    sql(&mut admin, &format!("DROP ROLE {owner}"));
}
