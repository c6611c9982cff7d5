//! How good the confidence of predictions is as a forecast that they are accurate, by room, model, version and time.

use chrono::{DateTime, Utc};

use crate::models::ModelType;
use crate::models::Prediction;
use crate::queries::QueryOf;
use crate::timescale::states::Calendar;
use crate::timescale::subquery::{Part, Subquery, subquery};
use crate::timescale::subquery_columns;

subquery_columns! {
    /// How good the confidence of the predictions of a model in a room is as a forecast that they are accurate, of
    /// those that were made in a bucket of time. The measures are those of [`ForecastScore`](super::ForecastScore),
    /// with bins of equal width.
    PredictionScore, prediction_scores_columns, prediction_scores_row (room_id, bucket) {
        /// The room.
        room_id: String => Text,
        /// The kind of model.
        model_type: ModelType<'static> => Text,
        /// Which version of the model.
        model_version: String => Text,
        /// When the bucket starts that the predictions were made in.
        bucket: DateTime<Utc> => Timestamptz,
        /// How many of the predictions have an outcome.
        count: i64 => BigInt,
        /// The share of them that are accurate.
        base_rate: f64 => Double,
        /// The Brier score: `reliability - resolution + uncertainty + within_bins`.
        brier: f64 => Double,
        /// How far the confidence in a bin is from the share that are accurate.
        reliability: f64 => Double,
        /// How far the bins are from the base rate; more is better.
        resolution: f64 => Double,
        /// The variance of the outcome.
        uncertainty: f64 => Double,
        /// What is left of the Brier score because the confidence in a bin differs.
        within_bins: f64 => Double,
        /// The mean of the negative natural logarithm of what was given to the outcome.
        log_loss: f64 => Double,
        /// The mean distance between confidence and accurate share over the bins, weighted by their counts.
        expected_calibration_error: f64 => Double,
    }
}

subquery_columns! {
    /// A bin of the reliability curve of a model in a room and a bucket of time.
    CalibrationBin, calibration_columns, calibration_row (room_id, bucket) {
        /// The room.
        room_id: String => Text,
        /// The kind of model.
        model_type: ModelType<'static> => Text,
        /// Which version of the model.
        model_version: String => Text,
        /// When the bucket starts that the predictions were made in.
        bucket: DateTime<Utc> => Timestamptz,
        /// Which of the bins of equal width it is, from 0.
        bin: i32 => Integer,
        /// The mean of the confidence in it.
        mean_forecast: f64 => Double,
        /// The share of its predictions that are accurate.
        observed_share: f64 => Double,
        /// How many predictions it has.
        count: i64 => BigInt,
    }
}

/// How good the confidence of predictions is as a forecast that they are accurate, by room, kind and version of model,
/// and bucket of the time at which they were made; for the predictions of a query that have an outcome, with so many
/// bins of equal width. In no order. [`forecast_score`](super::forecast_score) gives the same for pairs of any kind.
///
/// A query that takes further clauses, with the columns of [`prediction_scores_columns`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::analysis::{PredictionScore, prediction_scores, prediction_scores_columns};
/// use occupancy_models::timescale::states::Calendar;
///
/// # fn main() { run(|conn| {
/// # let prediction = a_prediction(conn);
/// # let actual = prediction.predicted_transition_time - TimeDelta::minutes(4);
/// # diesel::update(&prediction).set(prediction.outcome(Some(actual), TimeDelta::minutes(10))).execute(conn)?;
/// let quarter = Prediction::within(Utc::now() - TimeDelta::days(90)..);
/// let weeks: Vec<PredictionScore> = prediction_scores(quarter, Calendar::weeks("Europe/Berlin"), 10)
///     .order(prediction_scores_columns::bucket)
///     .load(conn)?;
/// assert!((weeks[0].brier - 0.04).abs() < 1e-9);
/// # Ok(()) }) }
/// ```
pub fn prediction_scores<Q>(
    predictions: Q,
    buckets: Calendar<'_>,
    bins: u16,
) -> Subquery<prediction_scores_row::table, Q>
where
    Q: QueryOf<Prediction> + Clone,
{
    let parts = in_bins(
        "SELECT room_id, model_type, model_version, bucket, count, base_rate, brier, reliability, resolution, \
         uncertainty, brier - (reliability - resolution + uncertainty) AS within_bins, log_loss, \
         expected_calibration_error FROM (SELECT *, base_rate * (1 - base_rate) AS uncertainty, \
         sum_of_squared_shares / count - base_rate * base_rate AS resolution FROM \
         (SELECT room_id, model_type, model_version, bucket, CAST(sum(count) AS BIGINT) AS count, \
         CAST(sum(came_true) / sum(count) AS DOUBLE PRECISION) AS base_rate, \
         sum(squares) / CAST(sum(count) AS DOUBLE PRECISION) AS brier, \
         sum(logarithms) / CAST(sum(count) AS DOUBLE PRECISION) AS log_loss, \
         sum(count * (mean_forecast - observed_share) ^ 2) / CAST(sum(count) AS DOUBLE PRECISION) AS reliability, \
         sum(count * observed_share ^ 2) AS sum_of_squared_shares, \
         sum(count * abs(mean_forecast - observed_share)) / CAST(sum(count) AS DOUBLE PRECISION) \
         AS expected_calibration_error FROM (",
        buckets,
        bins,
        ") AS bins GROUP BY room_id, model_type, model_version, bucket) AS scores) AS scores",
    );
    subquery(prediction_scores_row::table, predictions, parts)
}

/// The reliability curves of models: how many predictions with a confidence in each of so many bins of equal width are
/// accurate, by room, kind and version of model, and bucket of the time at which they were made. Bins without
/// predictions are left out. In no order.
///
/// A query that takes further clauses, with the columns of [`calibration_columns`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::analysis::{CalibrationBin, calibration, calibration_columns};
/// use occupancy_models::timescale::states::Calendar;
///
/// # fn main() { run(|conn| {
/// # let prediction = a_prediction(conn);
/// # diesel::update(&prediction).set(prediction.outcome(None, TimeDelta::minutes(10))).execute(conn)?;
/// let curve: Vec<CalibrationBin> = calibration(Prediction::within(..), Calendar::months("UTC"), 10)
///     .order(calibration_columns::bin)
///     .load(conn)?;
/// assert_eq!((curve[0].bin, curve[0].observed_share, curve[0].count), (8, 0.0, 1));
/// # Ok(()) }) }
/// ```
pub fn calibration<Q>(predictions: Q, buckets: Calendar<'_>, bins: u16) -> Subquery<calibration_row::table, Q>
where
    Q: QueryOf<Prediction> + Clone,
{
    let parts = in_bins(
        "SELECT room_id, model_type, model_version, bucket, bin, mean_forecast, observed_share, count FROM (",
        buckets,
        bins,
        ") AS bins",
    );
    subquery(calibration_row::table, predictions, parts)
}

/// The bins of each group, and what a query makes of them.
fn in_bins(before: &'static str, buckets: Calendar<'_>, bins: u16, after: &'static str) -> Vec<Part> {
    let (unit, time_zone) = buckets.unit_and_time_zone();
    let bins = i64::from(bins.max(1));
    vec![
        Part::Sql(before),
        Part::Sql(
            "SELECT room_id, model_type, model_version, bucket, bin, count(*) AS count, sum(outcome) AS came_true, \
             avg(forecast) AS mean_forecast, CAST(avg(outcome) AS DOUBLE PRECISION) AS observed_share, \
             sum((forecast - outcome) ^ 2) AS squares, \
             sum(-ln(CASE outcome WHEN 1 THEN kept ELSE 1 - kept END)) AS logarithms FROM \
             (SELECT room_id, model_type, model_version, confidence_score AS forecast, \
             CAST(is_accurate AS INTEGER) AS outcome, \
             least(greatest(confidence_score, 1e-15), CAST(1 AS DOUBLE PRECISION) - 1e-15) AS kept, \
             CAST(least(floor(confidence_score * CAST(",
        ),
        Part::BigInt(bins),
        Part::Sql(" AS DOUBLE PRECISION)), CAST("),
        Part::BigInt(bins - 1),
        Part::Sql(" AS DOUBLE PRECISION)) AS INTEGER) AS bin, date_trunc("),
        Part::Text(unit.to_owned()),
        Part::Sql(", prediction_time, "),
        Part::Text(time_zone.to_owned()),
        Part::Sql(") AS bucket FROM ("),
        Part::Rows,
        Part::Sql(
            ") AS predictions WHERE is_accurate IS NOT NULL) AS predictions \
             GROUP BY room_id, model_type, model_version, bucket, bin",
        ),
        Part::Sql(after),
    ]
}
