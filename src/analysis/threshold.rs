//! The threshold that costs the least.

use serde::Serialize;

/// A threshold, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Threshold {
    /// Scores from this one on mean yes; `None` if the cheapest is to say no always.
    pub at: Option<f64>,
    /// What all mistakes cost together.
    pub cost: f64,
    /// How often it says yes, and it is no.
    pub false_positives: usize,
    /// How often it says no, and it is yes.
    pub false_negatives: usize,
}

/// The threshold for a score, such as a probability or the light in lux, at which mistakes cost the least; of several the
/// highest. Each pair is a score and whether it is yes; one that is not a number is left out.
///
/// ```
/// use occupancy_models::analysis::best_threshold;
///
/// let lux_and_occupied = [(0.0, false), (20.0, false), (250.0, true), (300.0, false), (420.0, true), (510.0, true)];
/// let threshold = best_threshold(&lux_and_occupied, 1.0, 1.0);
/// assert_eq!((threshold.at, threshold.false_negatives), (Some(420.0), 1));
/// // Where it is worse to take someone for absent, the threshold is lower.
/// assert_eq!(best_threshold(&lux_and_occupied, 1.0, 5.0).at, Some(250.0));
/// ```
pub fn best_threshold(pairs: &[(f64, bool)], false_positive_cost: f64, false_negative_cost: f64) -> Threshold {
    let mut pairs: Vec<(f64, bool)> = pairs.iter().copied().filter(|(score, _)| !score.is_nan()).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    // From the highest score down, each says yes to some more.
    let mut false_positives = 0;
    let mut false_negatives = pairs.iter().filter(|(_, is_yes)| *is_yes).count();
    let cost = |positives: usize, negatives: usize| {
        positives as f64 * false_positive_cost + negatives as f64 * false_negative_cost
    };
    let mut best = Threshold { at: None, cost: cost(0, false_negatives), false_positives, false_negatives };
    for same in pairs.chunk_by(|a, b| a.0 == b.0) {
        let yes = same.iter().filter(|(_, is_yes)| *is_yes).count();
        false_positives += same.len() - yes;
        false_negatives -= yes;
        let cost = cost(false_positives, false_negatives);
        if cost < best.cost {
            best = Threshold { at: same.first().map(|pair| pair.0), cost, false_positives, false_negatives };
        }
    }
    best
}
