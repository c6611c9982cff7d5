//! The upsert against a naive model.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, OnDuplicate, Report};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::readings::{Reading, hypertable, minute_of, readings, rows, stored};

type Model = BTreeMap<(String, DateTime<Utc>), (Option<f64>, Option<f64>)>;

#[derive(Debug, Clone, Copy)]
struct Choice {
    on_duplicate: OnDuplicate,
    update: Update,
    keep_if_null: bool,
}

#[derive(Debug, Clone, Copy)]
enum Update {
    All,
    Temperature,
    Nothing,
}

/// What the upsert is to do, row by row.
fn expected(model: &mut Model, batch: &[Reading], choice: Choice) -> Report {
    let mut report = Report::default();
    let key = |row: &Reading| (row.device_id.clone(), row.measured_at);
    for (index, row) in batch.iter().enumerate() {
        let is_left_out = match choice.on_duplicate {
            OnDuplicate::KeepFirst => batch[..index].iter().any(|other| key(other) == key(row)),
            _ => batch[index + 1..].iter().any(|other| key(other) == key(row)),
        };
        if is_left_out {
            report.deduplicated += 1;
            continue;
        }
        match model.get_mut(&key(row)) {
            None => {
                model.insert(key(row), (row.temperature, row.humidity));
                report.inserted += 1;
            }
            Some(stored) => {
                let before = *stored;
                let new = |new: Option<f64>, old| if choice.keep_if_null { new.or(old) } else { new };
                match choice.update {
                    Update::All => *stored = (new(row.temperature, stored.0), new(row.humidity, stored.1)),
                    Update::Temperature => stored.0 = new(row.temperature, stored.0),
                    Update::Nothing => {}
                }
                let bits =
                    |values: (Option<f64>, Option<f64>)| (values.0.map(f64::to_bits), values.1.map(f64::to_bits));
                if bits(before) == bits(*stored) {
                    report.unchanged += 1;
                } else {
                    report.updated += 1;
                }
            }
        }
    }
    report
}

fn upsert(conn: &mut PgConnection, batch: &[Reading], choice: Choice) -> Report {
    let call = bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at));
    let call = call.on_duplicate(choice.on_duplicate);
    let call = match choice.update {
        Update::All => call,
        Update::Temperature => call.update(readings::temperature),
        Update::Nothing => call.update_nothing(),
    };
    let call = if choice.keep_if_null { call.keep_if_null((readings::temperature, readings::humidity)) } else { call };
    call.call(conn).unwrap()
}

/// Values of which some are equal but not identical.
fn random_value(rng: &mut StdRng) -> Option<f64> {
    [None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(1.5), Some(f64::INFINITY)][rng.random_range(0..6)]
}

/// Few keys make many repeats and conflicts; many keys make fresh, unchanged and half changed batches.
fn random_batch(rng: &mut StdRng, model: &Model) -> Vec<Reading> {
    let size = [0, 1, 7, 60, 499, 500, 900, 1400][rng.random_range(0..8)];
    let fresh_from = rng.random_range(0..100) * 3000;
    let kind = rng.random_range(0..4);
    let stored: Vec<_> = model.iter().collect();
    (0..size)
        .map(|n| {
            if kind > 1 && !stored.is_empty() {
                // What is stored, as it is or with a change.
                let ((device_id, measured_at), (temperature, humidity)) = stored[n as usize % stored.len()];
                let is_changed = kind == 3 && rng.random_range(0..3) == 0;
                let temperature = if is_changed { random_value(rng) } else { *temperature };
                return Reading {
                    device_id: device_id.clone(),
                    measured_at: *measured_at,
                    temperature,
                    humidity: *humidity,
                };
            }
            let minute = if kind == 0 { rng.random_range(0..90) } else { fresh_from + n };
            let device = rng.random_range(0..4);
            Reading {
                device_id: format!("device-{device}"),
                measured_at: minute_of(minute),
                temperature: random_value(rng),
                humidity: random_value(rng),
            }
        })
        .collect()
}

#[test]
fn random_batches_do_what_a_map_does() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (_db, mut conn) = hypertable();
    let mut model = Model::new();
    for round in 0..60 {
        let batch = random_batch(&mut rng, &model);
        let choice = Choice {
            on_duplicate: [OnDuplicate::KeepLast, OnDuplicate::KeepFirst][rng.random_range(0..2)],
            update: [Update::All, Update::All, Update::Temperature, Update::Nothing][rng.random_range(0..4)],
            keep_if_null: rng.random_range(0..3) == 0,
        };
        let expected = expected(&mut model, &batch, choice);
        let report = if rng.random_range(0..2) == 0 {
            upsert(&mut conn, &batch, choice)
        } else {
            conn.transaction(|conn| QueryResult::Ok(upsert(conn, &batch, choice))).unwrap()
        };
        assert_eq!(report, expected, "round {round}, {} rows, {choice:?}", batch.len());
        if round % 10 == 9 {
            assert_stored(&mut conn, &model, round);
        }
    }
    assert_stored(&mut conn, &model, 60);
}

fn assert_stored(conn: &mut PgConnection, model: &Model, round: usize) {
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    let found: Vec<_> = stored(conn)
        .into_iter()
        .map(|row| ((row.device_id, row.measured_at), bits(row.temperature), bits(row.humidity)))
        .collect();
    let model: Vec<_> = model.iter().map(|(key, value)| (key.clone(), bits(value.0), bits(value.1))).collect();
    assert!(found == model, "round {round}: {} rows stored, {} in the model", found.len(), model.len());
}

#[test]
fn a_large_batch_is_new_then_unchanged_then_changed() {
    let (_db, mut conn) = hypertable();
    let mut batch = rows(10, 300);
    let mut call = |batch: &[Reading]| {
        bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at)).call(&mut conn).unwrap()
    };
    let report = |inserted, updated, unchanged| {
        let mut report = Report::default();
        (report.inserted, report.updated, report.unchanged) = (inserted, updated, unchanged);
        report
    };
    assert_eq!(call(&batch), report(3000, 0, 0));
    assert_eq!(call(&batch), report(0, 0, 3000));
    batch.iter_mut().skip(2000).for_each(|row| row.humidity = Some(60.0));
    assert_eq!(call(&batch), report(0, 1000, 2000));
    batch.extend(rows(11, 300).into_iter().skip(3000));
    assert_eq!(call(&batch), report(300, 0, 3000));
    assert!(stored(&mut conn) == batch);
}
