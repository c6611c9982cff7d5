//! Plans, checks and applies a declared set-up from a file: `readings.toml` beside this program is one.
//!
//! ```sh
//! cargo run -p diesel-timescale --example setup -- plan readings.toml
//! cargo run -p diesel-timescale --example setup -- check readings.toml --json
//! cargo run -p diesel-timescale --example setup -- apply readings.toml --up-to locks
//! ```
//!
//! The exit status is 0 where the database is as declared, 1 where steps are left, and 2 for an error.

mod print;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use diesel::{Connection, PgConnection};
use diesel_timescale::Call;
use diesel_timescale::setup::{Plan, Setup, StepClass};

/// Compares a database with what a file declares.
#[derive(Parser)]
#[command(name = "setup")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the database is.
    #[arg(long, env, global = true, hide_env_values = true)]
    database_url: Option<String>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Whether to print in colour.
    #[arg(long, global = true, default_value = "auto")]
    color: Color,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the steps to what the file declares.
    Plan { file: PathBuf },
    /// Says whether the database is as declared; for CI.
    Check { file: PathBuf },
    /// Takes the steps.
    Apply {
        file: PathBuf,
        /// The class of the steps that take most.
        #[arg(long, default_value = "locks")]
        up_to: Class,
        /// Installs the functions of this crate first.
        #[arg(long)]
        install: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Class {
    Safe,
    Locks,
    Rewrites,
    DestroysData,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(plan) if plan.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("setup: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Plan, Box<dyn Error>> {
    let (Command::Plan { file } | Command::Check { file } | Command::Apply { file, .. }) = &arguments.command;
    let setup = read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let url = arguments.database_url.as_ref().ok_or("set DATABASE_URL, or give --database-url")?;
    let mut conn = PgConnection::establish(url)?;
    let plan = match arguments.command {
        Command::Plan { .. } => setup.plan().call(&mut conn)?,
        // A drift is no error of this program: its plan is printed.
        Command::Check { .. } => match setup.check().call(&mut conn) {
            Err(diesel_timescale::Error::Drift(plan)) => *plan,
            result => result.and_then(|()| setup.plan().call(&mut conn))?,
        },
        Command::Apply { up_to, install, .. } => {
            if install {
                diesel_timescale::migrations::install(&mut conn)?;
            }
            setup.apply(class(up_to)).call(&mut conn)?
        }
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&plan)?);
    } else {
        let with_sql = !matches!(arguments.command, Command::Check { .. });
        print::plan(&plan, with_sql, arguments.color)?;
    }
    Ok(plan)
}

fn read(file: &Path) -> Result<Setup, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    if file.extension().is_some_and(|extension| extension == "json") {
        Ok(serde_json::from_str(&text)?)
    } else {
        Ok(toml::from_str(&text)?)
    }
}

fn class(class: Class) -> StepClass {
    match class {
        Class::Safe => StepClass::Safe,
        Class::Locks => StepClass::Locks,
        Class::Rewrites => StepClass::Rewrites,
        Class::DestroysData => StepClass::DestroysData,
    }
}
