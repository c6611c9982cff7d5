//! Imports what Home Assistant's recorder has stored in its SQLite file, as sensor events.
//!
//! ```text
//! dev/db cargo run -p home-assistant-import -- --guess home-assistant_v2.db > rooms.toml
//! dev/db cargo run -p home-assistant-import -- --mapping rooms.toml home-assistant_v2.db
//! ```
//!
//! README.md beside Cargo.toml tells what becomes of the rows.

mod cursor;
mod import;
mod listing;
mod mapping;
mod progress;
mod reading;
mod recorder;
mod report;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Parser;
use diesel::prelude::*;
use occupancy_models::{Call, SensorEvent, run_migrations};

use crate::cursor::Cursor;
use crate::import::Import;
use crate::mapping::Mapping;
use crate::progress::Progress;
use crate::recorder::Recorder;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Imports the states in FILE, the recorder's SQLite file of Home Assistant, as sensor events.
///
/// FILE is only read, and Home Assistant may be running. Run this again to import what is new: it goes on
/// where it stopped, and nothing is stored twice. Needs a database in DATABASE_URL, which `dev/db COMMAND` provides.
#[derive(Parser)]
#[command(name = "home_assistant", verbatim_doc_comment)]
struct Options {
    /// Such as home-assistant_v2.db
    file: PathBuf,

    /// Which entities are which sensors in which rooms (TOML; see rooms.toml); all is guessed without it
    #[arg(long, value_name = "TOML")]
    mapping: Option<PathBuf>,

    /// Print the mapping of all entities as TOML to edit, and do nothing else
    #[arg(long)]
    guess: bool,

    /// Read all rows again, not only the new ones
    #[arg(long)]
    again: bool,

    /// How many rows to read and store at once; no more are in memory
    #[arg(long, value_name = "ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Stop after this many batches
    #[arg(long, value_name = "BATCHES")]
    batches: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed the output, as `| head` does, has seen enough.
            let is_closed = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
            if !is_closed {
                let _ = writeln!(io::stderr(), "{}", error.to_string().trim_end());
            }
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mapping = options.mapping.as_deref().map_or_else(|| Ok(Mapping::default()), Mapping::read)?;
    let recorder = Recorder::open(&options.file)?;
    let out = &mut io::stdout().lock();
    if options.guess {
        return listing::write(out, &recorder, &mapping);
    }
    let url = std::env::var("DATABASE_URL")
        .map_err(|_| "DATABASE_URL is not set: run this as `dev/db cargo run -p home-assistant-import -- FILE`")?;
    let conn = &mut PgConnection::establish(&url)?;
    run_migrations(conn)?;
    let hypertable = SensorEvent::hypertable().chunk_interval(TimeDelta::days(7)).allow_plain_table().call(conn)?;
    cursor::migrate(conn)?;

    let cursor = Cursor::new(&recorder, &mapping)?;
    let start = cursor.start(conn, &recorder, options.again)?;
    writeln!(out, "{}\n{start}\nsensor_events: {hypertable}", recorder.describe())?;
    let progress = Progress::new(start.after().max(0), recorder.last_state_id()?);
    let batch = usize::try_from(options.batch)?;
    let report = Import::new(&recorder, &mapping, progress).run(conn, cursor, &start, batch, options.batches)?;
    Ok(report.write(out)?)
}
