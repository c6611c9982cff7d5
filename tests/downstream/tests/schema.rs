//! Tables of one's own beside those of occupancy-models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_migrations::MigrationHarness;
use home_energy::alert::{self, Alert, NewAlert};
use home_energy::energy::{ENERGY, EnergyReading};
use home_energy::schema::{alerts, energy_readings};
use home_energy::setup::MIGRATIONS;
use occupancy_models::bulk;
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use occupancy_models::timescale::HypertableOutcome;
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorType, TransitionType,
    drop_sensor_events_before, revert_migrations, run_migrations, verify,
};
use support::{TestDb, server, values};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

fn ready() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    conn.run_pending_migrations(MIGRATIONS).unwrap();
    EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
    (db, conn)
}

fn event(conn: &mut PgConnection, day: i64) -> SensorEvent {
    let at = start() + TimeDelta::days(day);
    diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(at, "kitchen", "kitchen.door", SensorType::DOOR, "open"))
        .returning(SensorEvent::as_returning())
        .get_result(conn)
        .unwrap()
}

fn raise(conn: &mut PgConnection, sensor_event_id: Option<i64>) -> QueryResult<Alert> {
    diesel::insert_into(alerts::table)
        .values(NewAlert { room_id: "kitchen", message: "the door is open", sensor_event_id })
        .returning(Alert::as_returning())
        .get_result(conn)
}

fn references(conn: &mut PgConnection) -> Vec<Option<i64>> {
    alerts::table.order(alerts::id).select(alerts::sensor_event_id).load(conn).unwrap()
}

fn registered(conn: &mut PgConnection) -> Vec<i64> {
    referenced_events::table.order(referenced_events::id).select(referenced_events::id).load(conn).unwrap()
}

#[track_caller]
fn assert_whole(conn: &mut PgConnection) {
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
}

#[test]
fn both_sets_of_migrations_run_and_revert_side_by_side() {
    let (db, mut conn) = TestDb::new();
    let tables = format!(
        "SELECT tablename FROM pg_tables WHERE schemaname = '{}' AND tablename !~ 'migrations$' ORDER BY 1",
        db.schema()
    );
    let ours = ["alerts", "energy_readings"];
    for _ in 0..2 {
        assert!(!run_migrations(&mut conn).unwrap().is_empty());
        SensorEvent::hypertable().allow_plain_table().call(&mut conn).unwrap();
        let before = values(&mut conn, &tables);
        assert_eq!(conn.run_pending_migrations(MIGRATIONS).unwrap().len(), 2);
        EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
        let all = values(&mut conn, &tables);
        assert!(ours.iter().all(|table| all.iter().any(|name| name == table)), "{all:?}");
        assert_whole(&mut conn);

        // Neither migration history knows the other, so both are up to date.
        assert!(run_migrations(&mut conn).unwrap().is_empty());
        assert!(!conn.has_pending_migration(MIGRATIONS).unwrap());
        assert_eq!(values(&mut conn, "SELECT count(*) FROM __diesel_schema_migrations"), ["2"]);

        // The tables below do not go while one above refers to them, and nothing has changed then.
        revert_migrations(&mut conn).unwrap_err();
        assert_eq!(values(&mut conn, &tables), all);
        assert_whole(&mut conn);

        assert_eq!(conn.revert_all_migrations(MIGRATIONS).unwrap().len(), 2);
        assert_eq!(values(&mut conn, &tables), before);
        assert_whole(&mut conn);
        revert_migrations(&mut conn).unwrap();
        assert!(values(&mut conn, &tables).is_empty());
    }
}

#[test]
fn an_alert_refers_to_an_event_until_that_is_gone() {
    let (_db, mut conn) = ready();
    let [deleted, dropped, kept] = [0, 1, 40].map(|day| event(&mut conn, day));

    raise(&mut conn, None).unwrap();
    assert_eq!(registered(&mut conn), [0; 0]);
    for event in [&deleted, &dropped, &kept] {
        assert_eq!(raise(&mut conn, Some(event.id)).unwrap().sensor_event_id, Some(event.id));
    }
    assert_eq!(registered(&mut conn), [deleted.id, dropped.id, kept.id]);
    assert_whole(&mut conn);

    let error = raise(&mut conn, Some(kept.id + 1)).unwrap_err();
    assert!(matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)), "{error:?}");

    diesel::delete(&deleted).execute(&mut conn).unwrap();
    assert_eq!(references(&mut conn), [None, None, Some(dropped.id), Some(kept.id)]);
    assert_whole(&mut conn);

    let report = drop_sensor_events_before(start() + TimeDelta::days(20)).call(&mut conn).unwrap();
    assert_eq!(report.rows_released, 1);
    assert_eq!(references(&mut conn), [None, None, None, Some(kept.id)]);
    assert_eq!(registered(&mut conn), [kept.id]);
    assert_whole(&mut conn);
}

#[test]
fn alerts_join_their_events_and_predictions() {
    let (_db, mut conn) = ready();
    let [old, opened] = [0, 40].map(|day| event(&mut conn, day));
    raise(&mut conn, None).unwrap();
    raise(&mut conn, Some(old.id)).unwrap();
    let alert = raise(&mut conn, Some(opened.id)).unwrap();
    let at = opened.timestamp + TimeDelta::minutes(5);
    let prediction: Prediction = diesel::insert_into(predictions::table)
        .values(
            NewPrediction::new("kitchen", at, TransitionType::VacantToOccupied, 0.9, ModelType::HMM, "1")
                .with_triggering_event(opened.key()),
        )
        .returning(Prediction::as_returning())
        .get_result(&mut conn)
        .unwrap();

    let with_events = alert::with_events(start() + TimeDelta::days(20))
        .filter(sensor_events::sensor_type.eq(SensorType::DOOR))
        .select((Alert::as_select(), SensorEvent::as_select()))
        .load::<(Alert, SensorEvent)>(&mut conn);
    assert_eq!(with_events.unwrap(), [(alert.clone(), opened.clone())]);

    let with_predictions =
        alert::with_predictions()
            .select((Alert::as_select(), Prediction::as_select()))
            .load::<(Alert, Prediction)>(&mut conn);
    assert_eq!(with_predictions.unwrap(), [(alert, prediction)]);

    diesel::delete(&opened).execute(&mut conn).unwrap();
    assert_eq!(alert::with_predictions().count().get_result(&mut conn), Ok(0));
}

#[test]
fn meters_have_a_hypertable_of_their_own() {
    let (_db, mut conn) = ready();
    let again = EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
    let readings: Vec<_> = (0..3).map(|week| reading(start() + TimeDelta::weeks(week))).collect();
    diesel::insert_into(energy_readings::table).values(&readings).execute(&mut conn).unwrap();
    assert_eq!(EnergyReading::query().order(energy_readings::read_at).load(&mut conn), Ok(readings));

    let report = EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
    if server().available.is_some() {
        assert_eq!((again.outcome, again.chunks), (HypertableOutcome::AlreadyThere, Some(0)));
        assert_eq!((report.chunk_interval, report.chunks), (Some(TimeDelta::days(7)), Some(3)));
    } else {
        assert_eq!(report.outcome, HypertableOutcome::PlainTable);
    }
    // Retention of the events is about the events alone.
    drop_sensor_events_before(start() + TimeDelta::weeks(52)).call(&mut conn).unwrap();
    assert_eq!(energy_readings::table.count().get_result(&mut conn), Ok(3));
}

fn reading(read_at: DateTime<Utc>) -> EnergyReading {
    EnergyReading { meter_id: "kitchen.meter".to_owned(), read_at, room_id: "kitchen".to_owned(), watt_hours: 12.5 }
}

#[test]
fn a_sensor_type_of_ones_own_is_stored_read_and_serialized() {
    let (_db, mut conn) = ready();
    let reading = reading(start());
    let report = bulk::upsert_sensor_events(&[reading.event()]).call(&mut conn).unwrap();
    assert_eq!(report.inserted, 1);
    let found: SensorEvent =
        SensorEvent::query().filter(sensor_events::sensor_type.eq(ENERGY)).get_result(&mut conn).unwrap();
    assert_eq!(found.sensor_type, ENERGY);
    assert!(!found.sensor_type.is_known());
    assert_eq!((found.numeric_value, found.is_human_triggered), (Some(12.5), false));

    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains(r#""sensor_type":"energy""#), "{json}");
    assert_eq!(serde_json::from_str::<SensorEvent>(&json).unwrap(), found);
}
