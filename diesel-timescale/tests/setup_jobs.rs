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
    set_integer_now_func, tier_sizes, tiers,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::{Needs, TestDb, has_quietly, needs, needs_feature, sql, value};

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, number -> Int8, room -> Text }
}

diesel::table! {
    hourly (bucket) { bucket -> Timestamptz, readings -> Int8 }
}

diesel::table! {
    daily (bucket) { bucket -> Timestamptz, readings -> Nullable<Numeric> }
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

fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

/// A hypertable with a columnstore, an hourly aggregate, and a daily one of that, each with its refresh policy.
fn aggregates() -> Setup {
    let hour = TimeDelta::hours(1);
    Setup::new()
        .with(hypertable(readings::time).chunk_interval(days(1)))
        .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time))
        .with(continuous_aggregate("hourly", hour, readings::time).aggregate("readings", diesel::dsl::count_star()))
        .with(add_refresh_policy(hourly::bucket, Some(days(3)), hour, hour))
        .with(
            continuous_aggregate("daily", days(1), hourly::bucket)
                .aggregate("readings", diesel::dsl::sum(hourly::readings)),
        )
        .with(add_refresh_policy(daily::bucket, Some(days(7)), days(1), days(1)))
}

fn three_tiers() -> diesel_timescale::Tiers<readings::time> {
    tiers(readings::time)
        .columnstore_after(days(7))
        .drop_after(days(90))
        .then(hourly::bucket, days(730))
        .then_forever(daily::bucket)
}

fn with_aggregates() -> (TestDb, PgConnection) {
    let (db, mut conn) = tables();
    let applied = aggregates().apply(StepClass::Locks).call(&mut conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    (db, conn)
}

/// After which time rows of each of these go, and rows go into the columnstore; empty: never.
fn kept(conn: &mut PgConnection) -> String {
    value(
        conn,
        "SELECT format('%s, %s, %s, %s', diesel_timescale.kept_for('readings'), diesel_timescale.kept_for(to_regclass('hourly')),
             diesel_timescale.kept_for(to_regclass('daily')),
             (SELECT config ->> 'compress_after' FROM timescaledb_information.jobs
              WHERE job_id = diesel_timescale.policy_job('readings', 'policy_compression', 'policy_columnstore')))",
    )
}

#[test]
fn tiers_are_set_in_one_call() {
    needs!(Community);
    let (_db, mut conn) = with_aggregates();
    let conn = &mut conn;
    let done = three_tiers().call(conn).unwrap();
    assert_eq!((done.done.len(), done.steps.len()), (3, 0), "{done}");
    assert_eq!(kept(conn), "90 days, 730 days, , 7 days");
    assert!(three_tiers().call(conn).unwrap().done.is_empty());

    // A tier that is kept forever loses its policy, and what is left out of the call stays as it is.
    let longer = tiers(readings::time).drop_after(days(100)).then_forever(hourly::bucket).then_forever(daily::bucket);
    assert_eq!(longer.call(conn).unwrap().done.len(), 2);
    assert_eq!(kept(conn), "100 days, , , 7 days");
    assert_eq!(tiers(readings::time).call(conn).unwrap().done.len(), 1);
    assert_eq!(kept(conn), ", , , 7 days");
}

/// Whether retention would erase what a refresh reads, and not another mistake.
fn refused(error: Error) -> (bool, String, String) {
    match error {
        Error::RetentionWithinRefresh { message, relation, remedy } => (true, relation, format!("{message}. {remedy}")),
        Error::Tiers { message, relation, remedy } => (false, relation, format!("{message}. {remedy}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tiers_that_mean_nothing_are_refused_on_every_server() {
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let raw = || tiers(readings::time);
    for (tiers, object, text) in [
        (
            raw().drop_after(days(90)).then(hourly::bucket, days(30)),
            "hourly",
            "kept for 30 days, and readings before it 90 days",
        ),
        (
            raw().drop_after(days(9)).then(hourly::bucket, days(90)).then(daily::bucket, days(30)),
            "daily",
            "hourly before it 90 days",
        ),
        (raw().then(hourly::bucket, days(30)), "hourly", "readings before it forever"),
        (
            raw().drop_after(days(30)).then_forever(hourly::bucket).then(daily::bucket, days(900)),
            "daily",
            "hourly before it forever",
        ),
        (
            raw().columnstore_after(days(90)).drop_after(days(90)),
            "readings",
            "after 90 days, and are dropped after 90 days",
        ),
        (raw().columnstore_after(days(91)).drop_after(days(90)), "readings", "into the columnstore after 91 days"),
        (raw().drop_after(days(0)), "readings", "cannot keep 0 seconds of readings"),
        (raw().drop_after(-days(1)), "readings", "cannot keep -1 days of readings"),
        (raw().columnstore_after(days(0)), "readings", "cannot keep 0 seconds"),
        (raw().then_forever(hourly::bucket).then_forever(hourly::bucket), "hourly", "named twice"),
        (raw().then_forever(readings::time), "readings", "named twice"),
    ] {
        let (is_window, relation, message) = refused(tiers.allow_unsupported().call(conn).unwrap_err());
        assert_eq!((is_window, &*relation), (false, object), "{message}");
        assert!(message.contains(text), "{message}");
    }
    let mixed = json!({ "drop_after": 1000, "aggregates": [{ "name": "hourly", "drop_after": "9 days" }] });
    let setup: Setup = serde_json::from_value(json!({ "tables": { "counts": { "tiers": mixed } } })).unwrap();
    assert!(refused(setup.plan().call(conn).unwrap_err()).2.contains("mix lengths of time and numbers"));
    for other in [
        json!({ "tables": { "readings": { "tiers": { "drop_after": "9 days" }, "retention_policy": { "drop_after": "8 days" } } } }),
        json!({ "tables": { "readings": { "tiers": { "drop_after": "9 days" }, "retention_policy": false } } }),
        json!({ "tables": { "readings": { "tiers": { "columnstore_after": "9 days" }, "columnstore_policy": false } } }),
        json!({ "tables": { "readings": { "tiers": { "aggregates": [{ "name": "hourly" }] } } }, "aggregates": { "hourly": false } }),
        json!({ "tables": { "readings": { "tiers": { "aggregates": [{ "name": "hourly" }] } } },
                "aggregates": { "hourly": { "retention_policy": { "drop_after": "9 days" } } } }),
    ] {
        let setup: Setup = serde_json::from_value(other).unwrap();
        assert!(matches!(setup.plan().call(conn), Err(Error::Declaration { .. })), "{setup:?}");
    }
}

#[test]
fn tiers_that_erase_what_a_refresh_reads_are_refused() {
    needs!(Community);
    let (_db, mut conn) = with_aggregates();
    let conn = &mut conn;
    let offset = |view: &str, offset: &str| {
        // As someone changes it by hand.
        format!(
            "SELECT alter_job(job_id, config => config || '{{\"start_offset\": {offset}}}')
             FROM diesel_timescale.refresh_windows('{}') JOIN timescaledb_information.jobs USING (job_id)
             WHERE view_name = '{view}'::regclass",
            if view == "daily" { "hourly" } else { "readings" }
        )
    };
    let raw = || tiers(readings::time).drop_after(days(90));
    let both = || raw().then(hourly::bucket, days(730)).then_forever(daily::bucket);
    let (hourly_offset, daily_offset) = (|text: &str| offset("hourly", text), |text: &str| offset("daily", text));
    for (seed, tiers, is_window, object, texts) in [
        (hourly_offset("null"), both(), true, "hourly", ["back to the beginning", "89 days 22 hours"]),
        (hourly_offset("\"91 days\""), both(), true, "hourly", ["91 days", "rows go after 90 days"]),
        // The bucket and the time until the next refresh count.
        (hourly_offset("\"90 days\""), both(), true, "hourly", ["back to 90 days 2 hours ago", "89 days 22 hours"]),
        (hourly_offset("\"89 days 23 hours\""), both(), true, "hourly", ["90 days 1 hour ago", "89 days 22 hours"]),
        (daily_offset("\"729 days\""), both(), true, "daily", ["reads hourly back to 731 days", "728 days"]),
        (daily_offset("null"), both(), true, "daily", ["reads hourly back to the beginning", "rows go after 730 days"]),
        (
            "SELECT 1".to_owned(),
            tiers(readings::time).drop_after(TimeDelta::hours(2)),
            true,
            "hourly",
            ["Keep rows of readings", "2 hours"],
        ),
        (
            "SELECT 1".to_owned(),
            raw().then_forever(daily::bucket),
            false,
            "daily",
            ["hourly, which is no tier before it", "leave it out"],
        ),
        (
            "SELECT remove_continuous_aggregate_policy('hourly')".to_owned(),
            both(),
            false,
            "hourly",
            ["has no refresh policy that reads readings", "add_refresh_policy"],
        ),
        (
            "SELECT remove_continuous_aggregate_policy('daily')".to_owned(),
            both(),
            false,
            "daily",
            ["has no refresh policy that reads hourly", "add_refresh_policy"],
        ),
        (
            "SELECT alter_job(job_id, scheduled => false) FROM diesel_timescale.refresh_windows('readings')".to_owned(),
            both(),
            false,
            "hourly",
            ["the refresh policy is disabled", "alter_job"],
        ),
        (
            "INSERT INTO readings VALUES ('a', now() - INTERVAL '100 days', 1, 'hall')".to_owned(),
            both(),
            false,
            "hourly",
            ["1 chunks of readings are old enough to be dropped", "Refresh it"],
        ),
        (
            "DROP MATERIALIZED VIEW daily".to_owned(),
            both(),
            false,
            "daily",
            ["the continuous aggregate is missing", "create it first"],
        ),
        (
            "ALTER TABLE readings SET (timescaledb.compress = false)".to_owned(),
            both().columnstore_after(days(7)),
            false,
            "readings",
            ["there is no columnstore", "Declare the columnstore"],
        ),
    ] {
        conn.test_transaction::<_, diesel::result::Error, _>(|conn| {
            let before = kept(conn);
            sql(conn, &seed);
            let error = tiers.clone().call(conn).unwrap_err();
            let text = error.to_string();
            let (found_window, relation, message) = refused(error);
            assert_eq!(found_window, is_window, "{message}");
            assert!(relation.ends_with(object), "{message}");
            assert!(texts.iter().all(|part| message.contains(part)), "{texts:?}: {message}");
            assert!(text.contains(&*message), "{text}");
            assert_eq!(kept(conn), before, "{message}");
            Ok(())
        });
    }
    // What is filled goes on.
    sql(conn, "INSERT INTO readings VALUES ('a', now() - INTERVAL '100 days', 1, 'hall')");
    diesel_timescale::refresh(hourly::bucket, ..).call(conn).unwrap();
    assert_eq!(both().call(conn).unwrap().done.len(), 2);
}

#[test]
fn tiers_of_an_edition_without_policies_are_reported() {
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    if has_quietly(Needs::Community) {
        return;
    }
    if has_quietly(Needs::Timescale) {
        hypertable(readings::time).call(conn).unwrap();
    }
    assert!(matches!(three_tiers().call(conn), Err(Error::Unsupported { .. })));
    let plan = three_tiers().allow_unsupported().call(conn).unwrap();
    assert!(plan.is_empty() && plan.done.is_empty(), "{plan}");
    let left_out = plan.left_out.join("\n");
    for name in ["readings", "hourly", "daily"] {
        assert!(left_out.contains(name), "{left_out}");
    }
    Setup::new().with(three_tiers()).allow_unsupported().check().call(conn).unwrap();
}

#[rustfmt::skip]
const TIER_DRIFTS: &[Drift] = &[
    ("SELECT remove_retention_policy('readings')", "readings", "has no retention policy with drop_after 90 days"),
    ("SELECT remove_retention_policy('hourly')", "hourly", "has no retention policy with drop_after 730 days"),
    ("SELECT alter_job(job_id, config => config || '{\"drop_after\": \"800 days\"}') FROM timescaledb_information.jobs WHERE job_id = diesel_timescale.policy_job('hourly', 'policy_retention')",
        "hourly", "the retention policy has drop_after 800 days, not drop_after 730 days"),
    ("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id = diesel_timescale.policy_job('readings', 'policy_retention')",
        "readings", "the retention policy is disabled"),
    ("SELECT add_retention_policy('daily', INTERVAL '10 years')", "daily", "has a retention policy, and none is wanted"),
    ("SELECT diesel_timescale.remove_columnstore_policy('readings')", "readings", "has no columnstore policy with compress_after 7 days"),
    ("SELECT diesel_timescale.add_columnstore_policy('readings', INTERVAL '3 days')", "readings", "the columnstore policy has compress_after 3 days, not compress_after 7 days"),
    ("SELECT alter_job(job_id, config => config || '{\"start_offset\": \"100 days\"}') FROM diesel_timescale.refresh_windows('readings') JOIN timescaledb_information.jobs USING (job_id)",
        "hourly", "a refresh reads readings back to 100 days 2 hours ago (start_offset 100 days, bucket 1 hour, schedule 1 hour), where rows go after 90 days"),
    ("SELECT alter_job(job_id, config => config || '{\"start_offset\": null}') FROM diesel_timescale.refresh_windows('readings') JOIN timescaledb_information.jobs USING (job_id)",
        "hourly", "a refresh reads readings back to the beginning (bucket 1 hour, schedule 1 hour), where rows go after 90 days"),
    ("SELECT alter_job(job_id, config => config || '{\"start_offset\": null}') FROM diesel_timescale.refresh_windows('hourly') JOIN timescaledb_information.jobs USING (job_id)",
        "daily", "a refresh reads hourly back to the beginning (bucket 1 day, schedule 1 day), where rows go after 730 days"),
    ("SELECT alter_job(job_id, scheduled => false) FROM diesel_timescale.refresh_windows('hourly')", "daily", "the refresh policy is disabled, and rows of hourly go"),
];

#[test]
fn declared_tiers_are_applied_and_their_drifts_are_found_and_repaired() {
    needs!(Community);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    let whole = aggregates().with(three_tiers());
    let applied = whole.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    whole.check().call(conn).unwrap();
    assert!(whole.apply(StepClass::DestroysData).call(conn).unwrap().done.is_empty());
    assert_eq!(kept(conn), "90 days, 730 days, , 7 days");

    // Alone, of aggregates that are set up elsewhere.
    let alone = Setup::new().with(three_tiers());
    alone.check().call(conn).unwrap();
    assert_found_and_repaired(conn, &alone, TIER_DRIFTS);

    // A window that is declared as well is the caller's to change, and retention waits for it.
    sql(conn, "SELECT remove_retention_policy('readings')");
    let hour = TimeDelta::hours(1);
    let wrong = aggregates().with(add_refresh_policy(hourly::bucket, Some(days(99)), hour, hour)).with(three_tiers());
    let applied = wrong.apply(StepClass::DestroysData).call(conn).unwrap();
    let left: Vec<_> = applied.steps.iter().map(|step| (&*step.object, step.is_possible())).collect();
    assert_eq!(left, [("hourly", false), ("readings", true)], "{applied}");
    assert!(applied.steps[0].obstacle.as_ref().unwrap().contains("89 days 22 hours"), "{applied}");

    let file: Setup = serde_json::from_value(serde_json::to_value(&whole).unwrap()).unwrap();
    assert_eq!(file, whole);
    assert_eq!(
        serde_json::to_value(&alone).unwrap()["tables"]["readings"]["tiers"],
        json!({
            "columnstore_after": "7 days", "drop_after": "90 days",
            "aggregates": [{ "name": "hourly", "drop_after": "730 days" }, { "name": "daily" }],
        })
    );
}

#[test]
fn tiers_of_a_target_clear_its_references() {
    needs!(Community);
    let (_db, mut conn) = with_aggregates();
    let conn = &mut conn;
    sql(conn, "SELECT diesel_timescale.create_reference_target('readings', 'time')");
    assert_eq!(three_tiers().call(conn).unwrap().done.len(), 3);
    assert_eq!(value(conn, "SELECT diesel_timescale.reference_retention_job('readings') IS NOT NULL"), "true");
    assert_eq!(kept(conn), "90 days, 730 days, , 7 days");
    let alone = Setup::new().with(three_tiers());
    assert_found_and_repaired(
        conn,
        &alone,
        &[
            (
                "SELECT diesel_timescale.add_reference_retention('readings', INTERVAL '91 days')",
                "readings",
                "the retention policy has drop_after 91 days, not drop_after 90 days",
            ),
            (
                "SELECT diesel_timescale.remove_reference_retention('readings')",
                "readings",
                "has no retention policy with drop_after 90 days",
            ),
        ],
    );
    // Verification needs no declaration.
    let windows = |conn: &mut PgConnection| -> Vec<diesel_timescale::Violation> {
        let is_window = |violation: &diesel_timescale::Violation| {
            violation.kind == diesel_timescale::ViolationKind::RetentionWithinRefresh
        };
        let found = diesel_timescale::verify().call(conn).unwrap();
        // Where the tests share a database, others have aggregates as well.
        let view = format!("{}.hourly", value(conn, "SELECT quote_ident(current_schema())"));
        found.into_iter().filter(|violation| is_window(violation) && violation.object == view).collect()
    };
    assert_eq!(windows(conn), []);
    sql(
        conn,
        "SELECT alter_job(job_id, config => config || '{\"start_offset\": null}')
         FROM diesel_timescale.refresh_windows('readings') JOIN timescaledb_information.jobs USING (job_id)",
    );
    let found = windows(conn);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].detail.contains("back to the beginning, where rows go after 90 days"), "{found:?}");
    sql(conn, &found[0].remedy);
    assert_eq!(windows(conn), []);
    alone.check().call(conn).unwrap();
    assert_eq!(tiers(readings::time).call(conn).unwrap().done.len(), 1);
    assert_eq!(value(conn, "SELECT diesel_timescale.reference_retention_job('readings') IS NULL"), "true");
}

#[test]
fn the_size_of_each_tier_is_measured() {
    needs!(Timescale);
    let (_db, mut conn) = tables();
    let conn = &mut conn;
    hypertable(readings::time).chunk_interval(days(1)).call(conn).unwrap();
    let sizes = |conn: &mut PgConnection| {
        let schema = value(conn, "SELECT quote_ident(current_schema())");
        tier_sizes::table
            .filter(tier_sizes::hypertable.eq(format!("{schema}.readings")))
            .order(tier_sizes::level)
            .select((
                (tier_sizes::relation, tier_sizes::source, tier_sizes::chunks, tier_sizes::columnstore_chunks),
                (tier_sizes::total_bytes, tier_sizes::table_bytes, tier_sizes::index_bytes, tier_sizes::toast_bytes),
                (tier_sizes::columnstore_bytes, tier_sizes::bytes_per_day, tier_sizes::bytes_when_full),
            ))
            .load::<((String, Option<String>, i64, i64), (i64, i64, i64, i64), (i64, Option<i64>, Option<i64>))>(conn)
            .unwrap()
    };
    let empty = sizes(conn).remove(0);
    assert_eq!((empty.0.2, empty.1, empty.2), (0, (0, 0, 0, 0), (0, None, None)));
    // Today has not ended, and counts for nothing in the average.
    sql(conn, "INSERT INTO readings SELECT 'a', now(), 1, repeat('x', 9000)");
    assert_eq!(sizes(conn)[0].2, (0, None, None));
    sql(
        conn,
        "INSERT INTO readings SELECT 's' || n, now() - INTERVAL '10 days' - n % 4 * INTERVAL '1 day', n, 'hall'
         FROM generate_series(1, 4000) AS n",
    );
    let raw = sizes(conn).remove(0);
    assert!(raw.0.0.ends_with(".readings") && raw.0.1.is_none() && raw.0.2 == 5 && raw.0.3 == 0, "{raw:?}");
    let (total, table, index, toast) = raw.1;
    assert_eq!(total, table + index + toast);
    let chunks = diesel_timescale::chunk_sizes(readings::table).call(conn).unwrap();
    assert_eq!(total, chunks.iter().map(|(_, size)| size.total_bytes).sum::<i64>());
    let per_day = raw.2.1.unwrap();
    let older = value(
        conn,
        "SELECT sum(total_bytes) FROM chunks_detailed_size('readings') AS s
         JOIN diesel_timescale.chunk_ranges('readings') ON chunk = format('%I.%I', chunk_schema, chunk_name)
         WHERE range_end <= now()",
    );
    assert_eq!(per_day, older.parse::<i64>().unwrap() / 4);
    assert_eq!(raw.2.2, None, "rows are kept forever");

    if has_quietly(Needs::Community) {
        aggregates().apply(StepClass::Locks).call(conn).unwrap();
        diesel_timescale::refresh(hourly::bucket, ..).call(conn).unwrap();
        three_tiers().call(conn).unwrap();
        let chunk = diesel_timescale::chunks(readings::time, ..).call(conn).unwrap().remove(0);
        diesel_timescale::to_columnstore(&chunk).call(conn).unwrap();
        let tiers = sizes(conn);
        let relations: Vec<_> =
            tiers.iter().map(|tier| (tier.0.0.rsplit('.').next().unwrap(), tier.0.1.is_some())).collect();
        assert_eq!(relations, [("readings", false), ("hourly", true), ("daily", true)]);
        let raw = &tiers[0];
        assert_eq!(raw.2.2.unwrap() / 90, raw.2.1.unwrap());
        assert!(raw.0.3 >= 1 && raw.2.0 > 0 && raw.2.0 < raw.1.0, "{raw:?}");
        assert!(tiers[1].0.2 > 0 && tiers[1].1.0 > 0, "{:?}", tiers[1]);
        assert_eq!(tiers[2].2.2, None);
    }
}
