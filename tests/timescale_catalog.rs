//! The catalog's views: every column that is declared is there and loads into its model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::timescale::Edition;
use occupancy_models::timescale::catalog::{self, *};
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
