//! Jobs: their schedule, how they do, and jobs of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_timescale::catalog::{JobError, JobHistory, job_errors, job_history};
use diesel_timescale::{
    AddJob as _, Call, Error, Feature, Job, JobHealth, JobProcedure, Schedule, Server, TimestampOrInfinity,
    add_columnstore_policy, add_refresh_policy, add_retention_policy, alter_job, columnstore, continuous_aggregate,
    delete_job, hypertable, issues_of, job_procedure, jobs, run_job, set_job_config,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::{Needs, TestDb, has_quietly, needs, sql, sql_error, value};

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, room -> Text }
}

diesel::table! {
    hourly (bucket) { bucket -> Timestamptz, readings -> Int8 }
}

fn readings() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL, PRIMARY KEY (sensor, time))",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    (db, conn)
}

fn find(conn: &mut PgConnection, id: i32) -> Option<Job> {
    jobs().call(conn).unwrap().into_iter().find(|job| job.id == id)
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Everything that a schedule can say.
fn nightly() -> Schedule {
    Schedule::every(TimeDelta::days(1))
        .starting_at(instant("2040-01-01T02:00:00Z"))
        .time_zone("Europe/Berlin")
        .max_runtime(TimeDelta::minutes(20))
        .max_retries(3)
        .retry_period(TimeDelta::minutes(7))
}

#[test]
fn every_policy_takes_a_schedule() {
    needs!(Community);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    columnstore(readings::table).segment_by(readings::sensor).enable().call(conn).unwrap();
    continuous_aggregate("hourly", TimeDelta::hours(1), readings::time)
        .aggregate("readings", diesel::dsl::count_star())
        .create()
        .call(conn)
        .unwrap();
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let added = [
        add_retention_policy(readings::time, TimeDelta::days(700)).scheduled(nightly()).call(conn).unwrap(),
        add_columnstore_policy(readings::time, TimeDelta::days(7)).scheduled(nightly()).call(conn).unwrap(),
        add_refresh_policy(hourly::bucket, Some(day), hour, hour).scheduled(nightly()).call(conn).unwrap(),
    ];
    for id in added {
        let job = find(conn, id).unwrap();
        assert_eq!(
            (job.schedule_interval, job.is_fixed, job.time_zone.as_deref(), job.initial_start),
            (day, true, Some("Europe/Berlin"), Some(instant("2040-01-01T02:00:00Z").into())),
            "{job:?}"
        );
        assert_eq!(
            (job.max_runtime, job.max_retries, job.retry_period, job.is_scheduled, job.health),
            (TimeDelta::minutes(20), 3, TimeDelta::minutes(7), true, JobHealth::NotRunYet),
            "{job:?}"
        );
        delete_job(id).call(conn).unwrap();
        assert_eq!(find(conn, id), None);
    }
}

#[test]
fn what_is_not_set_stays_as_it_is() {
    needs!(Community);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let id = add_retention_policy(readings::time, TimeDelta::days(700)).scheduled(nightly()).call(conn).unwrap();
    let before = find(conn, id).unwrap();
    assert_eq!(alter_job(id, Schedule::new()).call(conn).unwrap(), id);
    assert_eq!(find(conn, id).unwrap(), before);

    // The server's own function takes the time zone away.
    alter_job(id, Schedule::new().max_retries(5)).call(conn).unwrap();
    let mut config = before.config.clone().unwrap();
    config["drop_after"] = "900 days".into();
    set_job_config(id, config.clone()).call(conn).unwrap();
    let mut expected = before.clone();
    (expected.max_retries, expected.config) = (5, Some(config));
    assert_eq!(find(conn, id).unwrap(), expected);

    // One that is paused stays so.
    alter_job(id, Schedule::new().next_start(TimestampOrInfinity::Infinity)).call(conn).unwrap();
    alter_job(id, Schedule::new().max_retries(6)).call(conn).unwrap();
    let job = find(conn, id).unwrap();
    assert_eq!((job.next_start, job.health), (Some(TimestampOrInfinity::Infinity), JobHealth::Paused));

    // Back to a schedule that goes by the end of the last run.
    alter_job(id, Schedule::every(TimeDelta::hours(2)).fixed(false).enabled(false)).call(conn).unwrap();
    let job = find(conn, id).unwrap();
    assert_eq!((job.is_fixed, job.is_scheduled, job.health), (false, false, JobHealth::Paused));
    assert_eq!(job.schedule_interval, TimeDelta::hours(2));
    // Fixed again, it starts when it did.
    alter_job(id, Schedule::new().fixed(true)).call(conn).unwrap();
    assert_eq!(find(conn, id).unwrap().initial_start, before.initial_start);

    let zone = alter_job(id, Schedule::new().time_zone("Europe/Nowhere")).call(conn).unwrap_err();
    assert!(zone.to_string().contains("Europe/Nowhere"), "{zone}");
    assert!(matches!(alter_job(1_000_000, Schedule::new()).call(conn), Err(Error::Database(_))));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    room: String,
    keep_days: i32,
    #[serde(default)]
    sensor: Option<String>,
}

const BODY: &str = "BEGIN
    DELETE FROM readings
    WHERE room = config ->> 'room' AND time < now() - make_interval(days => (config ->> 'keep_days')::int)
        AND sensor = coalesce(config ->> 'sensor', sensor);
END";

fn hall(keep_days: i32) -> Purge {
    Purge { room: "hall".to_owned(), keep_days, sensor: None }
}

fn purge() -> JobProcedure<Purge> {
    job_procedure("purge", BODY, &hall(1))
}

#[test]
fn a_procedure_is_made_run_and_dropped_on_every_server() {
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    assert!(purge().create().call(conn).unwrap());
    assert!(!purge().create().call(conn).unwrap());
    sql(
        conn,
        "INSERT INTO readings VALUES ('a', now() - INTERVAL '9 days', 'hall'), ('b', now() - INTERVAL '9 days', 'hall'),
             ('c', now(), 'hall'), ('d', now() - INTERVAL '9 days', 'den')",
    );
    purge().run(&Purge { sensor: Some("a".to_owned()), ..hall(7) }).call(conn).unwrap();
    let left = |conn: &mut PgConnection| value(conn, "SELECT string_agg(sensor, '' ORDER BY sensor) FROM readings");
    assert_eq!(left(conn), "bcd");
    purge().run(&hall(7)).call(conn).unwrap();
    assert_eq!(left(conn), "cd");
    assert!(purge().jobs().call(conn).unwrap().is_empty());

    // Another body takes its place.
    let nothing = job_procedure("purge", "BEGIN NULL; END", &hall(1));
    assert!(nothing.create().call(conn).unwrap());
    nothing.run(&hall(0)).call(conn).unwrap();
    assert_eq!(left(conn), "cd");
    assert!(purge().drop().call(conn).unwrap());
    assert!(!purge().drop().call(conn).unwrap());
    assert_eq!(value(conn, "SELECT to_regproc('purge') IS NULL AND to_regproc('purge_check') IS NULL"), "true");

    // What something else has made is left alone.
    sql(conn, "CREATE PROCEDURE purge(job_id INT, config JSONB) LANGUAGE sql AS 'SELECT 1'");
    let refused = purge().create().call(conn);
    assert!(matches!(&refused, Err(Error::OtherProcedure { message, .. }) if message.contains("purge")), "{refused:?}");
    assert!(matches!(purge().drop().call(conn), Err(Error::OtherProcedure { .. })));
    let no_object = job_procedure("count", "BEGIN NULL; END", &7).create().call(conn).unwrap_err();
    assert!(no_object.to_string().contains("the config of a job is an object, and this is 7"), "{no_object}");
}

#[test]
fn what_the_server_lacks_is_told() {
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    purge().create().call(conn).unwrap();
    if Server::query().call(conn).unwrap().has(Feature::Jobs) {
        return;
    }
    let hour = TimeDelta::hours(1);
    for refused in [
        purge().add(hour, &hall(1)).call(conn),
        purge().add(hour, &hall(1)).scheduled(nightly()).call(conn),
        purge().set_config(1, &hall(1)).call(conn),
    ] {
        assert!(matches!(refused, Err(Error::Unsupported { .. } | Error::Hypertable(_))), "{refused:?}");
    }
}

#[test]
fn a_job_of_ones_own_has_a_typed_config_that_is_checked() {
    needs!(Community);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    purge().create().call(conn).unwrap();
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let id = purge().add(hour, &hall(7)).call(conn).unwrap();
    let again = purge().add(day, &hall(7)).scheduled(Schedule::new().max_retries(2)).call(conn).unwrap();
    assert_eq!(id, again, "one job for a config");
    let job = find(conn, id).unwrap();
    assert_eq!((&*job.procedure, job.schedule_interval, job.max_retries), ("purge", day, 2));
    let other = purge().add(hour, &hall(8)).call(conn).unwrap();
    assert_eq!(purge().jobs().call(conn).unwrap(), [(id, hall(7)), (other, hall(8))]);
    delete_job(other).call(conn).unwrap();

    run_job(id).call(conn).unwrap();
    assert_eq!(purge().set_config(id, &hall(30)).call(conn).unwrap(), id);
    assert_eq!(purge().jobs().call(conn).unwrap(), [(id, hall(30))]);

    // The server refuses what is none, whoever gives it.
    for (config, problem) in [
        (json!({ "room": "hall" }), "has no keep_days"),
        (json!({ "room": "hall", "keep_days": "7" }), "has string in keep_days, not number"),
        (json!({ "room": null, "keep_days": 7 }), "has null in room, not string"),
        (json!({ "room": "hall", "keep_days": 7, "keepdays": 8 }), "has the unknown field keepdays"),
        (json!([7]), "is array, not an object"),
    ] {
        let refused = set_job_config(id, config.clone()).call(conn);
        assert!(
            matches!(&refused, Err(Error::JobConfig { message, remedy })
            if message.ends_with(problem) && remedy.contains("keep_days")),
            "{config}: {refused:?}"
        );
        let by_hand = sql_error(conn, &format!("SELECT alter_job({id}, config => '{config}')"));
        assert!(by_hand.contains(problem), "{by_hand}");
    }
    assert_eq!(purge().jobs().call(conn).unwrap(), [(id, hall(30))], "as it was");

    // Another type cannot read it.
    #[derive(Debug, Serialize, Deserialize)]
    struct Keep {
        hours: i32,
    }
    let keep = job_procedure("purge", BODY, &Keep { hours: 1 });
    let unreadable = keep.jobs().call(conn).unwrap_err();
    assert!(
        unreadable.to_string().contains(&format!("of job {id} cannot be read: missing field `hours`")),
        "{unreadable}"
    );
    // Nor is its example accepted while a job has the other one.
    assert!(matches!(keep.create().call(conn), Err(Error::JobConfig { .. })));
    assert!(purge().drop().call(conn).unwrap());
    assert_eq!(find(conn, id), None);
}

#[test]
fn a_job_that_does_not_start_is_late() {
    needs!(Community);
    if has_quietly(Needs::Workers) {
        return;
    }
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let id = add_retention_policy(readings::time, TimeDelta::days(700)).call(conn).unwrap();
    assert_eq!(find(conn, id).unwrap().health, JobHealth::NotRunYet);
    alter_job(id, Schedule::new().next_start(Utc::now() - TimeDelta::hours(1))).call(conn).unwrap();
    let job = find(conn, id).unwrap();
    assert_eq!(job.health, JobHealth::Late);
    assert!(job.health.is_problem());
}

/// Waits until the job is as it should be.
fn wait_for(conn: &mut PgConnection, id: i32, is_right: impl Fn(&Job) -> bool) -> Job {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let job = find(conn, id).unwrap();
        if is_right(&job) {
            return job;
        }
        assert!(Instant::now() < deadline, "{job:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn jobs_run_in_the_background_and_tell_how_they_do() {
    needs!(Workers);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    purge().create().call(conn).unwrap();
    sql(conn, "INSERT INTO readings VALUES ('a', now() - INTERVAL '9 days', 'hall')");
    let id = purge().add(TimeDelta::hours(1), &hall(7)).call(conn).unwrap();
    let job = wait_for(conn, id, |job| job.total_runs > 0 && job.health != JobHealth::Running);
    assert_eq!(value(conn, "SELECT count(*) FROM readings"), "0", "its work is done");
    let server = Server::query().call(conn).unwrap();
    let is_misreported =
        issues_of(server.timescaledb, server.postgres_version).any(|issue| issue.id == "jobs_reported_failed");
    let expected = if is_misreported { JobHealth::ReportedFailed } else { JobHealth::Healthy };
    assert_eq!(job.health, expected, "{job:?}");
    assert!(!job.health.is_problem() && job.last_run_started_at.is_some() && job.last_run_duration.is_some());
    let runs: Vec<JobHistory> = JobHistory::query().filter(job_history::job_id.eq(id)).load(conn).unwrap();
    // Runs that succeed are kept where the server is set so.
    let keeps_all = value(conn, "SELECT current_setting('timescaledb.enable_job_execution_logging')") == "on";
    assert_eq!(runs.is_empty(), !is_misreported && !keeps_all, "{runs:?}");
    for run in runs {
        assert_eq!((run.succeeded, run.proc_name.as_deref()), (Some(!is_misreported), Some("purge")));
        assert_eq!(run.config, Some(serde_json::to_value(hall(7)).unwrap()));
    }
    delete_job(id).call(conn).unwrap();

    let failing = job_procedure("fail", "BEGIN RAISE EXCEPTION 'no % today', config ->> 'room'; END", &hall(1));
    failing.create().call(conn).unwrap();
    let id = failing.add(TimeDelta::hours(1), &hall(7)).call(conn).unwrap();
    let job = wait_for(conn, id, |job| job.total_failures > 0 && job.health != JobHealth::Running);
    assert_eq!((job.health, job.last_error.as_deref()), (JobHealth::Failing, Some("no hall today")), "{job:?}");
    assert!(job.health.is_problem());
    let errors: Vec<JobError> = JobError::query().filter(job_errors::job_id.eq(id)).load(conn).unwrap();
    assert_eq!(errors[0].err_message.as_deref(), Some("no hall today"));
    assert_eq!(errors[0].sqlerrcode.as_deref(), Some("P0001"));
    failing.drop().call(conn).unwrap();
}

#[test]
fn a_schedule_that_starts_later_waits() {
    needs!(Workers);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    purge().create().call(conn).unwrap();
    let id = purge().add(TimeDelta::hours(1), &hall(7)).scheduled(nightly()).call(conn).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let job = find(conn, id).unwrap();
    assert_eq!((job.total_runs, job.health), (0, JobHealth::NotRunYet), "{job:?}");
    purge().drop().call(conn).unwrap();
}
