//! Occupancy intervals.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::SensorEvent;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{IntervalRule, StateInterval, state_intervals};

use super::readings::{Reading, instant, random, store};
use super::support::TestDb;

type Span = (DateTime<Utc>, DateTime<Utc>);

/// From when to when a sensor counts, one after the other, touching ones as one.
fn covered(readings: &[Reading], sensor: &str, states: &[&str], hold: TimeDelta, silence: TimeDelta) -> Vec<Span> {
    let mut own: Vec<_> = readings.iter().filter(|r| r.sensor == sensor).collect();
    own.sort_by_key(|r| r.at);
    let mut spans: Vec<Span> = Vec::new();
    for (n, reading) in own.iter().enumerate() {
        if !states.contains(&&*reading.state) {
            continue;
        }
        let next = own.get(n + 1).map_or(DateTime::<Utc>::MAX_UTC, |next| next.at);
        let ended = next.min(reading.at + silence) + hold;
        match spans.last_mut() {
            Some(last) if last.1 >= reading.at => last.1 = last.1.max(ended),
            _ => spans.push((reading.at, ended)),
        }
    }
    spans
}

#[derive(Debug)]
struct Rule<'a> {
    states: &'a [&'a str],
    least: Option<usize>,
    hold: TimeDelta,
    bridge: TimeDelta,
    shortest: TimeDelta,
}

/// The intervals of a room over all time, and then what of them is in the range.
fn reference(
    readings: &[Reading],
    room: &str,
    rule: &Rule<'_>,
    silence: TimeDelta,
    range: &Range<DateTime<Utc>>,
) -> Vec<(Span, Option<String>, Option<String>)> {
    let own: Vec<Reading> = readings.iter().filter(|r| r.room == room).cloned().collect();
    let sensors: BTreeSet<&str> = own.iter().map(|r| &*r.sensor).collect();
    let spans: Vec<(&str, Vec<Span>)> =
        sensors.iter().map(|s| (*s, covered(&own, s, rule.states, rule.hold, silence))).collect();
    let least = rule.least.unwrap_or(sensors.len());
    let edges: BTreeSet<DateTime<Utc>> = spans.iter().flat_map(|(_, s)| s.iter().flat_map(|s| [s.0, s.1])).collect();
    let edges: Vec<_> = edges.into_iter().collect();
    let count = |at: DateTime<Utc>| spans.iter().filter(|(_, s)| s.iter().any(|s| s.0 <= at && at < s.1)).count();
    let by = |at: DateTime<Utc>, edge: fn(&Span) -> DateTime<Utc>| {
        spans.iter().find(|(_, s)| s.iter().any(|s| edge(s) == at)).map(|(sensor, _)| (*sensor).to_owned())
    };
    let mut intervals: Vec<(Span, Option<String>, Option<String>)> = Vec::new();
    for pair in edges.windows(2).filter(|pair| count(pair[0]) >= least) {
        match intervals.last_mut() {
            Some(last) if pair[0] - last.0.1 <= rule.bridge => {
                last.0.1 = pair[1];
                last.2 = by(pair[1], |s| s.1);
            }
            _ => intervals.push(((pair[0], pair[1]), by(pair[0], |s| s.0), by(pair[1], |s| s.1))),
        }
    }
    intervals
        .into_iter()
        .filter(|((from, to), ..)| *to - *from >= rule.shortest && *from < range.end && *to > range.start)
        .map(|((from, to), started, ended)| {
            (
                (from.max(range.start), to.min(range.end)),
                started.filter(|_| from >= range.start),
                ended.filter(|_| to < range.end),
            )
        })
        .collect()
}

#[test]
fn intervals_are_those_of_every_instant() {
    let minutes = TimeDelta::minutes;
    let mut found_several = 0;
    for seed in 0..6 {
        let (_db, mut conn) = TestDb::ready();
        let range = instant("2026-03-26T13:10:00Z")..instant("2026-03-29T00:00:00Z");
        let readings = random(seed, range.start, range.end, &["on", "off", "open", "unavailable"]);
        store(&mut conn, &readings);
        let conn = &mut conn;
        for (hold, bridge, shortest) in [(0, 0, 0), (5, 0, 0), (0, 7, 0), (0, 0, 10), (3, 11, 45), (90, 30, 200)] {
            for least in [Some(1), Some(2), None] {
                let rule = match least {
                    Some(1) => IntervalRule::any_of(["on", "open"]),
                    Some(least) => IntervalRule::at_least(least as u32, ["on", "open"]),
                    None => IntervalRule::all_of(["on", "open"]),
                };
                let rule = rule.hold(minutes(hold)).bridge(minutes(bridge)).shortest(minutes(shortest));
                let (hold, bridge, shortest) = (minutes(hold), minutes(bridge), minutes(shortest));
                let reference_rule = Rule { states: &["on", "open"], least, hold, bridge, shortest };
                let intervals = |range: Range<DateTime<Utc>>| {
                    SensorEvent::states()
                        .look_back(TimeDelta::days(400))
                        .silence_limit(minutes(600))
                        .intervals(sensor_events::room_id, rule.clone(), range)
                        .order((state_intervals::group_id, state_intervals::began_at))
                };
                let rows: Vec<StateInterval> = intervals(range.clone()).load(conn).unwrap();
                for room in ["kitchen", "office"] {
                    let found: Vec<_> = rows
                        .iter()
                        .filter(|row| row.group_id == room)
                        .map(|row| ((row.began_at, row.ended_at), row.started_by.clone(), row.ended_by.clone()))
                        .collect();
                    let expected = reference(&readings, room, &reference_rule, minutes(600), &range);
                    assert_eq!(found, expected, "{seed} {room} {reference_rule:?}");
                    found_several += usize::from(found.len() > 3);
                }
                // The two halves are the whole.
                let middle = instant("2026-03-27T20:15:00Z");
                let seconds = |rows: &[StateInterval]| -> i64 {
                    rows.iter().map(|row| (row.ended_at - row.began_at).num_microseconds().unwrap()).sum()
                };
                let halves: Vec<Vec<StateInterval>> =
                    [range.start..middle, middle..range.end].map(|half| intervals(half).load(conn).unwrap()).into();
                assert_eq!(seconds(&halves[0]) + seconds(&halves[1]), seconds(&rows), "{seed} {reference_rule:?}");
            }
        }
    }
    assert!(found_several > 100, "{found_several}");
}

#[test]
fn a_room_that_is_occupied_now_tells_since_when() {
    let (_db, mut conn) = TestDb::ready();
    let now = Utc::now();
    let at = |minutes: i64| now - TimeDelta::minutes(minutes);
    let reading = |sensor: &str, at, state: &str| Reading {
        room: "office".to_owned(),
        sensor: sensor.to_owned(),
        at,
        state: state.to_owned(),
    };
    let motion = [reading("motion", at(90), "on"), reading("motion", at(89), "off")];
    let later = [reading("motion", at(30), "on"), reading("presence", at(29), "on"), reading("motion", at(28), "off")];
    store(&mut conn, &[&motion[..], &later[..]].concat());
    let rule = IntervalRule::any_of(["on"]).hold(TimeDelta::minutes(5));
    let intervals = || SensorEvent::states().intervals(sensor_events::room_id, rule.clone(), at(120)..Utc::now());
    let since: StateInterval = intervals().filter(state_intervals::ended_by.is_null()).first(&mut conn).unwrap();
    assert_eq!((since.started_by.as_deref(), (since.began_at - at(30)).num_milliseconds()), (Some("motion"), 0));
    let whole: Vec<StateInterval> = intervals().order(state_intervals::began_at).load(&mut conn).unwrap();
    assert_eq!(whole.len(), 2);
    assert_eq!(whole[0].ended_at - whole[0].began_at, TimeDelta::minutes(6));
}

#[test]
fn an_interval_that_begins_with_the_range_tells_what_began_it() {
    let (_db, mut conn) = TestDb::ready();
    let from = instant("2026-03-26T13:10:00Z");
    let at = |minutes: i64| from + TimeDelta::minutes(minutes);
    let reading = |room: &str, at, state: &str| Reading {
        room: room.to_owned(),
        sensor: format!("{room}.motion"),
        at,
        state: state.to_owned(),
    };
    let states = [
        // The first reading of all; after silence; as before.
        reading("office", at(0), "on"),
        reading("kitchen", at(-60), "on"),
        reading("kitchen", at(0), "on"),
        reading("hall", at(-5), "on"),
        reading("hall", at(0), "on"),
    ];
    store(&mut conn, &states);
    for hold in [0, 5] {
        let rule = IntervalRule::any_of(["on"]).hold(TimeDelta::minutes(hold));
        let began_by: Vec<(String, Option<String>)> = SensorEvent::states()
            .silence_limit(TimeDelta::minutes(10))
            .intervals(sensor_events::room_id, rule, at(0)..at(60))
            .order(state_intervals::group_id)
            .select((state_intervals::group_id, state_intervals::started_by))
            .load(&mut conn)
            .unwrap();
        let by = |room: &str, sensor: Option<&str>| (room.to_owned(), sensor.map(str::to_owned));
        let expected = [by("hall", None), by("kitchen", Some("kitchen.motion")), by("office", Some("office.motion"))];
        assert_eq!(began_by, expected, "held for {hold} minutes");
    }
}
