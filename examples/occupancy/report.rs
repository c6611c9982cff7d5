//! The report, section by section.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use occupancy_models::timescale::{HypertableReport, Server};
use occupancy_models::{Prediction, SensorEvent, Violation};

use crate::catalog::{Chunk, Hypertable};
use crate::events::Load;
use crate::reading::{Room, Scope};
use crate::retention::{Counts, Effect};
use crate::rule::{MODEL_TYPE, MODEL_VERSION, Thresholds};
use crate::score::{Score, TOLERANCE};

pub fn head(out: &mut impl Write, scope: &Scope) -> io::Result<()> {
    writeln!(out, "Occupancy of {}", scope.rooms.join(", "))?;
    writeln!(out, "from {} to {}", instant(scope.first), instant(scope.last))
}

pub fn set_up(
    out: &mut impl Write,
    server: &Server,
    migrations: &[String],
    hypertable: &HypertableReport,
) -> io::Result<()> {
    title(out, "Set-up and load")?;
    line(out, "server", server)?;
    line(out, "migrations", format!("{} run", number(migrations.len())))?;
    line(out, "sensor_events", hypertable)
}

pub fn load(out: &mut impl Write, load: &Load) -> io::Result<()> {
    line(out, "events", format!("{} new, {} already there", number(load.new), number(load.already_there)))
}

pub fn hypertable(out: &mut impl Write, hypertable: &Hypertable, chunks: &[Chunk]) -> io::Result<()> {
    let Hypertable { schema, dimensions, chunks: all_chunks, column, column_type, interval } = hypertable;
    title(out, "Hypertable, as timescaledb_information has it")?;
    line(out, "hypertables", format!("{schema}.sensor_events, {}", counted(*dimensions, "dimension")))?;
    line(out, "dimensions", format!("{column} ({column_type}), {interval} a chunk"))?;
    line(out, "chunks", format!("{}, these with events of this run:", number(*all_chunks)))?;
    for Chunk { name, range_start, range_end, events } in chunks {
        let (from, to) = (range_start.format("%F %R"), range_end.format("%F %R"));
        writeln!(out, "    {name:<20}  {from} to {to}  {:>14}", counted(*events, "event"))?;
    }
    Ok(())
}

pub fn stored(out: &mut impl Write, scope: &Scope, counts: Counts) -> io::Result<()> {
    title(out, &format!("Stored for {}", counted(scope.rooms.len(), "room")))?;
    line(out, "sensor_events", counted(counts.events, "event"))?;
    let predictions = counted(counts.predictions, "prediction");
    line(
        out,
        "predictions",
        format!("{predictions}, {} with the triggering event", number(counts.predictions_with_event)),
    )
}

pub fn scores(out: &mut impl Write, rooms: &[Room], scores: &[Score], thresholds: Thresholds) -> io::Result<()> {
    title(out, &format!("Predictions of model {MODEL_TYPE} {MODEL_VERSION} against the recorded occupancy"))?;
    let width = rooms.iter().map(|room| room.id.chars().count()).max().unwrap_or(0).max("all rooms".len());
    let mut row = |room: &str, cells: [String; 10]| {
        write!(out, "  {room:<width$}")?;
        cells.iter().try_for_each(|cell| write!(out, " {cell:>8}"))?;
        writeln!(out)
    };
    row(
        "",
        ["made", "accurate", "mean", "median", "recorded", "found", "agrees", "precise", "recall", "F1"]
            .map(String::from),
    )?;
    for (room, score) in rooms.iter().zip(scores) {
        row(&room.id, cells(score))?;
    }
    if rooms.len() > 1 {
        row("all rooms", cells(&Score::sum(scores)))?;
    }
    let tolerance = TOLERANCE.num_minutes();
    line(out, "accurate", format!("share of the predictions within {tolerance} minutes of the recorded transition"))?;
    line(out, "mean, median", "minutes between the predicted and the recorded transition")?;
    line(out, "found", "share of the recorded transitions that an accurate prediction was made of")?;
    line(out, "agrees", "share of the time in which the inferred occupancy is the recorded one")?;
    line(out, "precise", "share of the time inferred as occupied in which the room was occupied (precision)")?;
    line(
        out,
        "recall",
        "share of the time recorded as occupied in which it was inferred; F1 is the harmonic mean of both",
    )?;
    let Thresholds { occupied_from, vacant_below } = thresholds;
    line(out, "thresholds", format!("occupied from {occupied_from} lux, vacant below {vacant_below} lux"))?;
    writeln!(out, "  The rule sees nothing but light: no sleepers, and no absences with the light left on.")
}

fn cells(score: &Score) -> [String; 10] {
    [
        number(score.predictions),
        share(score.accurate, score.predictions),
        minutes(score.mean_error()),
        minutes(score.median_error()),
        number(score.recorded),
        share(score.accurate, score.recorded),
        percent(score.agreement.accuracy()),
        percent(score.agreement.precision()),
        percent(score.agreement.recall()),
        percent(score.agreement.f1()),
    ]
}

pub fn prediction(out: &mut impl Write, prediction: &Prediction, event: &SensorEvent) -> io::Result<()> {
    title(out, "The last prediction and its event")?;
    line(out, "prediction", format!("{}: {} in {}", prediction.id, prediction.transition_type, prediction.room_id))?;
    line(
        out,
        "  made",
        format!("{}, confidence {:.2}", instant(prediction.prediction_time), prediction.confidence_score),
    )?;
    line(out, "  expected", instant(prediction.predicted_transition_time))?;
    line(
        out,
        "  recorded",
        match (prediction.actual_transition_time, prediction.accuracy_minutes) {
            (Some(at), Some(off)) => format!("{}, {off:.1} minutes off", instant(at)),
            _ => "no such transition".to_owned(),
        },
    )?;
    line(out, "event", format!("{}: {} of {}", event.id, event.state, event.sensor_id))?;
    line(out, "  at", instant(event.timestamp))
}

pub fn retention(out: &mut impl Write, effect: &Effect) -> io::Result<()> {
    let Effect { cutoff, before, after, report, is_kept } = effect;
    title(out, &format!("Retention of the first day: all events before {}", instant(*cutoff)))?;
    writeln!(out, "  {:<29}  {:>12}  {:>12}", "", "before", "after")?;
    for (what, count) in [
        ("events", (|counts| counts.events) as fn(&Counts) -> i64),
        ("predictions", |counts| counts.predictions),
        ("  with the triggering event", |counts| counts.predictions_with_event),
    ] {
        writeln!(out, "  {what:<29}  {:>12}  {:>12}", number(count(before)), number(count(after)))?;
    }
    let gone = match report.rows_deleted {
        0 => counted(report.chunks_dropped, "chunk") + " dropped",
        rows => counted(rows, "event") + " deleted",
    };
    let released = counted(report.rows_released, "referenced event");
    writeln!(out, "  In the whole database: {gone}, {released} released.")?;
    if report.chunks_dropped + report.rows_deleted == 0 {
        writeln!(out, "  No chunk ends by then: one that the first day shares with later ones stays whole.")?;
    }
    writeln!(out, "  Every prediction stays; triggering_event_id is NULL where the event is gone.")?;
    if *is_kept {
        writeln!(out, "  Committed.")
    } else {
        writeln!(out, "  Rolled back: nothing has changed. --keep-retention commits it.")
    }
}

pub fn violations(out: &mut impl Write, violations: &[Violation]) -> io::Result<()> {
    writeln!(out)?;
    if violations.is_empty() {
        return writeln!(out, "verified: no violations");
    }
    writeln!(out, "verified: {}", counted(violations.len(), "violation"))?;
    violations.iter().try_for_each(|violation| writeln!(out, "  {violation}"))
}

fn title(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{title}")
}

fn line(out: &mut impl Write, label: &str, value: impl std::fmt::Display) -> io::Result<()> {
    writeln!(out, "  {label:<15}{value}")
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%F %T UTC").to_string()
}

/// A whole number with separators: 40,715.
fn number(n: impl ToString) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// 1 chunk, 2 chunks.
fn counted(n: impl ToString, what: &str) -> String {
    let n = number(n);
    let plural = if n == "1" { "" } else { "s" };
    format!("{n} {what}{plural}")
}

fn share(part: usize, of: usize) -> String {
    percent((of > 0).then(|| part as f64 / of as f64))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn minutes(minutes: Option<f64>) -> String {
    minutes.map_or_else(|| "–".to_owned(), |minutes| format!("{minutes:.1} min"))
}
