//! TimescaleDB's functions: each one that is declared runs, and grouping by buckets gives what a plain count gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use diesel::dsl::{avg, count_star, max};
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::pg::sql_types::Record;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Double, Float, Integer, Nullable, SmallInt, Timestamptz};
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::{
    self, Error, Feature, Server, bucketed, first, histogram, interpolate, last, locf, time_bucket, time_bucket_from,
    time_bucket_in_zone, time_bucket_offset,
};
use occupancy_models::{Call, NewSensorEvent, SensorType};
use support::{TestDb, needs, sql};

const HOUR: i64 = 3_600_000_000;

fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 28, hour, minute, 0).unwrap()
}

/// Readings of one sensor in two rooms, none between 3 and 6.
fn filled() -> (TestDb, PgConnection, Server) {
    let (db, mut conn) = TestDb::ready();
    let reading = |room: &'static str, hour, minute, value: i32| {
        NewSensorEvent::new(at(hour, minute), room, format!("{room}.light"), SensorType::LIGHT, value.to_string())
    };
    let events = vec![
        reading("office", 1, 0, 10),
        reading("office", 1, 59, 20),
        reading("office", 2, 30, 30),
        reading("hall", 2, 45, 5),
        reading("office", 6, 0, 60),
    ];
    diesel::insert_into(sensor_events::table).values(events).execute(&mut conn).unwrap();
    let server = Server::query().call(&mut conn).unwrap();
    (db, conn, server)
}

/// Every function that is declared, by its Rust name.
fn declared() -> BTreeSet<&'static str> {
    let functions =
        include_str!("../diesel-timescale/src/functions.rs").lines().filter(|line| line.starts_with("    fn "));
    let gapfill = include_str!("../diesel-timescale/src/gapfill.rs").lines().filter(|line| line.starts_with("pub fn "));
    functions.chain(gapfill).filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next()).collect()
}

#[test]
fn every_function_that_is_declared_runs() {
    needs!(Timescale);
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let mut ran = BTreeSet::new();
    macro_rules! run {
        ($name:literal, $query:expr, $type:ty, $expected:expr) => {
            assert_eq!($query.get_result::<$type>(conn).unwrap(), $expected, $name);
            ran.insert($name);
        };
    }
    let two_hours = PgInterval::from_microseconds(2 * HOUR);
    let day = PgInterval::from_days(1);
    let instant = || at(1, 59).into_sql::<diesel::sql_types::Timestamptz>();
    run!("time_bucket", diesel::select(time_bucket(two_hours, instant())), DateTime<Utc>, at(0, 0));
    run!("time_bucket_from", diesel::select(time_bucket_from(two_hours, instant(), at(1, 0))), DateTime<Utc>, at(1, 0));
    run!(
        "time_bucket_offset",
        diesel::select(time_bucket_offset(two_hours, instant(), PgInterval::from_microseconds(HOUR / 2))),
        DateTime<Utc>,
        at(0, 30)
    );
    // 23:30 UTC of the 28th is the 29th in Berlin, which began at 23:00 UTC.
    run!(
        "time_bucket_in_zone",
        diesel::select(time_bucket_in_zone(
            day,
            at(23, 30).into_sql::<diesel::sql_types::Timestamptz>(),
            "Europe/Berlin"
        )),
        DateTime<Utc>,
        at(23, 0)
    );
    let events = sensor_events::table;
    run!(
        "first",
        events.select(first(sensor_events::state, sensor_events::timestamp)),
        Option<String>,
        Some("10".to_owned())
    );
    run!("last", events.select(last(sensor_events::numeric_value, sensor_events::timestamp)), Option<f64>, Some(60.0));
    run!(
        "histogram",
        events.select(histogram(sensor_events::numeric_value, 10.0, 50.0, 2)),
        Option<Vec<i32>>,
        Some(vec![1, 2, 1, 1])
    );
    if server.has(Feature::Gapfill) {
        for (name, filled) in [("locf", [30.0, 30.0, 60.0]), ("interpolate", [37.5, 52.5, 60.0])] {
            let gapfilled = |conn: &mut PgConnection| -> Vec<(DateTime<Utc>, Option<f64>)> {
                let buckets = bucketed(TimeDelta::hours(1), sensor_events::timestamp).gapfill();
                let query = sensor_events::table
                    .filter(sensor_events::room_id.eq("office"))
                    .filter(sensor_events::timestamp.ge(at(1, 0)))
                    .filter(sensor_events::timestamp.lt(at(8, 0)))
                    .group_by(buckets.clone());
                let mean = max(sensor_events::numeric_value);
                if name == "locf" {
                    query.select(buckets.clone().row(locf(mean))).order(buckets.start()).load(conn).unwrap()
                } else {
                    query.select(buckets.clone().row(interpolate(mean))).order(buckets.start()).load(conn).unwrap()
                }
            };
            // From the sixth run on, PostgreSQL may plan for all values.
            for _ in 0..8 {
                let rows = gapfilled(conn);
                let starts: Vec<_> = rows.iter().map(|row| row.0).collect();
                assert_eq!(starts, (1..8).map(|hour| at(hour, 0)).collect::<Vec<_>>(), "{name}");
                let values: Vec<_> = [2, 4, 5].map(|n| rows[n].1.unwrap()).to_vec();
                assert_eq!(values, filled, "{name}: {rows:?}");
            }
            ran.insert(if name == "locf" { "locf" } else { "interpolate" });
        }
        ran.insert("time_bucket_gapfill");
    } else {
        let refused = server.require(Feature::Gapfill).unwrap_err();
        assert!(matches!(refused, Error::Unsupported { feature: Feature::Gapfill, .. }), "{refused:?}");
        ran.extend(["locf", "interpolate", "time_bucket_gapfill"]);
    }
    assert_eq!(ran, declared(), "a function that is declared was not run");
}

#[test]
fn buckets_group_as_a_plain_count_does() {
    needs!(Timescale);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    let hourly = bucketed(TimeDelta::hours(1), sensor_events::timestamp).by(sensor_events::room_id);
    for _ in 0..8 {
        type Row = (DateTime<Utc>, String, (i64, Option<f64>));
        let rows: Vec<Row> = sensor_events::table
            .filter(sensor_events::timestamp.lt(at(6, 0)))
            .group_by(hourly.clone())
            .select(hourly.clone().row((count_star(), avg(sensor_events::numeric_value))))
            .order((hourly.start().desc(), sensor_events::room_id))
            .load(conn)
            .unwrap();
        assert_eq!(
            rows,
            [
                (at(2, 0), "hall".to_owned(), (1, Some(5.0))),
                (at(2, 0), "office".to_owned(), (1, Some(30.0))),
                (at(1, 0), "office".to_owned(), (2, Some(15.0))),
            ]
        );
    }
}

#[test]
fn buckets_start_where_they_are_told() {
    needs!(Timescale);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    let mut counts = |buckets: timescale::Bucketed<sensor_events::timestamp>| -> BTreeMap<DateTime<Utc>, i64> {
        sensor_events::table
            .group_by(buckets.clone())
            .select(buckets.row(count_star()))
            .load::<(DateTime<Utc>, i64)>(conn)
            .unwrap()
            .into_iter()
            .collect()
    };
    let hours = |hours| bucketed(TimeDelta::hours(hours), sensor_events::timestamp);
    assert_eq!(counts(hours(4)), BTreeMap::from([(at(0, 0), 4), (at(4, 0), 1)]));
    assert_eq!(
        counts(hours(4).with_origin(at(2, 0))),
        BTreeMap::from([(at(2, 0) - TimeDelta::hours(4), 2), (at(2, 0), 2), (at(6, 0), 1)])
    );
    assert_eq!(counts(hours(4).with_offset(TimeDelta::hours(1))), BTreeMap::from([(at(1, 0), 4), (at(5, 0), 1)]));
    let midnight = Utc.with_ymd_and_hms(2026, 3, 27, 23, 0, 0).unwrap();
    assert_eq!(counts(hours(24).in_time_zone("Europe/Berlin")), BTreeMap::from([(midnight, 5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_group_on_async_connections() {
    use diesel_async::RunQueryDsl;

    needs!(Timescale);
    let (db, conn, _) = filled();
    drop(conn);
    let mut conn = db.connect_async().await;
    let hourly = bucketed(TimeDelta::hours(1), sensor_events::timestamp);
    let query =
        sensor_events::table.group_by(hourly.clone()).select(hourly.clone().row(count_star())).order(hourly.start());
    let rows: Vec<(DateTime<Utc>, i64)> = RunQueryDsl::load(query, &mut conn).await.unwrap();
    assert_eq!(rows, [(at(1, 0), 2), (at(2, 0), 2), (at(6, 0), 1)]);
}

/// What the gap-filling calls of a pivot give by hour, from 1 to 8: the sensor of one room in a query of all rooms.
fn pivoted<E>(conn: &mut PgConnection, column: E) -> Vec<Option<f64>>
where
    E: SelectableExpression<sensor_events::table>
        + Expression<SqlType = Nullable<Double>>
        + ValidGrouping<(), IsAggregate = is_aggregate::Yes>
        + QueryFragment<Pg>
        + 'static,
{
    let buckets = bucketed(TimeDelta::hours(1), sensor_events::timestamp).gapfill();
    let rows: Vec<(DateTime<Utc>, Option<f64>)> = sensor_events::table
        .filter(sensor_events::timestamp.ge(at(1, 0)))
        .filter(sensor_events::timestamp.lt(at(8, 0)))
        .group_by(buckets.clone())
        .select(buckets.clone().row(column))
        .order(buckets.start())
        .load(conn)
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), (1..8).map(|hour| at(hour, 0)).collect::<Vec<_>>());
    rows.into_iter().map(|row| row.1).collect()
}

#[test]
fn gaps_of_a_pivot_are_filled_from_the_bucket_before_and_from_before_the_first() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    // The hall has one reading, between 2 and 3; another one long before. At 6 there are readings of the office only.
    diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(at(0, 15), "hall", "hall.light", SensorType::LIGHT, "7"))
        .execute(conn)
        .unwrap();
    let hall = || {
        last(sensor_events::numeric_value, sensor_events::timestamp).aggregate_filter(sensor_events::room_id.eq("hall"))
    };
    let earlier = diesel::alias!(sensor_events as earlier);
    let before = || {
        earlier
            .filter(earlier.field(sensor_events::room_id).eq("hall"))
            .filter(earlier.field(sensor_events::timestamp).lt(at(1, 0)))
            .order(earlier.field(sensor_events::timestamp).desc())
            .select(earlier.field(sensor_events::numeric_value))
            .single_value()
    };
    // From the sixth run on, PostgreSQL may plan for all values.
    for _ in 0..8 {
        // A bucket that has rows, but none of the hall, is null and stays so unless null is missing.
        let plain = pivoted(conn, locf(hall()));
        assert_eq!(plain, [None, Some(5.0), Some(5.0), Some(5.0), Some(5.0), None, None]);
        let missing = pivoted(conn, locf(hall()).treat_null_as_missing());
        assert_eq!(missing, [None, Some(5.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0)]);
        let both = pivoted(conn, locf(hall()).prev(before()).treat_null_as_missing());
        assert_eq!(both, [Some(7.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0)]);
    }
}

#[test]
fn lines_go_on_to_readings_outside_of_the_buckets() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    sql(
        conn,
        "DELETE FROM sensor_events;
         INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, numeric_value)
         SELECT '2026-03-28 00:00Z'::timestamptz + h * interval '1 hour', 'office', 'office.light', 'light', '', v
         FROM (VALUES (0, 10), (4, 50), (9, 100)) AS t (h, v)",
    );
    let outside = diesel::alias!(sensor_events as outside);
    type Reading = Record<(Timestamptz, Nullable<Double>)>;
    let reading =
        || (outside.field(sensor_events::timestamp), outside.field(sensor_events::numeric_value)).into_sql::<Reading>();
    let before =
        || outside.filter(outside.field(sensor_events::timestamp).lt(at(1, 0))).select(reading()).single_value();
    let after =
        || outside.filter(outside.field(sensor_events::timestamp).ge(at(8, 0))).select(reading()).single_value();
    let value = || max(sensor_events::numeric_value);
    for _ in 0..8 {
        let none = pivoted(conn, interpolate(value()));
        assert_eq!(none, [None, None, None, Some(50.0), None, None, None]);
        let prev = pivoted(conn, interpolate(value()).prev(before()));
        assert_eq!(prev, [Some(20.0), Some(30.0), Some(40.0), Some(50.0), None, None, None]);
        let next = pivoted(conn, interpolate(value()).next(after()));
        assert_eq!(next, [None, None, None, Some(50.0), Some(60.0), Some(70.0), Some(80.0)]);
        let both = pivoted(conn, interpolate(value()).prev(before()).next(after()));
        assert_eq!(both, [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0].map(Some));
    }
}

/// The types that `interpolate` is declared for.
#[test]
fn every_number_is_interpolated_in_its_own_type() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    macro_rules! interpolated {
        ($column:literal, $sql_type:ty, $rust:ty, $expected:expr) => {
            let value = max(diesel::dsl::sql::<Nullable<$sql_type>>(concat!("numeric_value::", $column)));
            let buckets = bucketed(TimeDelta::hours(1), sensor_events::timestamp).gapfill();
            let rows: Vec<(DateTime<Utc>, Option<$rust>)> = sensor_events::table
                .filter(sensor_events::room_id.eq("office"))
                .filter(sensor_events::timestamp.ge(at(2, 0)))
                .filter(sensor_events::timestamp.lt(at(7, 0)))
                .group_by(buckets.clone())
                .select(buckets.clone().row(interpolate(value)))
                .order(buckets.start())
                .load(conn)
                .unwrap();
            assert_eq!(rows[1].1, Some($expected), $column);
        };
    }
    interpolated!("smallint", SmallInt, i16, 38);
    interpolated!("int", Integer, i32, 38);
    interpolated!("bigint", BigInt, i64, 38);
    interpolated!("real", Float, f32, 37.5);
    interpolated!("float8", Double, f64, 37.5);
}
