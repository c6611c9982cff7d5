//! Spans of states, and the time in each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use occupancy_models::SensorEvent;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{Calendar, StateSpan, TimeInState, state_spans, times_in_state};

use super::readings::{Reading, instant, random, store};
use super::reference::{self, Times, part_of, state_at};
use super::support::TestDb;

const STATES: [&str; 4] = ["on", "off", "unavailable", "unknown"];

/// Weeks in which the clocks change, by a whole hour, by half an hour, and at midnight.
const WEEKS: [(&str, &str); 7] = [
    ("Europe/Berlin", "2026-03-26T13:10:00Z"),
    ("Europe/Berlin", "2026-10-23T05:00:00Z"),
    ("America/New_York", "2026-03-06T00:00:00Z"),
    ("America/New_York", "2025-10-31T23:59:59.999999Z"),
    ("Australia/Lord_Howe", "2026-04-02T15:10:00Z"),
    ("Australia/Lord_Howe", "2025-10-03T11:00:00Z"),
    ("Atlantic/Azores", "2025-10-24T00:30:00Z"),
];

fn calendar(unit: &str, zone: &'static str) -> Calendar<'static> {
    match unit {
        "hour" => Calendar::hours(zone),
        "day" => Calendar::days(zone),
        "week" => Calendar::weeks(zone),
        _ => Calendar::months(zone),
    }
}

/// The rows as the reference has them. A bucket of the first hour may start before what the reference has of it, so it
/// goes by the part of the calendar.
fn times(rows: &[TimeInState], unit: &str, zone: Tz) -> Times {
    let mut times = Times::new();
    for row in rows {
        let key = (row.series.clone(), part_of(unit, zone, row.bucket), row.state.clone());
        let value = ((row.seconds * 1e6).round() as i64, row.changes);
        assert!(times.insert(key, value).is_none(), "twice: {row:?}");
    }
    times
}

#[test]
fn time_in_state_is_that_of_every_instant_also_when_clocks_change() {
    for (n, (zone, start)) in WEEKS.into_iter().enumerate() {
        let (_db, mut conn) = TestDb::ready();
        let range = instant(start)..instant(start) + TimeDelta::days(7);
        let readings = random(n as u64, range.start, range.end, &STATES);
        store(&mut conn, &readings);
        let tz: Tz = zone.parse().unwrap();
        let all: BTreeSet<String> = readings.iter().map(|r| r.sensor.clone()).collect();
        for unit in ["hour", "day", "week", "month"] {
            for silence in [None, Some(TimeDelta::minutes(95))] {
                for look_back in [TimeDelta::days(30), TimeDelta::hours(2)] {
                    let states = || {
                        let states = SensorEvent::states().look_back(look_back);
                        if let Some(limit) = silence { states.silence_limit(limit) } else { states }
                    };
                    // Named: each is there.
                    let sensors: Vec<String> = all.iter().cloned().chain(["never".to_owned()]).collect();
                    let rows: Vec<TimeInState> = states()
                        .named(&sensors)
                        .time_in_state(range.clone(), calendar(unit, zone))
                        .load(&mut conn)
                        .unwrap();
                    let expected =
                        reference::time_in_state(&readings, &sensors, range.clone(), (unit, tz), look_back, silence);
                    assert_eq!(times(&rows, unit, tz), expected, "{zone} {unit} {silence:?} {look_back}");
                    check_shares(&rows);

                    // Found by their rows: those that reported in the range or in the look-back.
                    let seen: BTreeSet<String> = readings
                        .iter()
                        .filter(|r| r.room == "office" && (range.start - look_back..range.end).contains(&r.at))
                        .map(|r| r.sensor.clone())
                        .collect();
                    let rows: Vec<TimeInState> = states()
                        .filter(sensor_events::room_id.eq("office"))
                        .time_in_state(range.clone(), calendar(unit, zone))
                        .load(&mut conn)
                        .unwrap();
                    let found: BTreeSet<String> = rows.iter().map(|row| row.series.clone()).collect();
                    assert_eq!(found, seen);
                    let expected: Times = expected.into_iter().filter(|(key, _)| seen.contains(&key.0)).collect();
                    assert_eq!(times(&rows, unit, tz), expected, "{zone} {unit} {silence:?} {look_back}, by room");
                }
            }
        }
    }
}

fn check_shares(rows: &[TimeInState]) {
    let mut buckets: BTreeMap<_, (f64, f64)> = BTreeMap::new();
    for row in rows {
        assert_eq!(row.is_known, matches!(row.state.as_deref(), Some("on" | "off")));
        let (known, all) = buckets.entry((&row.series, row.bucket)).or_default();
        *known += if row.is_known { row.seconds } else { 0.0 };
        *all += row.seconds;
    }
    for row in rows {
        let (known, all) = buckets[&(&row.series, row.bucket)];
        assert!((row.known_share - known / all).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn spans_cover_the_range_and_never_repeat_a_state() {
    for seed in 0..5 {
        let (_db, mut conn) = TestDb::ready();
        let range = instant("2026-03-26T13:10:00Z")..instant("2026-04-01T00:00:00Z");
        let readings = random(seed, range.start, range.end, &STATES);
        store(&mut conn, &readings);
        let silence = TimeDelta::minutes(95);
        let rows: Vec<StateSpan> = SensorEvent::states()
            .silence_limit(silence)
            .spans(range.clone())
            .order((state_spans::series, state_spans::began_at))
            .load(&mut conn)
            .unwrap();
        let mut by_sensor: BTreeMap<&str, Vec<&StateSpan>> = BTreeMap::new();
        for row in &rows {
            by_sensor.entry(&row.series).or_default().push(row);
        }
        assert!(by_sensor.len() > 4);
        for (sensor, spans) in by_sensor {
            assert_eq!((spans[0].began_at, spans[spans.len() - 1].ended_at), (range.start, range.end));
            for pair in spans.windows(2) {
                assert!(pair[0].ended_at == pair[1].began_at && pair[0].state != pair[1].state, "{pair:?}");
            }
            let readings: Vec<Reading> = readings.iter().filter(|r| r.sensor == sensor).cloned().collect();
            for cut in reference::cuts(&readings, sensor, &range, Some(silence)) {
                let Some(span) = spans.iter().find(|span| span.began_at <= cut && cut < span.ended_at) else {
                    continue;
                };
                let expected = state_at(&readings, sensor, cut, range.start - TimeDelta::days(30), Some(silence));
                assert_eq!(span.state.as_deref(), expected, "{sensor} at {cut}");
            }
        }
    }
}

fn reading(sensor: &str, at: DateTime<Utc>, state: &str) -> Reading {
    Reading { room: "office".to_owned(), sensor: sensor.to_owned(), at, state: state.to_owned() }
}

#[test]
fn the_last_state_is_carried_to_now_and_no_further() {
    let (_db, mut conn) = TestDb::ready();
    let now = Utc::now();
    let from = now - TimeDelta::hours(2);
    store(&mut conn, &[reading("door", from, "open"), reading("door", now + TimeDelta::minutes(30), "closed")]);
    let range: Range<DateTime<Utc>> = from..now + TimeDelta::minutes(20);
    let spans: Vec<StateSpan> = SensorEvent::states().named(["door"]).spans(range).load(&mut conn).unwrap();
    assert_eq!(spans.len(), 1);
    let late = spans[0].ended_at - now;
    assert!(late >= TimeDelta::seconds(-1) && late < TimeDelta::minutes(2), "{late}");
}

#[test]
fn further_clauses_and_own_unavailable_states() {
    let (_db, mut conn) = TestDb::ready();
    let at = |hour: i64| instant("2026-01-05T00:00:00Z") + TimeDelta::hours(hour);
    store(
        &mut conn,
        &[
            reading("door", at(-24 * 9), "closed"),
            reading("door", at(6), "open"),
            reading("door", at(7), "open"),
            reading("door", at(8), "broken"),
            reading("door", at(12), "closed"),
        ],
    );
    let rows: Vec<(Option<String>, f64, i64, f64)> = SensorEvent::states()
        .named(["door"])
        .unavailable(["broken"])
        .time_in_state(at(0)..at(24), Calendar::days("UTC"))
        .filter(times_in_state::seconds.gt(3_600.0 * 3.0))
        .order(times_in_state::seconds.desc())
        .select((times_in_state::state, times_in_state::seconds, times_in_state::changes, times_in_state::known_share))
        .limit(2)
        .load(&mut conn)
        .unwrap();
    let known_share = 20.0 / 24.0;
    assert_eq!(
        rows,
        [
            (Some("closed".to_owned()), 18.0 * 3_600.0, 1, known_share),
            (Some("broken".to_owned()), 4.0 * 3_600.0, 1, known_share)
        ]
    );
    // Where every state says something, what nobody knows still says nothing.
    let before: Vec<TimeInState> = SensorEvent::states()
        .named(["door"])
        .unavailable::<String>([])
        .look_back(TimeDelta::days(1))
        .time_in_state(at(0)..at(24), Calendar::days("UTC"))
        .order(times_in_state::seconds)
        .load(&mut conn)
        .unwrap();
    assert_eq!(before.iter().map(|row| row.is_known).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!(before[0].known_share, 18.0 / 24.0);
    // An empty range has no rows, and a time zone that there is not is refused.
    let none: Vec<StateSpan> = SensorEvent::states().named(["door"]).spans(at(1)..at(1)).load(&mut conn).unwrap();
    assert!(none.is_empty());
    let error = SensorEvent::states()
        .time_in_state(at(0)..at(24), Calendar::days("Europe/Atlantis"))
        .load::<TimeInState>(&mut conn)
        .unwrap_err();
    assert!(error.to_string().contains("Europe/Atlantis"), "{error}");
}
