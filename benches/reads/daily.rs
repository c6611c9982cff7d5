//! The time in state of every sensor by day, over all days: from the aggregate of the days against from the events.

use chrono::TimeDelta;
use diesel::prelude::*;
use occupancy_models::rollups::{self, daily_states};
use occupancy_models::timescale::refresh;
use occupancy_models::timescale::states::{Calendar, TimeInState};
use occupancy_models::{Call, SensorEvent};

use crate::data::{Home, end};
use crate::measure::Measurements;
use crate::support::{Needs, has_quietly};

pub fn reads(home: &mut Home, days: usize, rounds: usize) {
    if !has_quietly(Needs::Community) {
        println!("\nleft out daily_aggregate/daily_raw: the server has no continuous aggregates");
        return;
    }
    let conn = &mut home.conn;
    rollups::daily_states("UTC", None).create().call(conn).unwrap();
    refresh(daily_states::bucket, ..end()).call(conn).unwrap();
    let range = || end() - TimeDelta::days(days as i64)..end() - TimeDelta::days(1);
    let calendar = || Calendar::days("UTC");
    let mut measured = Measurements::new();
    let mut rows = [0, 0];
    for _ in 0..rounds {
        measured.time("daily_aggregate", 1, || {
            let found: Vec<TimeInState> =
                SensorEvent::daily_states().daily_time_in_state(range(), calendar()).load(conn).unwrap();
            rows[0] = found.len();
        });
        measured.time("daily_raw", 1, || {
            let found: Vec<TimeInState> = SensorEvent::states().time_in_state(range(), calendar()).load(conn).unwrap();
            rows[1] = found.len();
        });
    }
    assert_eq!(rows[0], rows[1], "the same numbers from both");
    println!("\ntime in state of all sensors, all days: {} rows", rows[0]);
    measured.print();
    measured.ratio_as("daily_aggregate/daily_raw", "daily_raw", "daily_aggregate");
}
