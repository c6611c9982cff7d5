//! Migrations of any library or application, with a history table and lock of their own.
//!
//! A [`History`] keeps what has run in a table of its own, so that the versions of two libraries can never collide and
//! reverting one never trips over the other. Processes that start at once take turns: whoever has something to run
//! locks that table, which only those can who may migrate. Everything that is pending runs in one transaction: all or
//! none. All of it happens in that transaction, so a pool such as PgBouncer in transaction mode is fine.
//!
//! ```no_run
//! use diesel::{Connection, PgConnection};
//! use diesel_timescale::migrations;
//! use diesel_timescale::migrations::embed_migrations;
//!
//! const MIGRATIONS: migrations::EmbeddedMigrations = embed_migrations!("migrations");
//!
//! let mut conn = PgConnection::establish("postgres://localhost/readings").unwrap();
//! // The functions of this crate first, since the application's own migrations call them.
//! migrations::install(&mut conn).unwrap();
//! migrations::run(&mut conn, "my_application", MIGRATIONS).unwrap();
//! ```
//!
//! Those who compose sources run them through Diesel's own harness instead; [`chained`] makes one source of two.
//! Choose one way and stay with it.

mod applied;

use diesel::connection::{LoadConnection, TransactionManager};
use diesel::migration::{self, Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_migrations::MigrationHarness;
pub use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use self::applied::{Applied, quoted};
use crate::error::{Error, Result};

/// The migrations of this crate, for those who compose them with others in Diesel's own harness; [`install`] for
/// everyone else.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The schema of this crate's functions.
const SCHEMA: &str = "diesel_timescale";

/// Installs the functions of this crate into the schema `diesel_timescale`, or brings them up to date, and gives the
/// versions that have run.
///
/// Once for a database, whatever schemas its tables are in. Needs the right to create a schema in the database, or
/// one of that name that belongs to the role. Does nothing, and needs no right, where they are up to date.
///
/// # Errors
/// As [`History::run`].
pub fn install<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    atomically(conn, |conn| {
        let history = own_history();
        // Diesel's harness may have reverted them: that of another application, say, in a schema of its own.
        let forgotten: bool = diesel::select(diesel::dsl::sql::<Bool>(
            "to_regclass('diesel_timescale.diesel_timescale_migrations') IS NOT NULL \
             AND to_regproc('diesel_timescale.refuse') IS NULL",
        ))
        .get_result(conn)?;
        if forgotten {
            let mut applied = Applied { table: history.table(conn)?, conn };
            applied.lock(&history)?;
            applied.forget()?;
        }
        history.run(conn, MIGRATIONS)
    })
}

/// Drops the functions of this crate. What calls them must be gone.
///
/// # Errors
/// As [`History::revert`].
pub fn uninstall<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    own_history().revert(conn, MIGRATIONS)
}

fn own_history() -> History {
    History::new(SCHEMA).in_schema(SCHEMA)
}

/// Runs the migrations of a library or application that have not run yet, and gives their versions. Short for
/// [`History::run`].
///
/// # Errors
/// As [`History::run`].
pub fn run<C, S>(conn: &mut C, owner: &str, migrations: S) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
    S: MigrationSource<Pg>,
{
    History::new(owner).run(conn, migrations)
}

/// Reverts all migrations of a library or application, newest first, and gives their versions. Short for
/// [`History::revert`].
///
/// # Errors
/// As [`History::revert`].
pub fn revert<C, S>(conn: &mut C, owner: &str, migrations: S) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
    S: MigrationSource<Pg>,
{
    History::new(owner).revert(conn, migrations)
}

/// A source that is needed again.
struct ByRef<'a, S>(&'a S);

impl<S: MigrationSource<Pg>> MigrationSource<Pg> for ByRef<'_, S> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        self.0.migrations()
    }
}

/// Two sources in one, for Diesel's own harness.
///
/// The harness sorts by version: `00dieseltimescale…` comes before dated ones.
///
/// ```no_run
/// use diesel::{Connection, PgConnection};
/// use diesel_migrations::MigrationHarness;
/// use diesel_timescale::migrations::{EmbeddedMigrations, chained, embed_migrations};
///
/// const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
///
/// let mut conn = PgConnection::establish("postgres://localhost/readings").unwrap();
/// conn.run_pending_migrations(chained(diesel_timescale::MIGRATIONS, MIGRATIONS)).unwrap();
/// ```
pub fn chained<A, B>(first: A, second: B) -> impl MigrationSource<Pg>
where
    A: MigrationSource<Pg>,
    B: MigrationSource<Pg>,
{
    Chained { first, second }
}

struct Chained<A, B> {
    first: A,
    second: B,
}

impl<A: MigrationSource<Pg>, B: MigrationSource<Pg>> MigrationSource<Pg> for Chained<A, B> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        let mut all = self.first.migrations()?;
        all.extend(self.second.migrations()?);
        Ok(all)
    }
}

/// The migration history of one library or application: a table of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    owner: String,
    schema: Option<String>,
}

impl History {
    /// The history of a library or application with this name, in the table `<owner>_migrations` in the first schema
    /// of the connection's `search_path`.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), schema: None }
    }

    /// Keeps the table in this schema, which is made if need be, whatever the `search_path`.
    #[must_use]
    pub fn in_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Runs the migrations that have not run yet, and gives their versions.
    ///
    /// Waits while another process does the same. A failure leaves everything as it was. The `search_path` is
    /// afterwards as before.
    ///
    /// # Errors
    /// [`Error::Migration`] if one fails; [`Error::MigratedElsewhere`] if they were run through Diesel's harness
    /// before; [`Error::NoSchema`] if no schema of the `search_path` exists; [`Error::Database`].
    pub fn run<C, S>(&self, conn: &mut C, migrations: S) -> Result<Vec<String>>
    where
        C: LoadConnection<Backend = Pg> + 'static,
        S: MigrationSource<Pg>,
    {
        atomically(conn, |conn| {
            let mut applied = Applied { table: self.table(conn)?, conn };
            if applied.exists()? && !applied.has_pending_migration(ByRef(&migrations)).map_err(Error::Migration)? {
                return Ok(Vec::new());
            }
            applied.lock(self)?;
            applied.refuse_if_migrated_elsewhere(&migrations)?;
            applied.run_pending_migrations(migrations).map(names).map_err(Error::Migration)
        })
    }

    /// Reverts every migration that has run, newest first, and gives their versions.
    ///
    /// # Errors
    /// [`Error::Migration`] if one fails, such as when something else still needs what it made;
    /// [`Error::MigratedElsewhere`] if they were run through Diesel's harness; [`Error::Database`]. Nothing has
    /// changed then.
    pub fn revert<C, S>(&self, conn: &mut C, migrations: S) -> Result<Vec<String>>
    where
        C: LoadConnection<Backend = Pg> + 'static,
        S: MigrationSource<Pg>,
    {
        atomically(conn, |conn| {
            let mut applied = Applied { table: self.table(conn)?, conn };
            applied.lock(self)?;
            applied.refuse_if_migrated_elsewhere(&migrations)?;
            applied.revert_all_migrations(migrations).map(names).map_err(Error::Migration)
        })
    }

    /// The table as SQL, with its schema: a migration may change the `search_path`.
    fn table<C>(&self, conn: &mut C) -> Result<String>
    where
        C: LoadConnection<Backend = Pg>,
    {
        let schema = match &self.schema {
            Some(schema) => Some(schema.clone()),
            None => diesel::select(diesel::dsl::sql::<Nullable<Text>>("current_schema()::text")).get_result(conn)?,
        };
        let table = quoted(&format!("{}_migrations", self.owner))?;
        Ok(match schema {
            Some(schema) => format!("{}.{table}", quoted(&schema)?),
            None => {
                let search_path =
                    diesel::select(diesel::dsl::sql::<Text>("current_setting('search_path')")).get_result(conn)?;
                return Err(Error::NoSchema { search_path });
            }
        })
    }
}

/// Runs work in one transaction, under READ COMMITTED where it is the outermost one, and restores the `search_path`
/// that migrations set.
///
/// For several histories at once: all or none.
///
/// # Errors
/// Those of the work, and [`Error::Database`].
pub fn atomically<C, T, E>(conn: &mut C, work: impl FnOnce(&mut C) -> Result<T, E>) -> Result<T, E>
where
    C: LoadConnection<Backend = Pg> + 'static,
    E: From<diesel::result::Error>,
{
    let is_outermost = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?.is_none();
    conn.transaction(|conn| {
        if is_outermost {
            // What is read after the lock must be what the last holder has committed.
            conn.batch_execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
        }
        let search_path: String =
            diesel::select(diesel::dsl::sql::<Text>("current_setting('search_path')")).get_result(conn)?;
        let result = work(conn)?;
        diesel::sql_query("SELECT set_config('search_path', $1, true)").bind::<Text, _>(search_path).execute(conn)?;
        Ok(result)
    })
}

fn names(versions: Vec<MigrationVersion<'_>>) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}
