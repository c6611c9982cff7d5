//! Chunks, the columnstore, retention in the background and jobs; and what a server that lacks them gets to hear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use occupancy_models::aggregates;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{
    self, Error, Feature, HypertableError, OutsideTransaction, ReferenceError, Server, Unsupported,
    add_columnstore_policy, add_hash_dimension, add_refresh_policy, add_retention_policy, alter_job,
    approximate_row_count, bucketed, chunk_sizes, chunks, columnstore_stats, delete_job, disable_columnstore,
    drop_chunks, hypertable, jobs, refresh, remove_columnstore_policy, remove_refresh_policy, remove_retention_policy,
    run_job, set_chunk_interval, set_materialized_only, size, to_columnstore, to_rowstore,
};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorType, TransitionType,
    add_sensor_events_retention, remove_sensor_events_retention, verify,
};
use serde_json::json;
use support::{TestDb, needs, sql, value};

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

/// Every call that the Apache edition cannot serve, by its feature.
fn community_calls(server: &Server) -> Vec<(&'static str, Feature, Result<(), Unsupported>)> {
    let week = TimeDelta::days(7);
    let events = sensor_events::table;
    macro_rules! calls {
        ($($feature:ident $name:literal: $call:expr;)+) => {
            vec![$(($name, Feature::$feature, $call.map(|_| ())),)+]
        };
    }
    calls! {
        Columnstore "enable the columnstore": SensorEvent::columnstore().enable(server);
        Columnstore "disable the columnstore": disable_columnstore(events, server);
        Columnstore "columnstore stats": columnstore_stats(events, server);
        Columnstore "add a columnstore policy": add_columnstore_policy(events, week, server);
        Columnstore "remove a columnstore policy": remove_columnstore_policy(events, server);
        Jobs "add retention of sensor events": add_sensor_events_retention(week, week, server);
        Jobs "remove retention of sensor events": remove_sensor_events_retention(server);
        Jobs "add a retention policy": add_retention_policy(meters::table, week, server);
        Jobs "remove a retention policy": remove_retention_policy(meters::table, server);
        Jobs "list jobs": jobs(server);
        Jobs "run a job": run_job(1, server);
        Jobs "alter a job": alter_job(1, server);
        Jobs "delete a job": delete_job(1, server);
        ContinuousAggregates "create a continuous aggregate": aggregates::hourly_activity().create(server);
        ContinuousAggregates "refresh": refresh("hourly_activity", .., server);
        ContinuousAggregates "add a refresh policy": add_refresh_policy("hourly_activity", None, week, week, server);
        ContinuousAggregates "remove a refresh policy": remove_refresh_policy("hourly_activity", server);
        ContinuousAggregates "materialized only": set_materialized_only("hourly_activity", true, server);
    }
}

#[test]
fn what_the_server_cannot_serve_is_an_error_before_anything_is_sent() {
    let (_db, mut conn) = TestDb::ready();
    let server = server(&mut conn);
    let chunk = server.has(Feature::Hypertables).then(|| {
        an_event_and_its_prediction(&mut conn, 1);
        chunks(sensor_events::table, None, None, &server).unwrap().call(&mut conn).unwrap().remove(0)
    });
    let sent = count_statements(&mut conn);
    let mut calls = community_calls(&server);
    if server.has(Feature::Hypertables) {
        let hourly = bucketed(TimeDelta::hours(1), sensor_events::timestamp, &server).unwrap();
        calls.push(("fill gaps", Feature::Gapfill, hourly.gapfill(&server).map(|_| ())));
    }
    if let Some(chunk) = chunk {
        calls.push(("to the columnstore", Feature::Columnstore, to_columnstore(&chunk, &server).map(|_| ())));
        calls.push(("to the rowstore", Feature::Columnstore, to_rowstore(&chunk, &server).map(|_| ())));
    }
    for (call, feature, result) in calls {
        if server.has(feature) {
            assert_eq!(result, Ok(()), "{call} on {server}");
            continue;
        }
        let error = result.expect_err(call);
        assert_eq!((error.feature, &*error.found), (feature, &server), "{call}");
        let message = Error::from(error).to_string();
        for part in [feature.as_str(), &server.to_string(), "TimescaleDB 2.17 or later, Community edition"] {
            assert!(message.contains(part), "{call}: {message:?} does not name {part:?}");
        }
    }
    assert_eq!(*sent.lock().unwrap(), 0);
}

#[test]
fn the_features_of_a_hypertable_are_an_error_on_plain_postgres() {
    needs!(PlainPostgres);
    let (_db, mut conn) = TestDb::ready();
    let server = server(&mut conn);
    let now = Utc::now();
    let results = [
        set_chunk_interval(sensor_events::timestamp, TimeDelta::days(1), &server).map(|_| ()),
        add_hash_dimension(sensor_events::sensor_id, 2, &server).map(|_| ()),
        chunks(sensor_events::table, None, None, &server).map(|_| ()),
        drop_chunks(sensor_events::table, now, &server).map(|_| ()),
        size(sensor_events::table, &server).map(|_| ()),
        chunk_sizes(sensor_events::table, &server).map(|_| ()),
        approximate_row_count(sensor_events::table, &server).map(|_| ()),
    ];
    for result in results {
        assert_eq!(result.unwrap_err().feature, Feature::Hypertables);
    }
    assert_eq!(server.capabilities().count(), 0);
}

#[test]
fn new_chunks_cover_the_interval_that_was_set() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    an_event_and_its_prediction(conn, 10);
    set_chunk_interval(sensor_events::timestamp, TimeDelta::hours(6), &server).unwrap().call(conn).unwrap();
    an_event_and_its_prediction(conn, 0);
    let all = chunks(sensor_events::table, None, None, &server).unwrap().call(conn).unwrap();
    let lengths: Vec<_> = all.iter().map(|chunk| chunk.range_end.unwrap() - chunk.range_start.unwrap()).collect();
    assert_eq!(lengths, [TimeDelta::days(1), TimeDelta::hours(6)]);

    let refused =
        set_chunk_interval(sensor_events::timestamp, TimeDelta::zero(), &server).unwrap().call(conn).unwrap_err();
    assert!(matches!(refused, Error::Hypertable(HypertableError::ChunkInterval { .. })), "{refused}");
}

#[test]
fn chunks_are_listed_and_dropped_by_age() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    make_meters(conn);
    sql(
        conn,
        "INSERT INTO meters SELECT 1, TIMESTAMPTZ '2026-01-01 12:00+00' + n * INTERVAL '1 day' FROM generate_series(0, 9) AS n",
    );
    let day = |n: i64| "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(n);
    let count = |conn: &mut PgConnection, older, newer| {
        chunks(meters::table, older, newer, &server).unwrap().call(conn).unwrap().len()
    };
    assert_eq!(count(conn, None, None), 10);
    assert_eq!(count(conn, Some(day(4)), None), 4);
    assert_eq!(count(conn, None, Some(day(4))), 6);
    assert_eq!(count(conn, Some(day(6)), Some(day(4))), 2);
    assert_eq!(drop_chunks(meters::table, day(3), &server).unwrap().call(conn).unwrap(), 3);
    assert_eq!(count(conn, None, None), 7);
    assert_eq!(meters::table.count().get_result::<i64>(conn).unwrap(), 7);
}

#[test]
fn chunks_whose_rows_are_referenced_are_not_dropped() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    let (event, prediction) = an_event_and_its_prediction(conn, 100);
    let refused = drop_chunks(sensor_events::table, Utc::now(), &server).unwrap().call(conn).unwrap_err();
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
    let refused = drop_chunks(meters::table, Utc::now(), &server).unwrap().call(conn).unwrap_err();
    let Error::Reference(ReferenceError::LossOfReferencedRows { message, .. }) = &refused else { panic!("{refused}") };
    assert!(message.contains("bill_of_reading"), "{message}");
}

#[test]
fn sizes_add_up() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    for days_ago in 0..3 {
        an_event_and_its_prediction(conn, days_ago);
    }
    let whole = size(sensor_events::table, &server).unwrap().call(conn).unwrap();
    let parts = chunk_sizes(sensor_events::table, &server).unwrap().call(conn).unwrap();
    assert_eq!(parts.len(), 3);
    assert!(whole.total_bytes >= parts.iter().map(|chunk| chunk.total_bytes).sum());
    sql(conn, "ANALYZE sensor_events");
    assert_eq!(approximate_row_count(sensor_events::table, &server).unwrap().call(conn).unwrap(), 3);
}

#[test]
fn a_hash_dimension_is_added_once() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    make_meters(conn);
    for expected in [true, false] {
        assert_eq!(add_hash_dimension(meters::meter_id, 4, &server).unwrap().call(conn).unwrap(), expected);
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
    let server = server(conn);
    let (event, _) = an_event_and_its_prediction(conn, 3);
    SensorEvent::columnstore().enable(&server).unwrap().call(conn).unwrap();
    assert_eq!(
        value(
            conn,
            "SELECT concat_ws(' / ', segmentby, orderby) FROM timescaledb_information.hypertable_compression_settings WHERE hypertable::text LIKE '%sensor_events' AND hypertable = 'sensor_events'::regclass"
        ),
        r#"sensor_id / "timestamp",id"#
    );
    let all = chunks(sensor_events::table, None, None, &server).unwrap();
    let chunk = all.clone().call(conn).unwrap().remove(0);
    // Twice, because it may have happened already.
    for _ in 0..2 {
        to_columnstore(&chunk, &server).unwrap().call(conn).unwrap();
        assert!(all.clone().call(conn).unwrap()[0].is_columnstore);
    }
    let stats = columnstore_stats(sensor_events::table, &server).unwrap().call(conn).unwrap();
    assert_eq!((stats.chunks, stats.columnstore_chunks), (1, 1));
    assert!(stats.before_bytes > Some(0) && stats.after_bytes > Some(0));
    assert_eq!(SensorEvent::query().find((event.id, event.timestamp)).first(conn).ok(), Some(event));
    for _ in 0..2 {
        to_rowstore(&chunk, &server).unwrap().call(conn).unwrap();
        assert!(!all.clone().call(conn).unwrap()[0].is_columnstore);
    }
    disable_columnstore(sensor_events::table, &server).unwrap().call(conn).unwrap();
}

#[test]
fn a_policy_takes_the_place_of_the_one_before() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    make_meters(conn);
    timescale::columnstore(meters::table)
        .segment_by(meters::meter_id)
        .order_by_desc(meters::read_at)
        .enable(&server)
        .unwrap()
        .call(conn)
        .unwrap();
    let policies = |conn: &mut PgConnection| {
        let of_meters = |job: &timescale::Job| job.hypertable.as_deref() == Some("meters");
        jobs(&server)
            .unwrap()
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
        let id = add_columnstore_policy(meters::table, after, &server).unwrap().call(conn).unwrap();
        assert_eq!(policies(conn).len(), before + 1);
        assert!(policies(conn).iter().any(|policy| policy.0 == id));
    }
    assert!(remove_columnstore_policy(meters::table, &server).unwrap().call(conn).unwrap());
    assert!(!remove_columnstore_policy(meters::table, &server).unwrap().call(conn).unwrap());

    for days in [700, 800] {
        add_retention_policy(meters::table, TimeDelta::days(days), &server).unwrap().call(conn).unwrap();
        assert_eq!(policies(conn).len(), before + 1);
    }
    assert!(remove_retention_policy(meters::table, &server).unwrap().call(conn).unwrap());
    assert!(!remove_retention_policy(meters::table, &server).unwrap().call(conn).unwrap());
    assert_eq!(policies(conn).len(), before);
}

#[test]
fn the_retention_job_clears_references_in_compressed_chunks_too() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    let (_, old) = an_event_and_its_prediction(conn, 100);
    let (_, compressed) = an_event_and_its_prediction(conn, 99);
    let (young_event, young) = an_event_and_its_prediction(conn, 1);
    SensorEvent::columnstore().enable(&server).unwrap().call(conn).unwrap();
    let second = chunks(sensor_events::table, None, None, &server).unwrap().call(conn).unwrap().remove(1);
    to_columnstore(&second, &server).unwrap().call(conn).unwrap();

    let add = add_sensor_events_retention(TimeDelta::days(30), TimeDelta::hours(12), &server).unwrap();
    let first = add.clone().call(conn).unwrap();
    let job = add.call(conn).unwrap();
    assert_ne!(first, job);
    let ours = |job: &timescale::Job| job.procedure == "sensor_events_retention";
    let listed: Vec<_> = jobs(&server).unwrap().call(conn).unwrap().into_iter().filter(ours).collect();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].id, listed[0].schedule_interval, listed[0].is_scheduled), (job, TimeDelta::hours(12), true));
    assert_eq!(verify().call(conn).unwrap(), []);

    run_job(job, &server).unwrap().run(conn).unwrap();
    assert_eq!((reference(conn, old), reference(conn, compressed)), (None, None));
    assert_eq!(reference(conn, young), Some(young_event.id));
    assert_eq!(sensor_events::table.select(sensor_events::id).load::<i64>(conn).unwrap(), [young_event.id]);
    assert_eq!(verify().call(conn).unwrap(), []);

    assert!(remove_sensor_events_retention(&server).unwrap().call(conn).unwrap());
    assert!(!remove_sensor_events_retention(&server).unwrap().call(conn).unwrap());
}

#[test]
fn retention_that_keeps_nothing_or_loses_references_is_refused() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    let day = TimeDelta::days(1);
    let refused = add_sensor_events_retention(TimeDelta::zero(), day, &server).unwrap().call(conn).unwrap_err();
    assert!(matches!(refused, Error::Reference(ReferenceError::RetentionInterval { .. })), "{refused}");
    let refused = add_retention_policy(sensor_events::table, day, &server).unwrap().call(conn).unwrap_err();
    assert!(matches!(refused, Error::Reference(ReferenceError::LossOfReferencedRows { .. })), "{refused}");
    assert_eq!(verify().call(conn).unwrap(), []);
}

#[test]
fn a_job_is_altered_run_and_deleted() {
    needs!(Community);
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    let server = server(conn);
    let id = add_sensor_events_retention(TimeDelta::days(30), TimeDelta::days(1), &server).unwrap().call(conn).unwrap();
    let due = "2030-01-01T00:00:00Z".parse().unwrap();
    alter_job(id, &server)
        .unwrap()
        .with_schedule_interval(TimeDelta::hours(3))
        .with_scheduled(false)
        .with_config(json!({ "drop_after": "60 days" }))
        .with_next_start(due)
        .call(conn)
        .unwrap();
    let find =
        |conn: &mut PgConnection| jobs(&server).unwrap().call(conn).unwrap().into_iter().find(|job| job.id == id);
    let job = find(conn).unwrap();
    assert_eq!((job.schedule_interval, job.is_scheduled), (TimeDelta::hours(3), false));
    assert_eq!(job.config, Some(json!({ "drop_after": "60 days" })));
    // What is not named stays.
    alter_job(id, &server).unwrap().with_scheduled(true).call(conn).unwrap();
    let job = find(conn).unwrap();
    assert_eq!((job.schedule_interval, job.is_scheduled), (TimeDelta::hours(3), true));

    let sent = count_statements(conn);
    let refused = conn.transaction(|conn| {
        let before = *sent.lock().unwrap();
        let refused = run_job(id, &server).unwrap().run(conn);
        assert_eq!(*sent.lock().unwrap(), before);
        refused
    });
    assert!(matches!(refused, Err(Error::InsideTransaction { statement: "run_job" })), "{refused:?}");
    run_job(id, &server).unwrap().run(conn).unwrap();

    delete_job(id, &server).unwrap().call(conn).unwrap();
    assert_eq!(find(conn), None);
    assert!(matches!(delete_job(id, &server).unwrap().call(conn), Err(Error::Database(_))));
}
