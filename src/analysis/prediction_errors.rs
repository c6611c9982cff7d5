//! By how much predictions were off, by room, model, version and time.

use chrono::{DateTime, Utc};

use crate::models::ModelType;
use crate::models::Prediction;
use crate::queries::QueryOf;
use crate::timescale::states::Calendar;
use crate::timescale::subquery::{Part, Subquery, subquery};
use crate::timescale::subquery_columns;

subquery_columns! {
    /// By how much the predictions of a model in a room were off that were made in a bucket of time.
    ///
    /// Errors are in minutes, and those with a sign are above 0 where the transition came later than predicted. A transition
    /// that never came has no error. Quantiles between two errors are interpolated, as by `percentile_cont`.
    PredictionErrors, prediction_errors_columns, prediction_errors_row (room_id, bucket) {
        /// The room.
        room_id: String => Text,
        /// The kind of model.
        model_type: ModelType<'static> => Text,
        /// Which version of the model.
        model_version: String => Text,
        /// When the bucket starts that the predictions were made in.
        bucket: DateTime<Utc> => Timestamptz,
        /// How many of the predictions have an outcome.
        validated: i64 => BigInt,
        /// How many of these are accurate.
        accurate: i64 => BigInt,
        /// How many of these predict a transition that never came.
        missed: i64 => BigInt,
        /// The mean of the error, with its sign.
        mean_signed_error: Option<f64> => Nullable<Double>,
        /// The error, with its sign, that a tenth of the predictions is below.
        signed_error_p10: Option<f64> => Nullable<Double>,
        /// The median of the error, with its sign.
        median_signed_error: Option<f64> => Nullable<Double>,
        /// The error, with its sign, that nine tenths of the predictions are below.
        signed_error_p90: Option<f64> => Nullable<Double>,
        /// The mean of the error, without its sign.
        mean_error: Option<f64> => Nullable<Double>,
        /// The median of the error, without its sign.
        median_error: Option<f64> => Nullable<Double>,
        /// The error, without its sign, that nineteen of twenty predictions are below.
        error_p95: Option<f64> => Nullable<Double>,
        /// The square root of the mean of the squared error.
        rmse: Option<f64> => Nullable<Double>,
        /// Which share of the transitions that came is inside the prediction interval, its ends included, of those that
        /// have both ends of one.
        interval_coverage: Option<f64> => Nullable<Double>,
        /// The mean width of those intervals, in minutes.
        mean_interval_width: Option<f64> => Nullable<Double>,
        /// The Brier score of the confidence as a forecast that the prediction is accurate.
        brier: f64 => Double,
    }
}

/// By how much predictions were off, by room, kind and version of model, and bucket of the time at which they were made;
/// for the predictions of a query that have an outcome. In no order.
///
/// A query that takes further clauses, with the columns of [`prediction_errors_columns`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::analysis::{PredictionErrors, prediction_errors, prediction_errors_columns};
/// use occupancy_models::timescale::states::Calendar;
///
/// # fn main() { run(|conn| {
/// # let prediction = a_prediction(conn);
/// # let actual = prediction.predicted_transition_time - TimeDelta::minutes(4);
/// # diesel::update(&prediction).set(prediction.outcome(Some(actual), TimeDelta::minutes(10))).execute(conn)?;
/// let quarter = Prediction::within(Utc::now() - TimeDelta::days(90)..);
/// let weeks: Vec<PredictionErrors> = prediction_errors(quarter, Calendar::weeks("Europe/Berlin"))
///     .filter(prediction_errors_columns::validated.ge(1))
///     .order(prediction_errors_columns::bucket)
///     .load(conn)?;
/// assert_eq!((weeks[0].mean_signed_error, weeks[0].rmse), (Some(-4.0), Some(4.0)));
/// # Ok(()) }) }
/// ```
pub fn prediction_errors<Q>(predictions: Q, buckets: Calendar<'_>) -> Subquery<prediction_errors_row::table, Q>
where
    Q: QueryOf<Prediction> + Clone,
{
    let (unit, time_zone) = buckets.unit_and_time_zone();
    let parts = [
        Part::Sql(
            "SELECT room_id, model_type, model_version, bucket, count(*) AS validated, \
             count(*) FILTER (WHERE is_accurate) AS accurate, count(*) FILTER (WHERE error IS NULL) AS missed, \
             avg(error) AS mean_signed_error, percentile_cont(0.1) WITHIN GROUP (ORDER BY error) AS signed_error_p10, \
             percentile_cont(0.5) WITHIN GROUP (ORDER BY error) AS median_signed_error, \
             percentile_cont(0.9) WITHIN GROUP (ORDER BY error) AS signed_error_p90, \
             avg(abs(error)) AS mean_error, percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(error)) AS median_error, \
             percentile_cont(0.95) WITHIN GROUP (ORDER BY abs(error)) AS error_p95, sqrt(avg(error * error)) AS rmse, \
             CAST(avg(CAST(is_inside AS INTEGER)) AS DOUBLE PRECISION) AS interval_coverage, \
             avg(width) FILTER (WHERE is_inside IS NOT NULL) AS mean_interval_width, \
             avg((confidence_score - CAST(is_accurate AS INTEGER)) ^ 2) AS brier FROM (SELECT *, date_trunc(",
        ),
        Part::Text(unit.to_owned()),
        Part::Sql(", prediction_time, "),
        Part::Text(time_zone.to_owned()),
        Part::Sql(
            ") AS bucket, \
             CAST(extract(EPOCH FROM actual_transition_time - predicted_transition_time) AS DOUBLE PRECISION) / 60 AS error, \
             CASE WHEN prediction_interval_lower IS NOT NULL AND prediction_interval_upper IS NOT NULL THEN \
             actual_transition_time BETWEEN prediction_interval_lower AND prediction_interval_upper END AS is_inside, \
             CAST(extract(EPOCH FROM prediction_interval_upper - prediction_interval_lower) AS DOUBLE PRECISION) / 60 \
             AS width FROM (",
        ),
        Part::Rows,
        Part::Sql(
            ") AS predictions WHERE validation_timestamp IS NOT NULL) AS predictions \
             GROUP BY room_id, model_type, model_version, bucket",
        ),
    ];
    subquery(prediction_errors_row::table, predictions, parts)
}
