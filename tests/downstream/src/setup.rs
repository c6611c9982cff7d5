//! Both sets of migrations, and the hypertables.

use diesel_async::pooled_connection::bb8::{Pool, RunError};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use occupancy_models::SensorEvent;
use occupancy_models::asynchronous::{self, Call};
use occupancy_models::timescale::setup::{Setup, StepClass};

use crate::energy::EnergyReading;
use crate::power::PowerSample;

/// The migrations of this crate. They come after those of occupancy-models, whose functions they call, and are
/// reverted before them.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// What can go wrong in the set-up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection.
    #[error(transparent)]
    Pool(#[from] RunError),
    /// The hypertables.
    #[error(transparent)]
    Timescale(#[from] occupancy_models::timescale::Error),
    /// The tables of occupancy-models.
    #[error(transparent)]
    OccupancyModels(#[from] occupancy_models::Error),
    /// The migrations of this crate.
    #[error("migration failed: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The hypertables, to apply and to check; plain tables where there is no TimescaleDB.
pub fn hypertables() -> Setup {
    Setup::new()
        .with(SensorEvent::hypertable().allow_plain_table())
        .with(EnergyReading::hypertable().allow_plain_table())
        .with(PowerSample::hypertable().allow_plain_table())
        .allow_unsupported()
}

/// Makes or updates everything in the database; a start of the service that finds it done changes nothing.
///
/// Takes tokio's runtime with several threads, as Diesel's harness does.
pub async fn run(pool: &Pool<AsyncPgConnection>) -> Result<(), Error> {
    // Each crate has its own migration history: occupancy_models_migrations, and Diesel's __diesel_schema_migrations.
    asynchronous::run_migrations(pool.get_owned().await?).await?;
    AsyncMigrationHarness::new(pool.get_owned().await?).run_pending_migrations(MIGRATIONS).map_err(Error::Migration)?;

    let mut conn = pool.get().await?;
    hypertables().apply(StepClass::Locks).call(&mut conn).await?;
    // What could not be done, such as a hypertable of a table that has rows, is told here.
    hypertables().check().call(&mut conn).await?;
    Ok(())
}
