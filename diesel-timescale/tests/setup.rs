//! The declared set-up: plans, their steps, and that every drift is found and repaired.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::prelude::*;
use diesel_timescale::setup::{Plan, Setup, StepClass};
use diesel_timescale::{Call, Error, Feature};
use serde_json::json;
use support::{Needs, TestDb, has_quietly, needs, needs_feature, server, sql, value};

const TABLES: &str = "
    CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL, value FLOAT8, PRIMARY KEY (sensor, time));
    CREATE TABLE meters (meter BIGINT, read_at TIMESTAMPTZ, total NUMERIC(12, 3), PRIMARY KEY (meter, read_at));
    CREATE TABLE rooms (id BIGINT PRIMARY KEY, name VARCHAR(80) NOT NULL, floor INT)";

/// Everything that tables can be declared to be, where the server has it.
fn setup() -> Setup {
    serde_json::from_value(json!({
        "allow_unsupported": true,
        "extension": { "version": "2.17" },
        "tables": {
            "readings": {
                "columns": { "sensor": "text", "time": "timestamptz", "value": { "type": "float8", "nullable": true } },
                "indexes": [{ "columns": ["room", "time DESC"] }],
                "hypertable": { "time": "time", "chunk_interval": "1 day" },
                "columnstore": { "segment_by": ["sensor"], "order_by": ["time DESC"] },
                "columnstore_policy": { "after": "7 days", "schedule": "6 hours" },
                "retention_policy": { "drop_after": "730 days", "schedule": "1 day" },
            },
            "meters": {
                "hypertable": { "time": "read_at", "default_indexes": false },
                "dimensions": [{ "column": "meter", "partitions": 4 }],
                "columnstore": false,
                "columnstore_policy": false,
                "retention_policy": false,
            },
            "rooms": {
                "columns": {
                    "id": "bigint",
                    "name": { "type": "varchar(80)", "nullable": false },
                    "floor": { "type": "int", "nullable": true },
                },
                "indexes": [{ "columns": ["name"], "unique": true }, { "name": "rooms_by_floor", "columns": ["floor"] }],
            },
        },
    }))
    .unwrap()
}

fn plan(conn: &mut PgConnection, setup: &Setup) -> Plan {
    setup.plan().call(conn).unwrap()
}

fn ready() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    setup().apply(StepClass::Locks).call(&mut conn).unwrap();
    setup().check().call(&mut conn).unwrap();
    (db, conn)
}

#[test]
fn a_set_up_is_planned_applied_and_then_as_declared() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup = setup();
    let planned = plan(&mut conn, &setup);
    assert_eq!(planned, plan(&mut conn, &setup), "a plan changes nothing");
    assert!(matches!(setup.check().call(&mut conn), Err(Error::Drift(drift)) if *drift == planned));

    // Three indexes, two hypertables and a dimension, a columnstore and two policies.
    let expected = if has_quietly(Needs::Community) {
        9
    } else if has_quietly(Needs::Timescale) {
        6
    } else {
        3
    };
    assert_eq!(planned.steps.len(), expected, "{planned}");
    assert_eq!(planned.left_out.is_empty(), has_quietly(Needs::Community), "{planned}");

    let safe = setup.apply(StepClass::Safe).call(&mut conn).unwrap();
    assert!(safe.done.iter().all(|step| step.class == StepClass::Safe), "{safe:?}");
    assert_eq!(safe.done.len() + safe.steps.len(), expected, "{safe:?}");
    let applied = setup.apply(StepClass::Locks).call(&mut conn).unwrap();
    assert!(applied.is_empty(), "{}", applied);
    assert_eq!(applied.done.len() + safe.done.len(), expected);
    setup.check().call(&mut conn).unwrap();
    let again = setup.apply(StepClass::DestroysData).call(&mut conn).unwrap();
    assert!(again.done.is_empty(), "{again:?}");
}

/// A drift: what makes it, and the step that finds it.
#[derive(Clone, Copy)]
struct Drift {
    needs: Option<Needs>,
    seed: &'static str,
    object: &'static str,
    difference: &'static str,
    class: StepClass,
    /// Whether a step repairs it.
    is_possible: bool,
}

const fn drift(seed: &'static str, object: &'static str, difference: &'static str, class: StepClass) -> Drift {
    Drift { needs: None, seed, object, difference, class, is_possible: true }
}

const fn beyond(seed: &'static str, object: &'static str, difference: &'static str, class: StepClass) -> Drift {
    Drift { is_possible: false, ..drift(seed, object, difference, class) }
}

const fn of(needs: Needs, drift: Drift) -> Drift {
    Drift { needs: Some(needs), ..drift }
}

use Needs::{Community, PlainPostgres, Timescale};
use StepClass::{DestroysData, Locks, Rewrites, Safe};

#[rustfmt::skip]
const DRIFTS: &[Drift] = &[
    // Tables, columns, indexes.
    beyond("DROP TABLE rooms", "rooms", "the table is missing", Safe),
    beyond("ALTER TABLE rooms RENAME TO chambers", "rooms", "the table is missing", Safe),
    beyond("CREATE SCHEMA elsewhere; ALTER TABLE rooms SET SCHEMA elsewhere", "rooms", "the table is missing", Safe),
    beyond("ALTER TABLE rooms DROP COLUMN id", "rooms", "the column id of the type bigint is missing", Rewrites),
    beyond("ALTER TABLE rooms ALTER COLUMN id TYPE INT", "rooms", "the column id is of the type integer, not bigint", Rewrites),
    beyond("ALTER TABLE rooms ALTER COLUMN name TYPE VARCHAR(90)", "rooms", "the column name is of the type character varying(90), not varchar(80)", Rewrites),
    beyond("ALTER TABLE rooms ALTER COLUMN name DROP NOT NULL", "rooms", "the column name is not NOT NULL", Rewrites),
    beyond("ALTER TABLE rooms ALTER COLUMN floor SET NOT NULL", "rooms", "the column floor is NOT NULL", Rewrites),
    beyond("ALTER TABLE rooms RENAME COLUMN id TO number", "rooms", "the column id of the type bigint is missing", Rewrites),
    drift("DROP INDEX rooms_by_floor", "rooms", "the index on (\"floor\") is missing", Locks),
    drift("DROP INDEX rooms_by_floor; CREATE INDEX rooms_by_name ON rooms (floor)", "rooms", "the index on (\"floor\") is missing", Locks),
    drift("DROP INDEX rooms_name_idx", "rooms", "the unique index on (\"name\") is missing", Locks),
    drift("DROP INDEX rooms_name_idx; CREATE INDEX ON rooms (name)", "rooms", "the unique index on (\"name\") is missing", Locks),
    of(Timescale, drift("DROP INDEX readings_room_time_idx", "readings", "the index on (\"room\", \"time\" DESC) is missing", Locks)),
    of(Timescale, drift("DROP INDEX readings_room_time_idx; CREATE INDEX ON readings (room, time)", "readings", "the index on (\"room\", \"time\" DESC) is missing", Locks)),
    of(Timescale, drift("DROP INDEX readings_room_time_idx1; CREATE INDEX ON readings (room, time DESC) WHERE room <> 'x'", "readings", "the index on (\"room\", \"time\" DESC) is missing", Locks)),

    // Hypertables.
    of(Timescale, beyond("ALTER TABLE meters RENAME TO gauges", "meters", "the table is missing", Safe)),
    of(Timescale, beyond("ALTER TABLE meters RENAME read_at TO taken_at", "meters", "is a hypertable on taken_at, not on read_at", Rewrites)),
    of(Timescale, drift("SELECT set_chunk_time_interval('readings', INTERVAL '3 days')", "readings", "the chunk interval is 3 days, not 1 day", Safe)),
    of(Timescale, drift("SELECT set_number_partitions('meters', 8, 'meter')", "meters", "meter has 8 partitions, not 4", Safe)),
    of(Timescale, drift(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT, read_at TIMESTAMPTZ NOT NULL, total NUMERIC(12, 3));
         SELECT create_hypertable('meters', by_range('read_at'))",
        "meters", "the dimension by the hash of meter is missing", Locks)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT, read_at TIMESTAMPTZ NOT NULL, total NUMERIC(12, 3));
         SELECT create_hypertable('meters', by_range('read_at')); INSERT INTO meters VALUES (1, now(), 1)",
        "meters", "the dimension by the hash of meter is missing", Locks)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT, read_at TIMESTAMPTZ NOT NULL, set_up_at TIMESTAMPTZ NOT NULL);
         SELECT create_hypertable('meters', by_range('set_up_at'))",
        "meters", "is a hypertable on set_up_at, not on read_at", Rewrites)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT, read_at TIMESTAMPTZ NOT NULL);
         INSERT INTO meters VALUES (1, now())",
        "meters", "is a plain table, not a hypertable on read_at", Rewrites)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT PRIMARY KEY, read_at TIMESTAMPTZ NOT NULL)",
        "meters", "is a plain table, not a hypertable on read_at", Locks)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE TABLE meters (meter BIGINT, at TIMESTAMPTZ NOT NULL)",
        "meters", "is a plain table, not a hypertable on read_at", Locks)),
    of(Timescale, beyond(
        "DROP TABLE meters; CREATE VIEW meters AS SELECT 1 AS meter, now() AS read_at",
        "meters", "is a plain table, not a hypertable on read_at", Locks)),

    // The columnstore.
    of(Community, drift("ALTER TABLE readings SET (timescaledb.compress_segmentby = 'room')", "readings", "the columnstore keeps segments by (room), not by (sensor)", Locks)),
    of(Community, drift("ALTER TABLE readings SET (timescaledb.compress_orderby = 'time')", "readings", "the columnstore has the order (\"time\"), not (time DESC)", Locks)),
    of(Community, drift("ALTER TABLE readings SET (timescaledb.compress_orderby = 'value, time DESC')", "readings", "the columnstore has the order (value,\"time\" DESC), not (time DESC)", Locks)),
    of(Community, drift("ALTER TABLE meters SET (timescaledb.compress)", "meters", "has a columnstore, and none is wanted", Locks)),

    // Policies.
    of(Community, drift("SELECT remove_compression_policy('readings')", "readings", "has no columnstore policy with compress_after 7 days", Safe)),
    of(Community, drift("SELECT alter_job(job_id, config => config || '{\"compress_after\": \"3 days\"}') FROM timescaledb_information.jobs WHERE hypertable_name = 'readings' AND proc_name = 'policy_compression'", "readings", "the columnstore policy has compress_after 3 days, not compress_after 7 days", Safe)),
    of(Community, drift("SELECT alter_job(job_id, schedule_interval => INTERVAL '17 hours') FROM timescaledb_information.jobs WHERE hypertable_name = 'readings' AND proc_name = 'policy_compression'", "readings", "the columnstore policy runs every 17 hours, not every 6 hours", Safe)),
    of(Community, drift("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE hypertable_name = 'readings' AND proc_name = 'policy_compression'", "readings", "the columnstore policy is disabled", Safe)),
    of(Community, drift("SELECT remove_retention_policy('readings')", "readings", "has no retention policy with drop_after 730 days", Safe)),
    of(Community, drift("SELECT remove_retention_policy('readings'); INSERT INTO readings VALUES ('a', now(), 'x')", "readings", "has no retention policy with drop_after 730 days", DestroysData)),
    of(Community, drift("SELECT remove_retention_policy('readings'); SELECT add_retention_policy('readings', INTERVAL '3 years', schedule_interval => INTERVAL '1 day')", "readings", "the retention policy has drop_after 36 months, not drop_after 730 days", DestroysData)),
    of(Community, drift("SELECT remove_retention_policy('readings'); SELECT add_retention_policy('readings', INTERVAL '30 days', schedule_interval => INTERVAL '1 day')", "readings", "the retention policy has drop_after 30 days, not drop_after 730 days", Safe)),
    of(Community, drift("SELECT remove_retention_policy('readings'); SELECT add_retention_policy('readings', drop_created_before => INTERVAL '1 year', schedule_interval => INTERVAL '1 day')", "readings", "the retention policy has no drop_after, not drop_after 730 days", DestroysData)),
    of(Community, drift("SELECT alter_job(job_id, schedule_interval => INTERVAL '1 hour') FROM timescaledb_information.jobs WHERE hypertable_name = 'readings' AND proc_name = 'policy_retention'", "readings", "the retention policy runs every 1 hour, not every 1 day", Safe)),
    of(Community, drift("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE hypertable_name = 'readings' AND proc_name = 'policy_retention'", "readings", "the retention policy is disabled", DestroysData)),
    of(Community, drift("SELECT add_retention_policy('meters', INTERVAL '1 year')", "meters", "has a retention policy, and none is wanted", Safe)),
];

/// Makes every drift, one after the other, from a database that is as declared.
fn assert_found_and_repaired(conn: &mut PgConnection, setup: &Setup, drifts: &[Drift]) {
    for drift in drifts {
        if drift.needs.is_some_and(|needs| !has_quietly(needs)) {
            continue;
        }
        let step_of = |conn: &mut PgConnection| {
            // Statement by statement: some cannot share a transaction.
            drift.seed.split("; ").for_each(|statement| sql(conn, statement));
            let plan = plan(conn, setup);
            assert_eq!(plan.steps.len(), 1, "after {}: {plan}", drift.seed);
            let step = plan.steps.into_iter().next().unwrap();
            assert_eq!((&*step.object, &*step.difference), (drift.object, drift.difference), "after {}", drift.seed);
            assert_eq!(
                (step.class, step.is_possible()),
                (drift.class, drift.is_possible),
                "{step} after {}",
                drift.seed
            );
            step
        };
        if drift.is_possible {
            let step = step_of(conn);
            let applied = setup.apply(drift.class).call(conn).unwrap();
            assert_eq!(applied.done, [step], "after {}", drift.seed);
            assert!(applied.is_empty(), "after {}: {applied}", drift.seed);
        } else {
            conn.test_transaction::<_, Error, _>(|conn| {
                step_of(conn);
                assert!(setup.apply(StepClass::DestroysData).call(conn)?.done.is_empty());
                Ok(())
            });
        }
        setup.check().call(conn).unwrap_or_else(|error| panic!("after {}: {error}", drift.seed));
    }
}

#[test]
fn every_drift_is_found_and_repaired() {
    needs!(Timescale);
    let (_db, mut conn) = ready();
    assert_found_and_repaired(&mut conn, &setup(), DRIFTS);
}

fn references() -> Setup {
    serde_json::from_value(json!({ "tables": {
        "readings": {
            "hypertable": { "time": "time", "chunk_interval": "1 day", "allow_plain_table": true },
            "target": { "time": "time" },
        },
        "alerts": {
            "references": [{ "columns": ["sensor", "time"], "to": "readings", "on_delete": "cascade" }],
        },
    } }))
    .unwrap()
}

const ALERTS: &str = "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY, sensor TEXT, time TIMESTAMPTZ)";

#[rustfmt::skip]
const REFERENCE_DRIFTS: &[Drift] = &[
    drift("DROP TRIGGER reference_sensor_time ON alerts", "alerts", "the trigger that registers (sensor, time) for readings is missing, disabled or another", Locks),
    drift("ALTER TABLE alerts DISABLE TRIGGER reference_sensor_time", "alerts", "the trigger that registers (sensor, time) for readings is missing, disabled or another", Locks),
    drift("ALTER TABLE alerts DROP CONSTRAINT alerts_sensor_time_fkey", "alerts", "(sensor, time) does not reference readings", Locks),
    drift(
        "ALTER TABLE alerts DROP CONSTRAINT alerts_sensor_time_fkey;
         ALTER TABLE alerts ADD FOREIGN KEY (sensor, time) REFERENCES referenced_readings ON DELETE RESTRICT",
        "alerts", "the reference of (sensor, time) to readings is ON DELETE RESTRICT, not CASCADE", Locks),
    drift(
        "ALTER TABLE alerts DROP CONSTRAINT alerts_sensor_time_fkey;
         ALTER TABLE alerts ADD FOREIGN KEY (sensor, time) REFERENCES referenced_readings ON DELETE CASCADE NOT VALID",
        "alerts", "the reference of (sensor, time) to readings is not validated", Locks),
    drift("DROP TRIGGER readings_release_all_references ON readings", "readings", "the triggers of the target are missing or disabled: readings_release_all_references", Locks),
    of(PlainPostgres, drift("ALTER TABLE readings DISABLE TRIGGER readings_key_is_fixed", "readings", "the triggers of the target are missing or disabled: readings_key_is_fixed", Locks)),
    drift("ALTER TRIGGER readings_key_is_fixed ON readings RENAME TO other_name", "readings", "the triggers of the target are missing or disabled: readings_key_is_fixed", Locks),
    drift("DROP TRIGGER readings_key_is_fixed ON readings", "readings", "the triggers of the target are missing or disabled: readings_key_is_fixed", Locks),
    beyond("ALTER TABLE alerts RENAME TO alarms", "alerts", "the table is missing", Safe),
];

#[test]
fn drifts_of_references_are_found_and_repaired() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    sql(&mut conn, ALERTS);
    let setup = references();
    let planned = plan(&mut conn, &setup);
    let last = planned.steps.last().unwrap();
    assert_eq!((&*last.object, last.after), ("alerts", Some(planned.steps.len() - 2)), "{planned}");
    assert!(setup.apply(Locks).call(&mut conn).unwrap().is_empty());
    sql(
        &mut conn,
        "INSERT INTO readings VALUES ('a', '2026-01-05', 'x'); INSERT INTO alerts (sensor, time) VALUES ('a', '2026-01-05')",
    );
    assert_found_and_repaired(&mut conn, &setup, REFERENCE_DRIFTS);

    // Without its first trigger a target is none, and what refers to it cannot be compared.
    sql(&mut conn, "DROP TRIGGER readings_release_references ON readings");
    let applied = setup.apply(Locks).call(&mut conn).unwrap();
    assert!(applied.done[0].difference.contains("readings_release_references"), "{applied}");
    setup.check().call(&mut conn).unwrap();
    sql(&mut conn, "DELETE FROM readings");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM alerts"), "0");
}

#[test]
fn drifts_of_notifications_are_found_and_repaired() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup: Setup = toml::from_str(
        "[tables.readings]
         notify_inserts = { time = \"time\", group = \"room\" }
         [tables.meters]
         notify_inserts = false",
    )
    .unwrap();
    let plan = plan(&mut conn, &setup);
    assert_eq!(plan.steps[0].difference, "inserts are not notified by time and room");
    assert!(setup.apply(Locks).call(&mut conn).unwrap().is_empty());
    #[rustfmt::skip]
    let drifts = [
        drift("DROP TRIGGER notify_inserts ON readings", "readings", "inserts are not notified by time and room", Locks),
        drift("ALTER TABLE readings DISABLE TRIGGER notify_inserts", "readings", "the notifications of inserts are disabled", Locks),
        drift("ALTER TABLE readings DISABLE TRIGGER USER", "readings", "the notifications of inserts are disabled", Locks),
        drift("SELECT diesel_timescale.notify_inserts('readings', 'time')", "readings", "inserts are notified by time, not by time and room", Locks),
        drift("SELECT diesel_timescale.notify_inserts('readings', 'time', 'sensor')", "readings", "inserts are notified by time and sensor, not by time and room", Locks),
        drift(
            "CREATE OR REPLACE FUNCTION notify_inserts_into_readings() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL;END'",
            "readings", "the notifications of inserts are those of another release or another name", Locks,
        ),
        drift("SELECT diesel_timescale.notify_inserts('meters', 'read_at')", "meters", "inserts are notified, and should not be", Locks),
    ];
    assert_found_and_repaired(&mut conn, &setup, &drifts);
}

/// Notifications that are there when a table becomes a hypertable, and those that come with it.
#[test]
fn notifications_come_after_the_hypertable() {
    needs!(Timescale);
    if !server().has(Feature::InsertNotifications) {
        let (_db, mut conn) = TestDb::installed();
        sql(&mut conn, TABLES);
        let setup = Setup::new()
            .with(diesel_timescale::hypertable(readings::time))
            .with(diesel_timescale::live::notify_inserts_by(readings::time, readings::room));
        let applied = setup.apply(Locks).call(&mut conn).unwrap();
        assert!(applied.steps.len() == 1 && !applied.steps[0].is_possible(), "{applied}");
    }
    needs_feature!(InsertNotifications);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup = Setup::new()
        .with(diesel_timescale::hypertable(readings::time))
        .with(diesel_timescale::live::notify_inserts_by(readings::time, readings::room));
    let plan = plan(&mut conn, &setup);
    assert_eq!(plan.steps.iter().map(|step| step.after).collect::<Vec<_>>(), [None, Some(0)], "{plan}");
    assert!(setup.apply(Locks).call(&mut conn).unwrap().is_empty());
    sql(&mut conn, "DROP TABLE readings; CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ NOT NULL, room TEXT)");
    sql(&mut conn, "SELECT diesel_timescale.notify_inserts('readings', 'time', 'room')");
    let applied = setup.apply(Locks).call(&mut conn).unwrap();
    assert!(applied.is_empty() && applied.done.len() == 1, "{applied}");
}

#[test]
fn what_the_server_would_refuse_is_a_step_that_cannot_be_done() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup: Setup = serde_json::from_value(json!({ "tables": {
        "readings": {
            "hypertable": { "time": "time" },
            "target": { "time": "time" },
            "retention_policy": { "drop_after": "1 year" },
        },
        "meters": { "hypertable": { "time": "read_at" }, "columnstore_policy": { "after": "1 day" } },
    } }))
    .unwrap();
    let applied = setup.apply(DestroysData).call(&mut conn).unwrap();
    let differences: Vec<_> = applied.steps.iter().map(|step| (&*step.difference, step.is_possible())).collect();
    assert_eq!(differences, [("a columnstore policy is declared, and there is no columnstore", false)]);
    // The job of a target clears the references.
    // (A job that is left would keep a shared database from being reverted.)
    assert_eq!(value(&mut conn, "SELECT diesel_timescale.remove_reference_retention('readings')"), "true");
}

#[test]
fn what_belongs_to_another_role_is_planned_and_left_as_it_is() {
    needs!(TwoConnections);
    let (db, mut owner) = TestDb::installed();
    sql(&mut owner, TABLES);
    let role = format!("setup_test_reader_{}", std::process::id());
    sql(&mut owner, &format!("CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    let mut conn = db.connect();
    sql(&mut conn, &format!("SET ROLE {role}"));
    let (setup, planned) = (setup(), plan(&mut owner, &setup()));
    assert_eq!(plan(&mut conn, &setup), planned);
    let Err(Error::Step { step, source }) = setup.apply(DestroysData).call(&mut conn) else { panic!("{planned}") };
    assert_eq!(*step, planned.steps[0]);
    assert!(source.to_string().contains("permission denied"), "{source}");
    assert_eq!(plan(&mut owner, &setup), planned);
    drop(conn);
    sql(&mut owner, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// Every kind of object that can drift, and how many drifts of all are seeded.
#[test]
fn the_seeded_drifts_are_of_every_kind() {
    let all = [DRIFTS, REFERENCE_DRIFTS, AGGREGATE_DRIFTS, JOB_DRIFTS].concat();
    assert!(all.len() >= 70, "{}", all.len());
    for kind in [
        "the table",
        "the column",
        "index on",
        "chunk interval",
        "hypertable on",
        "dimension",
        "partitions",
        "columnstore",
        "columnstore policy",
        "retention policy",
        "refresh policy",
        "reference",
        "trigger",
        "continuous aggregate",
        "the job",
        "missing",
        "disabled",
        "none is wanted",
        "is not wanted",
        "not 1 day",
    ] {
        assert!(all.iter().any(|drift| drift.difference.contains(kind)), "{kind}");
    }
}

#[test]
fn references_that_are_not_wanted_are_removed() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    sql(&mut conn, ALERTS);
    references().apply(Locks).call(&mut conn).unwrap();
    let setup: Setup = serde_json::from_value(json!({ "tables": {
        "readings": { "target": false },
        "alerts": { "references": [{ "columns": ["sensor", "time"], "to": "readings", "absent": true }] },
    } }))
    .unwrap();
    let applied = setup.apply(Locks).call(&mut conn).unwrap();
    assert_eq!((applied.done.len(), applied.is_empty()), (2, true), "{applied}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'alerts'::regclass"), "0");
}

fn aggregates() -> Setup {
    let hourly = "SELECT time_bucket('1 hour', time) AS bucket, count(*) AS readings FROM readings GROUP BY 1";
    let daily = "SELECT time_bucket('1 day', bucket) AS bucket, sum(readings) AS readings FROM hourly GROUP BY 1";
    let policy = json!({ "start_offset": "3 days", "end_offset": "1 hour", "schedule": "30 minutes" });
    serde_json::from_value(json!({
        "tables": { "readings": { "hypertable": { "time": "time", "chunk_interval": "1 day" } } },
        "aggregates": {
            // The order of names is another one than that of building.
            "daily": { "from": "hourly", "definition": daily, "refresh_policy": false },
            "hourly": {
                "from": "readings",
                "definition": hourly,
                "refresh_policy": policy,
                "retention_policy": { "drop_after": "3 years" },
            },
            "weekly": false,
        },
    }))
    .unwrap()
}

macro_rules! refresh_job {
    ($change:literal) => {
        concat!(
            "SELECT alter_job(job_id, ",
            $change,
            ") FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
        )
    };
}

#[rustfmt::skip]
const AGGREGATE_DRIFTS: &[Drift] = &[
    drift("ALTER MATERIALIZED VIEW hourly SET (timescaledb.materialized_only = true)", "hourly", "shows only rows that are materialized", Locks),
    drift("DROP MATERIALIZED VIEW daily", "daily", "the continuous aggregate is missing", Safe),
    drift(
        "DROP MATERIALIZED VIEW daily; CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS
         SELECT time_bucket('1 day', bucket) AS bucket, max(readings) AS readings FROM hourly GROUP BY 1 WITH NO DATA",
        "daily", "the continuous aggregate is defined otherwise", DestroysData),
    beyond("DROP MATERIALIZED VIEW daily; CREATE VIEW daily AS SELECT 1", "daily", "is no continuous aggregate", DestroysData),
    beyond("DROP MATERIALIZED VIEW daily; CREATE TABLE daily ()", "daily", "is no continuous aggregate", DestroysData),
    drift("ALTER MATERIALIZED VIEW daily RENAME TO days", "daily", "the continuous aggregate is missing", Safe),
    drift("COMMENT ON VIEW daily IS NULL", "daily", "the continuous aggregate is defined otherwise", DestroysData),
    drift("CREATE VIEW weekly AS SELECT 1", "weekly", "is there, and is not wanted", Locks),
    drift("CREATE MATERIALIZED VIEW weekly WITH (timescaledb.continuous) AS SELECT time_bucket('7 days', time), count(*) FROM readings GROUP BY 1 WITH NO DATA", "weekly", "is there, and is not wanted", DestroysData),
    drift("SELECT remove_continuous_aggregate_policy('hourly')", "hourly", "has no refresh policy with start_offset 3 days and end_offset 1 hour", Safe),
    drift("SELECT add_continuous_aggregate_policy('daily', NULL, INTERVAL '1 day', INTERVAL '1 day')", "daily", "has a refresh policy, and none is wanted", Safe),
    drift(refresh_job!("schedule_interval => INTERVAL '2 hours'"), "hourly", "the refresh policy runs every 2 hours, not every 30 minutes", Safe),
    drift(refresh_job!("scheduled => false"), "hourly", "the refresh policy is disabled", Safe),
    drift(refresh_job!("config => config || '{\"start_offset\": \"9 days\"}'"), "hourly", "the refresh policy has start_offset 9 days, not start_offset 3 days", Safe),
    drift(refresh_job!("config => config || '{\"start_offset\": null}'"), "hourly", "the refresh policy has no start_offset, not start_offset 3 days", Safe),
    drift(refresh_job!("config => config || '{\"end_offset\": \"02:00:00\"}'"), "hourly", "the refresh policy has end_offset 2 hours, not end_offset 1 hour", Safe),
    drift("SELECT remove_retention_policy('hourly')", "hourly", "has no retention policy with drop_after 36 months", Safe),
    drift(
        "SELECT remove_retention_policy('hourly'); INSERT INTO readings VALUES ('a', '2026-01-05', 'x'); CALL refresh_continuous_aggregate('hourly', NULL, NULL)",
        "hourly", "has no retention policy with drop_after 36 months", DestroysData),
];

#[test]
fn drifts_of_aggregates_are_found_and_repaired() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup = aggregates();
    let planned = plan(&mut conn, &setup);
    let order: Vec<_> = planned.steps.iter().map(|step| (&*step.object, step.after)).collect();
    let expected =
        [("readings", None), ("hourly", Some(0)), ("hourly", Some(1)), ("hourly", Some(1)), ("daily", Some(1))];
    assert_eq!(order, expected, "{planned}");
    let applied = setup.apply(Locks).call(&mut conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    assert_found_and_repaired(&mut conn, &setup, AGGREGATE_DRIFTS);
}

#[test]
fn a_plain_view_stands_in_for_an_aggregate() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup: Setup = serde_json::from_value(json!({
        "tables": { "readings": { "hypertable": { "time": "time", "allow_plain_table": true } } },
        "aggregates": { "hourly": {
            "from": "readings",
            "definition": "SELECT time_bucket('1 hour', time) AS bucket, count(*) FROM readings GROUP BY 1",
            "plain_definition": "SELECT date_trunc('hour', time) AS bucket, count(*) FROM readings GROUP BY 1",
            "refresh_policy": { "end_offset": "1 hour", "schedule": "1 hour" },
        } },
    }))
    .unwrap();
    let applied = setup.apply(Locks).call(&mut conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    if !has_quietly(Community) {
        assert!(applied.left_out.iter().any(|text| text.starts_with("hourly: stays a plain view")), "{applied}");
        sql(&mut conn, "COMMENT ON VIEW hourly IS 'View: SELECT 1'");
        assert_eq!(setup.apply(Locks).call(&mut conn).unwrap().done[0].difference, "the view is defined otherwise");
        setup.check().call(&mut conn).unwrap();
    }
}

const PROCEDURE: &str = "CREATE PROCEDURE clean(job INT, config JSONB) LANGUAGE sql AS 'SELECT 1'";

#[rustfmt::skip]
const JOB_DRIFTS: &[Drift] = &[
    drift("SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE config = '{\"keep\": 1}' AND proc_name = 'clean'", "clean", "no job runs it every 1 day", Safe),
    drift("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE config = '{\"keep\": 1}' AND proc_name = 'clean'", "clean", "the job is disabled", Safe),
    drift("SELECT alter_job(job_id, schedule_interval => INTERVAL '1 hour') FROM timescaledb_information.jobs WHERE config = '{\"keep\": 1}' AND proc_name = 'clean'", "clean", "the job runs every 1 hour, not every 1 day", Safe),
];

#[test]
fn drifts_of_jobs_are_found_and_repaired() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, PROCEDURE);
    let job = |keep: i32| json!({ "procedure": "clean", "schedule": "1 day", "config": { "keep": keep } });
    let two: Setup = serde_json::from_value(json!({ "jobs": [job(1), job(2)] })).unwrap();
    assert_eq!(two.apply(Safe).call(&mut conn).unwrap().done.len(), 2);
    assert_found_and_repaired(&mut conn, &two, JOB_DRIFTS);

    // One alone takes over what is there.
    sql(
        &mut conn,
        "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'clean' AND config = '{\"keep\": 2}'",
    );
    let other: Setup = serde_json::from_value(json!({ "jobs": [job(3)] })).unwrap();
    let applied = other.apply(Safe).call(&mut conn).unwrap();
    assert_eq!(applied.done[0].difference, "the job has another config");
    other.check().call(&mut conn).unwrap();
    sql(&mut conn, "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'clean'");
}

#[test]
fn indexes_of_tables_with_rows_are_built_outside_of_transactions() {
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = ready();
    sql(
        &mut conn,
        "INSERT INTO rooms SELECT n, n, n FROM generate_series(1, 10) AS n;
         INSERT INTO readings SELECT 'a', now() - n * INTERVAL '1 day', 'x' FROM generate_series(1, 3) AS n;
         DROP INDEX rooms_by_floor; DROP INDEX readings_room_time_idx",
    );
    let planned = plan(&mut conn, &setup());
    let classes: Vec<_> = planned.steps.iter().map(|step| (step.class, step.in_transaction)).collect();
    assert_eq!(classes, [(Locks, false), (Safe, false)], "{planned}");
    conn.test_transaction::<_, Error, _>(|conn| {
        let error = setup().apply(DestroysData).call(conn).unwrap_err();
        assert!(matches!(&error, Error::Step { source, .. } if matches!(**source, Error::InsideTransaction { .. })));
        Ok(())
    });
    let applied = setup().apply(Locks).call(&mut conn).unwrap();
    assert_eq!((&applied.done, applied.is_empty()), (&planned.steps, true));

    // What an attempt that failed has left.
    sql(&mut conn, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rooms_by_floor'::regclass");
    let planned = plan(&mut conn, &setup());
    let differences: Vec<_> = planned.steps.iter().map(|step| &*step.difference).collect();
    assert_eq!(differences, ["the index rooms_by_floor is invalid", "the index on (\"floor\") is missing"]);
    assert!(setup().apply(Locks).call(&mut conn).unwrap().is_empty());
}

#[test]
fn a_columnstore_that_is_off_takes_its_policy_along() {
    needs!(Community);
    let (_db, mut conn) = ready();
    sql(
        &mut conn,
        "SELECT remove_compression_policy('readings'); ALTER TABLE readings SET (timescaledb.compress = false)",
    );
    let planned = plan(&mut conn, &setup());
    let differences: Vec<_> = planned.steps.iter().map(|step| (&*step.difference, step.after)).collect();
    assert_eq!(
        differences,
        [("has no columnstore", None), ("has no columnstore policy with compress_after 7 days", Some(0))]
    );
    // What builds on a step that is not allowed is left with it.
    let applied = setup().apply(StepClass::Safe).call(&mut conn).unwrap();
    assert_eq!((applied.done.len(), applied.steps.len()), (0, 2), "{}", applied);
    setup().apply(StepClass::Locks).call(&mut conn).unwrap();
    setup().check().call(&mut conn).unwrap();
}

#[test]
fn a_plan_locks_no_more_than_a_read() {
    // The server with one connection does not know its own process among the locks.
    needs!(Timescale, TwoConnections);
    let (_db, mut conn) = ready();
    sql(
        &mut conn,
        "SELECT set_chunk_time_interval('readings', INTERVAL '3 days'); INSERT INTO readings VALUES ('a', now(), 'x')",
    );
    conn.test_transaction::<_, Error, _>(|conn| {
        assert!(!plan(conn, &setup()).is_empty());
        let locks = "SELECT string_agg(DISTINCT mode, ', ') FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid'";
        assert_eq!(value(conn, locks), "AccessShareLock");
        Ok(())
    });
}

#[test]
fn an_extension_that_is_missing_is_created_first() {
    needs!(Timescale, TwoConnections);
    let (db, mut conn) = ready();
    sql(&mut conn, "DROP EXTENSION timescaledb CASCADE; DROP TABLE readings, meters; CREATE SCHEMA functions");
    sql(&mut conn, &TABLES.replace("CREATE TABLE rooms", "CREATE TABLE other_rooms"));
    let without: Setup = serde_json::from_value(json!({
        "tables": { "readings": { "hypertable": { "time": "time" } } },
    }))
    .unwrap();
    let planned = plan(&mut conn, &without);
    assert!(planned.steps.iter().all(|step| step.obstacle.is_some()), "{planned}");

    let setup: Setup = serde_json::from_value(json!({
        "extension": { "schema": "functions" },
        "tables": { "readings": { "hypertable": { "time": "time" } } },
    }))
    .unwrap();
    let planned = plan(&mut conn, &setup);
    let after: Vec<_> = planned.steps.iter().map(|step| (&*step.object, step.after)).collect();
    assert_eq!(after, [("timescaledb", None), ("readings", Some(0))], "{planned}");
    // A session that had the extension before cannot create it again.
    drop(conn);
    let mut conn = db.connect();
    assert_eq!(setup.apply(Locks).call(&mut conn).unwrap().done.len(), 2);
    setup.check().call(&mut conn).unwrap();
    let schema = "SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'timescaledb'";
    assert_eq!(value(&mut conn, schema), "functions");
}

#[test]
fn an_extension_that_is_too_old_is_a_drift() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let setup: Setup = serde_json::from_value(json!({ "extension": { "version": "99.1" } })).unwrap();
    let planned = plan(&mut conn, &setup);
    assert_eq!(planned.steps.len(), 1, "{planned}");
    assert!(planned.steps[0].difference.ends_with("not 99.1.0 or later"), "{planned}");
    assert!(planned.steps[0].obstacle.is_some(), "{planned}");
}

#[test]
fn what_the_server_lacks_is_a_step_that_cannot_be_done_or_is_left_out() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let declared = |allow: bool| -> Setup {
        serde_json::from_value(json!({
            "allow_unsupported": allow,
            "tables": { "readings": {
                "hypertable": { "time": "time", "allow_plain_table": true },
                "columnstore": { "segment_by": ["sensor"] },
                "retention_policy": { "drop_after": "1 year" },
            } },
        }))
        .unwrap()
    };
    let refused = declared(false).apply(DestroysData).call(&mut conn).unwrap();
    let left_out = declared(true).apply(DestroysData).call(&mut conn).unwrap();
    assert!(left_out.is_empty(), "{}", left_out);
    if has_quietly(Community) {
        assert!(refused.is_empty() && left_out.left_out.is_empty());
    } else if has_quietly(Timescale) {
        assert_eq!((refused.done.len(), refused.steps.len()), (1, 2), "{}", refused);
        assert!(refused.steps.iter().all(|step| step.obstacle.is_some()), "{}", refused);
        assert_eq!(left_out.left_out.len(), 2, "{}", left_out);
    } else {
        // A plain table has nothing of what only a hypertable has.
        assert!(refused.is_empty(), "{}", refused);
        assert_eq!(refused.left_out, ["readings: stays a plain table: the server has no TimescaleDB"]);
    }
}

#[test]
fn several_that_apply_take_turns() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let done: usize = std::thread::scope(|scope| {
        let appliers: Vec<_> = (0..4)
            .map(|_| {
                let mut conn = db.connect();
                scope.spawn(move || setup().apply(Locks).call(&mut conn).unwrap().done.len())
            })
            .collect();
        appliers.into_iter().map(|applier| applier.join().unwrap()).sum()
    });
    setup().check().call(&mut conn).unwrap();
    let expected = if has_quietly(Community) {
        9
    } else if has_quietly(Timescale) {
        6
    } else {
        3
    };
    assert_eq!(done, expected, "each step is done once");
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    for (declared, message) in [
        (json!({ "tables": { "readings": { "hypertables": {} } } }), "unknown field `hypertables`"),
        (json!({ "tables": { "readings": { "columnstore": { "segments": [] } } } }), "unknown field `segments`"),
        (json!({ "tables": { "readings": { "columnstore": true } } }), "true is not enough"),
        (json!({ "tables": { "readings": { "chunk_interval": "7 fortnights" } } }), "\"7 fortnights\" is no length"),
    ] {
        let error = serde_json::from_value::<Setup>(declared).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let (_db, mut conn) = TestDb::installed();
    for declared in [
        json!({ "extension": { "version": "new" } }),
        json!({ "tables": { "readings": { "columnstore": false, "columnstore_policy": { "after": "1 day" } } } }),
    ] {
        let setup: Setup = serde_json::from_value(declared).unwrap();
        assert!(matches!(setup.plan().call(&mut conn), Err(Error::Declaration { .. })));
    }
}

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, room -> Varchar, value -> Nullable<Float8> }
}
diesel::table! {
    ticks (id, ms) { id -> Int8, ms -> Int8 }
}
diesel::table! {
    hourly (bucket) { bucket -> Timestamptz }
}
diesel::table! {
    weekly (bucket) { bucket -> Timestamptz }
}
diesel::table! {
    alerts (id) { id -> Int8, sensor -> Nullable<Text>, time -> Nullable<Timestamptz> }
}

#[test]
fn calls_declare_what_a_file_does() {
    use chrono::TimeDelta;
    use diesel_timescale::references::{self, OnDelete};
    use diesel_timescale::*;

    let hourly = continuous_aggregate("hourly", TimeDelta::hours(1), readings::time)
        .by(readings::sensor)
        .aggregate("readings", diesel::dsl::count_star());
    let called = Setup::new()
        .with(create_extension())
        .at_least(TimescaleVersion::new(2, 19, 0))
        .with(hypertable(readings::time).chunk_interval(TimeDelta::days(1)))
        .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time))
        .with(references::create_target(readings::time))
        .with(live::notify_inserts_by(readings::time, readings::room))
        .with(live::stop_notifying(ticks::table))
        .with(references::add((alerts::sensor, alerts::time), readings::table).on_delete(OnDelete::Restrict))
        .with(hourly.clone().allow_plain_view())
        .with(hourly)
        .with(drop_continuous_aggregate("Daily"))
        .with(add_columnstore_policy(readings::time, TimeDelta::days(7)))
        .with(remove_retention_policy(readings::table))
        .with(add_hash_dimension(readings::sensor, 4))
        .with(add_refresh_policy(hourly::bucket, None, TimeDelta::hours(1), TimeDelta::minutes(30)))
        .with(set_materialized_only(hourly::table, true))
        .with(hypertable(ticks::ms).chunk_interval(1_000).integer_now(TimeDelta::milliseconds(1)))
        .with(set_chunk_interval(ticks::ms, 86_400_000))
        .with(add_retention_policy(ticks::ms, 900_000_000))
        .with(disable_columnstore(ticks::table))
        .with(remove_columnstore_policy(ticks::table))
        .with(remove_refresh_policy(weekly::table))
        .with_index((readings::room, readings::time))
        .with_unique_index(alerts::id)
        .with_columns_of(alerts::table);
    let read: Setup = serde_json::from_value(json!({
        "extension": { "version": "2.19.0" },
        "tables": {
            "readings": {
                "hypertable": { "time": "time", "chunk_interval": "24 hours" },
                "columnstore": { "segment_by": ["sensor"], "order_by": ["time DESC"] },
                "target": { "time": "time" },
                "notify_inserts": { "time": "time", "group": "room" },
                "indexes": [{ "columns": ["room", "time"] }],
                "columnstore_policy": { "after": "1 week" },
                "retention_policy": false,
                "dimensions": [{ "column": "sensor", "partitions": 4 }],
            },
            "ticks": {
                "hypertable": { "time": "ms", "chunk_interval": 1000, "integer_now": "1 ms" },
                "chunk_interval": 86_400_000,
                "retention_policy": { "drop_after": 900_000_000 },
                "columnstore": false,
                "columnstore_policy": false,
                "notify_inserts": false,
            },
            "alerts": {
                "references": [{ "columns": ["sensor", "time"], "to": "readings", "on_delete": "restrict" }],
                "indexes": [{ "columns": ["id"], "unique": true }],
                "columns": {
                    "id": { "type": "bigint", "nullable": false },
                    "sensor": { "type": "any text", "nullable": true },
                    "time": { "type": "timestamptz", "nullable": true },
                },
            },
        },
        "aggregates": {
            "hourly": {
                "from": "readings",
                "definition": "SELECT time_bucket(INTERVAL '3600000000 microseconds', \"readings\".\"time\") AS bucket, \
                    \"readings\".\"sensor\" AS \"sensor\", COUNT(*) AS \"readings\" FROM \"readings\" GROUP BY 1, 2",
                "materialized_only": true,
                "refresh_policy": { "end_offset": "1 hour", "schedule": "30 minutes" },
            },
            "weekly": { "refresh_policy": false },
            "\"Daily\"": false,
        },
    }))
    .unwrap();
    assert_eq!(called, read);
    assert_eq!(serde_json::from_value::<Setup>(serde_json::to_value(&called).unwrap()).unwrap(), called);

    let removed = called
        .with(references::remove((alerts::sensor, alerts::time), readings::table))
        .with(references::drop_target(readings::table));
    let removed = serde_json::to_value(removed).unwrap();
    assert_eq!(removed["tables"]["alerts"]["references"][0]["absent"], true);
    assert_eq!(removed["tables"]["readings"]["target"], false);
}

#[test]
fn the_time_may_be_a_count_of_units() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, "CREATE TABLE ticks (id BIGINT, ms BIGINT, PRIMARY KEY (id, ms))");
    let setup = Setup::new()
        .with(
            diesel_timescale::hypertable(ticks::ms)
                .chunk_interval(1_000)
                .integer_now(chrono::TimeDelta::milliseconds(1)),
        )
        .with(diesel_timescale::add_retention_policy(ticks::ms, 900_000_000))
        .allow_unsupported();
    assert!(setup.apply(Locks).call(&mut conn).unwrap().is_empty());
    let drifts = [
        of(
            Timescale,
            drift(
                "CREATE FUNCTION present() RETURNS BIGINT LANGUAGE sql STABLE RETURN 1; SELECT set_integer_now_func('ticks', 'present', replace_if_exists => true)",
                "ticks",
                "no function tells the present in units of 1000000 nanoseconds",
                Safe,
            ),
        ),
        of(
            Timescale,
            drift("SELECT set_chunk_time_interval('ticks', 5)", "ticks", "the chunk interval is 5, not 1000", Safe),
        ),
        of(
            Community,
            drift(
                "SELECT remove_retention_policy('ticks'); SELECT add_retention_policy('ticks', BIGINT '7')",
                "ticks",
                "the retention policy has drop_after 7, not drop_after 900000000",
                Safe,
            ),
        ),
    ];
    assert_found_and_repaired(&mut conn, &setup, &drifts);
}

#[test]
fn policies_of_an_aggregate_that_is_set_up_elsewhere() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let policies = Setup::new()
        .with(diesel_timescale::add_retention_policy(hourly::bucket, chrono::TimeDelta::days(1000)))
        .with(diesel_timescale::set_materialized_only(hourly::table, true));
    let planned = plan(&mut conn, &policies);
    assert!(planned.steps.iter().all(|step| !step.is_possible()), "{planned}");
    sql(&mut conn, "SELECT create_hypertable('readings', by_range('time'))");
    sql(
        &mut conn,
        "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
         SELECT time_bucket('1 hour', time) AS bucket, count(*) FROM readings GROUP BY 1 WITH NO DATA",
    );
    let applied = policies.apply(Locks).call(&mut conn).unwrap();
    assert_eq!((applied.done.len(), applied.is_empty()), (2, true), "{applied}");

    // Alone it is told by what is there.
    let retention = Setup::new().with(diesel_timescale::remove_retention_policy(hourly::table));
    assert_eq!(retention.apply(Locks).call(&mut conn).unwrap().done.len(), 1);
    retention.check().call(&mut conn).unwrap();
}

#[test]
fn columns_are_those_of_diesel() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let setup = Setup::new().with_columns_of(readings::table);
    setup.check().call(&mut conn).unwrap();
    sql(&mut conn, "ALTER TABLE readings ALTER COLUMN value TYPE REAL, ALTER COLUMN room DROP NOT NULL");
    let planned = plan(&mut conn, &setup);
    let differences: Vec<_> = planned.steps.iter().map(|step| &*step.difference).collect();
    let expected = ["the column room is not NOT NULL", "the column value is of the type real, not double precision"];
    assert_eq!(differences, expected);
}

#[test]
fn sparse_indexes_are_compared_where_they_are_declared() {
    needs!(Community);
    if !support::server().has(diesel_timescale::Feature::SparseIndexes) {
        return;
    }
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    let declared = |bloom: &[&str]| -> Setup {
        let layout = json!({ "segment_by": ["sensor"], "order_by": ["time DESC"], "bloom": bloom });
        serde_json::from_value(json!({
            "tables": { "readings": { "hypertable": { "time": "time" }, "columnstore": layout } },
        }))
        .unwrap()
    };
    declared(&["room"]).apply(Locks).call(&mut conn).unwrap();
    declared(&["room"]).check().call(&mut conn).unwrap();
    declared(&[]).check().call(&mut conn).unwrap();
    sql(&mut conn, "ALTER TABLE readings SET (timescaledb.sparse_index = 'bloom(value)')");
    let applied = declared(&["room"]).apply(Locks).call(&mut conn).unwrap();
    assert_eq!(applied.done[0].difference, "the columnstore has bloom indexes on (value), not on (room)");
    declared(&["room"]).check().call(&mut conn).unwrap();
}

mod asynchronous {
    use diesel_timescale::asynchronous::Call;
    use diesel_timescale::setup::StepClass;

    use super::support::{TestDb, sql};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_on_an_asynchronous_connection() {
        let (db, mut conn) = TestDb::installed();
        sql(&mut conn, super::TABLES);
        drop(conn);
        let mut conn = db.connect_async().await;
        let setup = super::setup();
        let planned = setup.plan().call(&mut conn).await.unwrap();
        let applied = setup.apply(StepClass::Locks).call(&mut conn).await.unwrap();
        assert_eq!(applied.done, planned.steps);
        setup.check().call(&mut conn).await.unwrap();
    }
}
