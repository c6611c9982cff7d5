//! Every type of time column through everything that has to do with time, on hypertables that this crate makes and on
//! those made by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use diesel::dsl::{avg, count_star, max};
use diesel::prelude::*;
use diesel_timescale::{
    AddJob as _, Call, Error, Feature, HypertableError, Outcome, Schedule, TimeColumn, add_columnstore_policy,
    add_refresh_policy, add_retention_policy, approximate_row_count, bucketed, bulk, chunk_sizes, chunks, columnstore,
    continuous_aggregate, drop_chunks, hypertable, interpolate, jobs, locf, refresh, remove_columnstore_policy,
    remove_refresh_policy, remove_retention_policy, run_job, set_chunk_interval, set_integer_now, set_integer_now_func,
    size, time_bucket, time_bucket_from, time_bucket_offset, to_columnstore, to_rowstore,
};
use support::{Needs, TestDb, has_quietly, needs, server, sql, value};

/// The fifth of January 2026, a Monday, in days and in seconds since 1970.
const MONDAY: i64 = 20_458;
const DAY: i64 = 86_400;

fn instant(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp((MONDAY + day) * DAY, 0).unwrap()
}

fn has(feature: Feature) -> bool {
    let mut server = server().clone();
    // The database that was asked may not have the extension.
    server.timescaledb = server.available;
    server.has(feature)
}

/// What is the same for every type but for its values: a table `samples` with a row for each of ten days, of which each
/// is a chunk.
macro_rules! time_type {
    (
        $name:ident: $sql:literal, $diesel:ident, $bucket:ident, $rust:ty,
        $day_in_sql:literal, $row_in_sql:literal, $value:expr, $day:expr, $tell_now:expr
    ) => {
        mod $name {
            use super::*;

            diesel::table! { samples (at) { at -> $diesel, reading -> Nullable<Float8>, } }
            diesel::table! { daily (bucket) { bucket -> $bucket, readings -> Int8, largest -> Nullable<Float8>, } }

            const CREATE: &str =
                concat!("CREATE TABLE samples (at ", $sql, " NOT NULL, reading FLOAT8, PRIMARY KEY (at))");
            const FILL: &str = concat!(
                "INSERT INTO samples SELECT ", $row_in_sql, ", n FROM generate_series(0, 9) AS n; ANALYZE samples"
            );

            fn by_hand(conn: &mut PgConnection) {
                sql(conn, &format!(
                    "{CREATE}; SET client_min_messages TO error; SELECT create_hypertable('samples', by_range('at', {})); {FILL}",
                    $day_in_sql
                ));
            }

            fn made(conn: &mut PgConnection) {
                sql(conn, CREATE);
                hypertable(samples::at).chunk_interval($day).allow_plain_table().call(conn).unwrap();
                sql(conn, FILL);
            }

            /// Whether the server has what this type needs.
            fn has_type() -> bool {
                $sql != "UUID" || support::has(Needs::UuidTime)
            }

            #[test]
            fn a_hypertable_is_set_up_and_found() {
                needs!(Timescale);
                let (_db, mut conn) = TestDb::installed();
                let conn = &mut conn;
                sql(conn, CREATE);
                let setup = hypertable(samples::at).chunk_interval($day);
                if !has_type() {
                    let refused = setup.call(conn).unwrap_err();
                    let Error::Unsupported { feature, .. } = refused else { panic!("{refused:?}") };
                    assert_eq!(feature, Feature::UuidTime);
                    return;
                }
                let report = setup.clone().call(conn).unwrap();
                assert_eq!((report.outcome, report.chunk_interval), (Outcome::Created, Some($day)));
                let again = setup.call(conn).unwrap();
                assert_eq!((again.outcome, again.chunk_interval), (Outcome::AlreadyThere, Some($day)));
                assert_eq!(again.ignored_chunk_interval, None);
                let other = hypertable(samples::at).chunk_interval($day.times(2)).call(conn).unwrap();
                assert_eq!((other.chunk_interval, other.ignored_chunk_interval), (Some($day), Some($day.times(2))));
                assert!(other.to_string().contains("set_chunk_interval changes it"), "{other}");
                assert_eq!(set_chunk_interval(samples::at, $day.times(2)).call(conn).unwrap(), Some($day.times(2)));
                let refused = set_chunk_interval(samples::at, $day.times(0)).call(conn).unwrap_err();
                assert!(matches!(refused, Error::Hypertable(HypertableError::ChunkInterval { .. })), "{refused}");
                assert_eq!(hypertable(samples::at).call(conn).unwrap().chunk_interval, Some($day.times(2)));
            }

            #[test]
            fn chunks_are_listed_and_dropped() {
                needs!(Timescale);
                if !has_type() {
                    return;
                }
                for make in [made, by_hand] {
                    let (_db, mut conn) = TestDb::installed();
                    let conn = &mut conn;
                    make(conn);
                    let all = chunks(samples::at, ..).call(conn).unwrap();
                    let ranges: Vec<_> = all.iter().map(|chunk| (chunk.range_start.unwrap(), chunk.range_end.unwrap())).collect();
                    assert_eq!(ranges, (0..10).map(|day| ($value(day), $value(day + 1))).collect::<Vec<_>>());
                    for (range, expected) in [
                        (chunks(samples::at, ..$value(4)).call(conn), 4),
                        (chunks(samples::at, $value(4)..).call(conn), 6),
                        (chunks(samples::at, $value(4)..$value(6)).call(conn), 2),
                    ] {
                        assert_eq!(range.unwrap().len(), expected);
                    }
                    let whole = size(samples::table).call(conn).unwrap();
                    assert!(whole.total_bytes > 0);
                    assert_eq!(chunk_sizes(samples::table).call(conn).unwrap().len(), 10);
                    assert_eq!(approximate_row_count(samples::table).call(conn).unwrap(), 10);
                    assert_eq!(drop_chunks(samples::at, $value(3)).call(conn).unwrap(), 3);
                    assert_eq!(drop_chunks(samples::at, $value(3)).call(conn).unwrap(), 0);
                    assert_eq!(chunks(samples::at, ..).call(conn).unwrap()[0].range_start, Some($value(3)));
                    assert_eq!(samples::table.count().get_result::<i64>(conn).unwrap(), 7);
                }
            }

            #[test]
            fn policies_go_by_its_present() {
                needs!(Community);
                if !has_type() {
                    return;
                }
                for make in [made, by_hand] {
                    let (_db, mut conn) = TestDb::installed();
                    let conn = &mut conn;
                    make(conn);
                    columnstore(samples::table).order_by(samples::at).enable().call(conn).unwrap();
                    let week = $day.times(7);
                    if needs_now(samples::at) {
                        for refused in [
                            add_columnstore_policy(samples::at, week).call(conn),
                            add_retention_policy(samples::at, week).call(conn),
                        ] {
                            let refused = refused.unwrap_err();
                            assert!(matches!(refused, Error::Hypertable(HypertableError::NoIntegerNow { .. })), "{refused}");
                        }
                    }
                    let tell_now: fn(&mut PgConnection) = $tell_now;
                    tell_now(conn);

                    // Some of the days have gone by for longer than that.
                    let age = (Utc::now() - instant(5)).num_days();
                    // Only by hand: the server would run it at the same time.
                    let unscheduled = Schedule::new().enabled(false);
                    let add = add_columnstore_policy(samples::at, $day.times(age));
                    let job = add.scheduled(unscheduled.clone()).call(conn).unwrap();
                    run_job(job).call(conn).unwrap();
                    let converted = chunks(samples::at, ..).call(conn).unwrap();
                    assert_eq!(converted.iter().filter(|chunk| chunk.is_columnstore).count(), 5, "{converted:?}");
                    to_rowstore(&converted[0]).call(conn).unwrap();
                    to_columnstore(&converted[9]).call(conn).unwrap();
                    assert!(remove_columnstore_policy(samples::table).call(conn).unwrap());
                    assert!(!remove_columnstore_policy(samples::table).call(conn).unwrap());

                    if ["SMALLINT", "INTEGER"].contains(&$sql) && !has_quietly(Needs::TwoConnections) {
                        // TimescaleDB compiled for 32 bits takes the cutoff of its policies for a pointer.
                        support::has(Needs::TwoConnections);
                        return;
                    }
                    let add = add_retention_policy(samples::at, $day.times(age));
                    let job = add.scheduled(unscheduled).call(conn).unwrap();
                    assert!(jobs().call(conn).unwrap().iter().any(|present| present.id == job));
                    run_job(job).call(conn).unwrap();
                    assert_eq!(samples::table.count().get_result::<i64>(conn).unwrap(), 5);
                    assert!(remove_retention_policy(samples::table).call(conn).unwrap());
                    assert!(!remove_retention_policy(samples::table).call(conn).unwrap());
                }
            }

            #[test]
            fn rows_are_grouped_by_buckets() {
                needs!(Timescale);
                if !has_type() {
                    return;
                }
                let (_db, mut conn) = TestDb::installed();
                let conn = &mut conn;
                by_hand(conn);
                let two_days = $day.times(2);
                macro_rules! counts {
                    ($buckets:expr) => {{
                        let buckets = $buckets;
                        samples::table
                            .group_by(buckets.clone())
                            .select(buckets.clone().row(count_star()))
                            .order(buckets.start())
                            .load::<($rust, i64)>(conn)
                            .unwrap()
                    }};
                }
                // Counted from an origin of the type, two days later than another.
                let from_monday = counts!(bucketed(two_days, samples::at).with_origin($value(0)));
                assert_eq!(from_monday, [0, 2, 4, 6, 8].map(|day| ($value(day), 2)));
                let from_tuesday = counts!(bucketed(two_days, samples::at).with_origin($value(1)));
                assert_eq!(from_tuesday, [(-1, 1), (1, 2), (3, 2), (5, 2), (7, 2), (9, 1)].map(|(day, n)| ($value(day), n)));
                let days = counts!(bucketed($day, samples::at));
                assert_eq!(days, (0..10).map(|day| ($value(day), 1)).collect::<Vec<_>>());
                let shifted = counts!(bucketed(two_days, samples::at).with_offset($day));
                let plain = counts!(bucketed(two_days, samples::at));
                assert_ne!(plain[0].0, shifted[0].0);

                let first = samples::table.order(samples::at);
                let width = || width(two_days);
                let plain_start: $rust = first.select(time_bucket(width(), samples::at)).first(conn).unwrap();
                assert_eq!(plain[0].0, plain_start);
                let from = time_bucket_from(width(), samples::at, $value(1));
                assert_eq!(from_tuesday[0].0, first.select(from).first::<$rust>(conn).unwrap());
                let offset = time_bucket_offset(width(), samples::at, super::width($day));
                assert_eq!(shifted[0].0, first.select(offset).first::<$rust>(conn).unwrap());
            }

            #[test]
            fn an_aggregate_is_created_refreshed_and_kept() {
                let (_db, mut conn) = TestDb::installed();
                let conn = &mut conn;
                if !has_type() {
                    return;
                }
                made(conn);
                let aggregate = continuous_aggregate("daily", $day.times(2), samples::at)
                    .aggregate("readings", count_star())
                    .aggregate("largest", max(samples::reading))
                    .allow_plain_view();
                let rows = |conn: &mut PgConnection| {
                    let rows: Vec<($rust, i64, Option<f64>)> = daily::table.order(daily::bucket).load(conn).unwrap();
                    assert_eq!(rows.iter().map(|row| row.1).sum::<i64>(), 10);
                    rows.into_iter().map(|row| row.0).collect::<Vec<_>>()
                };
                if !has(Feature::ContinuousAggregates) {
                    assert_eq!(aggregate.create().call(conn).unwrap(), Outcome::Plain);
                    if has_quietly(Needs::Timescale) {
                        // The plain view has the buckets that TimescaleDB would.
                        let buckets = bucketed($day.times(2), samples::at);
                        let expected: Vec<($rust, i64)> = samples::table
                            .group_by(buckets.clone())
                            .select(buckets.clone().row(count_star()))
                            .order(buckets.start())
                            .load(conn)
                            .unwrap();
                        assert_eq!(rows(conn), expected.into_iter().map(|row| row.0).collect::<Vec<_>>());
                    } else {
                        rows(conn);
                    }
                    return;
                }
                if needs_now(samples::at) {
                    let refused = aggregate.create().call(conn).unwrap_err();
                    assert!(matches!(refused, Error::Hypertable(HypertableError::NoIntegerNow { .. })), "{refused}");
                }
                let tell_now: fn(&mut PgConnection) = $tell_now;
                tell_now(conn);
                for expected in [Outcome::Created, Outcome::AlreadyThere] {
                    assert_eq!(aggregate.create().call(conn).unwrap(), expected);
                }
                diesel_timescale::set_materialized_only(daily::table, true).call(conn).unwrap();
                assert_eq!(daily::table.count().get_result::<i64>(conn).unwrap(), 0);
                refresh(daily::bucket, $value(2)..$value(8)).call(conn).unwrap();
                let partly = daily::table.count().get_result::<i64>(conn).unwrap();
                assert!((2..=3).contains(&partly), "{partly}");
                refresh(daily::bucket, ..).call(conn).unwrap();
                assert!(rows(conn).len() >= 5);

                let (start, end) = ($day.times(400), $day.times(4));
                let job = add_refresh_policy(daily::bucket, Some(start), end, TimeDelta::hours(1)).call(conn).unwrap();
                run_job(job).call(conn).unwrap();
                let job = add_refresh_policy(daily::bucket, None, end, TimeDelta::hours(1)).call(conn).unwrap();
                run_job(job).call(conn).unwrap();
                assert!(remove_refresh_policy(daily::table).call(conn).unwrap());
                assert!(!remove_refresh_policy(daily::table).call(conn).unwrap());
                // What it keeps its rows in has chunks, and retention of its own.
                assert!(!chunks(daily::bucket, ..).call(conn).unwrap().is_empty());
                let job = add_retention_policy(daily::bucket, $day.times(30)).call(conn).unwrap();
                run_job(job).call(conn).unwrap();
                assert!(remove_retention_policy(daily::table).call(conn).unwrap());
            }
        }
    };
}

/// Whether the server has to be told the present of such a column.
fn needs_now<C: TimeColumn>(_: C) -> bool {
    ["smallint", "integer", "bigint"].contains(&<C::SqlType as diesel_timescale::TimeType>::NAME)
}

/// A width as `time_bucket` takes it.
trait Width {
    type Sql;
    fn sql(self) -> Self::Sql;
}
impl Width for TimeDelta {
    type Sql = diesel::pg::data_types::PgInterval;
    fn sql(self) -> Self::Sql {
        diesel_timescale::interval(self)
    }
}
macro_rules! widths { ($($integer:ty),*) => { $(impl Width for $integer {
    type Sql = $integer;
    fn sql(self) -> $integer { self }
})* } }
widths!(i16, i32, i64);
fn width<W: Width>(width: W) -> W::Sql {
    width.sql()
}

/// A length of time, so many times.
trait Times {
    fn times(self, n: i64) -> Self;
}
impl Times for TimeDelta {
    fn times(self, n: i64) -> Self {
        self * i32::try_from(n).unwrap()
    }
}
macro_rules! times { ($($integer:ty),*) => { $(impl Times for $integer {
    fn times(self, n: i64) -> Self { self * <$integer>::try_from(n).unwrap() }
})* } }
times!(i16, i32, i64);

fn knows_now(_: &mut PgConnection) {}

time_type!(
    timestamptz: "TIMESTAMPTZ", Timestamptz, Timestamptz, DateTime<Utc>,
    "INTERVAL '1 day'", "timestamptz '2026-01-05 00:00Z' + n * INTERVAL '1 day'",
    instant, TimeDelta::days(1), knows_now
);
time_type!(
    timestamp: "TIMESTAMP", Timestamp, Timestamp, NaiveDateTime,
    "INTERVAL '1 day'", "timestamp '2026-01-05' + n * INTERVAL '1 day'",
    |day| instant(day).naive_utc(), TimeDelta::days(1), knows_now
);
time_type!(
    date: "DATE", Date, Date, NaiveDate,
    "INTERVAL '1 day'", "date '2026-01-05' + n",
    |day| instant(day).date_naive(), TimeDelta::days(1), knows_now
);
time_type!(
    uuid: "UUID", Uuid, Timestamptz, DateTime<Utc>,
    "INTERVAL '1 day'", "to_uuidv7(timestamptz '2026-01-05 00:00Z' + n * INTERVAL '1 day')",
    instant, TimeDelta::days(1), knows_now
);
time_type!(
    smallint: "SMALLINT", SmallInt, SmallInt, i16,
    "1", "20458 + n",
    |day| (MONDAY + day) as i16, 1_i16,
    |conn| set_integer_now(samples::at, TimeDelta::days(1)).call(conn).unwrap()
);
time_type!(
    integer: "INTEGER", Integer, Integer, i32,
    "86400", "(20458 + n) * 86400",
    |day| ((MONDAY + day) * DAY) as i32, DAY as i32,
    |conn| set_integer_now(samples::at, TimeDelta::seconds(1)).call(conn).unwrap()
);
time_type!(
    bigint: "BIGINT", BigInt, BigInt, i64,
    "86400000", "(20458 + n) * 86400000::bigint",
    |day| (MONDAY + day) * DAY * 1000, DAY * 1000,
    |conn| set_integer_now(samples::at, TimeDelta::milliseconds(1)).call(conn).unwrap()
);

/// What needs moments of the type as binds: filling gaps between two of them, and bulk writes.
macro_rules! bound_type {
    ($name:ident: $sql:literal, $diesel:ident, $rust:ty, $value:expr, $day:expr) => {
        #[test]
        fn $name() {
            diesel::table! { samples (at) { at -> $diesel, reading -> Nullable<Float8>, } }
            #[derive(Debug, Insertable)]
            #[diesel(table_name = samples)]
            struct Sample {
                at: $rust,
                reading: Option<f64>,
            }
            let (_db, mut conn) = TestDb::installed();
            let conn = &mut conn;
            sql(conn, concat!("CREATE TABLE samples (at ", $sql, " PRIMARY KEY, reading FLOAT8)"));
            hypertable(samples::at).chunk_interval($day).allow_plain_table().call(conn).unwrap();
            let rows =
                |plus: f64| (0..10).rev().map(move |day| Sample { at: $value(day), reading: Some(day as f64 + plus) });
            let report = bulk::upsert(&rows(0.0).collect::<Vec<_>>()).on_conflict(samples::at).call(conn).unwrap();
            assert_eq!(report.inserted, 10);
            let report = bulk::upsert(&rows(0.0).collect::<Vec<_>>()).on_conflict(samples::at).call(conn).unwrap();
            assert_eq!(report.unchanged, 10);
            let report = bulk::upsert(&rows(1.0).collect::<Vec<_>>()).on_conflict(samples::at).call(conn).unwrap();
            assert_eq!(report.updated, 10);
            let stored: Vec<($rust, Option<f64>)> = samples::table.order(samples::at).load(conn).unwrap();
            assert_eq!(stored, (0..10).map(|day| ($value(day), Some(day as f64 + 1.0))).collect::<Vec<_>>());

            if !has(Feature::Gapfill) {
                return;
            }
            sql(conn, "DELETE FROM samples WHERE reading BETWEEN 4 AND 6");
            let daily = bucketed($day, samples::at).gapfill();
            macro_rules! filled {
                ($value_of_bucket:expr) => {
                    samples::table
                        .filter(samples::at.ge($value(0)))
                        .filter(samples::at.lt($value(10)))
                        .group_by(daily.clone())
                        .select(daily.clone().row($value_of_bucket))
                        .order(daily.start())
                        .load::<($rust, Option<f64>)>(conn)
                        .unwrap()
                };
            }
            let carried = filled!(locf(avg(samples::reading)));
            assert_eq!(
                carried.iter().map(|row| row.0).collect::<Vec<_>>(),
                (0..10).map($value).collect::<Vec<$rust>>()
            );
            assert_eq!(carried[2..7].iter().map(|row| row.1.unwrap()).collect::<Vec<_>>(), [3.0, 3.0, 3.0, 3.0, 7.0]);
            let lines = filled!(interpolate(avg(samples::reading)));
            assert_eq!(lines[2..7].iter().map(|row| row.1.unwrap()).collect::<Vec<_>>(), [3.0, 4.0, 5.0, 6.0, 7.0]);
        }
    };
}

bound_type!(timestamptz_is_written_and_filled: "TIMESTAMPTZ", Timestamptz, DateTime<Utc>, instant, TimeDelta::days(1));
bound_type!(
    timestamp_is_written_and_filled: "TIMESTAMP", Timestamp, NaiveDateTime,
    |day| instant(day).naive_utc(), TimeDelta::days(1)
);
bound_type!(date_is_written_and_filled: "DATE", Date, NaiveDate, |day| instant(day).date_naive(), TimeDelta::days(1));
bound_type!(smallint_is_written_and_filled: "SMALLINT", SmallInt, i16, |day| (MONDAY + day) as i16, 1_i16);
bound_type!(integer_is_written_and_filled: "INTEGER", Integer, i32, |day| ((MONDAY + day) * DAY) as i32, DAY as i32);
bound_type!(bigint_is_written_and_filled: "BIGINT", BigInt, i64, |day: i64| (MONDAY + day) * DAY * 1000, DAY * 1000);

diesel::table! { ticks (at) { at -> Int8, } }
diesel::table! { small_ticks (at) { at -> Int2, } }
diesel::table! { days (at) { at -> Date, } }
diesel::table! { others (at) { at -> Timestamptz, } }

fn refusal<T>(result: Result<T, Error>) -> HypertableError {
    match result {
        Err(Error::Hypertable(refusal)) => refusal,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("this must be refused"),
    }
}

#[test]
fn the_present_in_units_is_told_by_a_function_that_is_made_or_named() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(conn, "CREATE TABLE ticks (at BIGINT PRIMARY KEY); CREATE TABLE small_ticks (at SMALLINT PRIMARY KEY)");
    let setup = hypertable(ticks::at).chunk_interval(3600).integer_now(TimeDelta::seconds(1));
    for _ in 0..2 {
        setup.clone().call(conn).unwrap();
        assert_eq!(value(conn, "SELECT ticks_now() = floor(extract(epoch FROM now()))"), "true");
    }
    let present =
        |conn: &mut PgConnection| value(conn, "SELECT integer_now FROM diesel_timescale.hypertable_report('ticks')");
    assert_eq!(present(conn), "ticks_now");
    set_integer_now(ticks::at, TimeDelta::microseconds(1)).call(conn).unwrap();
    assert_eq!(value(conn, "SELECT ticks_now() = floor(extract(epoch FROM now()) * 1000000)"), "true");
    sql(conn, "CREATE FUNCTION clock() RETURNS BIGINT LANGUAGE sql STABLE AS 'SELECT 5::bigint'");
    set_integer_now_func(ticks::at, "clock").call(conn).unwrap();
    assert_eq!(present(conn), "clock");
    assert!(matches!(set_integer_now_func(ticks::at, "nothing").call(conn), Err(Error::Database(_))));

    // What is not made by this crate is not replaced.
    sql(
        conn,
        "CREATE OR REPLACE FUNCTION ticks_now() RETURNS BIGINT LANGUAGE sql STABLE AS 'SELECT 5::bigint'; COMMENT ON FUNCTION ticks_now() IS NULL",
    );
    let refused = refusal(set_integer_now(ticks::at, TimeDelta::seconds(1)).call(conn));
    assert!(
        matches!(&refused, HypertableError::IntegerNow { message, .. } if message.contains("ticks_now is there")),
        "{refused}"
    );
    let refused = refusal(set_integer_now(ticks::at, TimeDelta::zero()).call(conn));
    assert!(matches!(refused, HypertableError::IntegerNow { .. }), "{refused}");
    hypertable(small_ticks::at).chunk_interval(7).call(conn).unwrap();
    let refused = refusal(set_integer_now(small_ticks::at, TimeDelta::hours(1)).call(conn));
    assert!(
        matches!(&refused, HypertableError::IntegerNow { message, .. } if message.contains("does not fit")),
        "{refused}"
    );
}

#[test]
fn what_does_not_fit_the_column_is_refused() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(
        conn,
        "CREATE TABLE ticks (at BIGINT PRIMARY KEY); CREATE TABLE days (at DATE PRIMARY KEY); CREATE TABLE others (at TIMESTAMP PRIMARY KEY)",
    );
    let refused = refusal(hypertable(ticks::at).call(conn));
    assert!(
        matches!(&refused, HypertableError::ChunkInterval { message, .. } if message.contains("counts units")),
        "{refused}"
    );
    let refused = refusal(hypertable(ticks::at).chunk_interval(-1).call(conn));
    assert!(matches!(refused, HypertableError::ChunkInterval { .. }), "{refused}");
    let refused = refusal(hypertable(days::at).chunk_interval(TimeDelta::hours(36)).call(conn));
    assert!(
        matches!(&refused, HypertableError::ChunkInterval { remedy, .. } if remedy.contains("one day")),
        "{refused}"
    );
    let refused = refusal(hypertable(others::at).call(conn));
    assert!(
        matches!(&refused, HypertableError::NoTimeColumn { message, .. } if message.contains("is of type timestamp without")),
        "{refused}"
    );
    for refused in [
        chunks(ticks::at, ..).call(conn).map(|_| ()),
        drop_chunks(ticks::at, 5).call(conn).map(|_| ()),
        set_chunk_interval(ticks::at, 5).call(conn).map(|_| ()),
    ] {
        assert!(matches!(refusal(refused), HypertableError::NotAHypertable { .. }));
    }
}

#[test]
fn chunks_without_an_end_have_none() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(conn, "CREATE TABLE small_ticks (at SMALLINT PRIMARY KEY)");
    hypertable(small_ticks::at).chunk_interval(10_000).call(conn).unwrap();
    sql(conn, "INSERT INTO small_ticks VALUES (-32768), (0), (32767)");
    let all = chunks(small_ticks::at, ..).call(conn).unwrap();
    let ranges: Vec<_> = all.iter().map(|chunk| (chunk.range_start, chunk.range_end)).collect();
    assert_eq!(ranges, [(None, Some(-30_000)), (Some(0), Some(10_000)), (Some(30_000), None)]);
    assert_eq!(drop_chunks(small_ticks::at, i16::MAX).call(conn).unwrap(), 2);
}

#[test]
fn a_native_foreign_key_to_a_hypertable_is_told_with_its_fix() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(conn, "CREATE TABLE ticks (at BIGINT PRIMARY KEY)");
    let setup = hypertable(ticks::at).chunk_interval(10);
    assert!(setup.clone().call(conn).unwrap().foreign_key_fixes.is_empty());
    sql(conn, "CREATE TABLE notes (at BIGINT CONSTRAINT \"a key\" REFERENCES ticks)");
    let report = setup.clone().call(conn).unwrap();
    assert_eq!(report.foreign_key_fixes.len(), 1, "{report:?}");
    assert!(report.to_string().contains("DROP CONSTRAINT \"a key\""), "{report}");
    sql(conn, &report.foreign_key_fixes[0]);
    assert!(setup.call(conn).unwrap().foreign_key_fixes.is_empty());
}
