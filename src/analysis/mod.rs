//! Questions that those who predict occupancy ask of their data, as queries.
//!
//! | question | how |
//! |---|---|
//! | what was each sensor, from when to when | [`SensorEvent::states`], then [`spans`](crate::timescale::states::States::spans) |
//! | for how long, by hour, day, week or month of a time zone | … then [`time_in_state`](crate::timescale::states::States::time_in_state) |
//! | … from an aggregate of the days | [`SensorEvent::daily_states`], then [`daily_time_in_state`](crate::timescale::states::States::daily_time_in_state) |
//! | when was a room occupied, and since when | … then [`intervals`](crate::timescale::states::States::intervals) by room |
//! | how likely is a room occupied at an hour of the week | … then [`priors`](crate::timescale::states::States::priors) by room |
//! | when were two rooms occupied together | [`overlap`] |
//! | how far do two sources agree, such as the recorded and the predicted one | [`agreement`] |
//! | by how much were predictions off, by room, model, version and time | [`prediction_errors`] |
//! | is the confidence of predictions calibrated, by the same | [`prediction_scores`], [`calibration`] |
//! | how good are forecasts, and are they calibrated | [`forecast_score`] |
//! | from which score on is it cheapest to say yes | [`best_threshold`] |
//! | are forecasts another, or worse, than they were | [`drift`] |
//! | the events of sensors on a regular grid, for a model | [`FeatureMatrix`], and what it is to foresee: [`labels`] |
//! | the numbers of any range for a chart, from events, hours or days | [`SensorEvent::chart`] |
//! | the lowest and highest numbers, and fewer points, for a chart | [`SensorEvent::extremes`], [`downsample`] |

mod agreement;
mod chart;
mod downsample;
mod drift;
mod extremes;
mod feature_matrix;
mod forecasts;
mod prediction_errors;
mod prediction_scores;
mod sensor_features;
mod states;
mod threshold;

pub use agreement::{Agreement, agreement, overlap};
pub use chart::{ChartPoint, chart_points};
pub use downsample::downsample;
pub use drift::{Drift, drift};
pub use feature_matrix::{FeatureMatrix, labels};
pub use forecasts::{Binning, ForecastScore, ReliabilityBin, forecast_score};
pub use prediction_errors::{PredictionErrors, prediction_errors, prediction_errors_columns};
pub use prediction_scores::{
    CalibrationBin, PredictionScore, calibration, calibration_columns, prediction_scores, prediction_scores_columns,
};
pub use threshold::{Threshold, best_threshold};

#[allow(unused_imports, reason = "for the documentation")]
use crate::models::SensorEvent;
