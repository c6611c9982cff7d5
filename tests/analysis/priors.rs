//! Priors by hour of the week.

use std::collections::BTreeMap;

use chrono::{Datelike, TimeDelta, Timelike};
use chrono_tz::Tz;
use diesel::prelude::*;
use occupancy_models::SensorEvent;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{HourlyPrior, IntervalRule, StateInterval};

use super::readings::{instant, random, store};
use super::reference::part_of;
use super::support::TestDb;

#[test]
fn priors_are_those_of_every_hour() {
    for (zone, from) in [("Europe/Berlin", "2026-03-19T13:10:00Z"), ("Australia/Lord_Howe", "2026-03-29T00:00:00Z")] {
        let (_db, mut conn) = TestDb::ready();
        let tz: Tz = zone.parse().unwrap();
        let range = instant(from)..instant(from) + TimeDelta::days(17);
        store(&mut conn, &random(3, range.start, range.end, &["on", "off"]));
        let rule = || IntervalRule::at_least(2, ["on"]).hold(TimeDelta::minutes(4));
        let intervals: Vec<StateInterval> =
            SensorEvent::states().intervals(sensor_events::room_id, rule(), range.clone()).load(&mut conn).unwrap();
        let rows: Vec<HourlyPrior> =
            SensorEvent::states().priors(sensor_events::room_id, rule(), range.clone(), zone).load(&mut conn).unwrap();

        // Five minutes at a time: hours begin where the part of the calendar changes.
        let step = TimeDelta::minutes(5);
        let mut hours = Vec::new();
        let mut at = range.start - TimeDelta::hours(2);
        while at < range.end + TimeDelta::hours(2) {
            let is_new = part_of("hour", tz, at) != part_of("hour", tz, at - step);
            if is_new {
                hours.push(at);
            }
            at += step;
        }
        let mut expected: BTreeMap<(String, u32, u32), Vec<f64>> = BTreeMap::new();
        for room in ["kitchen", "office"] {
            for pair in hours.windows(2).filter(|pair| pair[0] >= range.start && pair[1] <= range.end) {
                let covered: TimeDelta = intervals
                    .iter()
                    .filter(|interval| interval.group_id == room)
                    .map(|i| (i.ended_at.min(pair[1]) - i.began_at.max(pair[0])).max(TimeDelta::zero()))
                    .sum();
                let share = covered.as_seconds_f64() / (pair[1] - pair[0]).as_seconds_f64();
                let local = pair[0].with_timezone(&tz);
                let key = (room.to_owned(), local.weekday().number_from_monday(), local.hour());
                expected.entry(key).or_default().push(share);
            }
        }
        assert_eq!(rows.len(), expected.len(), "{zone}");
        for row in rows {
            let shares = &expected[&(row.group_id.clone(), row.day_of_week as u32, row.hour as u32)];
            let covered = shares.iter().filter(|share| **share >= 0.5).count();
            assert_eq!((row.hours as usize, row.covered_hours as usize), (shares.len(), covered), "{zone} {row:?}");
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            assert!((row.mean_share - mean).abs() < 1e-9, "{zone} {row:?}");
            let interval = row.credible_interval(0.9);
            assert!(interval.contains(&((covered as f64 + 0.5) / (shares.len() as f64 + 1.0))));
        }
    }
}
