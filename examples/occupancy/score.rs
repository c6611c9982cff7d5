//! How well the predictions agree with the record.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
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
#[derive(Debug, Clone, Default)]
pub struct Score {
    pub predictions: usize,
    pub accurate: usize,
    /// Of the predictions that a recorded transition was found for, in minutes.
    errors: Vec<f64>,
    pub recorded: usize,
    pub minutes: usize,
    /// In how many of them the rule had the recorded state.
    pub agreeing: usize,
}

impl Score {
    pub fn new(
        predictions: &[Prediction],
        recorded: &[RecordedTransition],
        states: &[(DateTime<Utc>, bool)],
        readings: &[Reading],
    ) -> Self {
        let record: HashMap<_, _> = readings.iter().map(|reading| (reading.at, reading.is_occupied)).collect();
        let agrees = |&(at, is_occupied): &(DateTime<Utc>, bool)| record.get(&at) == Some(&is_occupied);
        Self {
            predictions: predictions.len(),
            accurate: predictions.iter().filter(|prediction| prediction.is_accurate == Some(true)).count(),
            errors: predictions.iter().filter_map(|prediction| prediction.accuracy_minutes).collect(),
            recorded: recorded.len(),
            minutes: readings.len(),
            agreeing: states.iter().filter(|state| agrees(state)).count(),
        }
    }

    /// Several rooms together.
    pub fn sum(scores: &[Self]) -> Self {
        scores.iter().fold(Self::default(), |sum, score| Self {
            predictions: sum.predictions + score.predictions,
            accurate: sum.accurate + score.accurate,
            errors: [sum.errors, score.errors.clone()].concat(),
            recorded: sum.recorded + score.recorded,
            minutes: sum.minutes + score.minutes,
            agreeing: sum.agreeing + score.agreeing,
        })
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
