//! Predictions to insert.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_timescale::references::ReferencedId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json_numbers;
use super::labels::ModelType;
use super::prediction::{Prediction, TransitionType};
use super::sensor_event_key::SensorEventKey;
use crate::microseconds;
use crate::schema::predictions;

/// A prediction to insert. The database assigns the id.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// # let event: SensorEvent = an_event(conn);
/// let prediction: Prediction = diesel::insert_into(predictions::table)
///     .values(
///         NewPrediction::new(
///             "office",
///             event.timestamp + TimeDelta::minutes(15),
///             TransitionType::VacantToOccupied,
///             0.8,
///             ModelType::HMM,
///             "1.2.0",
///         )
///             .with_prediction_time(event.timestamp)
///             .with_triggering_event_id(event.id),
///     )
///     .returning(Prediction::as_returning())
///     .get_result(conn)?;
/// assert_eq!(prediction.triggering_event_id, Some(event.id));
/// # Ok(()) }) }
/// ```
///
/// From JSON, a field that there is not is an error, because a misspelt one would be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Insertable)]
#[serde(from = "Fields<'a>", into = "Fields<'a>")]
#[diesel(table_name = predictions, treat_none_as_default_value = false)]
#[must_use = "does nothing until it is inserted"]
pub struct NewPrediction<'a> {
    pub(crate) room_id: Cow<'a, str>,
    pub(crate) prediction_time: DateTime<Utc>,
    pub(crate) predicted_transition_time: DateTime<Utc>,
    pub(crate) transition_type: TransitionType,
    pub(crate) confidence_score: f64,
    pub(crate) prediction_interval_lower: Option<DateTime<Utc>>,
    pub(crate) prediction_interval_upper: Option<DateTime<Utc>>,
    pub(crate) model_type: ModelType<'a>,
    pub(crate) model_version: Cow<'a, str>,
    pub(crate) feature_importance: Option<Value>,
    pub(crate) alternatives: Option<Value>,
    #[diesel(column_name = triggering_event_id)]
    pub(crate) triggering_event: ReferencedId<DateTime<Utc>>,
    pub(crate) processing_time_ms: Option<f64>,
}

/// A [`NewPrediction`] as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    room_id: Cow<'a, str>,
    #[serde(deserialize_with = "microseconds::deserialize")]
    prediction_time: DateTime<Utc>,
    #[serde(deserialize_with = "microseconds::deserialize")]
    predicted_transition_time: DateTime<Utc>,
    transition_type: TransitionType,
    #[serde(serialize_with = "json_numbers::serialize")]
    confidence_score: f64,
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    prediction_interval_lower: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    prediction_interval_upper: Option<DateTime<Utc>>,
    model_type: ModelType<'a>,
    model_version: Cow<'a, str>,
    #[serde(default)]
    feature_importance: Option<Value>,
    #[serde(default)]
    alternatives: Option<Value>,
    #[serde(default)]
    triggering_event_id: Option<i64>,
    #[serde(default, deserialize_with = "microseconds::deserialize_option", skip_serializing_if = "Option::is_none")]
    triggering_event_timestamp: Option<DateTime<Utc>>,
    #[serde(default, serialize_with = "json_numbers::serialize_option")]
    processing_time_ms: Option<f64>,
}

impl<'a> From<Fields<'a>> for NewPrediction<'a> {
    fn from(fields: Fields<'a>) -> Self {
        Self {
            room_id: fields.room_id,
            prediction_time: fields.prediction_time,
            predicted_transition_time: fields.predicted_transition_time,
            transition_type: fields.transition_type,
            confidence_score: fields.confidence_score,
            prediction_interval_lower: fields.prediction_interval_lower,
            prediction_interval_upper: fields.prediction_interval_upper,
            model_type: fields.model_type,
            model_version: fields.model_version,
            feature_importance: fields.feature_importance,
            alternatives: fields.alternatives,
            triggering_event: match (fields.triggering_event_id, fields.triggering_event_timestamp) {
                (Some(id), Some(timestamp)) => ReferencedId::with_time(id, timestamp),
                (id, _) => ReferencedId::new(id),
            },
            processing_time_ms: fields.processing_time_ms,
        }
    }
}

impl<'a> From<NewPrediction<'a>> for Fields<'a> {
    fn from(new: NewPrediction<'a>) -> Self {
        Self {
            room_id: new.room_id,
            prediction_time: new.prediction_time,
            predicted_transition_time: new.predicted_transition_time,
            transition_type: new.transition_type,
            confidence_score: new.confidence_score,
            prediction_interval_lower: new.prediction_interval_lower,
            prediction_interval_upper: new.prediction_interval_upper,
            model_type: new.model_type,
            model_version: new.model_version,
            feature_importance: new.feature_importance,
            alternatives: new.alternatives,
            triggering_event_id: new.triggering_event.id(),
            triggering_event_timestamp: new.triggering_event.time().copied(),
            processing_time_ms: new.processing_time_ms,
        }
    }
}

impl<'a> NewPrediction<'a> {
    /// A prediction, made now: which transition of the room is expected when, how sure that is (from 0 to 1), and
    /// which model says so.
    pub fn new(
        room_id: impl Into<Cow<'a, str>>,
        predicted_transition_time: DateTime<Utc>,
        transition_type: TransitionType,
        confidence_score: f64,
        model_type: impl Into<ModelType<'a>>,
        model_version: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            room_id: room_id.into(),
            prediction_time: microseconds::truncate(Utc::now()),
            predicted_transition_time: microseconds::truncate(predicted_transition_time),
            transition_type,
            confidence_score,
            prediction_interval_lower: None,
            prediction_interval_upper: None,
            model_type: model_type.into(),
            model_version: model_version.into(),
            feature_importance: None,
            alternatives: None,
            triggering_event: ReferencedId::default(),
            processing_time_ms: None,
        }
    }

    /// When the prediction was made. Default: now.
    pub fn with_prediction_time(mut self, prediction_time: DateTime<Utc>) -> Self {
        self.prediction_time = microseconds::truncate(prediction_time);
        self
    }

    /// Between which instants the transition is expected; the lower one must not be after the upper one.
    pub fn with_prediction_interval(mut self, lower: DateTime<Utc>, upper: DateTime<Utc>) -> Self {
        self.prediction_interval_lower = Some(microseconds::truncate(lower));
        self.prediction_interval_upper = Some(microseconds::truncate(upper));
        self
    }

    /// What the prediction rests on: feature to weight, by convention.
    pub fn with_feature_importance(mut self, feature_importance: Value) -> Self {
        self.feature_importance = Some(feature_importance);
        self
    }

    /// Further predictions that the model considered.
    pub fn with_alternatives(mut self, alternatives: Value) -> Self {
        self.alternatives = Some(alternatives);
        self
    }

    /// The id of the sensor event that triggered the prediction. Nothing else is needed for the foreign key.
    pub fn with_triggering_event_id(mut self, triggering_event_id: impl Into<Option<i64>>) -> Self {
        self.triggering_event = ReferencedId::new(triggering_event_id);
        self
    }

    /// The key of the sensor event that triggered the prediction: as the id, and the event is found at once, whatever the
    /// number of chunks.
    pub fn with_triggering_event(mut self, key: SensorEventKey) -> Self {
        self.triggering_event = ReferencedId::with_time(key.id(), key.timestamp());
        self
    }

    /// How long the model took, in milliseconds.
    pub fn with_processing_time_ms(mut self, processing_time_ms: f64) -> Self {
        self.processing_time_ms = Some(processing_time_ms);
        self
    }
}

/// What was read, to be stored elsewhere: all but the id, when the row was stored, and what came of it.
impl From<Prediction> for NewPrediction<'static> {
    fn from(prediction: Prediction) -> Self {
        Self {
            room_id: prediction.room_id.into(),
            prediction_time: prediction.prediction_time,
            predicted_transition_time: prediction.predicted_transition_time,
            transition_type: prediction.transition_type,
            confidence_score: prediction.confidence_score,
            prediction_interval_lower: prediction.prediction_interval_lower,
            prediction_interval_upper: prediction.prediction_interval_upper,
            model_type: prediction.model_type,
            model_version: prediction.model_version.into(),
            feature_importance: prediction.feature_importance,
            alternatives: prediction.alternatives,
            triggering_event: ReferencedId::new(prediction.triggering_event_id),
            processing_time_ms: prediction.processing_time_ms,
        }
    }
}
