//! Every read, every view of the catalog, and `verify` on a replica; what writes is refused there.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::bulk;
use occupancy_models::queries::{self, after, before, newest_first, oldest_first};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::catalog;
use occupancy_models::timescale::replication::{wait_for, write_position};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType,
    TransitionType, verify,
};

use crate::support::{TestDb, sql};
use crate::{Cluster, url};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Events of a week with predictions, and a connection to a replica that has all of it.
fn home() -> (TestDb, PgConnection, PgConnection, Vec<SensorEventKey>) {
    let (db, mut primary) = TestDb::ready();
    let rows: Vec<_> = (0..400)
        .map(|n: i64| {
            let state = if n / 6 % 3 == 0 { "on" } else { "off" };
            let at = start() + TimeDelta::minutes(n * 25);
            NewSensorEvent::new(
                at,
                ["office", "kitchen"][n as usize % 2],
                format!("sensor.{}", n % 6),
                SensorType::MOTION,
                state,
            )
            .with_numeric_value(n as f64)
            .with_confidence_score((n % 11) as f64 / 10.0)
        })
        .collect();
    bulk::upsert_sensor_events(&rows).call(&mut primary).unwrap();
    let events: Vec<SensorEvent> = SensorEvent::within(..).order(oldest_first()).load(&mut primary).unwrap();
    let keys: Vec<_> = events.iter().map(SensorEvent::key).collect();
    let predicted: Vec<_> = events
        .iter()
        .step_by(7)
        .map(|event| {
            let at = event.timestamp + TimeDelta::minutes(5);
            NewPrediction::new(&*event.room_id, at, TransitionType::OccupiedToVacant, 0.5, ModelType::HMM, "1")
                .with_prediction_time(event.timestamp)
                .with_triggering_event(event.key())
        })
        .collect();
    bulk::insert_predictions(&predicted).call(&mut primary).unwrap();
    let replica = replica(&db, &mut primary);
    (db, primary, replica, keys)
}

/// HAProxy leads to either replica, and to the other one the next time: each has to have the database first.
fn replica(db: &TestDb, primary: &mut PgConnection) -> PgConnection {
    let position = write_position().call(primary).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut replica = loop {
        match PgConnection::establish(url("REPLICAS", &db.url()).as_str()) {
            Ok(conn) => break conn,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    wait_for(position, Duration::from_secs(10)).call(&mut replica).unwrap();
    assert_eq!(crate::support::value(&mut replica, "SELECT pg_is_in_recovery()"), "true");
    replica
}

/// Both connections give the same, and not nothing.
macro_rules! same {
    ($primary:ident, $replica:ident, $row:ty, $query:expr) => {{
        let ours: Vec<$row> = $query.load($primary).unwrap();
        let theirs: Vec<$row> = $query.load($replica).unwrap_or_else(|error| panic!("{error}: {}", stringify!($query)));
        assert!(!ours.is_empty(), "nothing: {}", stringify!($query));
        assert_eq!(ours, theirs, "{}", stringify!($query));
    }};
}

#[test]
fn every_read_gives_the_same_on_a_replica() {
    let Some(_cluster) = Cluster::get() else { return };
    let (_db, mut primary, mut replica, keys) = home();
    let (p, r) = (&mut primary, &mut replica);
    let range = || start() + TimeDelta::hours(10)..start() + TimeDelta::days(5);
    let office = || SensorEvent::in_room("office", range());
    let (middle, sensors) = (keys[200], ["sensor.1", "sensor.4"]);

    same!(p, r, SensorEvent, SensorEvent::timeline("office", range()));
    same!(p, r, SensorEvent, SensorEvent::timeline("office", range()).order(newest_first()).filter(before(middle)));
    same!(p, r, SensorEvent, SensorEvent::timeline("office", range()).filter(after(middle)).limit(10));
    same!(p, r, SensorEvent, SensorEvent::in_room("office", range()).order(oldest_first()));
    same!(p, r, SensorEvent, SensorEvent::of_sensor("sensor.1", range()).order(oldest_first()));
    same!(p, r, SensorEvent, SensorEvent::within(range()).order(oldest_first()));
    same!(p, r, SensorEvent, SensorEvent::state_changes("office", range()).order(oldest_first()));
    same!(p, r, SensorEvent, queries::state_changes(SensorEvent::within(range())).order(oldest_first()));
    same!(
        p,
        r,
        queries::TransitionSequence,
        queries::sequences(office(), TimeDelta::hours(3), 2).order(queries::transition_sequences::number)
    );
    same!(p, r, SensorEvent, SensorEvent::latest_per_sensor(range()));
    same!(p, r, SensorEvent, SensorEvent::latest_for_sensors(sensors, ..));
    same!(p, r, SensorEvent, SensorEvent::latest_for_sensors(sensors, ..=start() + TimeDelta::days(2)));
    same!(p, r, (DateTime<Utc>, f64), SensorEvent::series("sensor.1", range()));
    same!(
        p,
        r,
        queries::RoomSummary,
        queries::summarize_rooms(SensorEvent::within(range())).order(queries::room_summaries::room_id)
    );
    same!(
        p,
        r,
        queries::SensorEfficiency,
        queries::sensor_efficiency(office()).order(queries::sensor_efficiencies::sensor_id)
    );
    same!(
        p,
        r,
        queries::TemporalPattern,
        queries::by_hour_of_day(office(), "Europe/Berlin").order(queries::temporal_patterns::part)
    );
    same!(
        p,
        r,
        queries::TemporalPattern,
        queries::by_day_of_week(office(), "Europe/Berlin").order(queries::temporal_patterns::part)
    );
    same!(p, r, SensorEvent, SensorEvent::query().find((middle.id(), middle.timestamp())));
    same!(p, r, SensorEvent, SensorEvent::by_keys(&keys[10..30]).order(oldest_first()));
    same!(p, r, Option<SensorEvent>, SensorEvent::find_in_order(&keys[10..30]));
    same!(p, r, SensorEvent, SensorEvent::by_id(middle.id()));
    same!(p, r, Prediction, Prediction::in_room("office", range()).order(predictions::id));
    same!(p, r, Prediction, Prediction::pending(range()).order(predictions::id));
    let predicted: Vec<Prediction> = Prediction::within(range()).order(predictions::id).load(p).unwrap();
    same!(
        p,
        r,
        (Prediction, Option<SensorEvent>),
        queries::with_events(Prediction::within(range()).order(predictions::id))
    );
    same!(p, r, Option<SensorEvent>, Prediction::triggering_events(&predicted));
    let events: Vec<SensorEvent> = SensorEvent::within(range()).load(p).unwrap();
    same!(p, r, Prediction, Prediction::triggered_by(&events));
    sql(p, "UPDATE predictions SET validation_timestamp = now(), is_accurate = true, accuracy_minutes = 1");
    let r = &mut self::replica(&_db, p);
    same!(
        p,
        r,
        queries::ModelAccuracy,
        queries::accuracy(Prediction::within(range())).order(queries::model_accuracies::model_type)
    );

    // What the table of the module's documentation lists is here.
    let here = include_str!("reads.rs");
    for line in include_str!("../../src/queries/mod.rs").lines().filter(|line| line.starts_with("//! | ")) {
        for name in line.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")).map(|(name, _)| name) {
            // What groups rows that were loaded sends nothing.
            let called = name.rsplit("::").next().unwrap();
            assert!(here.contains(&format!("{called}(")) || called == "group_predictions", "{name} is not read here");
        }
    }
}

#[test]
fn every_view_of_the_catalog_gives_the_same_on_a_replica() {
    let Some(_cluster) = Cluster::get() else { return };
    let (_db, mut primary, mut replica, _) = home();
    fn load<T, Q, C>(query: Q, conn: &mut C) -> Vec<T>
    where
        Q: diesel::query_dsl::LoadQuery<'static, C, T>,
        C: LoadConnection<Backend = Pg>,
    {
        query.load(conn).unwrap()
    }
    fn sorted<T: Debug>(rows: Vec<T>) -> Vec<String> {
        let mut rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
        rows.sort();
        rows
    }
    macro_rules! same_view {
        ($($model:ident),+) => { $(
            let ours = sorted(load::<catalog::$model, _, _>(catalog::$model::query(), &mut primary));
            assert_eq!(ours, sorted(load::<catalog::$model, _, _>(catalog::$model::query(), &mut replica)), stringify!($model));
        )+ };
    }
    same_view!(
        Hypertable,
        Dimension,
        Chunk,
        Job,
        JobStats,
        JobError,
        ContinuousAggregate,
        HypertableColumnstoreSettings,
        ChunkColumnstoreSettings
    );
    assert!(!sorted(load::<catalog::Chunk, _, _>(catalog::Chunk::query(), &mut replica)).is_empty());
}

#[test]
fn verify_finds_on_a_replica_what_it_finds_on_the_primary() {
    let Some(_cluster) = Cluster::get() else { return };
    let (db, mut primary, mut replica, keys) = home();
    assert_eq!(verify().call(&mut replica).unwrap(), []);
    assert_eq!(verify().call(&mut primary).unwrap(), []);
    // A reference that dangles, and a trigger that is off.
    sql(
        &mut primary,
        &format!(
            "SET session_replication_role TO replica; DELETE FROM sensor_events WHERE id = {}; RESET session_replication_role;
             ALTER TABLE predictions DISABLE TRIGGER ALL",
            keys[0].id()
        ),
    );
    let mut replica = self::replica(&db, &mut primary);
    let found = verify().call(&mut primary).unwrap();
    assert!(found.len() >= 2, "{found:?}");
    assert_eq!(verify().call(&mut replica).unwrap(), found);
}

#[test]
fn what_writes_is_refused_on_a_replica_and_finished_migrations_are_not() {
    let Some(_cluster) = Cluster::get() else { return };
    let (_db, mut primary, mut replica, _) = home();
    let row = NewSensorEvent::new(start(), "attic", "sensor.9", SensorType::MOTION, "on");
    let error = bulk::upsert_sensor_events(&[row]).call(&mut replica).unwrap_err();
    let read_only =
        |error: &DieselError| matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _));
    let bulk::BulkError::Database(error) = error else { panic!("{error:?}") };
    assert!(read_only(&error), "{error}");
    let error = diesel::delete(sensor_events::table).execute(&mut replica).unwrap_err();
    assert!(read_only(&error), "{error}");
    // A program that starts beside a replica runs them, and finds nothing to do.
    occupancy_models::run_migrations(&mut replica).unwrap();
    let count: i64 = sensor_events::table.count().get_result(&mut primary).unwrap();
    assert_eq!(count, 400);
}
