//! Changesets: only the fields that are set are written.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change_fields;
use super::json_numbers;
use super::labels::{ModelType, SensorState, SensorType};
use super::prediction::TransitionType;
use crate::schema::{predictions, sensor_events};

/// Changes to a sensor event: `None` leaves a column unchanged, `Some(None)` sets it to NULL.
///
/// The key, the room and the sensor stay what they are. An empty change is an error of Diesel's
/// (`QueryBuilderError`).
///
/// In JSON, an absent field leaves its column unchanged, and `null` sets it to NULL. `null` for a `NOT NULL` column is an
/// error, and so is an unknown field.
/// `attributes` cannot be null, but may hold the JSON value `null`, and that is what `null` sets.
///
/// ```
/// use occupancy_models::SensorEventChanges;
///
/// let changes: SensorEventChanges = serde_json::from_str(r#"{ "state": "off", "confidence_score": null }"#)?;
/// assert_eq!(changes.confidence_score, Some(None));
/// assert_eq!(changes.numeric_value, None);
/// assert_eq!(serde_json::to_string(&changes)?, r#"{"state":"off","confidence_score":null}"#);
/// assert!(serde_json::from_str::<SensorEventChanges>(r#"{ "state": null }"#).is_err());
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, AsChangeset)]
#[serde(default, deny_unknown_fields)]
#[diesel(table_name = sensor_events)]
pub struct SensorEventChanges<'a> {
    /// What the sensor measures.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub sensor_type: Option<SensorType<'a>>,
    /// The state as the sensor reported it.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub state: Option<SensorState<'a>>,
    /// The state as a number.
    #[serde(
        deserialize_with = "change_fields::nullable",
        serialize_with = "json_numbers::serialize_nullable_change",
        skip_serializing_if = "Option::is_none"
    )]
    pub numeric_value: Option<Option<f64>>,
    /// The state that this sensor reported before.
    #[serde(deserialize_with = "change_fields::nullable", skip_serializing_if = "Option::is_none")]
    pub previous_state: Option<Option<SensorState<'a>>>,
    /// Whatever else the sensor reported.
    #[serde(deserialize_with = "change_fields::json", skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Value>,
    /// Whether a person, rather than an automation, caused the event.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub is_human_triggered: Option<bool>,
    /// How far to trust the reading, from 0 to 1.
    #[serde(
        deserialize_with = "change_fields::nullable",
        serialize_with = "json_numbers::serialize_nullable_change",
        skip_serializing_if = "Option::is_none"
    )]
    pub confidence_score: Option<Option<f64>>,
    /// When the application has processed the event.
    #[serde(deserialize_with = "change_fields::nullable_timestamp", skip_serializing_if = "Option::is_none")]
    pub processed_at: Option<Option<DateTime<Utc>>>,
}

/// Changes to a prediction: `None` leaves a column unchanged, `Some(None)` sets it to NULL.
///
/// [`Prediction::outcome`](crate::Prediction::outcome) makes those of its validation.
///
/// In JSON, an absent field leaves its column unchanged, and `null` sets it to NULL. `null` for a `NOT NULL` column is an
/// error, and so is an unknown field.
///
/// ```
/// use occupancy_models::PredictionChanges;
///
/// let changes: PredictionChanges = serde_json::from_str(r#"{ "model_version": "2", "alternatives": null }"#)?;
/// assert_eq!(changes.alternatives, Some(None));
/// assert_eq!(changes.feature_importance, None);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, AsChangeset)]
#[serde(default, deny_unknown_fields)]
#[diesel(table_name = predictions)]
pub struct PredictionChanges<'a> {
    /// When the transition is expected.
    #[serde(deserialize_with = "change_fields::timestamp", skip_serializing_if = "Option::is_none")]
    pub predicted_transition_time: Option<DateTime<Utc>>,
    /// Which transition.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub transition_type: Option<TransitionType>,
    /// How sure the model is, from 0 to 1.
    #[serde(
        deserialize_with = "change_fields::value",
        serialize_with = "json_numbers::serialize_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub confidence_score: Option<f64>,
    /// The transition is not expected before.
    #[serde(deserialize_with = "change_fields::nullable_timestamp", skip_serializing_if = "Option::is_none")]
    pub prediction_interval_lower: Option<Option<DateTime<Utc>>>,
    /// The transition is not expected after.
    #[serde(deserialize_with = "change_fields::nullable_timestamp", skip_serializing_if = "Option::is_none")]
    pub prediction_interval_upper: Option<Option<DateTime<Utc>>>,
    /// The kind of model.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub model_type: Option<ModelType<'a>>,
    /// Which version of the model.
    #[serde(deserialize_with = "change_fields::value", skip_serializing_if = "Option::is_none")]
    pub model_version: Option<Cow<'a, str>>,
    /// What the prediction rests on.
    #[serde(deserialize_with = "change_fields::nullable", skip_serializing_if = "Option::is_none")]
    pub feature_importance: Option<Option<Value>>,
    /// Further predictions that the model considered.
    #[serde(deserialize_with = "change_fields::nullable", skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<Option<Value>>,
    /// When the transition took place; `Some(None)` if it never came.
    #[serde(deserialize_with = "change_fields::nullable_timestamp", skip_serializing_if = "Option::is_none")]
    pub actual_transition_time: Option<Option<DateTime<Utc>>>,
    /// Minutes between the predicted and the actual transition, without sign.
    #[serde(
        deserialize_with = "change_fields::nullable",
        serialize_with = "json_numbers::serialize_nullable_change",
        skip_serializing_if = "Option::is_none"
    )]
    pub accuracy_minutes: Option<Option<f64>>,
    /// Whether that is within the tolerance.
    #[serde(deserialize_with = "change_fields::nullable", skip_serializing_if = "Option::is_none")]
    pub is_accurate: Option<Option<bool>>,
    /// When the outcome was recorded.
    #[serde(deserialize_with = "change_fields::nullable_timestamp", skip_serializing_if = "Option::is_none")]
    pub validation_timestamp: Option<Option<DateTime<Utc>>>,
    /// The id of the sensor event that triggered the prediction.
    #[serde(deserialize_with = "change_fields::nullable", skip_serializing_if = "Option::is_none")]
    pub triggering_event_id: Option<Option<i64>>,
    /// How long the model took, in milliseconds.
    #[serde(
        deserialize_with = "change_fields::nullable",
        serialize_with = "json_numbers::serialize_nullable_change",
        skip_serializing_if = "Option::is_none"
    )]
    pub processing_time_ms: Option<Option<f64>>,
}
