//! Drift: whether forecasts became different, or worse, between two periods.

use serde::Serialize;

use super::forecasts::sorted;

/// How the forecasts of a later period differ from those of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// The Brier score of the later period less that of the earlier: above 0 it got worse.
    pub brier_change: f64,
    /// The standard error of that change, if forecasts do not depend on each other (by variances as of a sample). A
    /// change of less than twice this may be chance.
    pub brier_standard_error: f64,
    /// The share that came true, later less earlier.
    pub base_rate_change: f64,
    /// The largest difference between the distribution functions of the forecasts (Kolmogorov and Smirnov): from 0 for the
    /// same to 1 for nothing in common.
    pub kolmogorov_smirnov: f64,
    /// The population stability index of the forecasts over ten bins of equal width, each with half a forecast more so that
    /// none is empty. By convention less than 0.1 is stable, and more than 0.25 has shifted.
    pub population_stability_index: f64,
}

/// How the forecasts of a later period differ from those of an earlier one; pairs as for
/// [`forecast_score`](super::forecast_score). `None` if one of the two has fewer than two.
///
/// ```
/// use occupancy_models::analysis::drift;
///
/// let earlier = [(0.9, true), (0.8, true), (0.1, false), (0.2, false)];
/// let later = [(0.9, false), (0.8, true), (0.1, true), (0.2, false)];
/// let drift = drift(&earlier, &later).unwrap();
/// assert!(drift.brier_change > 0.3);
/// // The forecasts are the same, only their outcomes are not.
/// assert_eq!((drift.kolmogorov_smirnov, drift.population_stability_index), (0.0, 0.0));
/// ```
pub fn drift(earlier: &[(f64, bool)], later: &[(f64, bool)]) -> Option<Drift> {
    let (earlier, later) = (sorted(earlier), sorted(later));
    if earlier.len() < 2 || later.len() < 2 {
        return None;
    }
    let squares = |pairs: &[(f64, f64)]| -> Vec<f64> { pairs.iter().map(|(p, o)| (p - o).powi(2)).collect() };
    let outcomes = |pairs: &[(f64, f64)]| -> Vec<f64> { pairs.iter().map(|pair| pair.1).collect() };
    let (brier_before, error_before) = mean_and_variance_of_mean(&squares(&earlier));
    let (brier_after, error_after) = mean_and_variance_of_mean(&squares(&later));
    Some(Drift {
        brier_change: brier_after - brier_before,
        brier_standard_error: (error_before + error_after).sqrt(),
        base_rate_change: mean_and_variance_of_mean(&outcomes(&later)).0
            - mean_and_variance_of_mean(&outcomes(&earlier)).0,
        kolmogorov_smirnov: kolmogorov_smirnov(&earlier, &later),
        population_stability_index: population_stability_index(&earlier, &later),
    })
}

fn mean_and_variance_of_mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}

/// Both are sorted.
fn kolmogorov_smirnov(earlier: &[(f64, f64)], later: &[(f64, f64)]) -> f64 {
    let share = |pairs: &[(f64, f64)], to: f64| pairs.partition_point(|pair| pair.0 <= to) as f64 / pairs.len() as f64;
    let forecasts = earlier.iter().chain(later).map(|pair| pair.0);
    forecasts.map(|to| (share(earlier, to) - share(later, to)).abs()).fold(0.0, f64::max)
}

fn population_stability_index(earlier: &[(f64, f64)], later: &[(f64, f64)]) -> f64 {
    const BINS: usize = 10;
    let shares = |pairs: &[(f64, f64)]| {
        let mut counts = [0.5; BINS];
        for (forecast, _) in pairs {
            counts[((forecast * BINS as f64) as usize).min(BINS - 1)] += 1.0;
        }
        counts.map(|count| count / (pairs.len() as f64 + 0.5 * BINS as f64))
    };
    shares(earlier).iter().zip(shares(later)).map(|(before, after)| (after - before) * (after / before).ln()).sum()
}
