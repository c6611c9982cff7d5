//! Predictions in a range of time, pending ones, and the accuracy of models.

use std::borrow::Cow;
use std::ops::RangeBounds;

use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, Eq, Filter, IsNull, Select};
use diesel::pg::Pg;
use diesel::prelude::*;

use super::condition::Condition;
use super::query_of::QueryOf;
use super::subquery::{Part, Subquery, subquery, subquery_columns};
use super::time_range::within;
use crate::models::ModelType;
use crate::models::Prediction;
use crate::schema::predictions;

type PredictionsWithin =
    Filter<Select<predictions::table, AsSelect<Prediction, Pg>>, Condition<predictions::prediction_time>>;

type PredictionsInRoom<'a> = Filter<PredictionsWithin, Eq<predictions::room_id, Cow<'a, str>>>;

type PendingPredictions = Filter<PredictionsWithin, IsNull<predictions::validation_timestamp>>;

impl Prediction {
    /// The predictions that were made in a range of time, in no order: a query that takes further clauses.
    pub fn within(range: impl RangeBounds<DateTime<Utc>>) -> PredictionsWithin {
        predictions::table.select(Self::as_select()).filter(within(predictions::prediction_time, range))
    }

    /// A room's predictions that were made in a range of time, in no order.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # a_prediction(conn);
    /// let recent: Vec<Prediction> = Prediction::in_room("office", Utc::now() - TimeDelta::hours(24)..)
    ///     .order(predictions::prediction_time.desc())
    ///     .load(conn)?;
    /// assert_eq!(recent.len(), 1);
    /// # Ok(()) }) }
    /// ```
    pub fn in_room<'a>(
        room_id: impl Into<Cow<'a, str>>,
        range: impl RangeBounds<DateTime<Utc>>,
    ) -> PredictionsInRoom<'a> {
        Self::within(range).filter(predictions::room_id.eq(room_id.into()))
    }

    /// The predictions of any room that wait for their outcome and were made in a range of time, such as from a cutoff
    /// on. In no order.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # a_prediction(conn);
    /// // Those of the last day whose time has come.
    /// let due: Vec<Prediction> = Prediction::pending(Utc::now() - TimeDelta::hours(24)..)
    ///     .filter(predictions::predicted_transition_time.le(Utc::now()))
    ///     .load(conn)?;
    /// assert!(due.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn pending(range: impl RangeBounds<DateTime<Utc>>) -> PendingPredictions {
        Self::within(range).filter(predictions::validation_timestamp.is_null())
    }
}

subquery_columns! {
    /// How accurate a model is in a room.
    ModelAccuracy, model_accuracies, model_accuracy (room_id, model_type) {
        /// The room.
        room_id: String => Text,
        /// The kind of model.
        model_type: ModelType<'static> => Text,
        /// How many predictions have an outcome.
        validated: i64 => BigInt,
        /// How many of them are accurate.
        accurate: i64 => BigInt,
        /// The share of them that is accurate, from 0 to 1.
        accurate_share: f64 => Double,
        /// How many transitions never came. They have no error in minutes.
        missed: i64 => BigInt,
        /// The mean of the error, in minutes.
        mean_error_minutes: Option<f64> => Nullable<Double>,
        /// The median of the error, in minutes.
        median_error_minutes: Option<f64> => Nullable<Double>,
        /// The square root of the mean of the squared error, in minutes.
        rmse_minutes: Option<f64> => Nullable<Double>,
    }
}

/// How accurate each kind of model is in each room, by the predictions of a query that have an outcome.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{self, ModelAccuracy, model_accuracies};
///
/// # fn main() { run(|conn| {
/// # let prediction = a_prediction(conn);
/// # let actual = prediction.predicted_transition_time + TimeDelta::minutes(4);
/// # diesel::update(&prediction).set(prediction.outcome(Some(actual), TimeDelta::minutes(10))).execute(conn)?;
/// let month = Prediction::within(Utc::now() - TimeDelta::days(30)..);
/// let models: Vec<ModelAccuracy> =
///     queries::accuracy(month).order(model_accuracies::rmse_minutes).load(conn)?;
/// assert_eq!((models[0].accurate_share, models[0].rmse_minutes), (1.0, Some(4.0)));
/// # Ok(()) }) }
/// ```
pub fn accuracy<Q>(predictions: Q) -> Subquery<model_accuracy::table, Q>
where
    Q: QueryOf<Prediction> + Clone,
{
    let parts = [
        Part::Sql(
            "SELECT room_id, model_type, count(*) AS validated, count(*) FILTER (WHERE is_accurate) AS accurate, \
             CAST(count(*) FILTER (WHERE is_accurate) AS DOUBLE PRECISION) / count(*) AS accurate_share, \
             count(*) FILTER (WHERE actual_transition_time IS NULL) AS missed, \
             avg(accuracy_minutes) AS mean_error_minutes, \
             percentile_cont(0.5) WITHIN GROUP (ORDER BY accuracy_minutes) AS median_error_minutes, \
             sqrt(avg(accuracy_minutes * accuracy_minutes)) AS rmse_minutes FROM (",
        ),
        Part::Rows,
        Part::Sql(") AS predictions WHERE validation_timestamp IS NOT NULL GROUP BY room_id, model_type"),
    ];
    subquery(model_accuracy::table, predictions, parts)
}
