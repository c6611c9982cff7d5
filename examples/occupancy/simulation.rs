//! A simulated home: one person, four rooms, and sensors that respond to light, breath and heating.
//!
//! Deterministic for a seed, and a longer stay begins like a shorter one. The rooms' names contain the seed, so that
//! homes of several seeds fit in one database. The lamps are as bright as the rule wants them, so the scores of this
//! home show that the parts fit together, and not how good the rule is.

use std::ops::Range;

use chrono::{DateTime, TimeDelta};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::reading::{Reading, Room};

/// From 1970 to Monday, 2026-01-05.
const START: TimeDelta = TimeDelta::days(20_458);
const DAY: usize = 1_440;

const LOUNGE: usize = 0;
const KITCHEN: usize = 1;
const BEDROOM: usize = 2;
const STUDY: usize = 3;

/// A room: how bright its lamps are at the sensor, and its window at a clear noon, in lux.
struct Plan {
    id: &'static str,
    lamps: f64,
    window: f64,
}

const PLANS: [Plan; 4] = [
    Plan { id: "lounge", lamps: 440.0, window: 340.0 },
    Plan { id: "kitchen", lamps: 520.0, window: 180.0 },
    Plan { id: "bedroom", lamps: 430.0, window: 120.0 },
    Plan { id: "study", lamps: 480.0, window: 260.0 },
];

/// The rooms of the home, with a reading a minute.
pub fn home(seed: u64, days: u16) -> Vec<Room> {
    let mut rng = StdRng::seed_from_u64(seed);
    let noises = PLANS.map(|_| StdRng::from_rng(&mut rng));
    let home = live(usize::from(days), &mut rng);
    let room = |((plan, trace), noise): ((&Plan, &Trace), StdRng)| Room {
        id: format!("home{seed}.{}", plan.id),
        readings: readings(plan, trace, &home.clearness, noise),
    };
    PLANS.iter().zip(&home.rooms).zip(noises).map(room).collect()
}

/// What happens in the home.
struct Home {
    rooms: [Trace; 4],
    /// How much of its light the sky lets through, day by day.
    clearness: Vec<f64>,
}

/// What happens in a room, minute by minute.
struct Trace {
    is_occupied: Vec<bool>,
    lamps_on: Vec<bool>,
}

impl Trace {
    fn be(&mut self, minutes: Range<usize>) {
        set(&mut self.is_occupied, minutes, true);
    }

    /// Is there with the lamps on, which stay on for a moment afterwards, and now and then are forgotten.
    fn be_awake(&mut self, minutes: Range<usize>, rng: &mut StdRng) {
        let forgotten = if rng.random_bool(0.05) { rng.random_range(15..45) } else { rng.random_range(0..2) };
        set(&mut self.lamps_on, minutes.start..minutes.end + forgotten, true);
        self.be(minutes);
    }

    /// Leaves for a few minutes now and then, and leaves the lamps on.
    fn work(&mut self, minutes: Range<usize>, rng: &mut StdRng) {
        self.be_awake(minutes.clone(), rng);
        let mut at = minutes.start + rng.random_range(50..110);
        while at + 15 < minutes.end {
            let back = at + rng.random_range(2..13);
            set(&mut self.is_occupied, at..back, false);
            at = back + rng.random_range(50..110);
        }
    }
}

/// Sets a range of minutes, as far as it is simulated.
fn set(trace: &mut [bool], minutes: Range<usize>, value: bool) {
    let end = minutes.end.min(trace.len());
    if let Some(minutes) = trace.get_mut(minutes.start.min(end)..end) {
        minutes.fill(value);
    }
}

/// The routine: work at home on Monday, Wednesday and Friday, elsewhere on Tuesday and Thursday, weekends at home.
fn live(days: usize, rng: &mut StdRng) -> Home {
    let minutes = days * DAY;
    let mut clearness = Vec::with_capacity(days);
    let mut rooms = PLANS.map(|_| Trace { is_occupied: vec![false; minutes], lamps_on: vec![false; minutes] });
    for day in 0..days {
        let (weekday, midnight) = (day % 7, day * DAY);
        clearness.push(rng.random_range(0.15..1.0));
        let mut around =
            |hour: f64, spread: usize| midnight + (hour * 60.0) as usize - spread + rng.random_range(0..=2 * spread);
        let is_weekend = weekday >= 5;
        let wake = around(if is_weekend { 8.5 } else { 6.75 }, 15);
        let (breakfast, lunch, dinner) = (wake + 20, around(12.25, 10), around(18.5, 20));
        let (start, end, bed) = (around(9.0, 10), around(17.25, 20), around(22.5, 25));
        let asleep = bed + 20;

        rooms[BEDROOM].be(midnight..wake);
        rooms[BEDROOM].be_awake(wake..wake + 17, rng);
        rooms[KITCHEN].be_awake(breakfast..breakfast + 25, rng);
        if is_weekend {
            rooms[LOUNGE].work(start + 30..lunch, rng);
            rooms[KITCHEN].be_awake(lunch..lunch + 50, rng);
            rooms[LOUNGE].work(lunch + 90..end, rng);
        } else if weekday % 2 == 0 {
            rooms[STUDY].work(start..lunch, rng);
            rooms[KITCHEN].be_awake(lunch..lunch + 40, rng);
            rooms[STUDY].work(lunch + 45..end, rng);
        }
        rooms[KITCHEN].be_awake(dinner..dinner + 55, rng);
        rooms[LOUNGE].work(dinner + 60..bed, rng);
        rooms[BEDROOM].be_awake(bed + 2..asleep, rng);
        rooms[BEDROOM].be(asleep..midnight + DAY);
    }
    Home { rooms, clearness }
}

fn readings(plan: &Plan, trace: &Trace, clearness: &[f64], mut noise: StdRng) -> Vec<Reading> {
    let mut air = Air { temperature: 19.0, co2: 450.0, humidity_ratio: 0.0052 };
    let mut reading = |minute: usize| {
        let is_occupied = trace.is_occupied[minute];
        let hour = (minute % DAY) as f64 / 60.0;
        air.step(is_occupied, (6.0..22.5).contains(&hour));
        let lamps = if trace.lamps_on[minute] { plan.lamps } else { 0.0 };
        let light = lamps + plan.window * clearness[minute / DAY] * daylight(hour);
        let mut noisy = |value: f64, spread: f64, decimals: i32| {
            let scale = 10_f64.powi(decimals);
            ((value + spread * noise.random_range(-1.0..1.0)) * scale).round() / scale
        };
        Reading {
            at: DateTime::UNIX_EPOCH + START + TimeDelta::minutes(minute as i64),
            temperature: noisy(air.temperature, 0.05, 2),
            humidity: noisy(air.relative_humidity(), 0.1, 2),
            light: noisy(light, light * 0.02, 1),
            co2: noisy(air.co2, 4.0, 0),
            humidity_ratio: noisy(air.humidity_ratio, 0.0, 6),
            is_occupied,
        }
    };
    (0..trace.is_occupied.len()).map(&mut reading).collect()
}

/// From 0 at night to 1 at noon, for a short day in winter.
fn daylight(hour: f64) -> f64 {
    let (rise, set) = (8.0, 16.5);
    if hour < rise || hour > set { 0.0 } else { ((hour - rise) / (set - rise) * std::f64::consts::PI).sin() }
}

/// The air of a room: each quantity drifts towards where it would end up.
struct Air {
    /// In °C.
    temperature: f64,
    /// In ppm.
    co2: f64,
    /// In kg/kg.
    humidity_ratio: f64,
}

impl Air {
    fn step(&mut self, is_occupied: bool, heating: bool) {
        let person = f64::from(u8::from(is_occupied));
        self.temperature += (if heating { 20.5 } else { 17.5 } + 1.2 * person - self.temperature) * 0.01;
        self.co2 += (420.0 + 650.0 * person - self.co2) * 0.012;
        self.humidity_ratio += (0.0050 + 0.0010 * person - self.humidity_ratio) * 0.01;
    }

    /// In %, at sea level, by the Magnus formula.
    fn relative_humidity(&self) -> f64 {
        let pressure = 101_325.0 * self.humidity_ratio / (0.622 + self.humidity_ratio);
        let saturation = 611.2 * (17.62 * self.temperature / (243.12 + self.temperature)).exp();
        100.0 * pressure / saturation
    }
}
