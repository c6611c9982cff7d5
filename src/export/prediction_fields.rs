//! The fields of a prediction in a file.

use chrono::{DateTime, Utc};

use super::field_places::Fields;
use super::{json, required};
use crate::error::Error;
use crate::microseconds;
use crate::models::{ModelType, Prediction};

/// A prediction, and the sensor and timestamp of its triggering event.
pub(super) type Given = (Prediction, Option<(String, DateTime<Utc>)>);

/// The columns of `predictions`, then what the triggering event goes by.
pub(super) static PREDICTION: Fields = Fields {
    rows: "predictions",
    names: &[
        "id",
        "room_id",
        "prediction_time",
        "predicted_transition_time",
        "transition_type",
        "confidence_score",
        "prediction_interval_lower",
        "prediction_interval_upper",
        "model_type",
        "model_version",
        "feature_importance",
        "alternatives",
        "actual_transition_time",
        "accuracy_minutes",
        "is_accurate",
        "validation_timestamp",
        "triggering_event_id",
        "created_at",
        "processing_time_ms",
        "triggering_sensor_id",
        "triggering_timestamp",
    ],
    required: &[
        "room_id",
        "prediction_time",
        "predicted_transition_time",
        "transition_type",
        "confidence_score",
        "model_type",
        "model_version",
    ],
};

/// The fields of a prediction as they are in the file; `None` where there is no value.
#[derive(Default)]
pub(super) struct PredictionFields<'a> {
    pub row: u64,
    pub id: Option<i64>,
    pub room_id: Option<&'a str>,
    pub prediction_time: Option<DateTime<Utc>>,
    pub predicted_transition_time: Option<DateTime<Utc>>,
    pub transition_type: Option<&'a str>,
    pub confidence_score: Option<f64>,
    pub prediction_interval_lower: Option<DateTime<Utc>>,
    pub prediction_interval_upper: Option<DateTime<Utc>>,
    pub model_type: Option<&'a str>,
    pub model_version: Option<&'a str>,
    pub feature_importance: Option<&'a str>,
    pub alternatives: Option<&'a str>,
    pub actual_transition_time: Option<DateTime<Utc>>,
    pub accuracy_minutes: Option<f64>,
    pub is_accurate: Option<bool>,
    pub validation_timestamp: Option<DateTime<Utc>>,
    pub triggering_event_id: Option<i64>,
    pub created_at: Option<DateTime<Utc>>,
    pub processing_time_ms: Option<f64>,
    pub triggering_sensor_id: Option<&'a str>,
    pub triggering_timestamp: Option<DateTime<Utc>>,
}

impl PredictionFields<'_> {
    /// The prediction, and the sensor and timestamp of its triggering event.
    pub(super) fn prediction(self) -> Result<Given, Error> {
        let row = self.row;
        let text = |field, value: Option<&str>| required(row, field, value.map(str::to_owned));
        let instant = |field, value: Option<DateTime<Utc>>| required(row, field, value.map(microseconds::truncate));
        let document = |field: &'static str, value: Option<&str>| value.map(|text| json(row, field, text)).transpose();
        let transition = text("transition_type", self.transition_type)?;
        let prediction_time = instant("prediction_time", self.prediction_time)?;
        let prediction = Prediction {
            id: self.id.unwrap_or(0),
            room_id: text("room_id", self.room_id)?,
            prediction_time,
            predicted_transition_time: instant("predicted_transition_time", self.predicted_transition_time)?,
            transition_type: transition.parse().map_err(|_| Error::FieldValue {
                row,
                field: "transition_type",
                value: transition,
                expected: "occupied_to_vacant, vacant_to_occupied or state_change",
            })?,
            confidence_score: required(row, "confidence_score", self.confidence_score)?,
            prediction_interval_lower: self.prediction_interval_lower.map(microseconds::truncate),
            prediction_interval_upper: self.prediction_interval_upper.map(microseconds::truncate),
            model_type: ModelType::from(text("model_type", self.model_type)?),
            model_version: text("model_version", self.model_version)?,
            feature_importance: document("feature_importance", self.feature_importance)?,
            alternatives: document("alternatives", self.alternatives)?,
            actual_transition_time: self.actual_transition_time.map(microseconds::truncate),
            accuracy_minutes: self.accuracy_minutes,
            is_accurate: self.is_accurate,
            validation_timestamp: self.validation_timestamp.map(microseconds::truncate),
            triggering_event_id: self.triggering_event_id,
            created_at: self.created_at.map_or(prediction_time, microseconds::truncate),
            processing_time_ms: self.processing_time_ms,
        };
        let event = match (self.triggering_sensor_id, self.triggering_timestamp) {
            (None, None) => None,
            (sensor, at) => Some((text("triggering_sensor_id", sensor)?, instant("triggering_timestamp", at)?)),
        };
        Ok((prediction, event))
    }
}
