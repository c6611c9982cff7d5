//! How well the predictions agree with the record.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use occupancy_models::analysis::{Agreement, agreement};
use occupancy_models::{Prediction, TransitionType};

use crate::reading::Reading;

/// A prediction within this of the recorded transition is accurate.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A recorded transition farther away is not the one that was predicted.
pub const WINDOW: TimeDelta = TimeDelta::minutes(30);

/// A transition in the recorded occupancy.
#[derive(Debug, Clone, Copy)]
pub struct RecordedTransition {
    pub transition_type: TransitionType,
    pub at: DateTime<Utc>,
}

/// The transitions of one room, each at the first reading of the new state.
pub fn recorded_transitions(readings: &[Reading]) -> Vec<RecordedTransition> {
    readings
        .windows(2)
        .filter_map(|pair| {
            let transition_type = match (pair[0].is_occupied, pair[1].is_occupied) {
                (false, true) => TransitionType::VacantToOccupied,
                (true, false) => TransitionType::OccupiedToVacant,
                _ => return None,
            };
            Some(RecordedTransition { transition_type, at: pair[1].at })
        })
        .collect()
}

/// How well the predictions agree with the record.
#[derive(Debug, Clone)]
pub struct Score {
    pub predictions: usize,
    pub accurate: usize,
    /// Of the predictions that a recorded transition was found for, in minutes.
    errors: Vec<f64>,
    pub recorded: usize,
    /// Of the recorded occupancy and that of the rule.
    pub agreement: Agreement,
}

impl Score {
    pub fn new(
        predictions: &[Prediction],
        recorded: &[RecordedTransition],
        states: &[(DateTime<Utc>, bool)],
        readings: &[Reading],
    ) -> Self {
        let record: Vec<_> = readings.iter().map(|reading| (reading.at, reading.is_occupied)).collect();
        let range = match (record.first(), record.last()) {
            (Some(first), Some(last)) => first.0..last.0,
            _ => DateTime::UNIX_EPOCH..DateTime::UNIX_EPOCH,
        };
        Self {
            predictions: predictions.len(),
            accurate: predictions.iter().filter(|prediction| prediction.is_accurate == Some(true)).count(),
            errors: predictions.iter().filter_map(|prediction| prediction.accuracy_minutes).collect(),
            recorded: recorded.len(),
            agreement: agreement(range, occupied(&record), occupied(states), TOLERANCE),
        }
    }

    /// Several rooms together.
    pub fn sum(scores: &[Self]) -> Self {
        Self {
            predictions: scores.iter().map(|score| score.predictions).sum(),
            accurate: scores.iter().map(|score| score.accurate).sum(),
            errors: scores.iter().flat_map(|score| score.errors.iter().copied()).collect(),
            recorded: scores.iter().map(|score| score.recorded).sum(),
            agreement: Agreement::sum(scores.iter().map(|score| &score.agreement)),
        }
    }

    pub fn mean_error(&self) -> Option<f64> {
        (!self.errors.is_empty()).then(|| self.errors.iter().sum::<f64>() / self.errors.len() as f64)
    }

    pub fn median_error(&self) -> Option<f64> {
        let mut errors = self.errors.clone();
        errors.sort_by(f64::total_cmp);
        let upper = *errors.get(errors.len() / 2)?;
        let lower = errors[(errors.len() - 1) / 2];
        Some((lower + upper) / 2.0)
    }
}

/// From each reading that says so to the next one.
fn occupied(states: &[(DateTime<Utc>, bool)]) -> Vec<Range<DateTime<Utc>>> {
    states.windows(2).filter(|pair| pair[0].1).map(|pair| pair[0].0..pair[1].0).collect()
}
