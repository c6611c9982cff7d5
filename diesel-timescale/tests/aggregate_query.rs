//! Continuous aggregates of queries: they hold what the query gives, and plain PostgreSQL has a view of the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_timescale::setup::{Setup, StepClass};
use diesel_timescale::{
    AggregateQuery, Call, Error, Feature, Outcome, Server, add_aggregate_column, add_another_refresh_policy,
    add_refresh_policy, bucketed, bucketed_months, continuous_aggregate_of, drop_continuous_aggregate, hypertable,
    refresh_by_force, refresh_in_batches,
};
use support::{TestDb, needs, needs_feature, sql, value, values};

diesel::table! {
    readings (sensor, time) {
        sensor -> Text,
        time -> Timestamptz,
        value -> Double,
    }
}

diesel::table! {
    sensors (name) {
        name -> Text,
        kind -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(readings, sensors);

diesel::table! {
    by_kind (bucket, kind) {
        bucket -> Timestamptz,
        kind -> Text,
        readings -> BigInt,
        #[sql_name = "the \"peak\""]
        peak -> Nullable<Double>,
    }
}

diesel::table! {
    running (bucket) {
        bucket -> Timestamptz,
        readings -> BigInt,
        so_far -> Nullable<Numeric>,
    }
}

diesel::table! {
    counted (bucket) {
        bucket -> Timestamptz,
        readings -> BigInt,
    }
}

/// A reading of two sensors each six hours, over most of a year of two changes of the clock.
fn filled() -> (TestDb, PgConnection, Server) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (
             sensor TEXT, time TIMESTAMPTZ, value DOUBLE PRECISION NOT NULL, PRIMARY KEY (sensor, time)
         );
         CREATE TABLE sensors (name TEXT PRIMARY KEY, kind TEXT NOT NULL);
         INSERT INTO sensors VALUES ('one', 'it''s light'), ('two', 'motion')",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(60)).allow_plain_table().call(&mut conn).unwrap();
    sql(
        &mut conn,
        "INSERT INTO readings
         SELECT s, TIMESTAMPTZ '2026-01-31 20:00Z' + n * INTERVAL '6 hours', n
         FROM generate_series(0, 1100) AS n, unnest(ARRAY['one', 'two']) AS s",
    );
    let server = Server::query().call(&mut conn).unwrap();
    (db, conn, server)
}

/// Makes it twice, and fills it where it must be filled.
fn make(conn: &mut PgConnection, server: &Server, aggregate: &AggregateQuery, name: &str) {
    let aggregate = aggregate.clone().allow_plain_view().materialized_only(true);
    let outcomes = [aggregate.create().call(conn).unwrap(), aggregate.create().call(conn).unwrap()];
    if server.has(Feature::ContinuousAggregates) {
        assert_eq!(outcomes, [Outcome::Created, Outcome::AlreadyThere]);
        conn.batch_execute(&format!("CALL refresh_continuous_aggregate('{name}', NULL, NULL)")).unwrap();
    } else {
        assert_eq!(outcomes, [Outcome::Plain; 2]);
    }
}

#[test]
fn a_join_with_filters_and_having_holds_what_the_query_gives() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let from: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
    let daily = bucketed(TimeDelta::days(1), readings::time).in_time_zone("Europe/Berlin").by(sensors::kind);
    let query = readings::table
        .inner_join(sensors::table.on(sensors::name.eq(readings::sensor)))
        .filter(readings::time.ge(from))
        .filter(sensors::kind.eq_any(vec!["it's light", "a $1 \"kind\""]))
        .group_by(daily.clone())
        .having(max(readings::value).lt(1000.5))
        .select(daily.row((count_star(), max(readings::value))));
    make(conn, &server, &continuous_aggregate_of(by_kind::table, query.clone()), "by_kind");
    type Row = (DateTime<Utc>, String, i64, Option<f64>);
    let held: Vec<Row> = by_kind::table.order(by_kind::bucket).load(conn).unwrap();
    assert!(held.len() > 200 && held.iter().all(|row| row.1 == "it's light" && row.3 < Some(1000.5)), "{}", held.len());
    // A day of Berlin begins at 23:00 in winter, at 22:00 in summer.
    let starts: std::collections::BTreeSet<_> = held.iter().map(|row| row.0.format("%H:%M").to_string()).collect();
    assert_eq!(starts.into_iter().collect::<Vec<_>>(), ["22:00", "23:00"]);
    if server.has(Feature::Hypertables) {
        type Direct = (DateTime<Utc>, String, (i64, Option<f64>));
        let mut direct: Vec<Direct> = query.load(conn).unwrap();
        direct.sort_by_key(|row| row.0);
        assert_eq!(held, direct.into_iter().map(|row| (row.0, row.1, row.2.0, row.2.1)).collect::<Vec<_>>());
    }
    // Another definition of that name is refused, and so is what cannot be said in a view.
    let hourly = bucketed(TimeDelta::hours(1), readings::time);
    let other = readings::table.group_by(hourly.clone()).select(hourly.row(count_star()));
    let refused =
        continuous_aggregate_of(counted::table, other).named("by_kind").allow_plain_view().create().call(conn);
    assert!(matches!(refused, Err(Error::OtherAggregate { .. })), "{refused:?}");
    assert!(drop_continuous_aggregate("by_kind").call(conn).unwrap());
}

#[test]
fn buckets_of_months_origins_and_offsets_have_names_of_the_moment() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let origin: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    let days = || bucketed(TimeDelta::days(10), readings::time);
    let ways = [
        ("months", bucketed_months(2, readings::time)),
        ("months_of_berlin", bucketed_months(1, readings::time).in_time_zone("Europe/Berlin")),
        ("from_origin", days().with_origin(origin)),
        ("with_offset", days().with_offset(TimeDelta::hours(7))),
    ];
    let mut held = Vec::new();
    for (way, buckets) in ways {
        let query = readings::table.group_by(buckets.clone()).select(buckets.row(count_star()));
        // A name that the program makes up.
        let name = format!("{way}_of_2026");
        make(conn, &server, &continuous_aggregate_of(counted::table, query).named(&name), &name);
        held.push(values(
            conn,
            &format!("SELECT concat_ws(' ', bucket, readings) FROM {name} ORDER BY bucket LIMIT 2"),
        ));
    }
    assert_eq!(
        held,
        [
            ["2026-01-01 00:00:00+00 226", "2026-03-01 00:00:00+00 488"],
            // From 23:00 of the last of January on.
            ["2025-12-31 23:00:00+00 2", "2026-01-31 23:00:00+00 224"],
            ["2026-01-25 00:00:00+00 26", "2026-02-04 00:00:00+00 80"],
            ["2026-01-26 07:00:00+00 36", "2026-02-05 07:00:00+00 80"],
        ]
    );
}

#[test]
fn window_functions_are_taken_where_the_release_has_them() {
    use diesel::dsl::sql as raw;
    use diesel::sql_types::{Nullable, Numeric};

    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let bucket = if server.has(Feature::Hypertables) { "time_bucket" } else { "diesel_timescale.time_bucket" };
    let query = readings::table.group_by(raw::<Timestamptz>(&format!("{bucket}(INTERVAL '10 days', time)"))).select(
        raw::<(Timestamptz, BigInt, Nullable<Numeric>)>(&format!(
            "{bucket}(INTERVAL '10 days', time), count(*),
             sum(count(*)) OVER (ORDER BY {bucket}(INTERVAL '10 days', time))"
        )),
    );
    let aggregate = continuous_aggregate_of(running::table, query);
    if server.has(Feature::AggregateWindows) || !server.has(Feature::ContinuousAggregates) {
        if server.has(Feature::AggregateWindows) {
            make(conn, &server, &aggregate, "running");
            // Each refresh counts what it refreshes.
            assert_eq!(value(conn, "SELECT max(so_far) FROM running"), "2202");
        } else {
            let refused = aggregate.create().call(conn);
            assert!(matches!(refused, Err(Error::Unsupported { .. } | Error::Hypertable(_))), "{refused:?}");
        }
    }
}

#[test]
fn an_aggregate_of_a_query_is_declared() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let is_plain = !server.has(Feature::ContinuousAggregates);
    let declared = |least: f64| {
        let daily = bucketed(TimeDelta::days(1), readings::time).in_time_zone("Europe/Berlin").by(sensors::kind);
        let query = readings::table
            .inner_join(sensors::table.on(sensors::name.eq(readings::sensor)))
            .filter(readings::value.ge(least))
            .filter(sensors::kind.eq_any(vec!["it's light", "a \\ OVER $1"]))
            .group_by(daily.clone())
            .select(daily.row((count_star(), max(readings::value))));
        continuous_aggregate_of(by_kind::table, query).allow_plain_view().materialized_only(true)
    };
    // What the call has made is as declared, in the application and in a file.
    declared(5.0).create().call(conn).unwrap();
    let setup = Setup::new().with(declared(5.0));
    let from_file: Setup = serde_json::from_value(serde_json::to_value(&setup).unwrap()).unwrap();
    assert_eq!(setup, from_file);
    for setup in [&setup, &from_file] {
        setup.check().call(conn).unwrap();
        assert_eq!(setup.plan().call(conn).unwrap().left_out.is_empty(), !is_plain);
    }
    // The set-up makes the same of nothing.
    assert!(drop_continuous_aggregate("by_kind").call(conn).unwrap());
    let applied = from_file.apply(StepClass::Safe).call(conn).unwrap();
    assert_eq!((applied.done.len(), applied.is_empty()), (1, true), "{applied}");
    let outcome = declared(5.0).create().call(conn).unwrap();
    assert_eq!(outcome, if is_plain { Outcome::Plain } else { Outcome::AlreadyThere });
    // Another value is another definition.
    let planned = Setup::new().with(declared(6.0)).plan().call(conn).unwrap();
    let differences: Vec<_> = planned.steps.iter().map(|step| (&*step.difference, step.class)).collect();
    let expected = match is_plain {
        true => ("the view is defined otherwise", StepClass::Locks),
        false => ("the continuous aggregate is defined otherwise", StepClass::DestroysData),
    };
    assert_eq!(differences, [expected]);
    assert!(planned.steps[0].sql.as_ref().unwrap().contains("''6''::double precision"), "{planned}");
}

#[test]
fn what_an_aggregate_reads_is_made_before_it() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    // The order of names is another one, and nothing says where each reads from.
    let setup: Setup = serde_json::from_value(serde_json::json!({
        "allow_unsupported": true,
        "aggregates": {
            "a_months": { "definition": "SELECT time_bucket('30 days', bucket), sum(n) AS n FROM z_days GROUP BY 1" },
            "z_days": {
                "definition": "SELECT time_bucket('1 day', time), count(*) FROM readings GROUP BY 1",
                "columns": ["bucket", "n"],
            },
        },
    }))
    .unwrap();
    let applied = setup.apply(StepClass::Safe).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    let done: Vec<_> = applied.done.iter().map(|step| (&*step.object, step.after)).collect();
    if server.has(Feature::ContinuousAggregates) {
        assert_eq!(done, [("z_days", None), ("a_months", Some(0))]);
        assert_eq!(value(conn, "SELECT count(n) FROM z_days"), "276");
    } else {
        assert!(done.is_empty());
    }
}

#[test]
fn values_of_types_that_are_not_postgres_own_are_refused() {
    #[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(postgres_type(name = "mood"))]
    struct Mood;
    #[derive(Debug, Clone, diesel::expression::AsExpression)]
    #[diesel(sql_type = Mood)]
    struct Happy;
    impl diesel::serialize::ToSql<Mood, diesel::pg::Pg> for Happy {
        fn to_sql<'b>(
            &'b self,
            out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
        ) -> diesel::serialize::Result {
            std::io::Write::write_all(out, b"happy")?;
            Ok(diesel::serialize::IsNull::No)
        }
    }
    let (_db, mut conn, _) = filled();
    let hourly = bucketed(TimeDelta::hours(1), readings::time);
    let mood = diesel::dsl::sql::<diesel::sql_types::Bool>("sensor = ").bind::<Mood, _>(Happy).sql("::text");
    let query = readings::table.filter(mood).group_by(hourly.clone()).select(hourly.row(count_star()));
    let refused = continuous_aggregate_of(counted::table, query).allow_plain_view().create().call(&mut conn);
    assert!(matches!(&refused, Err(Error::Database(error)) if error.to_string().contains("own types")), "{refused:?}");
}

#[test]
fn a_column_is_added_once_and_filled_by_force() {
    needs_feature!(AggregateColumns);
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    diesel::table! { yearly (bucket) { bucket -> Timestamptz, readings -> BigInt, late -> Nullable<Double> } }
    let years = bucketed_months(12, readings::time);
    let query = readings::table.group_by(years.clone()).select(years.row(count_star()));
    make(conn, &server, &continuous_aggregate_of(counted::table, query).named("yearly"), "yearly");
    let late = || max(readings::value).aggregate_filter(readings::value.lt(500.5));
    let setup = Setup::new().with(add_aggregate_column(yearly::late, late()));
    let planned = setup.plan().call(conn).unwrap();
    assert_eq!(
        (planned.steps.len(), &*planned.steps[0].difference, planned.steps[0].class),
        (1, "the column late is missing", StepClass::Locks)
    );
    for expected in [true, false] {
        assert_eq!(add_aggregate_column(yearly::late, late()).call(conn).unwrap(), expected);
    }
    setup.check().call(conn).unwrap();
    let other = Setup::new().with(add_aggregate_column(yearly::late, max(readings::value)));
    let planned = other.plan().call(conn).unwrap();
    assert_eq!((planned.steps.len(), &*planned.steps[0].difference), (1, "the column late is another aggregate"));
    assert!(!planned.steps[0].is_possible());
    refresh_by_force(yearly::table).call(conn).unwrap();
    assert_eq!(yearly::table.select((yearly::readings, yearly::late)).load(conn), Ok(vec![(2202_i64, Some(500.0))]));
}

#[test]
fn an_aggregate_and_its_added_columns_are_declared_at_once() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    diesel::table! { yearly (bucket) { bucket -> Timestamptz, readings -> BigInt, late -> Nullable<Double> } }
    let years = bucketed_months(12, readings::time);
    let query = readings::table.group_by(years.clone()).select(years.row(count_star()));
    let setup = Setup::new()
        .with(continuous_aggregate_of(counted::table, query).named("yearly").allow_plain_view())
        .with(add_aggregate_column(yearly::late, max(readings::value)))
        .allow_unsupported();
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
    let done: Vec<_> = applied.done.iter().map(|step| (step.class, step.after)).collect();
    if server.has(Feature::AggregateColumns) {
        assert_eq!(done, [(StepClass::Safe, None), (StepClass::Locks, Some(0))]);
        // Both are made anew at once.
        assert!(drop_continuous_aggregate("yearly").call(conn).unwrap());
        assert_eq!(setup.apply(StepClass::Locks).call(conn).unwrap().done.len(), 2);
        setup.check().call(conn).unwrap();
    } else {
        assert_eq!((done.len(), applied.left_out.len()), (1, 1), "{applied}");
    }
}

#[test]
fn an_aggregate_is_in_the_schema_that_its_view_is_declared_with() {
    diesel::table! {
        #[sql_name = "a \"year\". x"]
        Home.yearly (bucket) { bucket -> Timestamptz, readings -> BigInt, late -> Nullable<Double> }
    }
    mod without_late {
        diesel::table! {
            #[sql_name = "a \"year\". x"]
            Home.yearly (bucket) { bucket -> Timestamptz, readings -> BigInt }
        }
    }
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    sql(conn, "CREATE SCHEMA \"Home\"");
    let years = bucketed_months(12, readings::time);
    let query = readings::table.group_by(years.clone()).select(years.row(count_star()));
    let aggregate = continuous_aggregate_of(without_late::yearly::table, query).allow_plain_view();
    for expected in if server.has(Feature::ContinuousAggregates) {
        [Outcome::Created, Outcome::AlreadyThere]
    } else {
        [Outcome::Plain; 2]
    } {
        assert_eq!(aggregate.create().call(conn).unwrap(), expected);
    }
    assert_eq!(without_late::yearly::table.select(without_late::yearly::readings).load(conn), Ok(vec![2202_i64]));
    // Another one beside it.
    aggregate.clone().named("other").create().call(conn).unwrap();
    assert_eq!(value(conn, "SELECT sum(readings) FROM \"Home\".other"), "2202");

    let setup = Setup::new()
        .with(aggregate)
        .with(add_aggregate_column(yearly::late, max(readings::value)))
        .with(add_refresh_policy(yearly::bucket, None, TimeDelta::days(1), TimeDelta::days(1)))
        .allow_unsupported();
    let applied = setup.apply(StepClass::Locks).call(conn).unwrap();
    assert!(applied.is_empty(), "{applied}");
    setup.check().call(conn).unwrap();
    if server.has(Feature::AggregateColumns) {
        assert!(!add_aggregate_column(yearly::late, max(readings::value)).call(conn).unwrap());
    }
}

#[test]
fn a_refresh_by_force_needs_no_change() {
    needs_feature!(ForcedRefresh);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    let weekly = bucketed(TimeDelta::weeks(1), readings::time);
    let query = readings::table.group_by(weekly.clone()).select(weekly.row(count_star()));
    continuous_aggregate_of(counted::table, query).materialized_only(true).create().call(conn).unwrap();
    refresh_by_force(counted::table).call(conn).unwrap();
    let all = |conn: &mut PgConnection| value(conn, "SELECT sum(readings) FROM counted");
    assert_eq!(all(conn), "2202");
    // One by force may leave the note of what had to be refreshed.
    diesel_timescale::refresh(counted::bucket, ..).call(conn).unwrap();
    // What has been lost without a change of the rows comes back by force alone.
    let kept = value(
        conn,
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
         FROM timescaledb_information.continuous_aggregates
         WHERE view_schema = current_schema() AND view_name = 'counted'",
    );
    sql(conn, &format!("DELETE FROM {kept}"));
    diesel_timescale::refresh(counted::bucket, ..).call(conn).unwrap();
    assert_eq!(all(conn), "");
    refresh_by_force(counted::table).call(conn).unwrap();
    assert_eq!(all(conn), "2202");
}

#[test]
fn a_refresh_in_batches_and_one_by_force_fill_all() {
    needs_feature!(RefreshInBatches);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    let weekly = bucketed(TimeDelta::weeks(1), readings::time);
    let query = readings::table.group_by(weekly.clone()).select(weekly.row(count_star()));
    continuous_aggregate_of(counted::table, query).materialized_only(true).create().call(conn).unwrap();
    refresh_in_batches(counted::table, 3, false).call(conn).unwrap();
    let all = |conn: &mut PgConnection| value(conn, "SELECT sum(readings) FROM counted");
    assert_eq!(all(conn), "2202");
    let refused = conn.transaction(|conn| refresh_in_batches(counted::table, 3, true).call(conn));
    assert!(matches!(refused, Err(Error::InsideTransaction { .. })), "{refused:?}");
}

#[test]
fn several_policies_refresh_windows_that_do_not_overlap() {
    needs_feature!(SeveralRefreshPolicies);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    let daily = bucketed(TimeDelta::days(1), readings::time);
    let query = readings::table.group_by(daily.clone()).select(daily.row(count_star()));
    continuous_aggregate_of(counted::table, query).create().call(conn).unwrap();
    let days = TimeDelta::days;
    let mut add = |start, end| add_another_refresh_policy(counted::bucket, start, days(end), days(1)).call(conn);
    let first = add(Some(days(9)), 1).unwrap();
    let second = add(None, 9).unwrap();
    assert_ne!(first, second);
    assert!(add(Some(days(30)), 5).unwrap_err().to_string().contains("overlaps"));
    diesel_timescale::delete_job(first).call(conn).unwrap();
    assert_eq!(
        value(conn, "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_refresh%'"),
        "1"
    );
}

/// What plain PostgreSQL has in place of `time_bucket`.
#[test]
fn plain_buckets_are_those_of_timescaledb() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let different = value(
        &mut conn,
        "SELECT count(*)
         FROM generate_series(TIMESTAMPTZ '1998-01-01', '2030-01-01', INTERVAL '33 days 7 hours 11 minutes') AS t (t),
              unnest(ARRAY['1 month', '5 months', '1 year', '1 week', '10 days', '1 hour', '7 minutes']::interval[])
                   AS w (w)
         WHERE diesel_timescale.time_bucket(w, t) <> time_bucket(w, t)
            OR diesel_timescale.time_bucket(w, t, 'Europe/Berlin'::text) <> time_bucket(w, t, 'Europe/Berlin'::text)
            OR diesel_timescale.time_bucket(w, t, INTERVAL '2 hours') <> time_bucket(w, t, INTERVAL '2 hours')
            OR diesel_timescale.time_bucket(w, t, TIMESTAMPTZ '2001-03-01')
               <> time_bucket(w, t, TIMESTAMPTZ '2001-03-01')",
    );
    assert_eq!(different, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_on_async_connections() {
    needs_feature!(ContinuousAggregates);
    let (db, conn, _) = filled();
    drop(conn);
    let mut conn = db.connect_async().await;
    let hourly = bucketed(TimeDelta::hours(1), readings::time);
    let query =
        readings::table.filter(readings::value.gt(5.0)).group_by(hourly.clone()).select(hourly.row(count_star()));
    let aggregate = continuous_aggregate_of(counted::table, query);
    let outcome = diesel_timescale::asynchronous::Call::call(aggregate.create(), &mut conn).await.unwrap();
    assert_eq!(outcome, Outcome::Created);
}
