//! A column of this crate on `sensor_events`.

use chrono::TimeDelta;
use diesel::prelude::*;
use home_energy::battery::{BatteryEvent, low_batteries};
use home_energy::schema::extended;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::bulk::{self, BulkError};
use occupancy_models::{Call, SensorEvent, SensorState, SensorType, drop_sensor_events_before, verify};

use crate::support::{assert_whole, database, needs, start};

fn reports(battery_percent: impl Fn(i64) -> Option<i16>) -> Vec<BatteryEvent> {
    (0..600)
        .map(|n| BatteryEvent {
            timestamp: start() + TimeDelta::minutes(n),
            room_id: "hall".to_owned(),
            sensor_id: format!("motion {}", n % 2),
            sensor_type: SensorType::MOTION,
            state: SensorState::ON,
            battery_percent: battery_percent(n),
        })
        .collect()
}

#[test]
fn a_column_of_ones_own_is_written_upserted_and_read() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let key = (extended::sensor_events::sensor_id, extended::sensor_events::timestamp);
    let first = reports(|_| Some(80));
    let report = bulk::upsert(&first).on_conflict(key).validate().call(&mut conn).unwrap();
    assert_eq!(report.inserted, 600);
    assert_eq!(BatteryEvent::query().order(extended::sensor_events::timestamp).load(&mut conn).as_ref(), Ok(&first));

    // What the crate knows of the rows is as it writes it.
    let event: SensorEvent = SensorEvent::query().order(sensor_events::timestamp).first(&mut conn).unwrap();
    assert_eq!((event.timestamp, &*event.sensor_id), (start(), "motion 0"));
    assert_eq!((event.attributes, event.is_human_triggered), (serde_json::json!({}), true));

    // An upsert by the crate's own struct keeps the column that it does not know.
    let again = occupancy_models::NewSensorEvent::new(start(), "hall", "motion 0", SensorType::MOTION, "off");
    assert_eq!(bulk_upsert(&[again], &mut conn), 1);
    let stored = BatteryEvent::query().filter(extended::sensor_events::timestamp.eq(start()));
    assert_eq!(stored.first(&mut conn).unwrap().battery_percent, Some(80));

    // Some change; a null does not clear what is stored where that is asked for.
    let later = reports(|n| (n % 2 == 0).then_some(15));
    let call = bulk::upsert(&later).on_conflict(key).keep_if_null(extended::sensor_events::battery_percent);
    let report = call.call(&mut conn).unwrap();
    assert_eq!((report.updated, report.unchanged), (300, 300));
    assert_eq!(low_batteries(20, start()).count().get_result(&mut conn), Ok(300));

    let wrong = reports(|n| Some(if n == 3 { 101 } else { 50 }));
    let error = bulk::upsert(&wrong).on_conflict(key).validate().call(&mut conn).unwrap_err();
    assert!(matches!(error, BulkError::InvalidRows(_)), "{error:?}");
    assert_eq!(error.to_string(), "row 3, battery_percent: 101 is not a percentage from 0 to 100");
}

fn bulk_upsert(events: &[occupancy_models::NewSensorEvent<'_>], conn: &mut PgConnection) -> u64 {
    occupancy_models::bulk::upsert_sensor_events(events).call(conn).unwrap().updated
}

#[test]
fn what_the_crate_does_goes_on_with_a_column_more() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let key = (extended::sensor_events::sensor_id, extended::sensor_events::timestamp);
    bulk::upsert(reports(|_| Some(80))).on_conflict(key).call(&mut conn).unwrap();
    assert_whole(&mut conn);
    SensorEvent::setup().allow_unsupported().plan().call(&mut conn).unwrap();
    drop_sensor_events_before(start() + TimeDelta::days(60)).call(&mut conn).unwrap();
    assert_eq!(extended::sensor_events::table.count().get_result(&mut conn), Ok(0));
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);
}
