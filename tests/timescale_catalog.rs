//! The catalog's views: every column that is declared is there and loads into its model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::timescale::catalog::{self, *};
use occupancy_models::timescale::{Edition, TimestampOrInfinity};
use support::{TestDb, needs, server, sql};

const SOURCE: &str = include_str!("../diesel-timescale/src/catalog.rs");

fn is_community() -> bool {
    server().edition == Some(Edition::Community)
}

/// The views that are declared, with their columns.
fn declared() -> Vec<(String, Vec<String>)> {
    let mut views: Vec<(String, Vec<String>)> = Vec::new();
    let body = SOURCE.split_once("\nviews! {").unwrap().1;
    for line in body.lines().map(str::trim).filter(|line| !line.starts_with("///")) {
        if let Some((_, view)) = line.strip_suffix(") {").and_then(|line| line.split_once(", ")) {
            views.push((view.split_once(" (").unwrap().0.to_owned(), Vec::new()));
        } else if let (Some((column, _)), Some(view)) = (line.split_once(": "), views.last_mut()) {
            view.1.push(column.to_owned());
        }
    }
    views
}

/// A hypertable, and in the Community edition a columnstore, an aggregate, jobs and runs of them as well.
fn filled() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::new();
    sql(
        &mut conn,
        "CREATE TABLE readings (at timestamptz NOT NULL, sensor text NOT NULL, value float8);
         SELECT create_hypertable('readings', by_range('at', interval '1 day'), create_default_indexes => false);
         SELECT add_dimension('readings', by_hash('sensor', 2));
         CREATE TABLE counters (at bigint NOT NULL, value float8);
         SELECT create_hypertable('counters', by_range('at', 1000), create_default_indexes => false);
         INSERT INTO counters VALUES (1, 1), (1001, 2);
         INSERT INTO readings SELECT timestamptz '2026-01-01 00:00:00+00' + n * interval '6 hours', 'sensor', n FROM generate_series(0, 7) AS n",
    );
    if is_community() {
        sql(
            &mut conn,
            "ALTER TABLE readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor', timescaledb.compress_orderby = 'at DESC');
             SELECT compress_chunk(show_chunks('readings', older_than => timestamptz '2026-01-02 00:00:00+00'));
             SELECT add_retention_policy('readings', interval '100 years');
             CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
                 SELECT time_bucket('1 hour', at) AS bucket, avg(value) AS mean FROM readings GROUP BY bucket WITH NO DATA",
        );
    }
    (db, conn)
}

/// Every view with its model.
macro_rules! for_every_view {
    ($do:ident) => {
        $do!(hypertables, Hypertable);
        $do!(dimensions, Dimension);
        $do!(chunks, Chunk);
        $do!(jobs, Job);
        $do!(job_stats, JobStats);
        $do!(job_errors, JobError);
        $do!(job_history, JobHistory);
        $do!(continuous_aggregates, ContinuousAggregate);
        $do!(hypertable_compression_settings, HypertableColumnstoreSettings);
        $do!(chunk_compression_settings, ChunkColumnstoreSettings);
    };
}

#[test]
fn every_view_that_is_declared_loads_with_every_column() {
    needs!(Timescale);
    let (_db, mut conn) = filled();
    let conn = &mut conn;
    let mut ran = BTreeSet::new();
    let mut empty = BTreeSet::new();
    macro_rules! load {
        ($view:ident, $model:ident) => {
            let rows: Vec<$model> = $model::query().load(conn).unwrap();
            if rows.is_empty() {
                empty.insert(stringify!($view));
            }
            ran.insert(stringify!($view).to_owned());
        };
    }
    for_every_view!(load);
    let declared = declared();
    assert_eq!(ran, declared.iter().map(|view| view.0.clone()).collect(), "a view that is declared was not run");
    // Each column by itself, as further clauses name it.
    for (view, columns) in &declared {
        assert!(columns.len() >= 4, "{view}: {columns:?}");
        for column in columns {
            conn.batch_execute(&format!("SELECT {column} FROM timescaledb_information.{view}")).unwrap();
        }
    }
    // What a run of a job leaves is not made here; the Apache edition has but its own jobs.
    for view in ["hypertables", "dimensions", "chunks"] {
        assert!(!empty.contains(view), "{view} was empty");
    }
    if is_community() {
        for view in [
            "jobs",
            "job_stats",
            "continuous_aggregates",
            "hypertable_compression_settings",
            "chunk_compression_settings",
        ] {
            assert!(!empty.contains(view), "{view} was empty");
        }
    }
}

#[test]
fn the_views_are_queried_like_any_table() {
    needs!(Timescale);
    let (db, mut conn) = filled();
    let conn = &mut conn;
    let of = |name: &'static str| {
        chunks::table
            .inner_join(
                hypertables::table.on(hypertables::hypertable_schema
                    .eq(chunks::hypertable_schema)
                    .and(hypertables::hypertable_name.eq(chunks::hypertable_name))),
            )
            .filter(hypertables::hypertable_name.eq(name))
            .filter(hypertables::hypertable_schema.eq(db.schema().to_owned()))
            .order((chunks::range_start, chunks::range_start_integer))
            .select((Hypertable::as_select(), catalog::Chunk::as_select()))
    };
    let found: Vec<(Hypertable, catalog::Chunk)> = of("readings").load(conn).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].0.num_chunks, found[0].0.num_dimensions), (2, 2));
    assert_eq!(found[0].1.range_end, found[1].1.range_start);
    assert_eq!(found[0].1.is_compressed, is_community());
    let counters: Vec<(Hypertable, catalog::Chunk)> = of("counters").load(conn).unwrap();
    assert_eq!((counters[1].1.range_start_integer, counters[1].1.range_start), (Some(1_000), None));

    let dimensions: Vec<Dimension> = Dimension::query()
        .filter(dimensions::hypertable_name.eq("readings"))
        .filter(dimensions::hypertable_schema.eq(db.schema()))
        .order(dimensions::dimension_number)
        .load(conn)
        .unwrap();
    assert_eq!(dimensions[0].time_interval.map(|interval| interval.days), Some(1));
    assert_eq!((&*dimensions[1].column_name, dimensions[1].num_partitions), ("sensor", Some(2)));
}

/// What the server itself writes for a job that runs, or is paused, and has not succeeded yet.
#[test]
fn a_job_that_runs_or_is_paused_or_has_never_succeeded_loads() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::new();
    // Rolled back, because the catalog would stay where the tests share a database.
    conn.test_transaction::<_, diesel::result::Error, _>(|conn| {
        // A job that every database has.
        let id: i32 = jobs::table.filter(jobs::scheduled).select(jobs::job_id).order(jobs::job_id).first(conn)?;
        for (next_start, expected) in [
            ("-infinity", TimestampOrInfinity::NegativeInfinity),
            ("infinity", TimestampOrInfinity::Infinity),
            ("2026-03-28 12:00+00", TimestampOrInfinity::Finite("2026-03-28T12:00:00Z".parse().unwrap())),
        ] {
            sql(
                conn,
                &format!(
                    "DELETE FROM _timescaledb_internal.bgw_job_stat WHERE job_id = {id};
                     INSERT INTO _timescaledb_internal.bgw_job_stat (
                         job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs,
                         total_duration, total_duration_failures, total_successes, total_failures, total_crashes,
                         consecutive_failures, consecutive_crashes, flags
                     )
                     VALUES ({id}, now(), '-infinity', '{next_start}', '-infinity', false, 1, '0', '0', 0, 0, 1, 0, 1, 0);
                     UPDATE _timescaledb_config.bgw_job SET initial_start = '{next_start}' WHERE id = {id}"
                ),
            );
            let job: Job = Job::query().filter(jobs::job_id.eq(id)).first(conn)?;
            assert_eq!(job.initial_start, Some(expected), "{next_start}");
            let stats: JobStats = JobStats::query().filter(job_stats::job_id.eq(id)).first(conn)?;
            assert_eq!(stats.last_successful_finish, Some(TimestampOrInfinity::NegativeInfinity), "{next_start}");
            assert_eq!((stats.next_start, job.next_start), (Some(expected), Some(expected)), "{next_start}");
        }
        Ok(())
    });
}

#[test]
fn the_last_chunk_that_there_can_be_loads() {
    needs!(Timescale);
    let (db, mut conn) = TestDb::new();
    sql(
        &mut conn,
        "CREATE TABLE readings (at timestamptz NOT NULL);
         SELECT create_hypertable('readings', by_range('at'));
         INSERT INTO readings VALUES ('infinity'), ('2026-03-28')",
    );
    let ends: Vec<catalog::Chunk> = catalog::Chunk::query()
        .filter(chunks::hypertable_name.eq("readings").and(chunks::hypertable_schema.eq(db.schema())))
        .order(chunks::range_start)
        .load(&mut conn)
        .unwrap();
    assert!(ends[0].range_end.unwrap().finite().is_some(), "{ends:?}");
    assert_eq!(ends[1].range_end, Some(TimestampOrInfinity::Infinity));
}

/// Waits for a job of the database to run by itself.
#[test]
fn jobs_load_while_they_run_in_the_background() {
    needs!(Workers);
    let (_db, mut conn) = TestDb::new();
    sql(
        &mut conn,
        "CREATE PROCEDURE wait(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); END $$;
         SELECT add_job('wait', '1 hour', initial_start => now())",
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut ran = false;
    while !ran {
        assert!(Instant::now() < deadline, "the job does not run");
        let jobs: Vec<Job> = Job::query().load(&mut conn).unwrap();
        let stats: Vec<JobStats> = JobStats::query().load(&mut conn).unwrap();
        let _: Vec<JobError> = JobError::query().load(&mut conn).unwrap();
        let job = jobs.iter().find(|job| job.proc_name == "wait").unwrap();
        ran = stats.iter().any(|stats| stats.job_id == job.job_id && stats.job_status.as_deref() == Some("Running"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(feature = "async")]
#[tokio::test(flavor = "multi_thread")]
async fn the_views_load_on_async_connections() {
    use diesel_async::RunQueryDsl;

    needs!(Timescale);
    let (db, conn) = filled();
    drop(conn);
    let mut conn = db.connect_async().await;
    macro_rules! load {
        ($view:ident, $model:ident) => {
            let _: Vec<$model> = RunQueryDsl::load($model::query(), &mut conn).await.unwrap();
        };
    }
    for_every_view!(load);
}
