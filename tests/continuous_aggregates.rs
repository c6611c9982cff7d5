//! Continuous aggregates: they hold what a direct aggregate gives, are set up repeatably, and have a plain view in
//! their place where the server has none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use diesel::dsl::{avg, count, count_star, max, min};
use diesel::prelude::*;
use occupancy_models::rollups::{
    self, DailyPredictionAccuracy, HourlyActivity, HourlyStatistics, hourly_activity, hourly_statistics,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{
    Error, Feature, HypertableError, Outcome, Server, add_refresh_policy, continuous_aggregate,
    drop_continuous_aggregate, jobs, refresh, remove_refresh_policy, set_materialized_only,
};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorType, TransitionType, revert_migrations, verify,
};
use support::{TestDb, needs};

diesel::table! {
    daily_activity (bucket, room_id) {
        bucket -> Timestamptz,
        room_id -> Text,
        busiest_hour -> Nullable<Int8>,
    }
}

fn at(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, day, hour, minute, 0).unwrap()
}

fn event(room: &'static str, at: DateTime<Utc>, state: &'static str, before: &'static str) -> NewSensorEvent<'static> {
    NewSensorEvent::new(at, room, format!("{room}.motion"), SensorType::MOTION, state).with_previous_state(before)
}

fn insert(conn: &mut PgConnection, events: Vec<NewSensorEvent<'static>>) {
    diesel::insert_into(sensor_events::table).values(events).execute(conn).unwrap();
}

fn filled() -> (TestDb, PgConnection, Server) {
    let (db, mut conn) = TestDb::ready();
    let events = vec![
        event("office", at(1, 8, 0), "on", "off"),
        event("office", at(1, 8, 59), "on", "on").with_human_triggered(false),
        event("office", at(1, 9, 0), "off", "on"),
        event("hall", at(1, 8, 30), "on", "off"),
        event("hall", at(2, 8, 30), "off", "on"),
        NewSensorEvent::new(at(1, 8, 10), "office", "office.light", SensorType::LIGHT, "100"),
        NewSensorEvent::new(at(1, 8, 20), "office", "office.light", SensorType::LIGHT, "300"),
    ];
    insert(&mut conn, events);
    let server = Server::query().call(&mut conn).unwrap();
    (db, conn, server)
}

fn create(conn: &mut PgConnection) -> Outcome {
    rollups::hourly_activity().allow_plain_view().create().call(conn).unwrap()
}

/// Bucket, room, sensor type, events, state changes, human triggered.
fn activity(conn: &mut PgConnection) -> Vec<(DateTime<Utc>, String, String, i64, i64, i64)> {
    HourlyActivity::query()
        .order((hourly_activity::bucket, hourly_activity::room_id, hourly_activity::sensor_type))
        .load(conn)
        .unwrap()
        .into_iter()
        .map(|row: HourlyActivity| {
            let kind = row.sensor_type.as_str().to_owned();
            (row.bucket, row.room_id, kind, row.events, row.state_changes, row.human_triggered)
        })
        .collect()
}

fn expected() -> Vec<(DateTime<Utc>, String, String, i64, i64, i64)> {
    [
        (at(1, 8, 0), "hall", "motion", 1, 1, 1),
        (at(1, 8, 0), "office", "light", 2, 0, 2),
        (at(1, 8, 0), "office", "motion", 2, 1, 1),
        (at(1, 9, 0), "office", "motion", 1, 1, 1),
        (at(2, 8, 0), "hall", "motion", 1, 1, 1),
    ]
    .map(|(bucket, room, kind, events, changes, human)| {
        (bucket, room.to_owned(), kind.to_owned(), events, changes, human)
    })
    .to_vec()
}

#[test]
fn activity_and_statistics_are_those_of_the_events_on_every_server() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let outcome = create(conn);
    let is_continuous = server.has(Feature::ContinuousAggregates);
    assert_eq!(outcome, if is_continuous { Outcome::Created } else { Outcome::Plain });
    // Before it is filled as well, and again after.
    assert_eq!(activity(conn), expected());
    if is_continuous {
        refresh(hourly_activity::bucket, ..).call(conn).unwrap();
        assert_eq!(activity(conn), expected());
    }

    rollups::hourly_statistics().allow_plain_view().create().call(conn).unwrap();
    let numbers: Vec<HourlyStatistics> =
        HourlyStatistics::query().filter(hourly_statistics::readings.gt(0)).load(conn).unwrap();
    assert_eq!(
        numbers,
        [HourlyStatistics {
            bucket: at(1, 8, 0),
            sensor_id: "office.light".to_owned(),
            readings: 2,
            mean: Some(200.0),
            minimum: Some(100.0),
            maximum: Some(300.0),
            standard_deviation: Some(20_000_f64.sqrt()),
        }]
    );
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
    // The ready ones do not keep the migrations from being reverted.
    revert_migrations(conn).unwrap();
}

#[test]
fn the_views_join_with_tables_and_with_each_other() {
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    rollups::hourly_activity().allow_plain_view().create().call(conn).unwrap();
    rollups::hourly_statistics().allow_plain_view().create().call(conn).unwrap();
    let rooms: i64 = hourly_activity::table
        .inner_join(sensor_events::table.on(sensor_events::room_id.eq(hourly_activity::room_id)))
        .inner_join(hourly_statistics::table.on(hourly_statistics::sensor_id.eq(sensor_events::sensor_id)))
        .count()
        .get_result(conn)
        .unwrap();
    assert!(rooms > 0);
}

#[test]
fn a_plain_view_is_made_only_where_it_is_allowed() {
    let (_db, mut conn, server) = filled();
    if server.has(Feature::ContinuousAggregates) {
        return;
    }
    let conn = &mut conn;
    let name = "hourly_activity";
    let hour = TimeDelta::hours(1);
    let refused = [
        rollups::hourly_activity().create().call(conn).map(|_| ()),
        refresh(hourly_activity::bucket, ..).call(conn),
        add_refresh_policy(hourly_activity::bucket, None, hour, hour).call(conn).map(|_| ()),
        remove_refresh_policy(hourly_activity::table).call(conn).map(|_| ()),
        set_materialized_only(hourly_activity::table, true).call(conn),
    ];
    for refused in refused {
        match refused {
            Err(Error::Unsupported { feature, .. }) => assert_eq!(feature, Feature::ContinuousAggregates),
            Err(Error::Hypertable(HypertableError::ExtensionUnavailable { .. })) if server.timescaledb.is_none() => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!drop_continuous_aggregate(name).call(conn).unwrap());
}

#[test]
fn the_set_up_is_repeatable_and_refuses_another_definition() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    let is_continuous = server.has(Feature::ContinuousAggregates);
    let outcomes = if is_continuous { [Outcome::Created, Outcome::AlreadyThere] } else { [Outcome::Plain; 2] };
    assert_eq!([create(conn), create(conn)], outcomes);
    if is_continuous {
        // What it shows is set also where it is there.
        let only = rollups::hourly_activity().materialized_only(true);
        assert_eq!(only.create().call(conn).unwrap(), Outcome::AlreadyThere);
        assert_eq!(activity(conn), []);
        create(conn);
    }

    let other = continuous_aggregate("hourly_activity", TimeDelta::hours(2), sensor_events::timestamp)
        .aggregate("events", count_star())
        .allow_plain_view();
    let refused = other.create().call(conn).unwrap_err();
    let Error::OtherAggregate { view, .. } = &refused else { panic!("{refused}") };
    assert_eq!(view.split('.').next_back(), Some("hourly_activity"), "{view}");
    assert_eq!(activity(conn), expected());

    assert!(drop_continuous_aggregate("hourly_activity").call(conn).unwrap());
    assert!(!drop_continuous_aggregate("hourly_activity").call(conn).unwrap());
    other.create().call(conn).unwrap();
}

#[test]
fn an_aggregate_with_values_of_its_own_is_refused() {
    let (_db, mut conn, _) = filled();
    let with_value = continuous_aggregate("with_value", TimeDelta::hours(1), sensor_events::timestamp)
        .aggregate("lit", count(sensor_events::id).aggregate_filter(sensor_events::state.eq("on")))
        .allow_plain_view();
    let refused = with_value.create().call(&mut conn).unwrap_err();
    assert!(refused.to_string().contains("a view cannot have values of its own"), "{refused}");
    assert!(!drop_continuous_aggregate("with_value").call(&mut conn).unwrap());
}

#[test]
fn a_set_up_that_was_broken_off_goes_on() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    // In a transaction that does not commit, nothing is left.
    let rolled_back = conn.transaction(|conn| {
        create(conn);
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    });
    assert!(rolled_back.is_err());
    assert!(!drop_continuous_aggregate("hourly_activity").call(conn).unwrap());

    // Made in a transaction, and not filled: the refresh was refused there.
    conn.transaction(|conn| {
        create(conn);
        let refused = refresh(hourly_activity::bucket, ..).call(conn);
        assert!(matches!(refused, Err(Error::InsideTransaction { .. })), "{refused:?}");
        diesel::QueryResult::Ok(())
    })
    .unwrap();
    set_materialized_only(hourly_activity::table, true).call(conn).unwrap();
    assert_eq!(activity(conn), []);
    // The same set-up again goes on where that stopped.
    assert_eq!(create(conn), Outcome::AlreadyThere);
    refresh(hourly_activity::bucket, ..).call(conn).unwrap();
    assert_eq!(activity(conn), expected());
}

#[test]
fn what_is_newer_shows_unless_only_what_is_materialized_does() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    create(conn);
    refresh(hourly_activity::bucket, at(1, 0, 0)..at(2, 0, 0)).call(conn).unwrap();
    set_materialized_only(hourly_activity::table, true).call(conn).unwrap();
    assert_eq!(activity(conn), expected()[..4]);
    set_materialized_only(hourly_activity::table, false).call(conn).unwrap();
    assert_eq!(activity(conn), expected());
    insert(conn, vec![event("hall", at(3, 8, 0), "on", "off")]);
    assert_eq!(activity(conn).len(), 6);
}

#[test]
fn an_aggregate_builds_on_an_aggregate() {
    let (_db, mut conn, server) = filled();
    let conn = &mut conn;
    create(conn);
    let daily = continuous_aggregate("daily_activity", TimeDelta::days(1), hourly_activity::bucket)
        .by(hourly_activity::room_id)
        .aggregate("busiest_hour", max(hourly_activity::events))
        .allow_plain_view();
    daily.create().call(conn).unwrap();
    if server.has(Feature::ContinuousAggregates) {
        refresh(hourly_activity::bucket, ..).call(conn).unwrap();
        refresh(daily_activity::bucket, ..).call(conn).unwrap();
    }
    let rows: Vec<(DateTime<Utc>, String, Option<i64>)> =
        daily_activity::table.order((daily_activity::bucket, daily_activity::room_id)).load(conn).unwrap();
    let expected = [(1, "hall", 1), (1, "office", 2), (2, "hall", 1)];
    assert_eq!(rows, expected.map(|(day, room, most)| (at(day, 0, 0), room.to_owned(), Some(most))));
    assert!(drop_continuous_aggregate("daily_activity").call(conn).unwrap());
}

#[test]
fn a_refresh_policy_takes_the_place_of_the_one_before() {
    needs!(Community);
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    create(conn);
    let hour = TimeDelta::hours(1);
    let mut ids = Vec::new();
    for start in [None, Some(TimeDelta::days(2))] {
        ids.push(add_refresh_policy(hourly_activity::bucket, start, hour, hour).call(conn).unwrap());
    }
    let present: Vec<_> =
        jobs().call(conn).unwrap().into_iter().map(|job| job.id).filter(|id| ids.contains(id)).collect();
    assert_eq!(present, ids[1..]);
    for expected in [true, false] {
        assert_eq!(remove_refresh_policy(hourly_activity::table).call(conn).unwrap(), expected);
    }
}

#[test]
fn accuracy_by_day_is_that_of_the_predictions() {
    let (_db, mut conn, _) = filled();
    let conn = &mut conn;
    for (minutes_off, model) in
        [(Some(3), ModelType::HMM), (Some(-4), ModelType::HMM), (None, ModelType::HMM), (Some(30), ModelType::LSTM)]
    {
        let prediction: Prediction = diesel::insert_into(predictions::table)
            .values(
                NewPrediction::new("office", at(1, 9, 0), TransitionType::StateChange, 0.5, model, "1")
                    .with_prediction_time(at(1, 8, 0)),
            )
            .returning(Prediction::as_returning())
            .get_result(conn)
            .unwrap();
        if let Some(minutes) = minutes_off {
            let actual = at(1, 9, 0) + TimeDelta::minutes(minutes);
            diesel::update(&prediction)
                .set(prediction.outcome(Some(actual), TimeDelta::minutes(10)))
                .execute(conn)
                .unwrap();
        }
    }
    let rows: Vec<DailyPredictionAccuracy> =
        DailyPredictionAccuracy::query().order(rollups::daily_prediction_accuracy::model_type).load(conn).unwrap();
    let row = |model, predictions, validated, accurate, mean, rmse: f64| DailyPredictionAccuracy {
        bucket: at(1, 0, 0),
        room_id: "office".to_owned(),
        model_type: model,
        predictions,
        validated,
        accurate,
        mean_error_minutes: Some(mean),
        rmse_minutes: Some(rmse),
    };
    assert_eq!(rows, [row(ModelType::HMM, 3, 2, 2, 3.5, 12.5_f64.sqrt()), row(ModelType::LSTM, 1, 1, 0, 30.0, 30.0)]);
}

#[test]
fn every_aggregate_of_diesel_does() {
    let (_db, mut conn, _) = filled();
    let all = continuous_aggregate("all_of_them", TimeDelta::days(1), sensor_events::timestamp)
        .by(sensor_events::room_id)
        .aggregate("a", count_star())
        .aggregate("b", avg(sensor_events::numeric_value))
        .aggregate("odd \"name\"", min(sensor_events::timestamp))
        .allow_plain_view();
    all.create().call(&mut conn).unwrap();
    assert_eq!(
        support::value(&mut conn, "SELECT min(\"odd \"\"name\"\"\") = min(timestamp) FROM all_of_them, sensor_events"),
        "true"
    );
    assert!(drop_continuous_aggregate("all_of_them").call(&mut conn).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_on_async_connections_and_not_in_a_transaction() {
    use diesel_async::AsyncConnection;
    use occupancy_models::asynchronous::Call;

    needs!(Community);
    let (db, conn, _) = filled();
    drop(conn);
    let mut conn = db.connect_async().await;
    let created = rollups::hourly_activity().create();
    assert_eq!(Call::call(created, &mut conn).await.unwrap(), Outcome::Created);
    let fill = refresh(hourly_activity::bucket, ..);
    let refused = conn
        .transaction::<_, diesel::result::Error, _>(async |conn| Ok(Call::call(fill.clone(), conn).await))
        .await
        .unwrap();
    assert!(matches!(refused, Err(Error::InsideTransaction { .. })), "{refused:?}");
    Call::call(fill, &mut conn).await.unwrap();
}
