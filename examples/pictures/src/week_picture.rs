//! The picture of a week: a strip for each day, from midnight to midnight.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use occupancy_models::{Prediction, TransitionType};

use crate::Result;
use crate::canvas::{BLUE, Canvas, GREEN, GREY, GRID, HPos, ORANGE, PURPLE, RED, RGBColor, SKY, SUN, TEXT, picture};
use crate::score::{TOLERANCE, WINDOW};
use crate::week::{DAYS, HOLD, Week};

const LEFT: i32 = 168;
const HOUR: i32 = 29;
const RIGHT: i32 = LEFT + 24 * HOUR;
const TOP: i32 = 88;
const STRIP: i32 = 104;
const BOTTOM: i32 = TOP + DAYS * STRIP;

/// The lanes of a strip, from its top on: what is in them, and where they begin and end.
const LIGHT: (&str, i32, i32) = ("light", 0, 32);
const MOTION: (&str, i32, i32) = ("motion", 36, 45);
const SEAT: (&str, i32, i32) = ("seat", 49, 58);
const OCCUPIED: (&str, i32, i32) = ("occupied", 62, 71);
const PREDICTED: (&str, i32, i32) = ("predicted", 74, 90);

/// The picture, as SVG.
pub fn draw(week: &Week, room: &str) -> Result<String> {
    picture((980, BOTTOM + 104), |canvas| {
        canvas.bold(&format!("A week of the {room}"), (16, 20), 15.0)?;
        let last = week.day(DAYS - 1).start;
        let dates = format!("{} to {}, UTC", week.start.format("%-d %B"), last.format("%-d %B %Y"));
        let words =
            format!("A simulated home, drawn from the database. {dates}. On the right: how long it was occupied.");
        canvas.text(&words, (16, 42), 12.0, GREY, HPos::Left)?;
        hours(canvas)?;
        let brightest = week.light.iter().flatten().map(|point| point.1).fold(100.0, f64::max);
        for day in 0..DAYS {
            strip(canvas, week, day, brightest)?;
        }
        legend(canvas, brightest)
    })
}

/// Lines down the whole page, with the hour above and below.
fn hours(canvas: &Canvas<'_>) -> Result<()> {
    for hour in (0..=24).step_by(3) {
        let x = LEFT + hour * HOUR;
        canvas.line(vec![(x, TOP - 10), (x, BOTTOM - 6)], GRID, 1)?;
        for y in [TOP - 20, BOTTOM + 4] {
            canvas.text(&format!("{hour:02}:00"), (x, y), 10.0, GREY, HPos::Center)?;
        }
    }
    Ok(())
}

fn strip(canvas: &Canvas<'_>, week: &Week, day: i32, brightest: f64) -> Result<()> {
    let top = TOP + day * STRIP;
    let range = week.day(day);
    canvas.bold(&range.start.format("%a %-d %b").to_string(), (16, top + 8), 12.0)?;
    for (label, from, to) in [LIGHT, MOTION, SEAT, OCCUPIED, PREDICTED] {
        canvas.text(label, (LEFT - 8, top + (from + to) / 2), 10.0, GREY, HPos::Right)?;
    }

    let y = |lux: f64| top + LIGHT.2 - (lux / brightest * f64::from(LIGHT.2 - LIGHT.1)).round() as i32;
    let points = week.light.iter().skip(day.unsigned_abs() as usize).take(1).flatten();
    let mut outline: Vec<(i32, i32)> = points.map(|(at, lux)| (x(&range, *at), y(*lux))).collect();
    if let (Some(first), Some(last)) = (outline.first().copied(), outline.last().copied()) {
        outline.extend([(last.0, y(0.0)), (first.0, y(0.0))]);
        canvas.area(outline, SUN)?;
    }
    canvas.line(vec![(LEFT, y(0.0)), (RIGHT, y(0.0))], GRID, 1)?;
    let lanes = [(MOTION, &week.motion, SKY), (SEAT, &week.seat, PURPLE), (OCCUPIED, &week.occupied, BLUE)];
    for ((_, from, to), spans, colour) in lanes {
        for span in spans.iter().filter_map(|span| part_of(&range, span)) {
            canvas.bar((x(&range, span.start), top + from), (x(&range, span.end), top + to), colour)?;
        }
    }
    let middle = top + (OCCUPIED.1 + OCCUPIED.2) / 2;
    canvas.text(&duration(&range, &week.occupied), (RIGHT + 14, middle), 11.0, TEXT, HPos::Left)?;

    for prediction in week.predictions.iter().filter(|one| range.contains(&one.predicted_transition_time)) {
        let y = top + (PREDICTED.1 + PREDICTED.2) / 2;
        let at = x(&range, prediction.predicted_transition_time);
        if let Some(actual) = prediction.actual_transition_time {
            canvas.line(vec![(at, y), (x(&range, actual), y)], outcome(prediction), 2)?;
        }
        let is_up = prediction.transition_type == TransitionType::VacantToOccupied;
        canvas.triangle((at, y), is_up, outcome(prediction))?;
    }
    Ok(())
}

/// Where an instant of the day is.
fn x(day: &Range<DateTime<Utc>>, at: DateTime<Utc>) -> i32 {
    let minutes = (at.clamp(day.start, day.end) - day.start).as_seconds_f64() / 60.0;
    LEFT + (minutes * f64::from(HOUR) / 60.0).round() as i32
}

/// What of a span is in the day.
fn part_of(day: &Range<DateTime<Utc>>, span: &Range<DateTime<Utc>>) -> Option<Range<DateTime<Utc>>> {
    let part = span.start.max(day.start)..span.end.min(day.end);
    (part.start < part.end).then_some(part)
}

/// How long the spans are within the day, in hours and minutes.
fn duration(day: &Range<DateTime<Utc>>, spans: &[Range<DateTime<Utc>>]) -> String {
    let parts = spans.iter().filter_map(|span| part_of(day, span));
    let minutes = parts.map(|part| part.end - part.start).sum::<TimeDelta>().num_minutes();
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// What came of a prediction, as a colour.
fn outcome(prediction: &Prediction) -> RGBColor {
    match (prediction.is_accurate, prediction.actual_transition_time) {
        (Some(true), _) => GREEN,
        (Some(false), Some(_)) => ORANGE,
        (Some(false), None) => RED,
        (None, _) => GREY,
    }
}

fn legend(canvas: &Canvas<'_>, brightest: f64) -> Result<()> {
    let hold = HOLD.num_minutes();
    let words = [
        format!("light: 0 to {brightest:.0} lx. motion, seat: while the sensor is on."),
        format!("occupied: while one of these two is on, and {hold} minutes more."),
        "predicted, from light alone: \u{25b2} becomes occupied, \u{25bc} becomes vacant. A line leads to the actual time."
            .to_owned(),
    ];
    for (y, words) in [BOTTOM + 28, BOTTOM + 46, BOTTOM + 64].into_iter().zip(words) {
        canvas.text(&words, (16, y), 11.0, GREY, HPos::Left)?;
    }
    let (tolerance, window) = (TOLERANCE.num_minutes(), WINDOW.num_minutes());
    let outcomes = [
        (GREEN, format!("accurate to {tolerance} minutes")),
        (ORANGE, format!("off by more than {tolerance} minutes")),
        (RED, format!("no such transition within {window} minutes")),
    ];
    let y = BOTTOM + 86;
    for (x, (colour, words)) in [22, 212, 432].into_iter().zip(outcomes) {
        canvas.triangle((x, y), true, colour)?;
        canvas.text(&words, (x + 12, y), 11.0, GREY, HPos::Left)?;
    }
    Ok(())
}
