//! Predictions as they are read, and their outcomes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use diesel_timescale::ParseError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::PredictionChanges;
use super::json_numbers;
use super::labels::ModelType;
use super::referenced_event::ReferencedEvent;
use crate::microseconds;
use crate::schema::predictions;

/// Which transition a prediction is about. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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

impl FromStr for TransitionType {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|transition| transition.as_str() == text).ok_or_else(|| {
            ParseError::new(text, "a transition type: use occupied_to_vacant, vacant_to_occupied or state_change")
        })
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Identifiable, Associations, AsChangeset)]
#[diesel(table_name = predictions, check_for_backend(Pg), treat_none_as_null = true)]
#[diesel(belongs_to(ReferencedEvent, foreign_key = triggering_event_id))]
pub struct Prediction {
    /// Assigned by the database.
    pub id: i64,
    /// The room.
    pub room_id: String,
    /// When the prediction was made.
    #[serde(deserialize_with = "microseconds::deserialize")]
    pub prediction_time: DateTime<Utc>,
    /// When the transition is expected.
    #[serde(deserialize_with = "microseconds::deserialize")]
    pub predicted_transition_time: DateTime<Utc>,
    /// Which transition.
    pub transition_type: TransitionType,
    /// How sure the model is, from 0 to 1.
    #[serde(serialize_with = "json_numbers::serialize")]
    pub confidence_score: f64,
    /// The transition is not expected before.
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    pub prediction_interval_lower: Option<DateTime<Utc>>,
    /// The transition is not expected after.
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
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
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    pub actual_transition_time: Option<DateTime<Utc>>,
    /// Minutes between the predicted and the actual transition, without sign.
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub accuracy_minutes: Option<f64>,
    /// Whether that is within the tolerance of whoever validated it.
    pub is_accurate: Option<bool>,
    /// When the outcome was recorded; `None` while validation is pending.
    #[serde(default, deserialize_with = "microseconds::deserialize_option")]
    pub validation_timestamp: Option<DateTime<Utc>>,
    /// The id of the sensor event that triggered the prediction; `None` once that event is gone.
    pub triggering_event_id: Option<i64>,
    /// When the row was stored.
    #[serde(deserialize_with = "microseconds::deserialize")]
    pub created_at: DateTime<Utc>,
    /// How long the model took, in milliseconds.
    #[serde(serialize_with = "json_numbers::serialize_option")]
    pub processing_time_ms: Option<f64>,
}

impl Prediction {
    /// What came of this prediction, given when the transition took place, or `None` if it never came: the changes of the
    /// columns that validation fills.
    ///
    /// It is accurate if the transition came within `tolerance` of the predicted time.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
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
    pub fn outcome(
        &self,
        actual_transition_time: Option<DateTime<Utc>>,
        tolerance: TimeDelta,
    ) -> PredictionChanges<'static> {
        let actual_transition_time = actual_transition_time.map(microseconds::truncate);
        let off = actual_transition_time.map(|actual| (actual - self.predicted_transition_time).abs());
        PredictionChanges {
            actual_transition_time: Some(actual_transition_time),
            accuracy_minutes: Some(off.map(|off| off.as_seconds_f64() / 60.0)),
            is_accurate: Some(Some(off.is_some_and(|off| off <= tolerance))),
            validation_timestamp: Some(Some(microseconds::truncate(Utc::now()))),
            ..PredictionChanges::default()
        }
    }
}
