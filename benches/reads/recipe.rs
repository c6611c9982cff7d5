//! The known recipe's reads, on three indexes and on ten.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::query::{
    self, DEFAULT_GAP, DEFAULT_MIN_LENGTH, ModelAccuracy, RoomSummary, SensorEfficiency, TemporalPattern,
    TransitionSequence, newest_first, oldest_first,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Prediction, SensorEvent, SensorType};

use crate::data::{Home, end};

type Read = (&'static str, fn(&mut PgConnection) -> usize);

/// The last days.
fn last(days: i64) -> std::ops::Range<DateTime<Utc>> {
    end() - TimeDelta::days(days)..end()
}

const ROOM: &str = "room_3";

/// Reads of events, which both sides can.
const EVENTS: [Read; 10] = [
    ("recent events, 24 hours", |conn| {
        SensorEvent::timeline(ROOM, last(1)).order(newest_first()).load::<SensorEvent>(conn).unwrap().len()
    }),
    ("recent events of one type, 24 hours", |conn| {
        SensorEvent::timeline(ROOM, last(1))
            .filter(sensor_events::sensor_type.eq(SensorType::MOTION))
            .order(newest_first())
            .load::<SensorEvent>(conn)
            .unwrap()
            .len()
    }),
    ("state changes, 7 days", |conn| {
        SensorEvent::state_changes(ROOM, last(7)).order(oldest_first()).load::<SensorEvent>(conn).unwrap().len()
    }),
    ("transition sequences, 7 days", |conn| {
        query::sequences(SensorEvent::state_changes(ROOM, last(7)), DEFAULT_GAP, DEFAULT_MIN_LENGTH)
            .load::<TransitionSequence>(conn)
            .unwrap()
            .len()
    }),
    ("a room's numbers, 30 days", |conn| {
        query::summarize_rooms(SensorEvent::in_room(ROOM, last(30))).load::<RoomSummary>(conn).unwrap().len()
    }),
    ("sensor efficiency, 30 days", |conn| {
        query::sensor_efficiency(SensorEvent::in_room(ROOM, last(30))).load::<SensorEfficiency>(conn).unwrap().len()
    }),
    ("by hour of day, 30 days", |conn| {
        query::by_hour_of_day(SensorEvent::in_room(ROOM, last(30)), "Europe/Berlin")
            .load::<TemporalPattern>(conn)
            .unwrap()
            .len()
    }),
    ("by day of week, 30 days", |conn| {
        query::by_day_of_week(SensorEvent::in_room(ROOM, last(30)), "Europe/Berlin")
            .load::<TemporalPattern>(conn)
            .unwrap()
            .len()
    }),
    ("last event per sensor of a room, 24 hours", |conn| {
        SensorEvent::last_per_sensor(last(1))
            .filter(sensor_events::room_id.eq(ROOM))
            .load::<SensorEvent>(conn)
            .unwrap()
            .len()
    }),
    ("a sensor's numbers, 7 days", |conn| {
        SensorEvent::series("sensor_18", last(7)).load::<(DateTime<Utc>, f64)>(conn).unwrap().len()
    }),
];

/// Reads of predictions, whose indexes are the same.
const PREDICTIONS: [Read; 5] = [
    ("predictions with events, 30 days", |conn| {
        query::with_events(Prediction::in_room(ROOM, last(30)))
            .load::<(Prediction, Option<SensorEvent>)>(conn)
            .unwrap()
            .len()
    }),
    ("an event's predictions", |conn| {
        let ids =
            predictions::table.order(predictions::id.desc()).select(predictions::triggering_event_id.assume_not_null());
        let id = ids.first::<i64>(conn).unwrap();
        predictions::table.filter(predictions::triggering_event_id.eq(id)).count().get_result::<i64>(conn).unwrap()
            as usize
    }),
    ("pending validations, 24 hours", |conn| Prediction::pending(last(1)).load::<Prediction>(conn).unwrap().len()),
    ("accuracy, 30 days, a room", |conn| {
        query::accuracy(Prediction::in_room(ROOM, last(30))).load::<ModelAccuracy>(conn).unwrap().len()
    }),
    ("accuracy, 30 days, all rooms", |conn| {
        query::accuracy(Prediction::within(last(30))).load::<ModelAccuracy>(conn).unwrap().len()
    }),
];

pub fn reads(ours: &mut Home, recipe: &mut Home, rounds: usize) {
    println!("\n{:<44} {:>6} {:>14} {:>14}", "read", "rows", "three indexes", "ten indexes");
    for (name, read) in EVENTS {
        let (mut three, mut ten) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for _ in 0..rounds {
            rows = timed(&mut three, &mut ours.conn, read);
            assert_eq!(timed(&mut ten, &mut recipe.conn, read), rows, "{name}");
        }
        println!(
            "{name:<44} {rows:>6} {:>11.2} ms {:>11.2} ms",
            crate::measure::median(three),
            crate::measure::median(ten)
        );
    }
    for (name, read) in PREDICTIONS {
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..rounds {
            rows = timed(&mut times, &mut ours.conn, read);
        }
        println!("{name:<44} {rows:>6} {:>11.2} ms {:>14}", crate::measure::median(times), "the same");
    }
}

fn timed(times: &mut Vec<f64>, conn: &mut PgConnection, read: fn(&mut PgConnection) -> usize) -> usize {
    let start = Instant::now();
    let rows = read(conn);
    times.push(start.elapsed().as_secs_f64() * 1_000.0);
    rows
}
