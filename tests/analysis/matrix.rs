//! The feature matrix: every value by itself, and no look into the future. Charts with fewer points.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use occupancy_models::analysis::{FeatureMatrix, downsample, labels};
use occupancy_models::bulk;
use occupancy_models::queries::oldest_first;
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::readings::{instant, random, store};
use super::support::TestDb;

/// An event as a feature matrix takes it.
type FeatureEvent = (DateTime<Utc>, String, String, Option<f64>);

/// A row of one: the instant, and the values.
type FeatureRow = (DateTime<Utc>, Vec<Option<f64>>);

const SENSORS: [&str; 4] = ["Sensor 0", "Sensor 2", "Sensor 4", "never"];
const STATES: [&str; 2] = ["on", "21"];

fn matrix(carry: TimeDelta, range: Range<DateTime<Utc>>) -> FeatureMatrix<Tz> {
    let zone: Tz = "Europe/Berlin".parse().unwrap();
    FeatureMatrix::new(SENSORS, range, TimeDelta::minutes(15), zone).states(STATES).carry_limit(carry)
}

fn made(matrix: &FeatureMatrix<Tz>, events: &[FeatureEvent]) -> Vec<FeatureRow> {
    let mut matrix = matrix.clone();
    let mut made: Vec<FeatureRow> = events.iter().flat_map(|event| matrix.push(event.clone()).unwrap()).collect();
    made.extend(matrix.finish());
    made
}

/// The values of a sensor at an instant, each from all events that are not after it.
fn expected(events: &[FeatureEvent], sensor: &str, at: DateTime<Utc>, carry: TimeDelta) -> Vec<Option<f64>> {
    let own: Vec<_> = events.iter().filter(|event| event.1 == sensor && event.0 <= at).collect();
    let step = at - TimeDelta::minutes(15);
    let is_known = own.last().is_some_and(|last| at - last.0 <= carry);
    let numbers: Vec<f64> = own.iter().filter(|e| e.0 > step).filter_map(|e| e.3).collect();
    let last = own.iter().rev().find(|e| e.3.is_some()).filter(|e| at - e.0 <= carry);
    let change = own.windows(2).rev().find(|pair| pair[0].2 != pair[1].2).map(|pair| pair[1].0);
    let mut values = vec![
        last.and_then(|last| last.3),
        (is_known && !numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64),
        is_known.then(|| own.iter().filter(|e| e.0 > step).count() as f64),
        change.filter(|_| is_known).map(|change| (at - change).as_seconds_f64() / 60.0),
    ];
    for state in STATES {
        let seconds: f64 = own
            .iter()
            .enumerate()
            .filter(|(_, e)| e.2 == state)
            .map(|(n, e)| {
                let until = own.get(n + 1).map_or(at, |next| next.0).min(e.0 + carry);
                (until - e.0.max(step)).max(TimeDelta::zero()).as_seconds_f64()
            })
            .sum();
        values.push(is_known.then_some(seconds));
    }
    values
}

#[test]
fn every_value_of_the_matrix_is_what_the_events_until_then_say() {
    let (_db, mut conn) = TestDb::ready();
    let range = instant("2026-03-27T13:00:00Z")..instant("2026-03-30T13:10:00Z");
    store(&mut conn, &random(4, range.start, range.end, &["on", "off", "21", "22.5"]));
    for carry in [TimeDelta::hours(5), TimeDelta::days(20)] {
        let matrix = matrix(carry, range.clone());
        let events: Vec<FeatureEvent> = matrix.events().load(&mut conn).unwrap();
        let rows = made(&matrix, &events);
        assert_eq!(rows.len(), 72 * 4 + 1);
        let columns = matrix.columns();
        assert_eq!(
            (columns.len(), &*columns[5], &*columns[10]),
            (4 * 6 + 5, "Sensor 0.seconds.21", "Sensor 2.seconds.on")
        );
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.0, range.start + TimeDelta::minutes(15) * n as i32);
            assert_eq!(row.1.len(), columns.len());
            for (sensor, found) in SENSORS.iter().zip(row.1.chunks(6)) {
                let expected = expected(&events, sensor, row.0, carry);
                for (found, expected) in found.iter().zip(expected) {
                    let is_near = match (found, expected) {
                        (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
                        (found, expected) => *found == expected,
                    };
                    assert!(is_near, "{sensor} at {}: {found:?} is not {expected:?}", row.0);
                }
            }
            let local = row.0.with_timezone(&"Europe/Berlin".parse::<Tz>().unwrap());
            let angle = f64::from(local.num_seconds_from_midnight()) / 86_400.0 * std::f64::consts::TAU;
            let is_weekend = local.weekday().number_from_monday() > 5;
            assert!((row.1[24].unwrap() - angle.sin()).abs() < 1e-12);
            assert_eq!(row.1[28], Some(f64::from(u8::from(is_weekend))));
        }
        // Missing is apart from zero: there is both.
        let counts = |value| rows.iter().filter(|row| row.1[14] == value).count();
        assert!(carry > TimeDelta::days(1) || counts(None) > 0);
        assert!(counts(Some(0.0)) > 0);
    }
}

#[test]
fn a_row_does_not_change_when_the_future_is_removed() {
    let (_db, mut conn) = TestDb::ready();
    let range = instant("2026-03-27T13:00:00Z")..instant("2026-03-30T13:10:00Z");
    store(&mut conn, &random(8, range.start, range.end, &["on", "off", "21"]));
    let mut whole_matrix = matrix(TimeDelta::hours(5), range.clone());
    let events: Vec<FeatureEvent> = whole_matrix.events().load(&mut conn).unwrap();
    let whole = made(&whole_matrix, &events);
    for (n, row) in whole.iter().enumerate().step_by(7) {
        let past: Vec<FeatureEvent> = events.iter().filter(|event| event.0 <= row.0).cloned().collect();
        assert_eq!(made(&whole_matrix, &past)[..=n], whole[..=n]);
        // And a range that starts there has the same row.
        let later = matrix(TimeDelta::hours(5), row.0..range.end);
        let events: Vec<FeatureEvent> = later.events().load(&mut conn).unwrap();
        let first = &made(&later, &events)[0];
        // But for changes that were before its look-back.
        for (column, (found, expected)) in first.1.iter().zip(&row.1).enumerate() {
            assert!(found == expected || (column % 6 == 3 && found.is_none()), "{column} at {}", row.0);
        }
    }
    whole_matrix.push(events[9].clone()).unwrap();
    let error = whole_matrix.push(events[0].clone()).unwrap_err();
    assert!(error.to_string().contains("Order the events by timestamp"), "{error}");
}

#[test]
fn labels_are_those_of_each_instant() {
    let mut random = StdRng::seed_from_u64(6);
    let at = |minute: i64| instant("2026-01-05T00:00:00Z") + TimeDelta::minutes(minute);
    for _ in 0..100 {
        let occupied: Vec<_> = (0..random.random_range(0..6))
            .map(|_| {
                let start = random.random_range(0..200);
                at(start)..at(start + random.random_range(0..60))
            })
            .collect();
        let (horizon, until) = (random.random_range(0..40), random.random_range(100..260));
        let found = labels((0..200).map(at), &occupied, TimeDelta::minutes(horizon), at(until));
        for (minute, label) in (0..).zip(found) {
            let ahead = at(minute + horizon);
            let expected = (minute + horizon < until).then(|| occupied.iter().any(|i| i.contains(&ahead)));
            assert_eq!(label, expected);
        }
    }
}

#[test]
fn the_extremes_of_each_pixel_are_there_and_nothing_else() {
    let (_db, mut conn) = TestDb::ready();
    let mut random = StdRng::seed_from_u64(1);
    let range = instant("2026-03-27T13:00:00Z")..instant("2026-03-29T13:00:00Z");
    let rows: Vec<_> = (0..2_000)
        .map(|n| {
            let at = range.start + TimeDelta::seconds(n * 90);
            NewSensorEvent::new(at, "office", "light", SensorType::LIGHT, format!("{}", random.random_range(0..400)))
        })
        .collect();
    bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
    for pixels in [1, 50, 333] {
        let found: Vec<SensorEvent> =
            SensorEvent::extremes("light", range.clone(), pixels).order(oldest_first()).load(&mut conn).unwrap();
        let all: Vec<SensorEvent> =
            SensorEvent::of_sensor("light", range.clone()).order(oldest_first()).load(&mut conn).unwrap();
        let pixel = |event: &SensorEvent| {
            let width = (range.end - range.start).num_microseconds().unwrap();
            (event.timestamp - range.start).num_microseconds().unwrap() * i64::from(pixels) / width
        };
        let mut expected = BTreeSet::new();
        for own in all.chunk_by(|a, b| pixel(a) == pixel(b)) {
            let value = |event: &SensorEvent| event.numeric_value.unwrap() as i64;
            expected.insert(own.iter().min_by_key(|e| (value(e), e.timestamp)).unwrap().id);
            expected.insert(own.iter().min_by_key(|e| (-value(e), e.timestamp)).unwrap().id);
        }
        assert_eq!(found.iter().map(|event| event.id).collect::<BTreeSet<_>>(), expected, "{pixels}");
        assert!(found.len() == expected.len());
    }
    let none = SensorEvent::extremes("light", range.start..range.start, 10).load::<SensorEvent>(&mut conn).unwrap();
    assert!(none.is_empty());
}

/// The same with the buckets as lists, as the thesis has it.
fn reference(points: &[(f64, f64)], at_most: usize) -> Vec<(f64, f64)> {
    let inner = &points[1..points.len() - 1];
    let edge = |bucket: usize| bucket * inner.len() / (at_most - 2);
    let buckets: Vec<&[(f64, f64)]> = (0..at_most - 2).map(|n| &inner[edge(n)..edge(n + 1)]).collect();
    let mut kept = vec![points[0]];
    for (n, bucket) in buckets.iter().enumerate() {
        let a = kept[kept.len() - 1];
        let next = buckets.get(n + 1).copied().unwrap_or(&points[points.len() - 1..]);
        let mean = |of: fn(&(f64, f64)) -> f64| next.iter().map(of).sum::<f64>() / next.len() as f64;
        let c = (mean(|p| p.0), mean(|p| p.1));
        let area = |b: &(f64, f64)| (a.0 * (b.1 - c.1) + b.0 * (c.1 - a.1) + c.0 * (a.1 - b.1)).abs() / 2.0;
        let mut best = bucket[0];
        for point in &bucket[1..] {
            // Beyond what rounding makes of it.
            if area(point) > area(&best) + 1e-9 {
                best = *point;
            }
        }
        kept.push(best);
    }
    kept.push(points[points.len() - 1]);
    kept
}

#[test]
fn downsampling_keeps_the_largest_triangles() {
    let mut random = StdRng::seed_from_u64(12);
    for _ in 0..50 {
        let count = random.random_range(20..500);
        let points: Vec<(f64, f64)> =
            (0..count).map(|n| (f64::from(n), f64::from(random.random_range(0..1_000_000)) / 1e3)).collect();
        for at_most in [3, 4, 10, 19] {
            assert_eq!(downsample(points.clone(), at_most, |p| *p), reference(&points, at_most), "{count} {at_most}");
        }
        assert_eq!(downsample(points.clone(), 500, |p| *p), points);
        assert_eq!(downsample(points.clone(), 2, |p| *p), [points[0], points[points.len() - 1]]);
        assert!(downsample(points.clone(), 0, |p| *p).is_empty());
    }
    assert_eq!(downsample([(1.0, f64::NAN), (2.0, 0.0)], 5, |p| *p), [(2.0, 0.0)]);
}
