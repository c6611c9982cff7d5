//! How good predictions are: known values, identities, and naive computations on random data.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use occupancy_models::analysis::{
    Binning, CalibrationBin, PredictionErrors, PredictionScore, best_threshold, calibration, drift, forecast_score,
    prediction_errors, prediction_errors_columns, prediction_scores,
};
use occupancy_models::schema::predictions;
use occupancy_models::timescale::states::Calendar;
use occupancy_models::{ModelType, NewPrediction, Prediction, TransitionType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::readings::instant;
use super::reference::part_of;
use super::support::TestDb;

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn scores_have_their_known_values() {
    // Documented examples of scikit-learn: brier_score_loss and log_loss.
    let pairs = [(0.1, false), (0.9, true), (0.8, true), (0.3, false)];
    let score = forecast_score(&pairs, Binning::Distinct).unwrap();
    assert_near(score.brier, 0.0375);
    let spam = [(0.9, true), (0.1, false), (0.2, false), (0.65, true)];
    assert!((forecast_score(&spam, Binning::Distinct).unwrap().log_loss - 0.21616).abs() < 1e-5);
    // Always the base rate: no resolution, perfectly reliable, and the Brier score is the uncertainty.
    let climate: Vec<_> = (0..10).map(|n| (0.3, n < 3)).collect();
    let score = forecast_score(&climate, Binning::Distinct).unwrap();
    for (found, expected) in [
        (score.brier, 0.21),
        (score.uncertainty, 0.21),
        (score.reliability, 0.0),
        (score.resolution, 0.0),
        (score.expected_calibration_error, 0.0),
        (score.log_loss, -(0.3_f64 * 0.3_f64.ln() + 0.7 * 0.7_f64.ln())),
    ] {
        assert_near(found, expected);
    }
    // Nothing but sure and right; and sure and wrong, which is bad and finite.
    let right = forecast_score(&[(1.0, true), (0.0, false)], Binning::EqualWidth(10)).unwrap();
    assert_eq!((right.brier, right.resolution, right.expected_calibration_error), (0.0, 0.25, 0.0));
    assert!(right.log_loss < 1e-14);
    assert_near(forecast_score(&[(0.0, true)], Binning::Distinct).unwrap().log_loss, -1e-15_f64.ln());
    assert_eq!(forecast_score(&[(f64::NAN, true)], Binning::Distinct), None);
}

#[test]
fn the_parts_of_the_brier_score_make_it_up() {
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..50 {
        let count = random.random_range(1..400);
        let pairs: Vec<(f64, bool)> = (0..count)
            .map(|_| {
                let forecast = f64::from(random.random_range(0..=20)) / 20.0;
                (forecast, random.random_bool(forecast.powi(2)))
            })
            .collect();
        let mean = |value: &dyn Fn(&(f64, bool)) -> f64| pairs.iter().map(value).sum::<f64>() / f64::from(count);
        let brier = mean(&|(p, o)| (p - f64::from(u8::from(*o))).powi(2));
        for binning in [Binning::Distinct, Binning::EqualWidth(7), Binning::EqualCount(5), Binning::EqualWidth(1)] {
            let score = forecast_score(&pairs, binning).unwrap();
            assert_near(score.brier, brier);
            let parts = score.reliability - score.resolution + score.uncertainty + score.within_bins;
            assert_near(parts, brier);
            assert_eq!(score.reliability_curve.iter().map(|bin| bin.count).sum::<usize>(), pairs.len());
            assert!(score.reliability_curve.windows(2).all(|pair| pair[0].mean_forecast < pair[1].mean_forecast));
            if binning == Binning::Distinct {
                // The identity is exact: nothing is left.
                assert_near(score.reliability - score.resolution + score.uncertainty, brier);
            }
            // The naive calibration error of seven equal bins.
            if binning == Binning::EqualWidth(7) {
                let error: f64 = (0..7)
                    .map(|bin| {
                        let own: Vec<_> = pairs.iter().filter(|p| ((p.0 * 7.0) as usize).min(6) == bin).collect();
                        let forecast: f64 = own.iter().map(|p| p.0).sum();
                        let came: f64 = own.iter().map(|p| f64::from(u8::from(p.1))).sum();
                        (forecast - came).abs() / f64::from(count)
                    })
                    .sum();
                assert_near(score.expected_calibration_error, error);
            }
        }
    }
}

#[test]
fn the_best_threshold_is_the_cheapest_of_all() {
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..200 {
        let pairs: Vec<(f64, bool)> = (0..random.random_range(0..40))
            .map(|_| (f64::from(random.random_range(0..15)), random.random_bool(0.4)))
            .collect();
        let (positive, negative) = (random.random_range(0.1..3.0), random.random_range(0.1..3.0));
        let best = best_threshold(&pairs, positive, negative);
        let cost = |at: f64| {
            let wrong = |is_yes: bool| pairs.iter().filter(|p| (p.0 >= at) != p.1 && p.1 == is_yes).count() as f64;
            wrong(false) * positive + wrong(true) * negative
        };
        let cheapest = (0..=16).map(|at| cost(f64::from(at))).fold(f64::INFINITY, f64::min);
        assert_near(best.cost, cheapest);
        assert_near(cost(best.at.unwrap_or(f64::INFINITY)), cheapest);
        assert_near(best.cost, best.false_positives as f64 * positive + best.false_negatives as f64 * negative);
    }
}

#[test]
fn drift_tells_another_distribution_from_another_outcome() {
    let mut random = StdRng::seed_from_u64(9);
    let mut draw = |low: f64, high: f64, bias: f64| -> Vec<(f64, bool)> {
        (0..2_000)
            .map(|_| {
                let forecast = random.random_range(low..high);
                (forecast, random.random_bool((forecast + bias).clamp(0.0, 1.0)))
            })
            .collect()
    };
    let (before, same, moved, worse) =
        (draw(0.0, 1.0, 0.0), draw(0.0, 1.0, 0.0), draw(0.4, 1.0, 0.0), draw(0.0, 1.0, 0.4));
    let stable = drift(&before, &same).unwrap();
    assert!(stable.brier_change.abs() < 3.0 * stable.brier_standard_error);
    assert!(stable.kolmogorov_smirnov < 0.06 && stable.population_stability_index < 0.1, "{stable:?}");
    let moved = drift(&before, &moved).unwrap();
    assert!((moved.kolmogorov_smirnov - 0.4).abs() < 0.05 && moved.population_stability_index > 0.25, "{moved:?}");
    let worse = drift(&before, &worse).unwrap();
    assert!(
        worse.brier_change > 3.0 * worse.brier_standard_error && worse.population_stability_index < 0.1,
        "{worse:?}"
    );
    assert!(worse.base_rate_change > 0.2);
    assert_eq!(drift(&before, &before[..1]), None);
}

fn quantile(values: &[f64], p: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = p * (values.len().checked_sub(1)? as f64);
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[track_caller]
fn assert_near_option(found: Option<f64>, expected: Option<f64>) {
    match (found, expected) {
        (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-6, "{found} is not {expected}"),
        _ => assert_eq!(found, expected),
    }
}

/// A score in SQL against the one of the pairs.
fn check_score(found: &PredictionScore, mut curve: Vec<&CalibrationBin>, own: &[&Prediction]) {
    let pairs: Vec<_> = own.iter().map(|p| (p.confidence_score, p.is_accurate.unwrap())).collect();
    let expected = forecast_score(&pairs, Binning::EqualWidth(7)).unwrap();
    assert_eq!(found.count, expected.count as i64);
    assert_near(found.base_rate, expected.base_rate);
    assert_near(found.brier, expected.brier);
    assert_near(found.reliability, expected.reliability);
    assert_near(found.resolution, expected.resolution);
    assert_near(found.uncertainty, expected.uncertainty);
    assert_near(found.within_bins, expected.within_bins);
    assert_near(found.log_loss, expected.log_loss);
    assert_near(found.expected_calibration_error, expected.expected_calibration_error);
    curve.sort_by_key(|bin| bin.bin);
    assert_eq!(curve.len(), expected.reliability_curve.len());
    for (found, expected) in curve.into_iter().zip(expected.reliability_curve) {
        assert_near(found.mean_forecast, expected.mean_forecast);
        assert_near(found.observed_share, expected.observed_share);
        assert_eq!(found.count, expected.count as i64);
        assert_eq!(found.bin, (found.mean_forecast * 7.0).min(6.0) as i32);
    }
}

#[test]
fn prediction_errors_are_those_of_every_prediction() {
    let (_db, mut conn) = TestDb::ready();
    let mut random = StdRng::seed_from_u64(2);
    let start = instant("2026-03-20T00:00:00Z");
    let mut stored: Vec<Prediction> = Vec::new();
    for n in 0..250 {
        let made = start + TimeDelta::minutes(random.random_range(0..20 * 1_440));
        let predicted = made + TimeDelta::seconds(random.random_range(60..7_200));
        let room = ["office", "kitchen"][n % 2];
        let confidence = [0.0, 1.0, random.random_range(0.0..1.0)][(n % 20).min(2)];
        let version = ["1", "2"][n % 3 / 2];
        let transition = TransitionType::VacantToOccupied;
        let mut new = NewPrediction::new(room, predicted, transition, confidence, ModelType::HMM, version);
        new = new.with_prediction_time(made);
        if n % 3 > 0 {
            let lower = predicted - TimeDelta::minutes(random.random_range(0..20));
            new = new.with_prediction_interval(lower, predicted + TimeDelta::minutes(random.random_range(0..20)));
        }
        let prediction: Prediction = diesel::insert_into(predictions::table)
            .values(new)
            .returning(Prediction::as_returning())
            .get_result(&mut conn)
            .unwrap();
        if n % 10 == 0 {
            continue;
        }
        let actual = (n % 7 > 0).then(|| predicted + TimeDelta::seconds(random.random_range(-2_400..2_400)));
        stored.push(
            diesel::update(&prediction)
                .set(prediction.outcome(actual, TimeDelta::minutes(10)))
                .returning(Prediction::as_returning())
                .get_result(&mut conn)
                .unwrap(),
        );
    }
    let zone: Tz = "Europe/Berlin".parse().unwrap();
    let minutes = |span: TimeDelta| span.as_seconds_f64() / 60.0;
    for (unit, buckets) in [("day", Calendar::days("Europe/Berlin")), ("week", Calendar::weeks("Europe/Berlin"))] {
        let mut expected: BTreeMap<_, Vec<&Prediction>> = BTreeMap::new();
        for prediction in &stored {
            let part = part_of(unit, zone, prediction.prediction_time);
            let key = (prediction.room_id.clone(), prediction.model_version.clone(), part);
            expected.entry(key).or_default().push(prediction);
        }
        let scores: Vec<PredictionScore> =
            prediction_scores(Prediction::within(..), buckets.clone(), 7).load(&mut conn).unwrap();
        let bins: Vec<CalibrationBin> =
            calibration(Prediction::within(..), buckets.clone(), 7).load(&mut conn).unwrap();
        assert_eq!(scores.len(), expected.len());
        for score in &scores {
            let part = part_of(unit, zone, score.bucket);
            let own = &expected[&(score.room_id.clone(), score.model_version.clone(), part)];
            let curve = bins.iter().filter(|bin| {
                (&bin.room_id, &bin.model_version, bin.bucket) == (&score.room_id, &score.model_version, score.bucket)
            });
            check_score(score, curve.collect(), own);
        }
        let rows: Vec<PredictionErrors> = prediction_errors(Prediction::within(..), buckets)
            .filter(prediction_errors_columns::validated.gt(0))
            .load(&mut conn)
            .unwrap();
        assert_eq!(rows.len(), expected.len());
        for row in rows {
            let own = &expected[&(row.room_id.clone(), row.model_version.clone(), part_of(unit, zone, row.bucket))];
            let count = |is: &dyn Fn(&Prediction) -> bool| own.iter().filter(|p| is(p)).count() as i64;
            assert_eq!(row.validated, own.len() as i64);
            assert_eq!(row.accurate, count(&|p| p.is_accurate == Some(true)));
            assert_eq!(row.missed, count(&|p| p.actual_transition_time.is_none()));
            let error = |p: &&Prediction| Some(minutes(p.actual_transition_time? - p.predicted_transition_time));
            let signed: Vec<f64> = own.iter().filter_map(error).collect();
            let errors: Vec<f64> = signed.iter().map(|error| error.abs()).collect();
            let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
            let squares: Vec<f64> = errors.iter().map(|error| error * error).collect();
            let both = |p: &&Prediction| -> Option<(DateTime<Utc>, DateTime<Utc>, DateTime<Utc>)> {
                Some((p.prediction_interval_lower?, p.prediction_interval_upper?, p.actual_transition_time?))
            };
            let inside: Vec<f64> =
                own.iter().filter_map(&both).map(|(l, u, a)| f64::from(u8::from(l <= a && a <= u))).collect();
            let widths: Vec<f64> = own.iter().filter_map(both).map(|(l, u, _)| minutes(u - l)).collect();
            let pairs: Vec<_> = own.iter().map(|p| (p.confidence_score, p.is_accurate.unwrap())).collect();
            for (found, expected) in [
                (row.mean_signed_error, mean(&signed)),
                (row.signed_error_p10, quantile(&signed, 0.1)),
                (row.median_signed_error, quantile(&signed, 0.5)),
                (row.signed_error_p90, quantile(&signed, 0.9)),
                (row.mean_error, mean(&errors)),
                (row.median_error, quantile(&errors, 0.5)),
                (row.error_p95, quantile(&errors, 0.95)),
                (row.rmse, mean(&squares).map(f64::sqrt)),
                (row.interval_coverage, mean(&inside)),
                (row.mean_interval_width, mean(&widths)),
                (Some(row.brier), forecast_score(&pairs, Binning::EqualWidth(10)).map(|score| score.brier)),
            ] {
                assert_near_option(found, expected);
            }
        }
    }
}
