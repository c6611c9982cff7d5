//! The last event of given sensors: found wherever it lies, and only what held at the instant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::sensor_events;
use occupancy_models::{NewSensorEvent, SensorEvent, SensorType};
use support::TestDb;

fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Events of sensor `age`, that many hours ago each.
fn store(conn: &mut PgConnection, sensor: &'static str, ages: &[i64]) {
    let events: Vec<_> = ages
        .iter()
        .map(|hours| {
            NewSensorEvent::new(now() - TimeDelta::hours(*hours), "room", sensor, SensorType::MOTION, hours.to_string())
        })
        .collect();
    diesel::insert_into(sensor_events::table).values(events).execute(conn).unwrap();
}

/// Sensor and state of what is found, by sensor.
fn found(events: Vec<SensorEvent>) -> BTreeMap<String, String> {
    let count = events.len();
    let found: BTreeMap<_, _> =
        events.into_iter().map(|event| (event.sensor_id, event.state.as_str().to_owned())).collect();
    assert_eq!(found.len(), count, "a sensor is there twice");
    found
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(sensor, state)| ((*sensor).to_owned(), (*state).to_owned())).collect()
}

const SENSORS: [&str; 6] = ["minutes", "hours", "days", "weeks", "years", "never"];

fn filled() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    store(&mut conn, "minutes", &[0, 1, 30, 2_000]);
    store(&mut conn, "hours", &[20, 21]);
    store(&mut conn, "days", &[24 * 9, 24 * 10]);
    store(&mut conn, "weeks", &[24 * 50]);
    store(&mut conn, "years", &[24 * 800, 24 * 900]);
    store(&mut conn, "another", &[0]);
    (db, conn)
}

#[test]
fn the_last_event_is_found_in_whatever_chunk_it_is() {
    let (_db, mut conn) = filled();
    let last = SensorEvent::latest_for_sensors(SENSORS, ..).load::<SensorEvent>(&mut conn).unwrap();
    assert_eq!(
        found(last),
        expected(&[("minutes", "0"), ("hours", "20"), ("days", "216"), ("weeks", "1200"), ("years", "19200")])
    );
    // Asked for twice is found once.
    assert_eq!(
        SensorEvent::latest_for_sensors(["hours", "hours"], ..).load::<SensorEvent>(&mut conn).unwrap().len(),
        1
    );
    assert_eq!(SensorEvent::latest_for_sensors([""; 0], ..).load::<SensorEvent>(&mut conn).unwrap(), []);
}

#[test]
fn what_held_at_an_instant_is_what_was_reported_until_then() {
    let (_db, mut conn) = filled();
    let at = |hours: i64| now() - TimeDelta::hours(hours) + TimeDelta::minutes(30);
    let as_of = |conn: &mut PgConnection, hours| {
        found(SensorEvent::latest_for_sensors(SENSORS, ..=at(hours)).load::<SensorEvent>(conn).unwrap())
    };
    assert_eq!(
        as_of(&mut conn, 21),
        expected(&[("minutes", "30"), ("hours", "21"), ("days", "216"), ("weeks", "1200"), ("years", "19200")])
    );
    assert_eq!(as_of(&mut conn, 24 * 850), expected(&[("years", "21600")]));
    assert_eq!(as_of(&mut conn, 24 * 1_000), expected(&[]));

    // The instant itself counts.
    let event: SensorEvent = SensorEvent::query().filter(sensor_events::state.eq("216")).first(&mut conn).unwrap();
    let held = SensorEvent::latest_for_sensors(["days"], ..=event.timestamp).load::<SensorEvent>(&mut conn).unwrap();
    assert_eq!(held.first().map(|held| held.id), Some(event.id));
    let before = event.timestamp - TimeDelta::microseconds(1);
    assert_eq!(
        found(SensorEvent::latest_for_sensors(["days"], ..=before).load::<SensorEvent>(&mut conn).unwrap()),
        expected(&[("days", "240")])
    );
}

#[test]
fn what_is_older_than_the_look_back_does_not_count() {
    let (_db, mut conn) = filled();
    for (days, sensors) in [(0, 1), (1, 2), (20, 3), (60, 4), (1_000, 5)] {
        let since = now() - TimeDelta::days(days) - TimeDelta::minutes(1);
        let last = SensorEvent::latest_for_sensors(SENSORS, since..).load::<SensorEvent>(&mut conn).unwrap();
        assert_eq!(last.len(), sensors, "since {days} days: {:?}", found(last.clone()));
    }
}
