//! The naive computations: what holds is asked for one instant after the other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::readings::Reading;

/// The state of a sensor at an instant; `None` where it is not known.
pub fn state_at<'r>(
    readings: &'r [Reading],
    sensor: &str,
    at: DateTime<Utc>,
    earliest: DateTime<Utc>,
    silence: Option<TimeDelta>,
) -> Option<&'r str> {
    let last = readings.iter().filter(|r| r.sensor == sensor && r.at <= at && r.at >= earliest).max_by_key(|r| r.at)?;
    silence.is_none_or(|silence| at - last.at < silence).then_some(&*last.state)
}

/// Which part of the calendar an instant is in: the local time that it starts at, and for hours the offset.
pub fn part_of(unit: &str, zone: Tz, at: DateTime<Utc>) -> (NaiveDateTime, i32) {
    let local = at.with_timezone(&zone);
    let day = local.date_naive();
    match unit {
        "hour" => (day.and_hms_opt(local.hour(), 0, 0).unwrap(), local.offset().fix().local_minus_utc()),
        "day" => (day.into(), 0),
        "week" => ((day - TimeDelta::days(i64::from(day.weekday().num_days_from_monday()))).into(), 0),
        "month" => (day.with_day(1).unwrap().into(), 0),
        _ => unreachable!(),
    }
}

/// The instants in the range at which anything can change: readings, silences, and quarters of an hour.
pub fn cuts(
    readings: &[Reading],
    sensor: &str,
    range: &std::ops::Range<DateTime<Utc>>,
    silence: Option<TimeDelta>,
) -> Vec<DateTime<Utc>> {
    let mut cuts = BTreeSet::from([range.start, range.end]);
    for reading in readings.iter().filter(|r| r.sensor == sensor) {
        cuts.insert(reading.at);
        cuts.extend(silence.map(|silence| reading.at + silence));
    }
    let mut quarter = DateTime::from_timestamp(range.start.timestamp() / 900 * 900, 0).unwrap();
    while quarter < range.end {
        cuts.insert(quarter);
        quarter += TimeDelta::minutes(15);
    }
    cuts.into_iter().filter(|cut| range.start <= *cut && *cut <= range.end).collect()
}

/// Microseconds and changes, by sensor, part of the calendar and state.
pub type Times = BTreeMap<(String, (NaiveDateTime, i32), Option<String>), (i64, i64)>;

pub fn time_in_state(
    readings: &[Reading],
    sensors: &[String],
    range: std::ops::Range<DateTime<Utc>>,
    (unit, zone): (&str, Tz),
    look_back: TimeDelta,
    silence: Option<TimeDelta>,
) -> Times {
    let mut times = Times::new();
    let earliest = range.start - look_back;
    for sensor in sensors {
        let readings: Vec<Reading> = readings.iter().filter(|r| r.sensor == *sensor).cloned().collect();
        let readings = &readings;
        for pair in cuts(readings, sensor, &range, silence).windows(2) {
            let state = state_at(readings, sensor, pair[0], earliest, silence).map(str::to_owned);
            let part = part_of(unit, zone, pair[0]);
            times.entry((sensor.clone(), part, state)).or_default().0 +=
                (pair[1] - pair[0]).num_microseconds().unwrap();
        }
        let mut before: Option<&str> = None;
        let mut own: Vec<_> = readings.iter().filter(|r| r.sensor == *sensor && r.at >= earliest).collect();
        own.sort_by_key(|r| r.at);
        for reading in own {
            if range.contains(&reading.at) && before.is_some_and(|before| before != reading.state) {
                let key = (sensor.clone(), part_of(unit, zone, reading.at), Some(reading.state.clone()));
                times.entry(key).or_default().1 += 1;
            }
            before = Some(&reading.state);
        }
    }
    times
}
