//! The reliability curve: how many predictions of each confidence were accurate.

use diesel::prelude::*;
use occupancy_models::analysis::{Binning, ForecastScore, ReliabilityBin, forecast_score};
use occupancy_models::schema::predictions;

use crate::Result;
use crate::canvas::{BLUE, Canvas, GREY, GRID, HPos, SKY, TEXT, picture};
use crate::predictions::is_in;
use crate::reading::Scope;

const BINS: usize = 20;
/// The rule has no less confidence than this.
const LEAST: f64 = 0.5;

const LEFT: i32 = 64;
const SIDE: i32 = 480;
const TOP: i32 = 128;
const BOTTOM: i32 = TOP + 320;
/// The line on which the bars stand, and the height of the highest.
const FLOOR: i32 = BOTTOM + 130;
const HIGHEST: i32 = 56;

/// How good the confidence of the predictions is that have an outcome; `None` without any.
pub fn score(conn: &mut PgConnection, scope: &Scope) -> QueryResult<Option<ForecastScore>> {
    let pairs: Vec<(f64, bool)> = predictions::table
        .filter(is_in(scope))
        .filter(predictions::is_accurate.is_not_null())
        .order((predictions::confidence_score, predictions::is_accurate))
        .select((predictions::confidence_score, predictions::is_accurate.assume_not_null()))
        .load(conn)?;
    Ok(forecast_score(&pairs, Binning::EqualWidth(BINS)))
}

/// The picture, as SVG.
pub fn draw(score: &ForecastScore, what: &str) -> Result<String> {
    picture((600, FLOOR + 40), |canvas| {
        canvas.bold("How far the confidence of predictions can be trusted", (16, 20), 15.0)?;
        let lines = [
            format!("{} predictions of {what}: {:.1} % accurate.", score.count, score.base_rate * 100.0),
            format!(
                "Brier score {:.3} = reliability {:.3} \u{2212} resolution {:.3} + uncertainty {:.3} + within bins {:.3}",
                score.brier, score.reliability, score.resolution, score.uncertainty, score.within_bins
            ),
            format!("Expected calibration error {:.3}", score.expected_calibration_error),
        ];
        for (y, line) in [42, 60, 78].into_iter().zip(lines) {
            canvas.text(&line, (16, y), 11.0, GREY, HPos::Left)?;
        }
        axes(canvas)?;
        canvas.line(vec![(x(LEAST), y(LEAST)), (x(1.0), y(1.0))], GREY, 1)?;
        canvas.text("accurate as often as the confidence says", (x(0.6) + 10, y(0.6) + 10), 10.0, GREY, HPos::Left)?;
        let curve = &score.reliability_curve;
        let point = |bin: &ReliabilityBin| (x(bin.mean_forecast), y(bin.observed_share));
        canvas.line(curve.iter().map(point).collect(), BLUE, 2)?;
        for bin in curve {
            canvas.dot(point(bin), BLUE)?;
        }
        counts(canvas, curve)
    })
}

fn x(confidence: f64) -> i32 {
    LEFT + ((confidence - LEAST).max(0.0) / (1.0 - LEAST) * f64::from(SIDE)).round() as i32
}

fn y(share: f64) -> i32 {
    BOTTOM - (share * f64::from(BOTTOM - TOP)).round() as i32
}

fn axes(canvas: &Canvas<'_>) -> Result<()> {
    canvas.text("share that was accurate", (16, TOP - 22), 11.0, TEXT, HPos::Left)?;
    for tenths in (0..=10).step_by(2) {
        let y = y(f64::from(tenths) / 10.0);
        canvas.line(vec![(LEFT, y), (LEFT + SIDE, y)], GRID, 1)?;
        canvas.text(&format!("{} %", tenths * 10), (LEFT - 8, y), 10.0, GREY, HPos::Right)?;
    }
    for tenths in 5..=10 {
        let confidence = f64::from(tenths) / 10.0;
        canvas.line(vec![(x(confidence), TOP), (x(confidence), BOTTOM)], GRID, 1)?;
        for y in [BOTTOM + 14, FLOOR + 12] {
            canvas.text(&format!("{confidence:.1}"), (x(confidence), y), 10.0, GREY, HPos::Center)?;
        }
    }
    canvas.text("number of predictions", (16, BOTTOM + 40), 11.0, TEXT, HPos::Left)?;
    canvas.text("confidence", (LEFT + SIDE, FLOOR + 28), 11.0, TEXT, HPos::Right)
}

/// A bar for each bin of the curve, with its number of predictions above it.
fn counts(canvas: &Canvas<'_>, curve: &[ReliabilityBin]) -> Result<()> {
    let most = curve.iter().map(|bin| bin.count).max().unwrap_or(1) as f64;
    for bin in curve {
        // The last one has 1 in it.
        let number = ((bin.mean_forecast * BINS as f64).floor()).min(BINS as f64 - 1.0);
        let (from, to) = (x(number / BINS as f64) + 2, x((number + 1.0) / BINS as f64) - 2);
        let top = FLOOR - (bin.count as f64 / most * f64::from(HIGHEST)).ceil() as i32;
        canvas.bar((from, top), (to, FLOOR), SKY)?;
        canvas.text(&bin.count.to_string(), ((from + to) / 2, top - 8), 10.0, GREY, HPos::Center)?;
    }
    canvas.line(vec![(LEFT, FLOOR), (LEFT + SIDE, FLOOR)], GREY, 1)
}
