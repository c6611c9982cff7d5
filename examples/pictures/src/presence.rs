//! Two sensors more for each room, which report only changes: a motion sensor and a seat.

use occupancy_models::{NewSensorEvent, SensorState, SensorType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::reading::{Reading, Room};

pub const SEAT: SensorType<'static> = SensorType::from_static("seat");

/// For how many minutes the motion sensor reports a motion.
const MOTION_MINUTES: u32 = 4;

/// The events of both sensors of the rooms. Deterministic for a seed, and a longer stay begins like a shorter one.
pub fn events(rooms: &[Room], seed: u64) -> Vec<NewSensorEvent<'_>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut events = Vec::new();
    for room in rooms {
        let mut minutes_left = 0;
        let motion = changes(room, &SensorType::MOTION, StdRng::from_rng(&mut rng), |reading, rng| {
            let moves = rng.random_bool(0.25);
            minutes_left = if reading.is_occupied && moves { MOTION_MINUTES } else { minutes_left.saturating_sub(1) };
            minutes_left > 0
        });
        events.extend(motion);
        let mut is_taken = false;
        let seat = changes(room, &SEAT, StdRng::from_rng(&mut rng), |reading, rng| {
            // Who comes sits down before long, and gets up now and then.
            let sits = rng.random_bool(if is_taken { 0.985 } else { 0.35 });
            is_taken = reading.is_occupied && sits;
            is_taken
        });
        events.extend(seat);
    }
    events
}

/// An event at the first reading, and at each that changes the state of the sensor.
fn changes<'a>(
    room: &'a Room,
    sensor_type: &SensorType<'static>,
    mut rng: StdRng,
    mut is_on: impl FnMut(&Reading, &mut StdRng) -> bool,
) -> Vec<NewSensorEvent<'a>> {
    let mut before = None;
    let mut events = Vec::new();
    for reading in &room.readings {
        let is_on = is_on(reading, &mut rng);
        if before.replace(is_on) != Some(is_on) {
            let state = if is_on { SensorState::ON } else { SensorState::OFF };
            let sensor_id = room.sensor_id(sensor_type);
            events.push(NewSensorEvent::new(reading.at, &*room.id, sensor_id, sensor_type.clone(), state));
        }
    }
    events
}
