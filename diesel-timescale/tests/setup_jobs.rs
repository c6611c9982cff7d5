//! The declared set-up of what belongs to chunks and jobs: from calls, from a file, and its drifts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_timescale::setup::{Plan, Setup, StepClass};
use diesel_timescale::{
    AddJob as _, Call, Error, Feature, Schedule, Server, add_another_refresh_policy, add_columnstore_policy,
    add_columnstore_policy_by_creation, add_refresh_policy, add_reorder_policy, add_retention_policy,
    add_retention_policy_by_creation, attach_tablespace, columnstore, continuous_aggregate, detach_tablespaces,
    disable_chunk_skipping, enable_chunk_skipping, hypertable, job_procedure, remove_reorder_policy, set_integer_now,
    set_integer_now_func,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::{TestDb, needs, needs_feature, sql, value};

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, number -> Int8, room -> Text }
}

diesel::table! {
    hourly (bucket) { bucket -> Timestamptz, readings -> Int8 }
}

diesel::table! {
    counts (tick) { tick -> Int8, number -> Int8 }
}

#[derive(Serialize, Deserialize)]
struct Purge {
    keep_days: i32,
}

fn tables() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, number BIGINT NOT NULL, room TEXT NOT NULL,
             PRIMARY KEY (sensor, time));
         CREATE TABLE counts (tick BIGINT PRIMARY KEY, number BIGINT)",
    );
    (db, conn)
}

fn nightly() -> Schedule {
    Schedule::every(TimeDelta::days(1))
        .starting_at("2040-01-01T02:00:00Z".parse().unwrap())
        .time_zone("Europe/Berlin")
        .max_runtime(TimeDelta::minutes(20))
        .max_retries(3)
        .retry_period(TimeDelta::minutes(7))
}

/// Everything about chunks and jobs that calls can say, on any server of the Community edition.
fn from_calls() -> Setup {
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let purge = job_procedure("purge", "BEGIN NULL; END", &Purge { keep_days: 1 });
    Setup::new()
        .with(hypertable(readings::time).chunk_interval(day))
        .with_index((readings::room, readings::time))
        .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time))
        .with(add_columnstore_policy(readings::time, TimeDelta::days(7)).scheduled(nightly()))
        .with(add_retention_policy(readings::time, TimeDelta::days(700)).scheduled(nightly()))
        .with(add_reorder_policy(readings::table, "readings_room_time_idx").scheduled(nightly()))
        .with(enable_chunk_skipping(readings::number))
        .with(attach_tablespace(readings::table, "pg_default"))
        .with(continuous_aggregate("hourly", hour, readings::time).aggregate("readings", diesel::dsl::count_star()))
        .with(add_refresh_policy(hourly::bucket, Some(day), hour, hour).scheduled(Schedule::new().max_retries(3)))
        .with(hypertable(counts::tick).chunk_interval(1000))
        .with(set_integer_now(counts::tick, TimeDelta::seconds(1)))
        .with(purge.create())
        .with(purge.add(hour, &Purge { keep_days: 7 }).scheduled(Schedule::new().time_zone("Europe/Berlin")))
}

fn plan(conn: &mut PgConnection, setup: &Setup) -> Plan {
    setup.plan().call(conn).unwrap()
}

#[test]
fn what_calls_declare_is_the_same_in_a_file() {
    let declared = from_calls();
    let json = serde_json::to_value(&declared).unwrap();
    assert_eq!(serde_json::from_value::<Setup>(json.clone()).unwrap(), declared, "{json}");
    assert_eq!(json["tables"]["readings"]["retention_policy"]["schedule"]["time_zone"], "Europe/Berlin");
    let every =
        add_retention_policy(readings::time, TimeDelta::days(1)).scheduled(Schedule::every(TimeDelta::hours(6)));
    let json = serde_json::to_value(Setup::new().with(every)).unwrap();
    assert_eq!(json["tables"]["readings"]["retention_policy"], json!({ "drop_after": "1 day", "schedule": "6 hours" }));
}

/// What makes a drift, and what the plan says then.
type Drift = (&'static str, &'static str, &'static str);

/// Where the tests share a database, others have jobs as well. (Those of aggregates name a table of TimescaleDB's own.)
const JOB: &str = "FROM timescaledb_information.jobs
    WHERE (current_schema() IN (proc_schema, hypertable_schema) OR proc_name = 'policy_refresh_continuous_aggregate')
        AND proc_name = ";

fn assert_found_and_repaired(conn: &mut PgConnection, setup: &Setup, drifts: &[Drift]) {
    for (seed, object, difference) in drifts {
        sql(conn, &seed.replace("JOB", JOB));
        let planned = plan(conn, setup);
        assert_eq!(planned.steps.len(), 1, "after {seed}: {planned}");
        assert_eq!((&*planned.steps[0].object, &*planned.steps[0].difference), (*object, *difference), "after {seed}");
        let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
        assert_eq!((applied.done.len(), applied.is_empty()), (1, true), "after {seed}: {applied}");
        setup.check().call(conn).unwrap();
    }
}

#[rustfmt::skip]
const DRIFTS: &[Drift] = &[
    ("SELECT alter_job(job_id, timezone => 'Asia/Tokyo') JOB 'policy_retention'", "readings", "the retention policy goes by the time zone Asia/Tokyo, not Europe/Berlin"),
    // alter_job() itself takes the time zone away.
    ("SELECT alter_job(job_id, max_retries => 9, timezone => 'Europe/Berlin') JOB 'policy_retention'", "readings", "the retention policy has 9 retries, not 3"),
    ("SELECT alter_job(job_id) JOB 'policy_retention'", "readings", "the retention policy goes by the time zone UTC, not Europe/Berlin"),
    ("SELECT alter_job(job_id, retry_period => '1 hour', timezone => 'Europe/Berlin') JOB 'policy_compression'", "readings", "the columnstore policy is repeated after 1 hour, not after 7 minutes"),
    ("SELECT alter_job(job_id, max_runtime => '1 hour', timezone => 'Europe/Berlin') JOB 'policy_compression'", "readings", "a run of the columnstore policy takes 1 hour at most, not 20 minutes"),
    ("SELECT alter_job(job_id, initial_start => '2041-01-01 00:00Z', timezone => 'Europe/Berlin') JOB 'policy_reorder'", "readings", "the reorder policy starts 2041-01-01T00:00:00+00:00, not 2040-01-01T02:00:00+00:00"),
    ("SELECT alter_job(job_id, fixed_schedule => false, timezone => 'Europe/Berlin') JOB 'policy_reorder'", "readings", "the reorder policy runs after the last run, not at fixed times"),
    ("SELECT remove_reorder_policy('readings'); SELECT add_reorder_policy('readings', 'readings_pkey'); SELECT diesel_timescale.set_job_schedule(job_id, '1 day', '2040-01-01 02:00Z', time_zone => 'Europe/Berlin', max_runtime => '20 min', max_retries => 3, retry_period => '7 min') JOB 'policy_reorder'",
        "readings", "the reorder policy has index_name \"readings_pkey\", not \"readings_room_time_idx\""),
    ("SELECT remove_reorder_policy('readings')", "readings", "has no reorder policy"),
    ("SELECT alter_job(job_id, max_retries => 1) JOB 'policy_refresh_continuous_aggregate'", "hourly", "the refresh policy has 1 retries, not 3"),
    ("SELECT diesel_timescale.change_chunk_skipping('readings', 'number', false)", "readings", "chunks are not left out by number"),
    ("SELECT detach_tablespaces('readings')", "readings", "has not the tablespace pg_default"),
    ("SELECT diesel_timescale.set_integer_now('counts', 1000000, NULL)", "counts", "no function tells the present in units of 1000000000 nanoseconds"),
    ("SELECT delete_job(job_id) JOB 'purge'", "purge", "no job runs it every 1 hour"),
    ("SELECT alter_job(job_id) JOB 'purge'", "purge", "the job goes by the time zone UTC, not Europe/Berlin"),
    ("SELECT alter_job(job_id, config => '{\"keep_days\": 8}', timezone => 'Europe/Berlin') JOB 'purge'", "purge", "the job has another config"),
    ("SELECT diesel_timescale.create_job_procedure('purge', 'BEGIN PERFORM 1; END', '{\"keep_days\": 1}')", "purge", "the procedure has another body"),
    ("SELECT diesel_timescale.create_job_procedure('purge', 'BEGIN NULL; END', '{\"keep_days\": 2}')", "purge", "the procedure has another example of its config"),
];

#[test]
fn what_calls_declare_is_applied_and_its_drifts_are_repaired() {
    needs!(Community);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let setup = from_calls();
    // Where the tests share a database, others have jobs as well.
    let zones = "SELECT count(*) FROM diesel_timescale.job_time_zones() WHERE time_zone = 'Europe/Berlin'";
    let before: i64 = value(conn, zones).parse().unwrap();
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
    assert!(setup.apply(StepClass::DestroysData).call(conn).unwrap().done.is_empty());
    assert_eq!(value(conn, zones).parse::<i64>().unwrap() - before, 4);
    assert_found_and_repaired(conn, &setup, DRIFTS);

    // What takes away declares that nothing is there.
    let purge = job_procedure("purge", "BEGIN NULL; END", &Purge { keep_days: 1 });
    let without = Setup::new()
        .with(remove_reorder_policy(readings::table))
        .with(disable_chunk_skipping(readings::number))
        .with(detach_tablespaces(readings::table))
        .with(purge.drop());
    let planned = plan(conn, &without);
    let differences: Vec<_> = planned.steps.iter().map(|step| &*step.difference).collect();
    assert_eq!(
        differences,
        [
            "chunks are left out by number, and should not be",
            "has a reorder policy, and none is wanted",
            "has the unwanted tablespace pg_default",
            "is there, and is not wanted",
        ]
    );
    assert!(without.apply(StepClass::Safe).call(conn).unwrap().is_empty());
    sql(conn, "SELECT diesel_timescale.use_chunk_skipping(false)");
}

#[test]
fn what_the_edition_lacks_is_left_out() {
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let server = Server::query().call(conn).unwrap();
    if server.has(Feature::Jobs) {
        return;
    }
    let setup = from_calls().allow_unsupported();
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    let left_out = applied.left_out.join("\n");
    if server.has(Feature::Hypertables) {
        for what in ["a reorder policy", "chunk skipping", "a retention policy", "a columnstore", "purge: a job"] {
            assert!(left_out.contains(what), "{what}: {left_out}");
        }
    }
    assert_eq!(value(conn, "SELECT to_regproc('purge') IS NOT NULL"), "true", "the procedure is for every server");
}

#[test]
fn several_refresh_policies_are_declared() {
    needs_feature!(SeveralRefreshPolicies);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let calls = Setup::new()
        .with(hypertable(readings::time))
        .with(continuous_aggregate("hourly", hour, readings::time).aggregate("readings", diesel::dsl::count_star()))
        .with(add_refresh_policy(hourly::bucket, Some(day), hour, hour))
        .with(add_another_refresh_policy(hourly::bucket, None, day, day).scheduled(nightly()));
    let applied = calls.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");

    // In batches, as a file says it.
    let mut json = serde_json::to_value(&calls).unwrap();
    let policy = &mut json["aggregates"]["hourly"]["further_refresh_policies"][0];
    policy["buckets_per_batch"] = 24.into();
    policy["max_batches_per_execution"] = 7.into();
    policy["newest_first"] = false.into();
    let batches: Setup = serde_json::from_value(json).unwrap();
    let planned = plan(conn, &batches);
    assert_eq!(planned.steps.len(), 1, "{planned}");
    assert!(planned.steps[0].difference.contains("buckets_per_batch null, not 24"), "{planned}");
    assert!(batches.apply(StepClass::Safe).call(conn).unwrap().is_empty());
    sql(
        conn,
        "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE config @> '{\"buckets_per_batch\": 24}'",
    );
    let applied = batches.apply(StepClass::Safe).call(conn).unwrap();
    assert_eq!((applied.done.len(), applied.is_empty()), (1, true), "{applied}");
}

#[test]
fn policies_by_creation_are_declared() {
    needs_feature!(RetentionByCreation);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let setup = Setup::new()
        .with(hypertable(readings::time))
        .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time))
        .with(add_columnstore_policy_by_creation(readings::table, TimeDelta::days(7)))
        .with(add_retention_policy_by_creation(readings::table, TimeDelta::days(700)).scheduled(nightly()));
    assert!(setup.apply(StepClass::Locks).call(conn).unwrap().is_empty());
    assert_found_and_repaired(
        conn,
        &setup,
        &[
            (
                "SELECT diesel_timescale.add_retention_policy('readings', INTERVAL '3 days'); SELECT diesel_timescale.set_job_schedule(job_id, '1 day', '2040-01-01 02:00Z', time_zone => 'Europe/Berlin', max_runtime => '20 min', max_retries => 3, retry_period => '7 min') JOB 'policy_retention'",
                "readings",
                "the retention policy has no drop_created_before, not drop_created_before 700 days",
            ),
            (
                "SELECT diesel_timescale.add_columnstore_policy('readings', INTERVAL '3 days')",
                "readings",
                "the columnstore policy has no compress_created_before, not compress_created_before 7 days",
            ),
        ],
    );
}

#[test]
fn a_function_of_ones_own_tells_the_present() {
    needs!(Timescale);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    sql(conn, "CREATE FUNCTION ticks() RETURNS BIGINT LANGUAGE sql STABLE AS 'SELECT 42::bigint'");
    let setup = Setup::new()
        .with(hypertable(counts::tick).chunk_interval(1000))
        .with(set_integer_now_func(counts::tick, "ticks"));
    // The hypertable has to be there for it.
    setup.apply(StepClass::Locks).call(conn).unwrap();
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
}

#[test]
fn a_declaration_without_a_meaning_is_refused() {
    let (_db, mut conn) = tables();
    let refused = |conn: &mut PgConnection, setup: serde_json::Value| {
        serde_json::from_value::<Setup>(setup.clone()).unwrap().plan().call(conn).unwrap_err().to_string()
    };
    let table = |settings: serde_json::Value| json!({ "tables": { "readings": settings } });
    for (settings, problem) in [
        (json!({ "retention_policy": {} }), "one of drop_after and drop_created_before"),
        (json!({ "retention_policy": { "drop_after": "1 day", "drop_created_before": "1 day" } }), "one of drop_after"),
        (json!({ "columnstore_policy": { "schedule": "1 day" } }), "one of after and created_before"),
        (json!({ "integer_now": {} }), "one of unit and function"),
        (json!({ "direct_compress": true, "columnstore": false }), "direct_compress, and no columnstore"),
        (json!({ "direct_compress": true, "target": { "time": "time" } }), "whose triggers exclude it"),
        (json!({ "direct_compress": true, "notify_inserts": { "time": "time" } }), "whose trigger excludes it"),
    ] {
        let message = refused(&mut conn, table(settings));
        assert!(message.contains(problem), "{message}");
    }
    let message = refused(&mut conn, json!({ "jobs": [{ "procedure": "purge", "schedule": { "max_retries": 3 } }] }));
    assert!(message.contains("nothing says how often it runs"), "{message}");
    for wrong in [json!(7), json!({ "evry": "1 day" }), json!("often"), json!({ "every": 7 })] {
        let setup = table(json!({ "retention_policy": { "drop_after": "1 day", "schedule": wrong } }));
        assert!(serde_json::from_value::<Setup>(setup.clone()).is_err(), "{setup}");
    }
    let no_object = job_procedure("count", "BEGIN NULL; END", &7);
    let error = Setup::new().with(no_object.create()).plan().call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error}");
}
