//! Stores what sensors publish over MQTT as sensor events, and publishes the predictions of a baseline rule.
//!
//! ```text
//! dev/db cargo run -p mqtt-ingest -- examples/mqtt/sensors.toml
//! ```
//!
//! README.md beside Cargo.toml tells what is promised.

mod acknowledgements;
mod config;
mod faults;
mod ingest;
mod message;
mod predict;
#[allow(dead_code, reason = "the example `occupancy` uses all of it")]
#[path = "../../occupancy/rule.rs"]
mod rule;
mod topic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use occupancy_models::SensorEvent;
use occupancy_models::asynchronous::{Call, run_migrations};

use crate::config::Config;
use crate::faults::Faults;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Stores what sensors publish over MQTT as sensor events, each once, and publishes predictions.
///
/// Runs until it is interrupted (SIGINT or SIGTERM). Whatever was not stored by then, or when it was killed, the broker
/// delivers again.
#[derive(Parser)]
#[command(name = "mqtt", verbatim_doc_comment)]
struct Options {
    /// The topics, the broker, and what else there is to say (TOML; see sensors.toml)
    file: PathBuf,

    /// Such as postgres://user@host/database; `dev/db COMMAND` provides it
    #[arg(long, env, hide_env_values = true)]
    database_url: String,

    /// The password of the broker's user
    #[arg(long, env, hide_env_values = true)]
    mqtt_password: Option<String>,

    /// Print what was done, and what waits, every so many seconds; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    status: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<()> {
    let config = Config::read(&options.file)?;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(&options.database_url);
    // One more for the predictions.
    let pool = Pool::builder(manager).max_size(config.writer.connections + 1).build()?;
    let mut faults = Faults::of("database");
    while let Err(error) = set_up(&pool).await {
        faults.tell(&error);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let status = (options.status > 0).then(|| Duration::from_secs(options.status));
    ingest::run(config, options.mqtt_password.as_deref(), pool, status).await
}

/// Makes the tables that are missing.
async fn set_up(pool: &Pool<AsyncPgConnection>) -> Result<()> {
    run_migrations(pool.get().await?).await?;
    let call = SensorEvent::hypertable().chunk_interval(TimeDelta::days(7)).allow_plain_table();
    let report = call.call(&mut pool.get().await?).await?;
    eprintln!("sensor_events: {report}");
    Ok(())
}
