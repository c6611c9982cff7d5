//! Draws a simulated home from the database: a week of a room, and the reliability curve of its predictions.
//!
//! ```text
//! dev/db cargo run -p occupancy-pictures -- examples/pictures
//! ```
//!
//! The home is that of the example `occupancy`, under other names, with two more sensors in each room. The same command
//! draws the same pictures, whatever else is in the database.

mod canvas;
mod home;
mod presence;
mod reliability;
mod week;
mod week_picture;

#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/events.rs"]
mod events;
#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/predictions.rs"]
mod predictions;
#[path = "../../occupancy/progress.rs"]
mod progress;
#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/reading.rs"]
mod reading;
#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/rule.rs"]
mod rule;
#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/score.rs"]
mod score;
#[path = "../../occupancy/simulation.rs"]
mod simulation;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use diesel::prelude::*;

use crate::home::Home;
use crate::week::Week;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Stores a simulated home, and draws it from the database: week.svg and reliability.svg.
///
/// Needs a database in DATABASE_URL, which `dev/db COMMAND` provides. May be run again: what is there
/// already stays, and nothing is doubled.
#[derive(Parser)]
#[command(name = "pictures", verbatim_doc_comment)]
struct Options {
    /// The folder of the pictures; those that it has are written anew
    directory: PathBuf,

    /// Which home to simulate: the same seed gives the same home
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many days to simulate, 7 to 31; the week is the first one
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u16).range(7..=31))]
    days: u16,

    /// Which room to show
    #[arg(long, default_value = "lounge", value_parser = ["lounge", "kitchen", "bedroom", "study"])]
    room: String,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let url = std::env::var("DATABASE_URL").map_err(
        |_| "DATABASE_URL is not set: run this as `dev/db cargo run -p occupancy-pictures -- examples/pictures`",
    )?;
    let mut conn = PgConnection::establish(&url)?;
    let home = Home::store(&mut conn, options.seed, options.days)?;
    let room = home.room(&options.room).ok_or_else(|| format!("the home has no room {}", options.room))?;
    let week = Week::query(&mut conn, room, home.scope.first)?;
    let score = reliability::score(&mut conn, &home.scope)?.ok_or("no prediction has an outcome")?;
    let what = format!("a simulated home (seed {}), {} days", options.seed, options.days);

    // Both are complete before one is written.
    let pictures = [
        ("week.svg", week_picture::draw(&week, &options.room)?),
        ("reliability.svg", reliability::draw(&score, &what)?),
    ];
    for (name, picture) in pictures {
        let path = options.directory.join(name);
        std::fs::write(&path, picture).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
