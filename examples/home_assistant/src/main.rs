//! Imports what Home Assistant's recorder has stored in its SQLite file, as sensor events.
//!
//! ```text
//! dev/db cargo run -p home-assistant-import -- --guess home-assistant_v2.db > rooms.toml
//! dev/db cargo run -p home-assistant-import -- --mapping rooms.toml home-assistant_v2.db
//! ```
//!
//! README.md beside Cargo.toml tells what becomes of the rows.

mod attributes;
mod cursor;
mod import;
mod left_out;
mod link;
mod listing;
mod mapping;
mod moved;
mod progress;
mod reading;
mod recorder;
mod registry;
mod report;
mod sensors;
mod statistics;
mod store;
mod units;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cursor::Cursor;
use crate::import::Import;
use crate::left_out::LeftOut;
use crate::mapping::Mapping;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::report::Report;
use crate::sensors::Sensors;
use crate::units::Units;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Imports the states in FILE, the recorder's SQLite file of Home Assistant, as sensor events, and its statistics.
/// FILE may also be the URL of a recorder's PostgreSQL database.
///
/// FILE is only read, and Home Assistant may be running. Run this again to import what is new: it goes on
/// where it stopped, and nothing is stored twice. Needs a database in DATABASE_URL, which `dev/db COMMAND` provides.
#[derive(Parser)]
#[command(name = "home_assistant", verbatim_doc_comment)]
struct Options {
    /// Such as home-assistant_v2.db, or postgres://user@host/homeassistant
    file: PathBuf,

    /// Which entities are which sensors in which rooms (TOML; see rooms.toml)
    ///
    /// Default: every sensor of a known type, in the room that is its area in Home Assistant.
    #[arg(long, value_name = "TOML")]
    mapping: Option<PathBuf>,

    /// Home Assistant's folder .storage, whose registries know the area of each entity
    ///
    /// Default: the one beside FILE. Where there is none, rooms are guessed from names.
    #[arg(long, value_name = "FOLDER")]
    storage: Option<PathBuf>,

    /// Append each row that is left out, or stored with less than it has, to this file
    ///
    /// One line a row, with tabs between table, row, entity, reason and what was found. On stderr are only the first 20
    /// rows of each kind of fault.
    #[arg(long, value_name = "TSV")]
    left_out: Option<PathBuf>,

    /// Print the mapping of all entities as TOML to edit, and do nothing else
    #[arg(long)]
    guess: bool,

    /// Read all rows again, not only the new ones
    #[arg(long)]
    again: bool,

    /// How many rows to read and store at once; no more are in memory, and fewer if they have more than 4 MiB
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
    let recorder = recorder::open(&options.file)?;
    let recorder = &*recorder;
    if let Some(note) = recorder.note()? {
        let _ = writeln!(io::stderr(), "note: {note}");
    }
    let storage = options.storage.clone().or_else(|| Registry::beside(&options.file));
    let registry = storage.as_deref().map(Registry::read).transpose()?;
    let mut sensors = Sensors::new(recorder, &mapping, registry.as_ref());
    let out = &mut io::stdout().lock();
    if options.guess {
        return listing::write(out, recorder, &mut sensors);
    }
    let url = std::env::var("DATABASE_URL")
        .map_err(|_| "DATABASE_URL is not set: run this as `dev/db cargo run -p home-assistant-import -- FILE`")?;
    let left_out = LeftOut::new(options.left_out.as_deref())?;
    let (mut conn, hypertable) = store::connect(&url)?;
    let conn = &mut conn;

    let units = Units::new(store::units(conn)?, &mapping.units(), sensors.units()?)?;
    let mut cursor = Cursor::new(recorder, &mapping, registry.as_ref())?;
    let start = cursor.start(conn, recorder, options.again)?;
    store::save_units(conn, &units)?;
    let rooms = match (&registry, &storage) {
        (Some(registry), Some(storage)) => {
            let (entities, rooms) = registry.counts();
            format!("{entities} entities in {rooms} areas, by {}", storage.display())
        }
        _ => "guessed from names: no registries".to_owned(),
    };
    writeln!(out, "{}\n{start}\nrooms: {rooms}\n{units}\nsensor_events: {hypertable}", recorder.describe())?;
    let progress = Progress::new(start.after().max(0), recorder.last_state_id()?);
    let import = Import { recorder, mapping: &mapping, sensors, units, left_out, progress, report: Report::default() };
    let report = import.run(conn, cursor, &start, usize::try_from(options.batch)?, options.batches)?;
    Ok(report.write(out)?)
}
