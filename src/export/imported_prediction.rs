//! Predictions as an import stores them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_timescale::bulk::{Report, Validate, Violations};

use super::prediction_fields::Given;
use super::predictions_to_import::Found;
use crate::microseconds;
use crate::models::{NewPrediction, Prediction, SensorEventKey};
use crate::schema::predictions;

/// PostgreSQL drops what is less than a microsecond, so it would be compared with what is not stored.
pub(super) fn truncate((prediction, event): &mut Given) {
    for at in [&mut prediction.prediction_time, &mut prediction.predicted_transition_time]
        .into_iter()
        .chain(&mut prediction.prediction_interval_lower)
        .chain(&mut prediction.prediction_interval_upper)
        .chain(&mut prediction.actual_transition_time)
        .chain(&mut prediction.validation_timestamp)
        .chain(event.as_mut().map(|(_, at)| at))
    {
        *at = microseconds::truncate(*at);
    }
}

/// What is to be stored of a batch: not even a lock is needed for what is stored already and lacks nothing.
pub(super) struct Batch {
    pub rows: Vec<ImportedPrediction>,
    /// Where the rows were among those that were given.
    pub places: Vec<usize>,
    /// Of the other ones.
    pub report: Report,
}

impl Batch {
    pub(super) fn new(given: Vec<Given>, found: Vec<Found>) -> Self {
        let first_of_each = first_of_each(&given);
        let is_stored: Vec<bool> = found.iter().map(|found| found.is_stored).collect();
        let mut rows: Vec<ImportedPrediction> = Vec::with_capacity(given.len());
        for ((row, found), first) in given.into_iter().zip(found).zip(&first_of_each) {
            let mut row = ImportedPrediction::new(row, &found);
            if let Some(first) = rows.get_mut(*first) {
                first.complete(&row);
                row.id = first.id;
            }
            rows.push(row);
        }
        let adds: Vec<bool> = rows.iter().map(ImportedPrediction::has_additions).collect();
        let mut batch = Self { rows: Vec::with_capacity(rows.len()), places: Vec::new(), report: Report::default() };
        for (place, (row, first)) in rows.into_iter().zip(first_of_each).enumerate() {
            if !is_stored[first] || adds[first] {
                batch.rows.push(row);
                batch.places.push(place);
            } else if place == first {
                batch.report.unchanged += 1;
            } else {
                batch.report.deduplicated += 1;
            }
        }
        batch
    }
}

/// For each row the index of the first one that is the same prediction, which may be the row itself.
fn first_of_each(rows: &[Given]) -> Vec<usize> {
    let mut indexes = HashMap::new();
    let key = |prediction: &Prediction| {
        let times = (prediction.prediction_time, prediction.predicted_transition_time);
        (times, prediction.transition_type)
    };
    rows.iter()
        .enumerate()
        .map(|(index, (row, _))| {
            let texts = (row.room_id.as_str(), row.model_type.as_str(), row.model_version.as_str());
            *indexes.entry((key(row), texts)).or_insert(index)
        })
        .collect()
}

/// A prediction with an id, and with what came of it.
#[derive(Debug, Insertable)]
#[diesel(table_name = predictions, treat_none_as_default_value = false)]
pub(super) struct ImportedPrediction {
    id: i64,
    #[diesel(embed)]
    new: NewPrediction<'static>,
    actual_transition_time: Option<DateTime<Utc>>,
    accuracy_minutes: Option<f64>,
    is_accurate: Option<bool>,
    validation_timestamp: Option<DateTime<Utc>>,
}

impl ImportedPrediction {
    /// Of what is stored already no more than it lacks.
    fn new((prediction, event): Given, found: &Found) -> Self {
        let has_outcome = !found.is_stored || found.lacks_outcome && prediction.validation_timestamp.is_some();
        let key = event.zip(found.event_id.filter(|_| found.lacks_event));
        let mut row = Self {
            id: found.id,
            actual_transition_time: prediction.actual_transition_time.filter(|_| has_outcome),
            accuracy_minutes: prediction.accuracy_minutes.filter(|_| has_outcome),
            is_accurate: prediction.is_accurate.filter(|_| has_outcome),
            validation_timestamp: prediction.validation_timestamp.filter(|_| has_outcome),
            new: NewPrediction::from(prediction).with_triggering_event_id(None),
        };
        if let Some(((_, timestamp), id)) = key {
            row.new = row.new.with_triggering_event(SensorEventKey::new(id, timestamp));
        }
        row
    }

    /// Whether there is something to add to the one that is stored.
    fn has_additions(&self) -> bool {
        self.validation_timestamp.is_some() || self.new.triggering_event.id().is_some()
    }

    /// Takes from a later row of the same prediction what this one lacks.
    fn complete(&mut self, other: &Self) {
        if self.validation_timestamp.is_none() && other.validation_timestamp.is_some() {
            self.actual_transition_time = other.actual_transition_time;
            self.accuracy_minutes = other.accuracy_minutes;
            self.is_accurate = other.is_accurate;
            self.validation_timestamp = other.validation_timestamp;
        }
        if self.new.triggering_event.id().is_none() {
            self.new.triggering_event = other.new.triggering_event;
        }
    }
}

impl Validate for ImportedPrediction {
    fn validate(&self, violations: &mut Violations) {
        self.new.validate(violations);
        if let Some(minutes) = self.accuracy_minutes.filter(|minutes| *minutes < 0.0) {
            violations.add("accuracy_minutes", format!("{minutes} is not a number from 0 on"));
        }
    }
}
