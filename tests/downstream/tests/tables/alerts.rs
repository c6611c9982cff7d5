//! Alerts: a reference to sensor events with `ON DELETE CASCADE`.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use home_energy::alert::{self, Alert, NewAlert};
use home_energy::schema::alerts;
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use occupancy_models::{Call, NewSensorEvent, Prediction, SensorEvent, SensorType, drop_sensor_events_before, testing};

use crate::support::{assert_whole, database, needs, start};

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

fn referenced(conn: &mut PgConnection) -> Vec<Option<i64>> {
    alerts::table.order(alerts::id).select(alerts::sensor_event_id).load(conn).unwrap()
}

fn registered(conn: &mut PgConnection) -> Vec<i64> {
    referenced_events::table.order(referenced_events::id).select(referenced_events::id).load(conn).unwrap()
}

#[test]
fn an_alert_goes_with_its_event() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
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
    assert_eq!(referenced(&mut conn), [None, Some(dropped.id), Some(kept.id)]);
    assert_whole(&mut conn);

    let report = drop_sensor_events_before(start() + TimeDelta::days(20)).call(&mut conn).unwrap();
    assert_eq!(report.rows_released, 1);
    assert_eq!(referenced(&mut conn), [None, Some(kept.id)]);
    assert_eq!(registered(&mut conn), [kept.id]);
    assert_whole(&mut conn);
}

#[test]
fn alerts_join_their_events_and_predictions() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let [old, opened] = [0, 40].map(|day| event(&mut conn, day));
    raise(&mut conn, None).unwrap();
    raise(&mut conn, Some(old.id)).unwrap();
    let alert = raise(&mut conn, Some(opened.id)).unwrap();
    let prediction: Prediction = diesel::insert_into(predictions::table)
        .values(testing::prediction("kitchen").with_triggering_event(opened.key()))
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
