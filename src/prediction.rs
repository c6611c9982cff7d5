//! Predictions: what is read, what is inserted, and what came of them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::micros;
use crate::open_set::ModelType;
use crate::schema::predictions;
use crate::sensor_event::SensorEventKey;

/// Which transition a prediction is about. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "snake_case")]
pub enum TransitionType {
    /// The room becomes vacant.
    OccupiedToVacant,
    /// The room becomes occupied.
    VacantToOccupied,
    /// The room changes its state in another way.
    StateChange,
}

impl TransitionType {
    /// Every transition type.
    pub const ALL: [Self; 3] = [Self::OccupiedToVacant, Self::VacantToOccupied, Self::StateChange];

    /// The name, as the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OccupiedToVacant => "occupied_to_vacant",
            Self::VacantToOccupied => "vacant_to_occupied",
            Self::StateChange => "state_change",
        }
    }
}

impl fmt::Display for TransitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no [`TransitionType`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no transition type: use occupied_to_vacant, vacant_to_occupied or state_change")]
pub struct UnknownTransitionType(pub String);

impl FromStr for TransitionType {
    type Err = UnknownTransitionType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|transition| transition.as_str() == text)
            .ok_or_else(|| UnknownTransitionType(text.to_owned()))
    }
}

impl FromSql<Text, Pg> for TransitionType {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(std::str::from_utf8(value.as_bytes())?.parse()?)
    }
}

impl ToSql<Text, Pg> for TransitionType {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(self.as_str(), out)
    }
}

/// A prediction as the database has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Identifiable, AsChangeset)]
#[diesel(table_name = predictions, check_for_backend(Pg), treat_none_as_null = true)]
pub struct Prediction {
    /// Assigned by the database.
    pub id: i64,
    /// The room.
    pub room_id: String,
    /// When the prediction was made.
    #[serde(deserialize_with = "micros::deserialize")]
    pub prediction_time: DateTime<Utc>,
    /// When the transition is expected.
    #[serde(deserialize_with = "micros::deserialize")]
    pub predicted_transition_time: DateTime<Utc>,
    /// Which transition.
    pub transition_type: TransitionType,
    /// How sure the model is, from 0 to 1.
    pub confidence_score: f64,
    /// The transition is not expected before.
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub prediction_interval_lower: Option<DateTime<Utc>>,
    /// The transition is not expected after.
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub prediction_interval_upper: Option<DateTime<Utc>>,
    /// The kind of model.
    pub model_type: ModelType<'static>,
    /// Which version of the model.
    pub model_version: String,
    /// What the prediction rests on.
    pub feature_importance: Option<Value>,
    /// Further predictions that the model considered.
    pub alternatives: Option<Value>,
    /// When the transition took place.
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub actual_transition_time: Option<DateTime<Utc>>,
    /// Minutes between the predicted and the actual transition, without sign.
    pub accuracy_minutes: Option<f64>,
    /// Whether that is within the tolerance of whoever validated it.
    pub is_accurate: Option<bool>,
    /// When the outcome was recorded; `None` while validation is pending.
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub validation_timestamp: Option<DateTime<Utc>>,
    /// The id of the sensor event that triggered the prediction; `None` once that event is gone.
    pub triggering_event_id: Option<i64>,
    /// When the row was stored.
    #[serde(deserialize_with = "micros::deserialize")]
    pub created_at: DateTime<Utc>,
    /// How long the model took, in milliseconds.
    pub processing_time_ms: Option<f64>,
}

impl Prediction {
    /// What came of this prediction, given when the transition took place, or `None` if it never came.
    ///
    /// It is accurate if the transition came within `tolerance` of the predicted time.
    pub fn outcome(&self, actual_transition_time: Option<DateTime<Utc>>, tolerance: TimeDelta) -> PredictionOutcome {
        let actual_transition_time = actual_transition_time.map(micros::truncate);
        let off = actual_transition_time.map(|actual| (actual - self.predicted_transition_time).abs());
        PredictionOutcome {
            actual_transition_time,
            accuracy_minutes: off.map(|off| off.as_seconds_f64() / 60.0),
            is_accurate: Some(off.is_some_and(|off| off <= tolerance)),
            validation_timestamp: Some(micros::truncate(Utc::now())),
        }
    }
}

/// What came of a prediction: a changeset for the columns that validation fills.
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// # let prediction: Prediction = a_prediction(conn);
/// // The transition took place four minutes later than predicted; ten are tolerated.
/// let actual = prediction.predicted_transition_time + TimeDelta::minutes(4);
/// let validated: Prediction = diesel::update(&prediction)
///     .set(prediction.outcome(Some(actual), TimeDelta::minutes(10)))
///     .returning(Prediction::as_returning())
///     .get_result(conn)?;
/// assert_eq!(validated.accuracy_minutes, Some(4.0));
/// assert_eq!(validated.is_accurate, Some(true));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsChangeset)]
#[diesel(table_name = predictions, treat_none_as_null = true)]
pub struct PredictionOutcome {
    /// When the transition took place; `None` if it never came.
    pub actual_transition_time: Option<DateTime<Utc>>,
    /// Minutes between the predicted and the actual transition, without sign.
    pub accuracy_minutes: Option<f64>,
    /// Whether that is within the tolerance.
    pub is_accurate: Option<bool>,
    /// When the outcome was recorded.
    pub validation_timestamp: Option<DateTime<Utc>>,
}

/// A prediction to insert. The database assigns the id.
///
/// ```
/// # include!("doctest_setup.rs");
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Insertable)]
#[diesel(table_name = predictions, treat_none_as_default_value = false)]
#[must_use = "does nothing until it is inserted"]
pub struct NewPrediction<'a> {
    pub(crate) room_id: Cow<'a, str>,
    #[serde(deserialize_with = "micros::deserialize")]
    pub(crate) prediction_time: DateTime<Utc>,
    #[serde(deserialize_with = "micros::deserialize")]
    pub(crate) predicted_transition_time: DateTime<Utc>,
    pub(crate) transition_type: TransitionType,
    pub(crate) confidence_score: f64,
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub(crate) prediction_interval_lower: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub(crate) prediction_interval_upper: Option<DateTime<Utc>>,
    pub(crate) model_type: ModelType<'a>,
    pub(crate) model_version: Cow<'a, str>,
    #[serde(default)]
    pub(crate) feature_importance: Option<Value>,
    #[serde(default)]
    pub(crate) alternatives: Option<Value>,
    #[serde(default)]
    pub(crate) triggering_event_id: Option<i64>,
    /// Where to look for the event: no column, but what bulk inserts register the reference by.
    #[serde(default, deserialize_with = "micros::deserialize_option", skip_serializing_if = "Option::is_none")]
    #[diesel(skip_insertion)]
    pub(crate) triggering_event_timestamp: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) processing_time_ms: Option<f64>,
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
            prediction_time: micros::truncate(Utc::now()),
            predicted_transition_time: micros::truncate(predicted_transition_time),
            transition_type,
            confidence_score,
            prediction_interval_lower: None,
            prediction_interval_upper: None,
            model_type: model_type.into(),
            model_version: model_version.into(),
            feature_importance: None,
            alternatives: None,
            triggering_event_id: None,
            triggering_event_timestamp: None,
            processing_time_ms: None,
        }
    }

    /// When the prediction was made. Now unless told.
    pub fn with_prediction_time(mut self, prediction_time: DateTime<Utc>) -> Self {
        self.prediction_time = micros::truncate(prediction_time);
        self
    }

    /// Between which instants the transition is expected; the lower one must not be after the upper one.
    pub fn with_prediction_interval(mut self, lower: DateTime<Utc>, upper: DateTime<Utc>) -> Self {
        self.prediction_interval_lower = Some(micros::truncate(lower));
        self.prediction_interval_upper = Some(micros::truncate(upper));
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
        self.triggering_event_id = triggering_event_id.into();
        self.triggering_event_timestamp = None;
        self
    }

    /// The key of the sensor event that triggered the prediction: as the id, and
    /// [bulk inserts](crate::bulk::insert_predictions) find the event at once, whatever the number of chunks.
    pub fn with_triggering_event(mut self, key: SensorEventKey) -> Self {
        self.triggering_event_id = Some(key.id());
        self.triggering_event_timestamp = Some(key.timestamp());
        self
    }

    /// How long the model took, in milliseconds.
    pub fn with_processing_time_ms(mut self, processing_time_ms: f64) -> Self {
        self.processing_time_ms = Some(processing_time_ms);
        self
    }
}

/// Changes to a prediction: `None` leaves a column as it is, `Some(None)` clears it.
///
/// For what came of a prediction see [`PredictionOutcome`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, AsChangeset)]
#[diesel(table_name = predictions)]
pub struct PredictionChanges<'a> {
    /// When the transition is expected.
    pub predicted_transition_time: Option<DateTime<Utc>>,
    /// Which transition.
    pub transition_type: Option<TransitionType>,
    /// How sure the model is, from 0 to 1.
    pub confidence_score: Option<f64>,
    /// The transition is not expected before.
    pub prediction_interval_lower: Option<Option<DateTime<Utc>>>,
    /// The transition is not expected after.
    pub prediction_interval_upper: Option<Option<DateTime<Utc>>>,
    /// The kind of model.
    pub model_type: Option<ModelType<'a>>,
    /// Which version of the model.
    pub model_version: Option<Cow<'a, str>>,
    /// What the prediction rests on.
    pub feature_importance: Option<Option<Value>>,
    /// Further predictions that the model considered.
    pub alternatives: Option<Option<Value>>,
    /// The id of the sensor event that triggered the prediction.
    pub triggering_event_id: Option<Option<i64>>,
    /// How long the model took, in milliseconds.
    pub processing_time_ms: Option<Option<f64>>,
}
