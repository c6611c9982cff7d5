//! What only some releases have: sparse indexes, direct compress, batches of a refresh, UUIDs of version 7, the
//! Toolkit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use diesel_timescale::setup::{Setup, StepClass};
use diesel_timescale::{
    Call, Chunk, Error, Feature, Server, add_refresh_policy, add_retention_policy, approximate_size, chunks,
    columnstore, columnstore_chunks, compress_directly, continuous_aggregate, disable_columnstore,
    enable_granular_refresh, first, generate_uuidv7, histogram, hypertable, index_size, last, recompress,
    refresh_batches, remove_refresh_policy, set_direct_compress, set_granular_refresh, size, to_columnstore, to_uuidv7,
    to_uuidv7_boundary, toolkit, uuid_timestamp, uuid_timestamp_micros, uuid_version,
};
use support::{TestDb, needs, needs_feature, sql, value};

diesel::table! {
    readings (sensor, time) {
        sensor -> Text,
        time -> Timestamptz,
        room -> Text,
        value -> Nullable<Float8>,
        state -> Text,
    }
}

/// A hypertable of daily chunks, without a key.
fn readings() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (
             sensor TEXT NOT NULL, time TIMESTAMPTZ NOT NULL, room TEXT NOT NULL, value DOUBLE PRECISION,
             state TEXT NOT NULL DEFAULT 'on'
         )",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    (db, conn)
}

/// That many readings of two sensors, a minute each, from midnight of a day of the past.
fn fill(conn: &mut PgConnection, day: &str, count: u32) {
    sql(
        conn,
        &format!(
            "INSERT INTO readings (sensor, time, room, value)
             SELECT 'sensor ' || n % 2, TIMESTAMPTZ '{day} 00:00Z' + n * INTERVAL '1 minute', 'room ' || n % 5, n
             FROM generate_series(0, {count} - 1) AS n"
        ),
    );
}

fn only_chunk(conn: &mut PgConnection) -> Chunk {
    let mut chunks = chunks(readings::time, ..).call(conn).unwrap();
    assert_eq!(chunks.len(), 1);
    chunks.remove(0)
}

fn layout() -> diesel_timescale::Columnstore<readings::table> {
    columnstore(readings::table).segment_by(readings::sensor).order_by(readings::time)
}

#[test]
fn sparse_indexes_are_set_and_taken_back() {
    needs_feature!(SparseIndexes);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let configured = |conn: &mut PgConnection| {
        value(
            conn,
            "SELECT string_agg(concat_ws(' ', i ->> 'type', i ->> 'column'), ', ' ORDER BY i ->> 'type')
             FROM timescaledb_information.hypertable_columnstore_settings,
                  jsonb_array_elements(index::jsonb) AS i
             WHERE hypertable = 'readings'::regclass AND i ->> 'source' = 'config'",
        )
    };
    for _ in 0..2 {
        layout().bloom(readings::room).minmax(readings::value).enable().call(conn).unwrap();
        assert_eq!(configured(conn), "bloom room, minmax value");
    }
    fill(conn, "2026-01-01", 600);
    let chunk = only_chunk(conn);
    to_columnstore(&chunk).call(conn).unwrap();
    let found: i64 = readings::table.filter(readings::room.eq("room 3")).count().get_result(conn).unwrap();
    assert_eq!(found, 120);
    // Without them again.
    layout().enable().call(conn).unwrap();
    assert_eq!(configured(conn), "");
    recompress(&chunk).call(conn).unwrap();
    diesel_timescale::to_rowstore(&chunk).call(conn).unwrap();
    disable_columnstore(readings::table).call(conn).unwrap();
}

#[test]
fn each_chunk_says_what_the_columnstore_saves_and_whether_it_should_be_converted_anew() {
    needs_feature!(Columnstore);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    layout().enable().call(conn).unwrap();
    fill(conn, "2026-01-01", 600);
    fill(conn, "2026-01-02", 600);
    let first = chunks(readings::time, ..).call(conn).unwrap().remove(0);
    to_columnstore(&first).call(conn).unwrap();
    let stats = columnstore_chunks(readings::table).call(conn).unwrap();
    assert_eq!(stats.iter().map(|chunk| chunk.is_columnstore).collect::<Vec<_>>(), [true, false]);
    assert_eq!(stats[0].chunk, first.name);
    assert!(stats[0].before_total_bytes > Some(0) && stats[0].after_total_bytes > Some(0));
    assert_eq!((stats[1].before_total_bytes, stats[1].after_total_bytes), (None, None));

    // Rows that come later lie beside those that are compressed.
    fill(conn, "2026-01-01", 10);
    let needs_it =
        |conn: &mut PgConnection| columnstore_chunks(readings::table).call(conn).unwrap()[0].needs_recompression;
    assert!(needs_it(conn));
    recompress(&first).call(conn).unwrap();
    assert!(!needs_it(conn));
    assert_eq!(readings::table.count().get_result::<i64>(conn).unwrap(), 1210);
}

#[test]
fn rows_go_into_the_columnstore_directly_and_only_where_nothing_stands_in_the_way() {
    needs_feature!(DirectCompress);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let obstacle = |conn: &mut PgConnection| match conn
        .transaction(|conn| compress_directly(readings::table).call(conn))
        .unwrap_err()
    {
        Error::DirectCompress { obstacle, table, .. } => {
            assert!(table.ends_with("readings"), "{table}");
            obstacle
        }
        other => panic!("{other}"),
    };
    assert_eq!(obstacle(conn), "", "it has no columnstore");
    layout().enable().call(conn).unwrap();
    sql(conn, "CREATE UNIQUE INDEX one_at_a_time ON readings (sensor, time)");
    assert!(obstacle(conn).ends_with("one_at_a_time"));
    sql(conn, "DROP INDEX one_at_a_time; CREATE TABLE rooms (name TEXT PRIMARY KEY)");
    sql(conn, "ALTER TABLE readings ADD CONSTRAINT of_room FOREIGN KEY (room) REFERENCES rooms");
    assert_eq!(obstacle(conn), "of_room");
    sql(conn, "ALTER TABLE readings DROP CONSTRAINT of_room");
    sql(
        conn,
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER watched BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION look()",
    );
    assert_eq!(obstacle(conn), "watched");
    sql(conn, "DROP TRIGGER watched ON readings");

    conn.transaction::<_, Error, _>(|conn| {
        compress_directly(readings::table).call(conn)?;
        fill(conn, "2026-01-01", 1000);
        Ok(())
    })
    .unwrap();
    // The next transaction writes as usual.
    fill(conn, "2026-01-02", 1000);
    let stats = columnstore_chunks(readings::table).call(conn).unwrap();
    assert_eq!(stats.iter().map(|chunk| chunk.is_columnstore).collect::<Vec<_>>(), [true, false]);
    assert_eq!(readings::table.count().get_result::<i64>(conn).unwrap(), 2000);
}

#[test]
fn direct_compress_is_a_setting_of_the_table() {
    needs_feature!(DirectCompressOfTable);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    layout().enable().call(conn).unwrap();
    for (day, enabled) in [("2026-01-01", true), ("2026-01-02", false)] {
        set_direct_compress(readings::table, enabled).call(conn).unwrap();
        fill(conn, day, 1000);
    }
    let stats = columnstore_chunks(readings::table).call(conn).unwrap();
    assert_eq!(stats.iter().map(|chunk| chunk.is_columnstore).collect::<Vec<_>>(), [true, false]);
    sql(conn, "CREATE UNIQUE INDEX one_at_a_time ON readings (sensor, time)");
    let refused = set_direct_compress(readings::table, true).call(conn);
    assert!(matches!(refused, Err(Error::DirectCompress { .. })), "{refused:?}");
}

#[test]
fn direct_compress_is_declared() {
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let declared = |enabled| {
        Setup::new()
            .with(hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table())
            .with(layout())
            .with(set_direct_compress(readings::table, enabled))
            .allow_unsupported()
    };
    let setup = declared(true);
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
    let server = Server::query().call(conn).unwrap();
    if !server.has(Feature::DirectCompressOfTable) {
        assert!(!applied.left_out.is_empty(), "{applied}");
        return;
    }
    assert_eq!(applied.done.len(), 2, "{applied}");
    fill(conn, "2026-01-01", 1000);
    assert!(columnstore_chunks(readings::table).call(conn).unwrap()[0].is_columnstore);
    // Off, on again, and what cannot be on.
    let off = declared(false).apply(StepClass::Locks).call(conn).unwrap();
    assert_eq!(off.done[0].difference, "rows go into the columnstore directly, and should not");
    let on = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert_eq!(on.done[0].difference, "rows do not go into the columnstore directly");
    sql(conn, "CREATE UNIQUE INDEX one_at_a_time ON readings (sensor, time)");
    let planned = setup.plan().call(conn).unwrap();
    assert_eq!(planned.steps.len(), 1, "{planned}");
    assert_eq!(planned.steps[0].difference, "rows go into the columnstore directly no longer");
    assert!(planned.steps[0].obstacle.as_ref().unwrap().contains("one_at_a_time"), "{planned}");
    declared(false).apply(StepClass::Locks).call(conn).unwrap();
    assert!(!setup.plan().call(conn).unwrap().steps[0].is_possible());
}

diesel::table! { by_room (bucket, room) { bucket -> Timestamptz, room -> Text, readings -> BigInt } }

#[test]
fn granular_refresh_is_declared() {
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let declared = |days| {
        Setup::new()
            .with(hypertable(readings::time).allow_plain_table())
            .with(
                continuous_aggregate("by_room", TimeDelta::days(1), readings::time)
                    .by(readings::room)
                    .aggregate("readings", count_star())
                    .allow_plain_view(),
            )
            .with(set_granular_refresh(readings::time, readings::room, TimeDelta::days(days), TimeDelta::hours(1)))
            .with(enable_granular_refresh(by_room::table))
            .allow_unsupported()
    };
    let setup = declared(3650);
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
    let json = serde_json::to_value(&setup).unwrap();
    assert_eq!(serde_json::from_value::<Setup>(json).unwrap(), setup);
    let server = Server::query().call(conn).unwrap();
    if !server.has(Feature::GranularRefresh) {
        assert!(!applied.left_out.is_empty(), "{applied}");
        return;
    }
    let done: Vec<_> = applied.done.iter().map(|step| (&*step.object, step.class, step.after)).collect();
    assert_eq!(
        done,
        [
            ("readings", StepClass::Locks, None),
            ("by_room", StepClass::Safe, None),
            ("by_room", StepClass::Locks, Some(1)),
        ]
    );
    // The call may be repeated as well.
    for _ in 0..2 {
        let (ten_years, hour) = (TimeDelta::days(3650), TimeDelta::hours(1));
        set_granular_refresh(readings::time, readings::room, ten_years, hour).call(conn).unwrap();
        enable_granular_refresh(by_room::table).call(conn).unwrap();
    }
    let planned = declared(30).plan().call(conn).unwrap();
    assert_eq!(planned.steps.len(), 1, "{planned}");
    assert_eq!(
        planned.steps[0].difference,
        "has granular refresh by room from 3650 days to 1 hour ago, not granular refresh by room from 30 days to 1 hour ago"
    );
    assert!(!planned.steps[0].is_possible());
}

#[test]
fn every_size_adds_up() {
    needs!(Timescale);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, "2026-01-01", 600);
    fill(conn, "2026-01-02", 600);
    let whole = size(readings::table).call(conn).unwrap();
    let about = approximate_size(readings::table).call(conn).unwrap();
    assert!(about.total_bytes > 0 && about.total_bytes <= 2 * whole.total_bytes, "{about:?} {whole:?}");
    assert_eq!(index_size("readings_time_idx").call(conn).unwrap(), whole.index_bytes);
    assert!(index_size("no such index").call(conn).is_err());
}

diesel::table! { daily (bucket) { bucket -> Timestamptz, readings -> BigInt, peak -> Nullable<Double> } }
diesel::table! { weekly (bucket) { bucket -> Timestamptz, peak -> Nullable<Double> } }

fn daily(conn: &mut PgConnection) {
    continuous_aggregate("daily", TimeDelta::days(1), readings::time)
        .aggregate("readings", count_star())
        .aggregate("peak", max(readings::value))
        .create()
        .call(conn)
        .unwrap();
}

fn config(conn: &mut PgConnection, job: i32) -> serde_json::Value {
    let jobs = diesel_timescale::jobs().call(conn).unwrap();
    jobs.into_iter().find(|found| found.id == job).unwrap().config.unwrap()
}

#[test]
fn a_refresh_policy_has_batches_before_it_has_an_order() {
    needs_feature!(RefreshBatches);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    daily(conn);
    let day = TimeDelta::days(1);
    let job = add_refresh_policy(daily::bucket, Some(day * 30), day, day).call(conn).unwrap();
    refresh_batches(job).buckets_per_batch(2).max_batches_per_execution(4).call(conn).unwrap();
    let set = config(conn, job);
    assert_eq!((&set["buckets_per_batch"], &set["max_batches_per_execution"]), (&2.into(), &4.into()), "{set}");
}

#[test]
fn a_refresh_policy_works_in_batches() {
    needs_feature!(RefreshOrder);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    daily(conn);
    let day = TimeDelta::days(1);
    let job = add_refresh_policy(daily::bucket, Some(day * 30), day, day).call(conn).unwrap();
    assert_eq!(refresh_batches(job).buckets_per_batch(2).newest_first(false).call(conn).unwrap(), job);
    refresh_batches(job).max_batches_per_execution(3).call(conn).unwrap();
    let set = config(conn, job);
    assert_eq!(
        (&set["buckets_per_batch"], &set["max_batches_per_execution"], &set["refresh_newest_first"]),
        (&2.into(), &3.into(), &false.into())
    );
    assert_eq!(set["start_offset"], "720:00:00", "what was there stays");
    let refused = refresh_batches(job).buckets_per_batch(-1).call(conn);
    assert!(matches!(refused, Err(Error::RefreshBatches { .. })), "{refused:?}");
    assert!(remove_refresh_policy(daily::table).call(conn).unwrap());
}

#[test]
fn retention_does_not_erase_what_a_refresh_still_reads() {
    needs_feature!(ContinuousAggregates);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    daily(conn);
    let day = TimeDelta::days(1);
    let refused = |result: Result<i32, Error>| match result {
        Err(Error::RetentionWithinRefresh { message, remedy, .. }) => format!("{message}. {remedy}"),
        other => panic!("{other:?}"),
    };
    // First the refresh, then the retention.
    for start in [None, Some(day * 30)] {
        add_refresh_policy(daily::bucket, start, day, day).call(conn).unwrap();
        let text = refused(add_retention_policy(readings::time, day * 29).call(conn));
        assert!(text.contains("daily") && text.contains("29 days"), "{text}");
    }
    add_retention_policy(readings::time, day * 30).call(conn).unwrap();
    // Then the other way round.
    for start in [None, Some(day * 31)] {
        let text = refused(add_refresh_policy(daily::bucket, start, day, day).call(conn));
        assert!(text.contains("readings") && text.contains("30 days"), "{text}");
    }
    add_refresh_policy(daily::bucket, Some(day * 30), day, day).call(conn).unwrap();

    // An aggregate of the aggregate reads that, and not the rows.
    continuous_aggregate("weekly", TimeDelta::weeks(1), daily::bucket)
        .aggregate("peak", max(daily::peak))
        .create()
        .call(conn)
        .unwrap();
    add_refresh_policy(weekly::bucket, Some(day * 300), day, day).call(conn).unwrap();
    let text = refused(add_retention_policy(daily::bucket, day * 100).call(conn));
    assert!(text.contains("weekly"), "{text}");
    add_retention_policy(daily::bucket, day * 300).call(conn).unwrap();
    let text = refused(add_refresh_policy(weekly::bucket, None, day, day).call(conn));
    assert!(text.contains("daily"), "{text}");
}

#[test]
fn aggregates_take_filters() {
    needs!(Timescale);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, "2026-01-01", 600);
    let of_sensor = || readings::sensor.eq("sensor 1");
    let (earliest, latest, counts): (Option<f64>, Option<f64>, Option<Vec<i32>>) = readings::table
        .select((
            first(readings::value, readings::time).aggregate_filter(of_sensor()),
            last(readings::value, readings::time).aggregate_filter(readings::room.eq("room 1")),
            histogram(readings::value, 0.0, 600.0, 2).aggregate_filter(of_sensor()),
        ))
        .get_result(conn)
        .unwrap();
    assert_eq!((earliest, latest), (Some(1.0), Some(596.0)));
    assert_eq!(counts.unwrap(), [0, 150, 150, 0]);
}

/// Every function that a file declares, by its Rust name.
fn declared(source: &'static str) -> Vec<&'static str> {
    source
        .lines()
        .filter(|line| line.starts_with("    fn "))
        .filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next())
        .collect()
}

#[test]
fn every_uuid_function_that_is_declared_runs() {
    needs_feature!(UuidV7);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let at: DateTime<Utc> = "2026-03-28T01:59:30.123456Z".parse().unwrap();
    let millisecond: DateTime<Utc> = "2026-03-28T01:59:30.123Z".parse().unwrap();
    let mut ran = Vec::new();
    let version: i32 = diesel::select(uuid_version(generate_uuidv7())).get_result(conn).unwrap();
    assert_eq!(version, 7);
    ran.extend(["generate_uuidv7", "uuid_version"]);
    let (at_boundary, above): (DateTime<Utc>, bool) =
        diesel::select((uuid_timestamp(to_uuidv7_boundary(at)), to_uuidv7(at).ge(to_uuidv7_boundary(millisecond))))
            .get_result(conn)
            .unwrap();
    assert_eq!((at_boundary, above), (millisecond, true));
    ran.extend(["to_uuidv7", "to_uuidv7_boundary", "uuid_timestamp"]);
    let micros: DateTime<Utc> = diesel::select(uuid_timestamp_micros(to_uuidv7(at))).get_result(conn).unwrap();
    assert!((micros - at).abs() < TimeDelta::microseconds(1000), "{micros}");
    ran.push("uuid_timestamp_micros");
    let mut all = declared(include_str!("../src/uuid_functions.rs"));
    all.sort_unstable();
    ran.sort_unstable();
    assert_eq!(ran, all);
}

/// The SQL of each function of the Toolkit; what no server at hand runs is told.
#[test]
fn every_toolkit_function_that_is_declared_has_its_sql() {
    use toolkit::*;

    let (_db, mut conn) = readings();
    let runs = Server::query().call(&mut conn).unwrap().has(Feature::Toolkit);
    let mut ran = Vec::new();
    macro_rules! check {
        ($($name:ident: $expression:expr => $sql:literal;)+) => {$(
            let query = readings::table.select($expression);
            let text = diesel::debug_query::<diesel::pg::Pg, _>(&query).to_string();
            let text = text.replace("\"readings\".", "").replace('"', "");
            assert!(text.starts_with(concat!("SELECT ", $sql, " FROM")), "{text}");
            if runs {
                query.execute(&mut conn).unwrap();
            }
            ran.push(stringify!($name));
        )+};
    }
    let at: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let (time, number) = (readings::time, readings::value);
    let hour = || diesel::pg::data_types::PgInterval::from_microseconds(3_600_000_000);
    let states = || state_agg(time, readings::state);
    let beats = || heartbeat_agg(time, at, hour(), hour());
    let (one, two) = (|| stats_agg(number), || stats_agg_2d(number, number));
    let (spread, counter) = (|| percentile_agg(number), || counter_agg(time, number));
    let weighted = || time_weight("LOCF", time, number);
    check! {
        state_agg: duration_in(states(), "on") => "duration_in(state_agg(time, state), $1)";
        duration_in: duration_in(states(), "on") => "duration_in(state_agg(time, state), $1)";
        state_at: state_at(states(), at) => "state_at(state_agg(time, state), $1)";
        heartbeat_agg: uptime(beats()) => "uptime(heartbeat_agg(time, $1, $2, $3))";
        uptime: uptime(beats()) => "uptime(heartbeat_agg(time, $1, $2, $3))";
        downtime: downtime(beats()) => "downtime(heartbeat_agg(time, $1, $2, $3))";
        num_gaps: num_gaps(beats()) => "num_gaps(heartbeat_agg(time, $1, $2, $3))";
        live_at: live_at(beats(), at) => "live_at(heartbeat_agg(time, $1, $2, $3), $4)";
        stats_agg: average(one()) => "average(stats_agg(value))";
        stats_agg_2d: slope(two()) => "slope(stats_agg(value, value))";
        average: average(one()) => "average(stats_agg(value))";
        stddev: stddev(one()) => "stddev(stats_agg(value))";
        variance: variance(one()) => "variance(stats_agg(value))";
        skewness: skewness(one()) => "skewness(stats_agg(value))";
        kurtosis: kurtosis(one()) => "kurtosis(stats_agg(value))";
        num_vals: num_vals(one()) => "num_vals(stats_agg(value))";
        slope: slope(two()) => "slope(stats_agg(value, value))";
        intercept: intercept(two()) => "intercept(stats_agg(value, value))";
        corr: corr(two()) => "corr(stats_agg(value, value))";
        percentile_agg: approx_percentile(0.5, spread()) => "approx_percentile($1, percentile_agg(value))";
        approx_percentile: approx_percentile(0.5, spread()) => "approx_percentile($1, percentile_agg(value))";
        approx_percentile_rank: approx_percentile_rank(1.0, spread())
            => "approx_percentile_rank($1, percentile_agg(value))";
        counter_agg: delta(counter()) => "delta(counter_agg(time, value))";
        delta: delta(counter()) => "delta(counter_agg(time, value))";
        rate: rate(counter()) => "rate(counter_agg(time, value))";
        num_resets: num_resets(counter()) => "num_resets(counter_agg(time, value))";
        time_weight: time_average(weighted()) => "average(time_weight($1, time, value))";
        time_average: time_average(weighted()) => "average(time_weight($1, time, value))";
        integral: integral(weighted(), "hours") => "integral(time_weight($1, time, value), $2)";
        lttb: lttb_points(lttb(time, number, 10)) => "unnest(lttb(time, value, $1))";
        lttb_points: lttb_points(lttb(time, number, 10)) => "unnest(lttb(time, value, $1))";
    }
    assert_eq!(ran, declared(include_str!("../src/toolkit.rs")));
    // What has been compared only.
    needs_feature!(Toolkit);
}
