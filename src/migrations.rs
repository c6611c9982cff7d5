//! This crate's migrations, with a migration history separate from the application's.
//!
//! [`run_migrations`] keeps its own history in the table `occupancy_models_migrations`, so that the versions of two
//! crates can never collide and reverting an application's migrations never trips over these. A lock on that
//! table makes processes that start at once take turns. All pending migrations run in one transaction: all or none.
//!
//! Everything goes to the first schema of the connection's `search_path`, and the functions find their tables there
//! whatever the `search_path` of whoever calls them later. The functions of
//! [`timescale`](crate::timescale), which these call, go to the schema `diesel_timescale`, once for the database.
//!
//! An application on diesel-async calls `asynchronous::run_migrations`, under the feature `async`.
//!
//! Those who compose sources run [`all`] through Diesel's own harness instead. The versions in it start with
//! `00dieseltimescale` and `00occupancymodels`, so that no other crate has them and they sort before dated ones. Choose
//! one way and stay with it.

use diesel::connection::LoadConnection;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_timescale::migrations::{self, EmbeddedMigrations, embed_migrations};

use crate::error::Result;

/// The migrations of this crate, and those that they need, for those who run them through Diesel's own harness, with
/// others [`chained`](crate::timescale::migrations::chained) to them or not.
///
/// ```no_run
/// use diesel::{Connection, PgConnection};
/// use diesel_migrations::MigrationHarness;
///
/// let mut conn = PgConnection::establish("postgres://localhost/occupancy").unwrap();
/// conn.run_pending_migrations(occupancy_models::migrations::all()).unwrap();
/// ```
pub fn all() -> impl MigrationSource<Pg> {
    migrations::chained(diesel_timescale::MIGRATIONS, OWN)
}

const OWN: EmbeddedMigrations = embed_migrations!("migrations");

const OWNER: &str = "occupancy_models";

/// Runs the migrations that have not run yet, and gives their versions. What [`timescale`](crate::timescale) installs
/// comes first, as by its [`install`](crate::timescale::migrations::install).
///
/// Waits while another process does the same. A failure leaves everything as it was.
///
/// # Errors
/// As [`History::run`](crate::timescale::migrations::History::run).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// // The set-up of this example has run them all.
/// assert!(occupancy_models::run_migrations(conn)?.is_empty());
/// # Ok(()) }) }
/// ```
pub fn run_migrations<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    migrations::atomically(conn, |conn| {
        migrations::install(conn)?;
        Ok(migrations::run(conn, OWNER, OWN)?)
    })
}

/// Reverts every migration of this crate, newest first, and gives their versions. The tables and all that is in them
/// are gone after that. What [`timescale`](crate::timescale) has installed stays: others may use it.
///
/// # Errors
/// As [`History::revert`](crate::timescale::migrations::History::revert); a migration fails for example when a table
/// of the application still references sensor events. Nothing has changed then.
pub fn revert_migrations<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    Ok(migrations::revert(conn, OWNER, OWN)?)
}
