//! The known recipe's reads, on three indexes and on ten.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::queries::{
    self, DEFAULT_GAP, DEFAULT_MIN_LENGTH, ModelAccuracy, RoomSummary, SensorEfficiency, TemporalPattern,
    TransitionSequence, newest_first, oldest_first,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Prediction, SensorEvent, SensorType};

use crate::data::{Home, end};
use crate::measure::Measurements;

type Read = (&'static str, fn(&mut PgConnection) -> usize);

/// The last days.
fn last(days: i64) -> std::ops::Range<DateTime<Utc>> {
    end() - TimeDelta::days(days)..end()
}

const ROOM: &str = "room_3";

/// Reads of events, which both sides can.
const EVENTS: [Read; 10] = [
    ("recent_events_24_hours", |conn| {
        SensorEvent::timeline(ROOM, last(1)).order(newest_first()).load::<SensorEvent>(conn).unwrap().len()
    }),
    ("recent_events_of_one_type_24_hours", |conn| {
        SensorEvent::timeline(ROOM, last(1))
            .filter(sensor_events::sensor_type.eq(SensorType::MOTION))
            .order(newest_first())
            .load::<SensorEvent>(conn)
            .unwrap()
            .len()
    }),
    ("state_changes_7_days", |conn| {
        SensorEvent::state_changes(ROOM, last(7)).order(oldest_first()).load::<SensorEvent>(conn).unwrap().len()
    }),
    ("transition_sequences_7_days", |conn| {
        queries::sequences(SensorEvent::state_changes(ROOM, last(7)), DEFAULT_GAP, DEFAULT_MIN_LENGTH)
            .load::<TransitionSequence>(conn)
            .unwrap()
            .len()
    }),
    ("room_summary_30_days", |conn| {
        queries::summarize_rooms(SensorEvent::in_room(ROOM, last(30))).load::<RoomSummary>(conn).unwrap().len()
    }),
    ("sensor_efficiency_30_days", |conn| {
        queries::sensor_efficiency(SensorEvent::in_room(ROOM, last(30))).load::<SensorEfficiency>(conn).unwrap().len()
    }),
    ("by_hour_of_day_30_days", |conn| {
        queries::by_hour_of_day(SensorEvent::in_room(ROOM, last(30)), "Europe/Berlin")
            .load::<TemporalPattern>(conn)
            .unwrap()
            .len()
    }),
    ("by_day_of_week_30_days", |conn| {
        queries::by_day_of_week(SensorEvent::in_room(ROOM, last(30)), "Europe/Berlin")
            .load::<TemporalPattern>(conn)
            .unwrap()
            .len()
    }),
    ("last_event_per_sensor_24_hours", |conn| {
        SensorEvent::latest_per_sensor(last(1))
            .filter(sensor_events::room_id.eq(ROOM))
            .load::<SensorEvent>(conn)
            .unwrap()
            .len()
    }),
    ("series_of_a_sensor_7_days", |conn| {
        SensorEvent::series("sensor_18", last(7)).load::<(DateTime<Utc>, f64)>(conn).unwrap().len()
    }),
];

/// Reads of predictions, whose indexes are the same.
const PREDICTIONS: [Read; 5] = [
    ("predictions_with_events_30_days", |conn| {
        queries::with_events(Prediction::in_room(ROOM, last(30)))
            .load::<(Prediction, Option<SensorEvent>)>(conn)
            .unwrap()
            .len()
    }),
    ("predictions_of_an_event", |conn| {
        let ids =
            predictions::table.order(predictions::id.desc()).select(predictions::triggering_event_id.assume_not_null());
        let id = ids.first::<i64>(conn).unwrap();
        predictions::table.filter(predictions::triggering_event_id.eq(id)).count().get_result::<i64>(conn).unwrap()
            as usize
    }),
    ("pending_validations_24_hours", |conn| Prediction::pending(last(1)).load::<Prediction>(conn).unwrap().len()),
    ("accuracy_of_a_room_30_days", |conn| {
        queries::accuracy(Prediction::in_room(ROOM, last(30))).load::<ModelAccuracy>(conn).unwrap().len()
    }),
    ("accuracy_of_all_rooms_30_days", |conn| {
        queries::accuracy(Prediction::within(last(30))).load::<ModelAccuracy>(conn).unwrap().len()
    }),
];

/// Each read on both sides in turn; a ratio above 1 says that three indexes are faster.
pub fn reads(ours: &mut Home, recipe: &mut Home, rounds: usize) {
    println!("\n{:<36} {:>6} {:>14} {:>14}", "read", "rows", "three indexes", "ten indexes");
    for (name, read) in EVENTS {
        let mut measured = Measurements::new();
        let mut rows = 0;
        for _ in 0..rounds {
            measured.time("three_indexes", 1, || rows = read(&mut ours.conn));
            measured.time("ten_indexes", 1, || assert_eq!(read(&mut recipe.conn), rows, "{name}"));
        }
        let [three, ten] = ["three_indexes", "ten_indexes"].map(|side| milliseconds(&measured, side));
        println!("{name:<36} {rows:>6} {three:>11.2} ms {ten:>11.2} ms");
        measured.ratio_as(&format!("three_indexes/ten_indexes:{name}"), "three_indexes", "ten_indexes");
    }
    for (name, read) in PREDICTIONS {
        let mut measured = Measurements::new();
        let mut rows = 0;
        for _ in 0..rounds {
            measured.time(name, 1, || rows = read(&mut ours.conn));
        }
        println!("{name:<36} {rows:>6} {:>11.2} ms {:>14}", milliseconds(&measured, name), "the same");
    }
}

fn milliseconds(measured: &Measurements, name: &str) -> f64 {
    1_000.0 / measured.median(name).unwrap()
}
