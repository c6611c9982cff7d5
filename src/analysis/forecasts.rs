//! How good forecasts of yes or no are: pairs of a probability and whether it came true.

use serde::Serialize;

/// How forecasts are put together for the reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binning {
    /// One bin for each forecast value that there is. For models that give few different ones.
    Distinct,
    /// So many bins of equal width from 0 to 1, each with its lower end, and the last one with 1 as well.
    EqualWidth(usize),
    /// So many bins with about as many forecasts each; equal forecasts are in one bin.
    EqualCount(usize),
}

/// A bin of the reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReliabilityBin {
    /// The mean of the forecasts in it.
    pub mean_forecast: f64,
    /// The share of them that came true.
    pub observed_share: f64,
    /// How many there are.
    pub count: usize,
}

/// How good forecasts are; less is better but for the resolution.
///
/// `brier = reliability - resolution + uncertainty + within_bins`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ForecastScore {
    /// How many forecasts there are.
    pub count: usize,
    /// The share of them that came true.
    pub base_rate: f64,
    /// The mean of the squared difference between forecast and outcome (Brier, 1950).
    pub brier: f64,
    /// How far the forecasts of a bin are from what came true of them (Murphy, 1973).
    pub reliability: f64,
    /// How far the bins are from the base rate; more is better.
    pub resolution: f64,
    /// The variance of the outcome, whatever is forecast.
    pub uncertainty: f64,
    /// What is left of the score because the forecasts in a bin differ (Stephenson, 2008): 0 with [`Binning::Distinct`].
    pub within_bins: f64,
    /// The mean of the negative natural logarithm of what was given to the outcome. Forecasts are kept 1e-15 away from 0
    /// and 1, so that a single one that was sure and wrong does not make it infinite.
    pub log_loss: f64,
    /// The mean distance between forecast and observed share over the bins, weighted by their counts.
    pub expected_calibration_error: f64,
    /// The bins that have forecasts, in the order of the forecast.
    pub reliability_curve: Vec<ReliabilityBin>,
}

/// How good forecasts are: pairs of a probability from 0 to 1, and whether it came true. `None` without any.
///
/// A forecast outside 0 to 1 is taken as the nearer of the two; one that is not a number is left out.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::analysis::{Binning, forecast_score};
///
/// # fn main() { run(|conn| {
/// # for minutes in [1, 30] {
/// #     let prediction = a_prediction(conn);
/// #     let actual = prediction.predicted_transition_time + TimeDelta::minutes(minutes);
/// #     diesel::update(&prediction).set(prediction.outcome(Some(actual), TimeDelta::minutes(10))).execute(conn)?;
/// # }
/// // Does the confidence of a model tell how often it is accurate?
/// let pairs: Vec<(f64, bool)> = Prediction::within(Utc::now() - TimeDelta::days(30)..)
///     .filter(predictions::is_accurate.is_not_null())
///     .select((predictions::confidence_score, predictions::is_accurate.assume_not_null()))
///     .load(conn)?;
/// if let Some(score) = forecast_score(&pairs, Binning::EqualWidth(10)) {
///     // Of two predictions with a confidence of 0.8 one was accurate.
///     assert!((score.expected_calibration_error - 0.3).abs() < 1e-9);
///     assert_eq!(score.reliability_curve[0].observed_share, 0.5);
/// }
/// # Ok(()) }) }
/// ```
pub fn forecast_score(pairs: &[(f64, bool)], binning: Binning) -> Option<ForecastScore> {
    let pairs = sorted(pairs);
    if pairs.is_empty() {
        return None;
    }
    let count = pairs.len() as f64;
    let mean = |value: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(p, o)| value(*p, *o)).sum::<f64>() / count;
    let base_rate = mean(&|_, o| o);
    let brier = mean(&|p, o| (p - o).powi(2));
    let log_loss = mean(&|p, o| {
        let p = p.clamp(1e-15, 1.0 - 1e-15);
        -(o * p.ln() + (1.0 - o) * (-p).ln_1p())
    });
    let reliability_curve: Vec<ReliabilityBin> = bins(&pairs, binning).into_iter().map(bin).collect();
    let over_bins = |value: &dyn Fn(&ReliabilityBin) -> f64| {
        reliability_curve.iter().map(|bin| bin.count as f64 * value(bin)).sum::<f64>() / count
    };
    let reliability = over_bins(&|bin| (bin.mean_forecast - bin.observed_share).powi(2));
    let resolution = over_bins(&|bin| (bin.observed_share - base_rate).powi(2));
    let expected_calibration_error = over_bins(&|bin| (bin.mean_forecast - bin.observed_share).abs());
    let uncertainty = base_rate * (1.0 - base_rate);
    Some(ForecastScore {
        count: pairs.len(),
        base_rate,
        brier,
        reliability,
        resolution,
        uncertainty,
        within_bins: match binning {
            Binning::Distinct => 0.0,
            _ => brier - (reliability - resolution + uncertainty),
        },
        log_loss,
        expected_calibration_error,
        reliability_curve,
    })
}

/// In the order of the forecasts, with the outcome as 0 or 1.
pub(super) fn sorted(pairs: &[(f64, bool)]) -> Vec<(f64, f64)> {
    let numbers = pairs.iter().filter(|(forecast, _)| !forecast.is_nan());
    let mut pairs: Vec<_> = numbers.map(|(p, o)| (p.clamp(0.0, 1.0), f64::from(u8::from(*o)))).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs
}

/// The pairs of each bin that has some.
fn bins(pairs: &[(f64, f64)], binning: Binning) -> Vec<&[(f64, f64)]> {
    match binning {
        Binning::Distinct => pairs.chunk_by(|a, b| a.0 == b.0).collect(),
        Binning::EqualWidth(bins) => {
            let bins = bins.max(1);
            // The last one has 1 in it.
            let number = |forecast: f64| ((forecast * bins as f64) as usize).min(bins - 1);
            pairs.chunk_by(|a, b| number(a.0) == number(b.0)).collect()
        }
        Binning::EqualCount(bins) => {
            let size = pairs.len().div_ceil(bins.max(1));
            let mut rest = pairs;
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let mut end = size.min(rest.len());
                while end < rest.len() && rest[end].0 == rest[end - 1].0 {
                    end += 1;
                }
                let (part, after) = rest.split_at(end);
                parts.push(part);
                rest = after;
            }
            parts
        }
    }
}

fn bin(pairs: &[(f64, f64)]) -> ReliabilityBin {
    let count = pairs.len() as f64;
    ReliabilityBin {
        mean_forecast: pairs.iter().map(|pair| pair.0).sum::<f64>() / count,
        observed_share: pairs.iter().map(|pair| pair.1).sum::<f64>() / count,
        count: pairs.len(),
    }
}
