//! Chunks, the columnstore, retention in the background and jobs; and what a server that lacks them gets to hear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use occupancy_models::rollups::{self, hourly_activity};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{
    self, Error, Feature, HypertableError, KNOWN_ISSUES, ReferenceError, Schedule, Server, TimescaleVersion,
    TimestampOrInfinity, add_columnstore_policy, add_hash_dimension, add_refresh_policy, add_retention_policy,
    alter_job, approximate_row_count, chunk_sizes, chunks, columnstore_stats, delete_job, disable_columnstore,
    drop_chunks, hypertable, jobs, known_issues, refresh, remove_columnstore_policy, remove_refresh_policy,
    remove_retention_policy, run_job, set_chunk_interval, set_job_config, set_materialized_only, size, to_columnstore,
    to_rowstore,
};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorType, TransitionType, ViolationKind,
    add_sensor_events_retention, remove_sensor_events_retention, verify,
};
use serde_json::json;
use support::{Catalog, TestDb, needs, sql, value};

diesel::table! {
    meters (meter_id, read_at) {
        meter_id -> Int8,
        read_at -> Timestamptz,
    }
}

/// A hypertable that is not this crate's.
fn make_meters(conn: &mut PgConnection) {
    sql(conn, "CREATE TABLE meters (meter_id BIGINT, read_at TIMESTAMPTZ, PRIMARY KEY (meter_id, read_at))");
    hypertable(meters::read_at).chunk_interval(TimeDelta::days(1)).call(conn).unwrap();
}

/// An event that many days ago, and a prediction that it triggered.
fn an_event_and_its_prediction(conn: &mut PgConnection, days_ago: i64) -> (SensorEvent, i64) {
    let at = Utc::now() - TimeDelta::days(days_ago);
    let event: SensorEvent = diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(at, "office", "office.motion", SensorType::MOTION, "on"))
        .returning(SensorEvent::as_returning())
        .get_result(conn)
        .unwrap();
    let prediction = diesel::insert_into(predictions::table)
        .values(
            NewPrediction::new("office", at, TransitionType::VacantToOccupied, 0.8, ModelType::HMM, "1")
                .with_triggering_event_id(event.id),
        )
        .returning(predictions::id)
        .get_result(conn)
        .unwrap();
    (event, prediction)
}

fn reference(conn: &mut PgConnection, prediction: i64) -> Option<i64> {
    predictions::table.find(prediction).select(predictions::triggering_event_id).first(conn).unwrap()
}

fn server(conn: &mut PgConnection) -> Server {
    Server::query().call(conn).unwrap()
}

/// Counts the statements that are sent.
fn count_statements(conn: &mut PgConnection) -> Arc<Mutex<u32>> {
    struct Count(Arc<Mutex<u32>>);
    impl Instrumentation for Count {
        fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
            if let InstrumentationEvent::StartQuery { .. } = event {
                *self.0.lock().unwrap() += 1;
            }
        }
    }
    let count = Arc::new(Mutex::new(0));
    conn.set_instrumentation(Count(count.clone()));
    count
}

/// Runs a call.
type Run = Box<dyn FnOnce(&mut PgConnection) -> Result<(), occupancy_models::Error>>;

/// Every call that the Apache edition cannot serve, by its feature.
fn community_calls() -> Vec<(&'static str, Feature, Run)> {
    let week = TimeDelta::days(7);
    let events = sensor_events::table;
    macro_rules! calls {
        ($($feature:ident $name:literal: $call:expr;)+) => {
            vec![$(($name, Feature::$feature, Box::new(move |conn| $call.call(conn).map(|_| ()).map_err(occupancy_models::Error::from))),)+]
        };
    }
    calls! {
        Columnstore "enable the columnstore": SensorEvent::columnstore().enable();
        Columnstore "disable the columnstore": disable_columnstore(events);
        Columnstore "columnstore stats": columnstore_stats(events);
        Columnstore "add a columnstore policy": add_columnstore_policy(sensor_events::timestamp, week);
        Columnstore "remove a columnstore policy": remove_columnstore_policy(events);
        Jobs "add retention of sensor events": add_sensor_events_retention(week, week);
        Jobs "remove retention of sensor events": remove_sensor_events_retention();
        Jobs "add a retention policy": add_retention_policy(meters::read_at, week);
        Jobs "remove a retention policy": remove_retention_policy(meters::table);
        Jobs "list jobs": jobs();
        Jobs "run a job": run_job(1);
        Jobs "alter a job": alter_job(1, Schedule::new());
        Jobs "set the config of a job": set_job_config(1, json!({}));
        Jobs "delete a job": delete_job(1);
        ContinuousAggregates "create a continuous aggregate": rollups::hourly_activity().create();
        ContinuousAggregates "refresh": refresh(hourly_activity::bucket, ..);
        ContinuousAggregates "add a refresh policy": add_refresh_policy(hourly_activity::bucket, None, week, week);
        ContinuousAggregates "remove a refresh policy": remove_refresh_policy(hourly_activity::table);
        ContinuousAggregates "materialized only": set_materialized_only(hourly_activity::table, true);
    }
}

/// The one error for a feature that the server does not have.
fn assert_refused(server: &Server, feature: Feature, result: Result<(), occupancy_models::Error>, call: &str) {
    let occupancy_models::Error::Timescale(error) = result.expect_err(call) else {
        panic!("{call}: an error of another kind")
    };
    if server.timescaledb.is_none() {
        let unavailable = matches!(error, Error::Hypertable(HypertableError::ExtensionUnavailable { .. }));
        assert!(unavailable, "{call} on {server}: {error:?}");
        return;
    }
    let Error::Unsupported { feature: refused, message, .. } = error else { panic!("{call}: {error:?}") };
    assert_eq!(refused, feature, "{call}");
    let here = server.require(feature).unwrap_err().to_string();
    assert!(here.starts_with(&message), "{call}: Rust says {here}, the server {message}");
    for part in [feature.as_str(), &server.to_string(), "TimescaleDB 2.17 or later, Community edition"] {
        assert!(message.contains(part), "{call}: {message} does not name {part:?}");
    }
}

#[test]
fn what_the_server_cannot_serve_is_an_error_and_changes_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let server = server(&mut conn);
    let mut calls = community_calls();
    if server.has(Feature::Hypertables) {
        an_event_and_its_prediction(&mut conn, 1);
        let chunk = chunks(sensor_events::timestamp, ..).call(&mut conn).unwrap().remove(0);
        let same = chunk.clone();
        calls.push((
            "to the columnstore",
            Feature::Columnstore,
            Box::new(move |conn| to_columnstore(&chunk).call(conn).map_err(Into::into)),
        ));
        calls.push((
            "to the rowstore",
            Feature::Columnstore,
            Box::new(move |conn| to_rowstore(&same).call(conn).map_err(Into::into)),
        ));
    }
    let before = Catalog::new(&mut conn);
    for (call, feature, run) in calls {
        if !server.has(feature) {
            assert_refused(&server, feature, run(&mut conn), call);
        }
    }
    Catalog::new(&mut conn).assert_is(&before, "when every call was refused");
}

#[test]
fn the_features_of_a_hypertable_are_an_error_on_plain_postgres() {
    needs!(PlainPostgres);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    let now = Utc::now();
    let results = [
        set_chunk_interval(sensor_events::timestamp, TimeDelta::days(1)).call(conn).map(|_| ()),
        add_hash_dimension(sensor_events::sensor_id, 2).call(conn).map(|_| ()),
        chunks(sensor_events::timestamp, ..).call(conn).map(|_| ()),
        drop_chunks(sensor_events::timestamp, now).call(conn).map(|_| ()),
        size(sensor_events::table).call(conn).map(|_| ()),
        chunk_sizes(sensor_events::table).call(conn).map(|_| ()),
        approximate_row_count(sensor_events::table).call(conn).map(|_| ()),
    ];
    for result in results {
        assert_refused(&server, Feature::Hypertables, result.map_err(Into::into), "a feature of hypertables");
    }
    assert_eq!(server.capabilities().count(), 0);
}

#[test]
fn new_chunks_cover_the_interval_that_was_set() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    an_event_and_its_prediction(conn, 10);
    set_chunk_interval(sensor_events::timestamp, TimeDelta::hours(6)).call(conn).unwrap();
    an_event_and_its_prediction(conn, 0);
    let all = chunks(sensor_events::timestamp, ..).call(conn).unwrap();
    let lengths: Vec<_> = all.iter().map(|chunk| chunk.range_end.unwrap() - chunk.range_start.unwrap()).collect();
    assert_eq!(lengths, [TimeDelta::days(1), TimeDelta::hours(6)]);

    let refused = set_chunk_interval(sensor_events::timestamp, TimeDelta::zero()).call(conn).unwrap_err();
    assert!(matches!(refused, Error::Hypertable(HypertableError::ChunkInterval { .. })), "{refused}");
}

#[test]
fn chunks_are_listed_and_dropped_by_age() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    make_meters(conn);
    sql(
        conn,
        "INSERT INTO meters SELECT 1, TIMESTAMPTZ '2026-01-01 12:00+00' + n * INTERVAL '1 day' FROM generate_series(0, 9) AS n",
    );
    let day = |n: i64| "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(n);
    let all = chunks(meters::read_at, ..);
    let count = |conn: &mut PgConnection| all.clone().call(conn).unwrap().len();
    assert_eq!(count(conn), 10);
    assert_eq!(chunks(meters::read_at, ..day(4)).call(conn).unwrap().len(), 4);
    assert_eq!(chunks(meters::read_at, day(4)..).call(conn).unwrap().len(), 6);
    assert_eq!(chunks(meters::read_at, day(4)..day(6)).call(conn).unwrap().len(), 2);
    assert_eq!(drop_chunks(meters::read_at, day(3)).call(conn).unwrap(), 3);
    assert_eq!(count(conn), 7);
    assert_eq!(meters::table.count().get_result::<i64>(conn).unwrap(), 7);
}

#[test]
fn chunks_whose_rows_are_referenced_are_not_dropped() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let (event, prediction) = an_event_and_its_prediction(conn, 100);
    let refused = drop_chunks(sensor_events::timestamp, Utc::now()).call(conn).unwrap_err();
    let Error::Reference(ReferenceError::LossOfReferencedRows { remedy, .. }) = &refused else { panic!("{refused}") };
    assert!(remedy.contains("clears the references"), "{remedy}");
    assert_eq!(reference(conn, prediction), Some(event.id));

    // A table that a native foreign key references.
    make_meters(conn);
    sql(
        conn,
        "CREATE TABLE bills (meter_id BIGINT, read_at TIMESTAMPTZ,
         CONSTRAINT bill_of_reading FOREIGN KEY (meter_id, read_at) REFERENCES meters)",
    );
    let refused = drop_chunks(meters::read_at, Utc::now()).call(conn).unwrap_err();
    let Error::Reference(ReferenceError::LossOfReferencedRows { message, .. }) = &refused else { panic!("{refused}") };
    assert!(message.contains("bill_of_reading"), "{message}");
}

#[test]
fn sizes_add_up() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    for days_ago in 0..3 {
        an_event_and_its_prediction(conn, days_ago);
    }
    let whole = size(sensor_events::table).call(conn).unwrap();
    let parts = chunk_sizes(sensor_events::table).call(conn).unwrap();
    assert_eq!(parts.len(), 3);
    assert!(whole.total_bytes >= parts.iter().map(|(_, size)| size.total_bytes).sum());
    sql(conn, "ANALYZE sensor_events");
    assert_eq!(approximate_row_count(sensor_events::table).call(conn).unwrap(), 3);
}

#[test]
fn a_hash_dimension_is_added_once() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    make_meters(conn);
    for expected in [true, false] {
        assert_eq!(add_hash_dimension(meters::meter_id, 4).call(conn).unwrap(), expected);
    }
    assert_eq!(
        value(
            conn,
            "SELECT num_partitions FROM timescaledb_information.dimensions WHERE hypertable_name = 'meters' AND dimension_number = 2 AND hypertable_schema = current_schema()"
        ),
        "4"
    );
}

#[test]
fn a_chunk_goes_to_the_columnstore_and_back() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let (event, _) = an_event_and_its_prediction(conn, 3);
    SensorEvent::columnstore().enable().call(conn).unwrap();
    assert_eq!(
        value(
            conn,
            "SELECT concat_ws(' / ', segmentby, orderby) FROM timescaledb_information.hypertable_compression_settings WHERE hypertable::text LIKE '%sensor_events' AND hypertable = 'sensor_events'::regclass"
        ),
        r#"sensor_id / "timestamp",id"#
    );
    let all = chunks(sensor_events::timestamp, ..);
    let chunk = all.clone().call(conn).unwrap().remove(0);
    // Twice, because it may have happened already.
    for _ in 0..2 {
        to_columnstore(&chunk).call(conn).unwrap();
        assert!(all.clone().call(conn).unwrap()[0].is_columnstore);
    }
    let stats = columnstore_stats(sensor_events::table).call(conn).unwrap();
    assert_eq!((stats.chunks, stats.columnstore_chunks), (1, 1));
    assert!(stats.before_bytes > Some(0) && stats.after_bytes > Some(0));
    assert_eq!(SensorEvent::query().find((event.id, event.timestamp)).first(conn).ok(), Some(event));
    for _ in 0..2 {
        to_rowstore(&chunk).call(conn).unwrap();
        assert!(!all.clone().call(conn).unwrap()[0].is_columnstore);
    }
    disable_columnstore(sensor_events::table).call(conn).unwrap();
}

#[test]
fn a_policy_takes_the_place_of_the_one_before() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    make_meters(conn);
    timescale::columnstore(meters::table)
        .segment_by(meters::meter_id)
        .order_by_desc(meters::read_at)
        .enable()
        .call(conn)
        .unwrap();
    let policies = |conn: &mut PgConnection| {
        let of_meters = |job: &timescale::Job| job.hypertable.as_deref() == Some("meters");
        jobs()
            .call(conn)
            .unwrap()
            .into_iter()
            .filter(of_meters)
            .map(|job| (job.id, job.config.unwrap()))
            .collect::<Vec<_>>()
    };
    let before = policies(conn).len();
    for days in [7, 8] {
        let after = TimeDelta::days(days);
        let id = add_columnstore_policy(meters::read_at, after).call(conn).unwrap();
        assert_eq!(policies(conn).len(), before + 1);
        assert!(policies(conn).iter().any(|policy| policy.0 == id));
    }
    assert!(remove_columnstore_policy(meters::table).call(conn).unwrap());
    assert!(!remove_columnstore_policy(meters::table).call(conn).unwrap());

    for days in [700, 800] {
        add_retention_policy(meters::read_at, TimeDelta::days(days)).call(conn).unwrap();
        assert_eq!(policies(conn).len(), before + 1);
    }
    assert!(remove_retention_policy(meters::table).call(conn).unwrap());
    assert!(!remove_retention_policy(meters::table).call(conn).unwrap());
    assert_eq!(policies(conn).len(), before);
}

#[test]
fn the_retention_job_clears_references_in_compressed_chunks_too() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let (_, old) = an_event_and_its_prediction(conn, 100);
    let (_, compressed) = an_event_and_its_prediction(conn, 99);
    let (young_event, young) = an_event_and_its_prediction(conn, 1);
    SensorEvent::columnstore().enable().call(conn).unwrap();
    let second = chunks(sensor_events::timestamp, ..).call(conn).unwrap().remove(1);
    to_columnstore(&second).call(conn).unwrap();

    let add = add_sensor_events_retention(TimeDelta::days(30), TimeDelta::hours(12));
    let first = add.clone().call(conn).unwrap();
    let job = add.call(conn).unwrap();
    assert_ne!(first, job);
    let ours = |job: &timescale::Job| job.procedure == "sensor_events_retention";
    let listed: Vec<_> = jobs().call(conn).unwrap().into_iter().filter(ours).collect();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].id, listed[0].schedule_interval, listed[0].is_scheduled), (job, TimeDelta::hours(12), true));
    assert_eq!(violation_kinds(conn), faults_of_jobs(support::server()));

    run_job(job).call(conn).unwrap();
    assert_eq!((reference(conn, old), reference(conn, compressed)), (None, None));
    assert_eq!(reference(conn, young), Some(young_event.id));
    assert_eq!(sensor_events::table.select(sensor_events::id).load::<i64>(conn).unwrap(), [young_event.id]);
    assert_eq!(violation_kinds(conn), faults_of_jobs(support::server()));

    assert!(remove_sensor_events_retention().call(conn).unwrap());
    assert!(!remove_sensor_events_retention().call(conn).unwrap());
}

#[test]
fn retention_that_keeps_nothing_or_loses_references_is_refused() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let day = TimeDelta::days(1);
    let refused = add_sensor_events_retention(TimeDelta::zero(), day).call(conn).unwrap_err();
    let interval = matches!(
        refused,
        occupancy_models::Error::Timescale(Error::Reference(ReferenceError::RetentionInterval { .. }))
    );
    assert!(interval, "{refused}");
    let refused = add_retention_policy(sensor_events::timestamp, day).call(conn).unwrap_err();
    assert!(matches!(refused, Error::Reference(ReferenceError::LossOfReferencedRows { .. })), "{refused}");
    assert_eq!(verify().call(conn).unwrap(), []);
}

/// The known issue of releases that report every run of a job as failed, if the server is one of them.
fn faults_of_jobs(server: &Server) -> Vec<ViolationKind> {
    if known_issues(server).any(|issue| issue.id == "jobs_reported_failed") {
        vec![ViolationKind::JobsReportedFailed]
    } else {
        vec![]
    }
}

fn violation_kinds(conn: &mut PgConnection) -> Vec<ViolationKind> {
    verify().allow_plain_table().call(conn).unwrap().iter().map(|violation| violation.kind).collect()
}

#[test]
fn that_jobs_are_reported_failed_is_told_where_there_are_jobs() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    assert_eq!(violation_kinds(&mut conn), []);
    // Rolled back, because the catalog would stay where the tests share a database.
    conn.test_transaction::<_, Error, _>(|conn| {
        // What add_job() leaves, also in the edition that has no add_job().
        sql(
            conn,
            "CREATE TEMP TABLE job AS SELECT * FROM _timescaledb_config.bgw_job ORDER BY id DESC LIMIT 1;
             UPDATE job SET id = 1234;
             INSERT INTO _timescaledb_config.bgw_job SELECT * FROM job",
        );
        assert_eq!(violation_kinds(conn), faults_of_jobs(support::server()));
        if let [violation] = verify().call(conn).unwrap().as_slice() {
            assert_eq!(violation.object, "job 1234");
            assert!(violation.detail.contains("https://github.com/timescale/timescaledb/pull/11015"), "{violation}");
            assert!(violation.remedy.contains("ALTER EXTENSION timescaledb UPDATE"), "{violation}");
        }
        // One that does not run.
        sql(conn, "UPDATE _timescaledb_config.bgw_job SET scheduled = false WHERE id = 1234");
        assert_eq!(violation_kinds(conn), []);
        Ok(())
    });
}

/// What the known issues say of jobs, and what the server does.
#[test]
fn the_server_reports_of_a_job_what_the_known_issues_say() {
    needs!(Workers);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    sql(
        conn,
        "CREATE TABLE runs (at TIMESTAMPTZ);
         CREATE PROCEDURE run(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO runs VALUES (now())';
         SELECT add_job('run', '1 hour', initial_start => now())",
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    let job = loop {
        assert!(Instant::now() < deadline, "the job does not run");
        let job = jobs().call(conn).unwrap().into_iter().find(|job| job.procedure == "run").unwrap();
        if job.last_run_status.is_some() {
            break job;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let is_affected = faults_of_jobs(support::server()) == [ViolationKind::JobsReportedFailed];
    let expected = if is_affected { "Failed" } else { "Success" };
    assert_eq!(job.last_run_status.as_deref(), Some(expected), "{job:?}");
    assert_eq!((job.total_runs, job.total_failures), (1, i64::from(is_affected)));
    assert_eq!(job.last_successful_finish.is_none(), is_affected);
    assert_eq!(value(conn, "SELECT count(*) FROM runs"), "1", "the work is done either way");
}

#[test]
fn a_known_issue_goes_by_the_branch_of_timescaledb_and_the_minor_release_of_postgres() {
    let issue = |id: &str| KNOWN_ISSUES.iter().find(|issue| issue.id == id).unwrap();
    let jobs = issue("jobs_reported_failed");
    let affects = |version: &str, postgres| jobs.affects(version.parse().unwrap(), postgres);
    for version in ["2.17.2", "2.19.3", "2.27.2", "2.28.3", "2.29.2", "2.30.9", "2.31.1", "2.32.0"] {
        assert!(affects(version, 170_012) && affects(version, 180_007) && affects(version, 160_020), "{version}");
        assert!(!affects(version, 170_011) && !affects(version, 180_006) && !affects(version, 160_015), "{version}");
    }
    for version in ["2.27.3", "2.27.9", "2.28.4", "2.31.2", "2.32.1", "2.33.0", "3.0.0"] {
        assert!(!affects(version, 170_012) && !affects(version, 180_007), "{version}");
    }
    let fixed_after = |version: &str| jobs.fixed_after(version.parse().unwrap());
    assert_eq!(fixed_after("2.19.3"), Some(TimescaleVersion::new(2, 27, 3)));
    assert_eq!(fixed_after("2.29.2"), Some(TimescaleVersion::new(2, 31, 2)));
    assert_eq!(fixed_after("2.32.1"), None);

    let grants = issue("repeated_grant_crashes_server");
    assert!(grants.affects(TimescaleVersion::new(2, 19, 3), 170_012));
    assert!(!grants.affects(TimescaleVersion::new(2, 23, 0), 170_005));
}

#[test]
fn a_job_is_altered_run_and_deleted() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let id = add_sensor_events_retention(TimeDelta::days(30), TimeDelta::days(1)).call(conn).unwrap();
    let due: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
    alter_job(id, Schedule::every(TimeDelta::hours(3)).enabled(false).next_start(due)).call(conn).unwrap();
    set_job_config(id, json!({ "drop_after": "60 days" })).call(conn).unwrap();
    let find = |conn: &mut PgConnection| jobs().call(conn).unwrap().into_iter().find(|job| job.id == id);
    let job = find(conn).unwrap();
    assert_eq!((job.schedule_interval, job.is_scheduled), (TimeDelta::hours(3), false));
    assert_eq!(job.config, Some(json!({ "drop_after": "60 days" })));
    // What is not named stays.
    alter_job(id, Schedule::new().enabled(true)).call(conn).unwrap();
    let job = find(conn).unwrap();
    assert_eq!((job.schedule_interval, job.is_scheduled), (TimeDelta::hours(3), true));

    let sent = count_statements(conn);
    let refused = conn.transaction(|conn| {
        let before = *sent.lock().unwrap();
        let refused = run_job(id).call(conn);
        assert_eq!(*sent.lock().unwrap(), before);
        refused
    });
    assert!(matches!(refused, Err(Error::InsideTransaction { statement: "run_job" })), "{refused:?}");
    run_job(id).call(conn).unwrap();

    // Paused, as the server's documentation has it.
    alter_job(id, Schedule::new().next_start(TimestampOrInfinity::Infinity)).call(conn).unwrap();
    assert_eq!(find(conn).unwrap().next_start, Some(TimestampOrInfinity::Infinity));

    delete_job(id).call(conn).unwrap();
    assert_eq!(find(conn), None);
    assert!(matches!(delete_job(id).call(conn), Err(Error::Database(_))));
}
