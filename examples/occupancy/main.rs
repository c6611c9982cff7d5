//! The whole job, end to end: sets up the tables and the hypertable, loads sensor events, predicts when rooms become
//! occupied and vacant, validates the predictions against the recorded occupancy, and shows what retention does.
//!
//! ```text
//! dev/db cargo run --example occupancy
//! dev/db cargo run --example occupancy -- --data ../shared/data/occupancy/datatraining.txt
//! dev/db cargo run --example occupancy -- \
//!     --fit ../shared/data/occupancy/datatraining.txt --data ../shared/data/occupancy/datatest.txt
//! ```

mod catalog;
mod data;
mod events;
mod predictions;
mod progress;
mod reading;
mod report;
mod retention;
mod rule;
mod score;
mod simulation;

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use diesel::prelude::*;
use occupancy_models::timescale::{HypertableReport, Outcome, Server};
use occupancy_models::{Call, SensorEvent, run_migrations, verify};

use crate::reading::{Room, Scope};
use crate::rule::Thresholds;
use crate::score::Score;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Stores readings as sensor events, predicts occupancy with a simple rule, and reports what came of it.
///
/// Needs a database in DATABASE_URL, which `dev/db COMMAND` provides. May be run again: what is there
/// already stays, and nothing is doubled.
#[derive(Parser)]
#[command(name = "occupancy", verbatim_doc_comment)]
struct Options {
    /// Load the readings in FILE, of one room, instead of simulating a home
    ///
    /// The format is that of the UCI data set "Occupancy Detection". A malformed line is reported
    /// and left out.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    data: Option<PathBuf>,

    /// The id of that room [default: the name of FILE without its extension]
    #[arg(long, requires = "data", value_parser = NonEmptyStringValueParser::new())]
    room: Option<String>,

    /// Take the threshold of the rule from the readings in FILE, which should be other ones
    #[arg(long, value_name = "FILE")]
    fit: Option<PathBuf>,

    /// Which home to simulate: the same seed gives the same home
    #[arg(long, default_value_t = 1, conflicts_with = "data")]
    seed: u64,

    /// How many days to simulate, 1 to 31
    #[arg(long, default_value_t = 7, conflicts_with = "data", value_parser = clap::value_parser!(u16).range(1..=31))]
    days: u16,

    /// Commit the retention that is shown, instead of rolling it back
    ///
    /// Deletes the events of the first day, and whatever is older in the database, of any room.
    #[arg(long, verbatim_doc_comment)]
    keep_retention: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Whoever closed the output, as `| head` does, has seen enough.
            let is_closed = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
            if !is_closed {
                complain(&error.to_string());
            }
            ExitCode::FAILURE
        }
    }
}

/// Writes a message to stderr as one line; libpq's have several.
fn complain(message: &str) {
    let words: Vec<&str> = message.split_whitespace().collect();
    let _ = writeln!(io::stderr(), "{}", words.join(" "));
}

/// Gives whether the verification at the end found no violations.
fn run(options: &Options) -> Result<bool> {
    let url = std::env::var("DATABASE_URL")
        .map_err(|_| "DATABASE_URL is not set: run this as `dev/db cargo run --example occupancy`")?;
    let rooms = rooms(options)?;
    let thresholds = thresholds(options)?;
    let scope = Scope::of(&rooms).ok_or("there are no readings")?;
    let mut conn = PgConnection::establish(&url)?;
    let conn = &mut conn;
    let out = &mut io::stdout().lock();

    report::head(out, &scope)?;
    let hypertable = set_up(conn, out)?;
    let is_plain = hypertable.outcome == Outcome::Plain;
    report::load(out, &events::load(conn, &rooms)?)?;
    if !is_plain {
        report::hypertable(out, &catalog::hypertable(conn)?, &catalog::chunks(conn, &scope)?)?;
    }

    let scores = rooms.iter().map(|room| predict(conn, room, thresholds)).collect::<Result<Vec<_>>>()?;
    report::stored(out, &scope, retention::Counts::query(conn, &scope)?)?;
    report::scores(out, &rooms, &scores, thresholds)?;
    if let Some((prediction, event)) = predictions::last_with_event(conn, &scope)? {
        report::prediction(out, &prediction, &event)?;
    }
    report::retention(out, &retention::apply(conn, &scope, options.keep_retention)?)?;

    let mut check = verify();
    if is_plain {
        check = check.allow_plain_table();
    }
    let violations = check.call(conn)?;
    report::violations(out, &violations)?;
    Ok(violations.is_empty())
}

fn rooms(options: &Options) -> Result<Vec<Room>> {
    match &options.data {
        Some(path) => Ok(vec![room(path, options.room.as_deref())?]),
        None => Ok(simulation::home(options.seed, options.days)),
    }
}

/// Those of the file that they are to be taken from, or the default.
fn thresholds(options: &Options) -> Result<Thresholds> {
    let Some(path) = &options.fit else { return Ok(Thresholds::default()) };
    let room = room(path, None)?;
    let pairs: Vec<_> = room.readings.iter().map(|reading| (reading.light, reading.is_occupied)).collect();
    Thresholds::fit(&pairs).ok_or_else(|| format!("{}: light does not tell occupancy there", path.display()).into())
}

/// The room that a file tells of; what is malformed is reported and left out.
fn room(path: &Path, id: Option<&str>) -> Result<Room> {
    let data = data::read(path)?;
    for line in &data.malformed {
        complain(&format!("{}: {line}: left out", path.display()));
    }
    if data.readings.is_empty() {
        return Err(format!("{}: there are no readings", path.display()).into());
    }
    let stem = || path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Room { id: id.map_or_else(stem, str::to_owned), readings: data.readings })
}

fn set_up(conn: &mut PgConnection, out: &mut impl Write) -> Result<HypertableReport> {
    let server = Server::query().call(conn)?;
    let migrations = run_migrations(conn)?;
    let hypertable = SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn)?;
    report::set_up(out, &server, &migrations, &hypertable)?;
    Ok(hypertable)
}

/// Runs the rule over the stored light of a room, and stores and validates its predictions.
fn predict(conn: &mut PgConnection, room: &Room, thresholds: Thresholds) -> Result<Score> {
    let inference = rule::infer(&events::light(conn, room)?, thresholds);
    let recorded = score::recorded_transitions(&room.readings);
    let predictions = predictions::store(conn, &room.id, &inference.transitions, &recorded)?;
    Ok(Score::new(&predictions, &recorded, &inference.states, &room.readings))
}
