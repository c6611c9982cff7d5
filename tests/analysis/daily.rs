//! What is read from daily and hourly aggregates is what is read from the events.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use occupancy_models::analysis::{ChartPoint, chart_points};
use occupancy_models::rollups::{self, daily_states, daily_statistics, hourly_statistics};
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{Calendar, TimeInState, times_in_state};
use occupancy_models::timescale::{drop_continuous_aggregate, refresh};
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::readings::{Reading, instant, random, store};
use super::reference::part_of;
use super::support::{Needs, TestDb, has_quietly};

const STATES: [&str; 4] = ["on", "off", "unavailable", "unknown"];

fn create_daily_states(conn: &mut PgConnection, zone: &str, silence: Option<TimeDelta>) {
    drop_continuous_aggregate("daily_states").call(conn).unwrap();
    rollups::daily_states(zone, silence).allow_plain_view().create().call(conn).unwrap();
    if has_quietly(Needs::Community) {
        // The rest is read from the events.
        refresh(daily_states::bucket, ..instant("2026-03-30T00:00:00Z")).call(conn).unwrap();
    }
}

/// A sensor, a day and a state.
type Key = (String, DateTime<Utc>, Option<String>);

fn by_key(rows: Vec<TimeInState>) -> BTreeMap<Key, (i64, i64, i64, bool)> {
    let count = rows.len();
    let map: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let micros = (row.seconds * 1e6).round() as i64;
            let share = (row.known_share * 1e9).round() as i64;
            ((row.series, row.bucket, row.state), (micros, row.changes, share, row.is_known))
        })
        .collect();
    assert_eq!(map.len(), count);
    map
}

/// Says the first that differs, rather than all.
#[track_caller]
fn assert_same(found: Vec<TimeInState>, expected: Vec<TimeInState>, what: &str) {
    let (found, expected) = (by_key(found), by_key(expected));
    for key in found.keys().chain(expected.keys()) {
        assert_eq!(found.get(key), expected.get(key), "{what}: {key:?}");
    }
}

#[test]
fn daily_states_give_the_time_in_state_of_the_events() {
    let (_db, mut conn) = TestDb::ready();
    // Clocks change on March 29, in Lord Howe on April 5 by half an hour.
    let weeks = instant("2026-03-23T00:00:00Z")..instant("2026-04-07T00:00:00Z");
    let readings = random(7, weeks.start, weeks.end, &STATES);
    store(&mut conn, &readings);
    let names: Vec<String> = (0..6).map(|n| format!("Sensor {n}")).chain(["never".to_owned()]).collect();
    for zone in ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana"] {
        let tz: Tz = zone.parse().unwrap();
        for silence in [None, Some(TimeDelta::minutes(95))] {
            create_daily_states(&mut conn, zone, silence);
            for (unit, days) in [("day", 7), ("week", 9), ("month", 5)] {
                let calendar = || match unit {
                    "day" => Calendar::days(zone),
                    "week" => Calendar::weeks(zone),
                    _ => Calendar::months(zone),
                };
                let range = instant("2026-03-25T07:10:00Z")..instant("2026-03-25T07:10:00Z") + TimeDelta::days(days);
                // The first and the last instant of the buckets.
                let part = |at| part_of(unit, tz, at);
                let quarters = |from: DateTime<Utc>, sign: i32| {
                    let quarter = DateTime::from_timestamp(from.timestamp() / 900 * 900, 0).unwrap();
                    (0..).map(move |n: i32| quarter + TimeDelta::minutes(15) * (n * sign))
                };
                let first = quarters(range.start, -1).take_while(|at| part(*at) == part(range.start)).last().unwrap();
                let last = quarters(range.end, 1).find(|at| part(*at) != part(range.end)).unwrap();
                let (look_back, whole) = (TimeDelta::days(4), first..last);
                let raw = || {
                    let states = SensorEvent::states().look_back(look_back);
                    if let Some(limit) = silence { states.silence_limit(limit) } else { states }
                };
                let daily = || SensorEvent::daily_states().look_back(look_back);

                let what = format!("{zone} {unit} {days} {silence:?}");
                let expected: Vec<TimeInState> =
                    raw().time_in_state(whole.clone(), calendar()).load(&mut conn).unwrap();
                assert!(expected.len() > 10);
                let found = daily().daily_time_in_state(range.clone(), calendar()).load(&mut conn).unwrap();
                assert_same(found, expected, &what);

                let expected = raw().named(&names).time_in_state(whole.clone(), calendar()).load(&mut conn).unwrap();
                let found = daily().named(&names).daily_time_in_state(range.clone(), calendar());
                assert_same(found.load(&mut conn).unwrap(), expected, &format!("{what}, named"));

                let office = raw().filter(sensor_events::room_id.eq("office")).time_in_state(whole, calendar());
                let expected = office.load(&mut conn).unwrap();
                let office = daily().filter(daily_states::room_id.eq("office"));
                let found = office.daily_time_in_state(range.clone(), calendar()).load(&mut conn).unwrap();
                assert_same(found, expected, &format!("{what}, by room"));
            }
        }
    }
}

#[test]
fn the_last_state_of_a_day_is_carried_to_now_and_into_days_without_events() {
    let (_db, mut conn) = TestDb::ready();
    let now = Utc::now();
    let reading = |sensor: &str, at, state: &str| Reading {
        room: "office".to_owned(),
        sensor: sensor.to_owned(),
        at,
        state: state.to_owned(),
    };
    store(
        &mut conn,
        &[
            reading("door", now - TimeDelta::days(9), "open"),
            reading("door", now - TimeDelta::days(5), "closed"),
            reading("lamp", now - TimeDelta::hours(1), "on"),
            reading("lamp", now + TimeDelta::hours(30), "off"),
        ],
    );
    create_daily_states(&mut conn, "UTC", None);
    let midnight = |days| (now.date_naive() + TimeDelta::days(days)).and_hms_opt(0, 0, 0).unwrap().and_utc();
    let range = midnight(-7)..midnight(3);
    // One transaction, so that both have the same now.
    let (found, expected): (Vec<TimeInState>, Vec<TimeInState>) = conn
        .transaction::<_, diesel::result::Error, _>(|conn| {
            let found =
                SensorEvent::daily_states().daily_time_in_state(range.clone(), Calendar::days("UTC")).load(conn)?;
            Ok((found, SensorEvent::states().time_in_state(range.clone(), Calendar::days("UTC")).load(conn)?))
        })
        .unwrap();
    assert_same(found, expected, "until now");

    let daily = |range, calendar: Calendar<'static>| SensorEvent::daily_states().daily_time_in_state(range, calendar);
    let none: Vec<TimeInState> = daily(now..now, Calendar::days("UTC")).load(&mut conn).unwrap();
    assert!(none.is_empty());
    let none: Vec<TimeInState> = daily(now..midnight(-3), Calendar::days("UTC")).load(&mut conn).unwrap();
    assert!(none.is_empty());
    for (calendar, message) in [
        (Calendar::hours("UTC"), "does not tell its hours"),
        (Calendar::days("Europe/Berlin"), "does not begin at midnight of Europe/Berlin"),
        (Calendar::days("Europe/Atlantis"), "Europe/Atlantis"),
    ] {
        let error = daily(range.clone(), calendar).load::<TimeInState>(&mut conn).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    // Takes further clauses.
    let closed: Vec<f64> = daily(range, Calendar::days("UTC"))
        .filter(times_in_state::state.eq("closed"))
        .order(times_in_state::seconds.desc())
        .limit(3)
        .select(times_in_state::seconds)
        .load(&mut conn)
        .unwrap();
    assert_eq!(closed, [86_400.0; 3]);
}

#[test]
fn a_chart_has_the_numbers_of_the_events_whatever_it_is_read_from() {
    let (_db, mut conn) = TestDb::ready();
    let mut random = StdRng::seed_from_u64(5);
    let start = instant("2026-01-03T05:10:00.25Z");
    let events: Vec<(DateTime<Utc>, f64)> = (0..3_000)
        .map(|n| (start + TimeDelta::seconds(n * 1_300 + random.random_range(0..900)), random.random_range(-9.0..40.0)))
        .collect();
    let rows: Vec<_> = events
        .iter()
        .map(|(at, value)| {
            NewSensorEvent::new(*at, "office", "light", SensorType::LIGHT, "level").with_numeric_value(*value)
        })
        .chain([NewSensorEvent::new(start, "office", "light", SensorType::LIGHT, "unavailable")])
        .collect();
    occupancy_models::bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
    rollups::hourly_statistics().allow_plain_view().create().call(&mut conn).unwrap();
    rollups::daily_statistics().allow_plain_view().create().call(&mut conn).unwrap();
    if has_quietly(Needs::Community) {
        refresh(hourly_statistics::bucket, ..).call(&mut conn).unwrap();
        refresh(daily_statistics::bucket, ..).call(&mut conn).unwrap();
    }
    let hour = 3_600_000_000;
    for (days, pixels, unit) in [
        (1, 800, 1),
        (30, 800, 1),
        (33, 800, 1),
        (34, 800, hour),
        (40, 100, hour),
        (44, 7, 24 * hour),
        (40, 1, 24 * hour),
    ] {
        let range = start + TimeDelta::days(1)..start + TimeDelta::days(1 + days);
        let pixel = (days * 24 * hour + pixels - 1) / pixels;
        let step = (pixel + unit - 1) / unit * unit;
        let from = range.start.timestamp_micros() / unit * unit;
        let to = (range.end.timestamp_micros() + unit - 1) / unit * unit;
        let mut expected: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (at, value) in events.iter().filter(|(at, _)| (from..to).contains(&at.timestamp_micros())) {
            expected.entry((at.timestamp_micros() - from) / step * step + from).or_default().push(*value);
        }
        let chart: Vec<ChartPoint> = SensorEvent::chart("light", range.clone(), pixels as u16)
            .order(chart_points::starts_at)
            .load(&mut conn)
            .unwrap();
        assert!(chart.len() <= pixels as usize + 1, "{days} {pixels}");
        assert_eq!(
            chart.iter().map(|point| point.starts_at.timestamp_micros()).collect::<Vec<_>>(),
            expected.keys().copied().collect::<Vec<_>>(),
            "{days} {pixels}"
        );
        for (point, values) in chart.iter().zip(expected.values()) {
            assert_eq!(point.readings, values.len() as i64);
            assert!((point.mean - values.iter().sum::<f64>() / values.len() as f64).abs() < 1e-9);
            assert_eq!(point.minimum, values.iter().copied().fold(f64::INFINITY, f64::min));
            assert_eq!(point.maximum, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
        let empty: Vec<ChartPoint> =
            SensorEvent::chart("light", range.end..range.start, pixels as u16).load(&mut conn).unwrap();
        assert!(empty.is_empty());
    }
    let none: Vec<ChartPoint> = SensorEvent::chart("nobody", start..start, 0).load(&mut conn).unwrap();
    assert!(none.is_empty());
}
