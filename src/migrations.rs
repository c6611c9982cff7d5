//! Migrations that live beside an application's own.
//!
//! [`run_migrations`] keeps a migration history of its own, `occupancy_models_migrations`, so that the versions of two
//! crates can never collide and reverting an application's migrations never trips over these. A lock on that table
//! makes processes that start at once take turns. All pending migrations run in one transaction: all or none.
//!
//! Everything goes to the first schema of the connection's `search_path`, and the functions find their tables there
//! whatever the `search_path` of whoever calls them later.
//!
//! An application on diesel-async calls `asynchronous::run_migrations`, under the feature `async`.
//!
//! Those who compose sources run [`MIGRATIONS`] through Diesel's own harness instead. The versions in it start with
//! `00occupancymodels`, so that no other crate has them and they sort before dated ones. Choose one way and stay
//! with it.

use std::collections::HashSet;

use diesel::connection::{LoadConnection, TransactionManager};
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::{Error, Result};

/// The migrations of this crate, for those who compose them with others in Diesel's own harness.
///
/// ```no_run
/// use diesel::{Connection, PgConnection};
/// use diesel_migrations::MigrationHarness;
///
/// let mut conn = PgConnection::establish("postgres://localhost/occupancy").unwrap();
/// conn.run_pending_migrations(occupancy_models::MIGRATIONS).unwrap();
/// ```
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

const BOOKS: &str = "occupancy_models_migrations";

use books::{__diesel_schema_migrations, occupancy_models_migrations};

/// The bookkeeping tables: this crate's and Diesel's.
mod books {
    #![allow(missing_docs, reason = "what table! makes")]

    diesel::table! {
        occupancy_models_migrations (version) {
            version -> Text,
            run_on -> Timestamptz,
        }
    }

    diesel::table! {
        __diesel_schema_migrations (version) {
            version -> VarChar,
            run_on -> Timestamp,
        }
    }
}

/// Runs the migrations that have not run yet, and gives their versions.
///
/// Waits while another process does the same. A failure leaves everything as it was.
///
/// # Errors
/// [`Error::Migration`] if one fails; [`Error::MigratedElsewhere`] if they were run through Diesel's harness before;
/// [`Error::NoSchema`] if no schema of the `search_path` exists; [`Error::Database`].
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// // The set-up of this example has run them all.
/// assert!(occupancy_models::run_migrations(conn)?.is_empty());
/// # Ok(()) }) }
/// ```
pub fn run_migrations<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    locked(conn, |books| {
        books.refuse_if_migrated_elsewhere()?;
        books.run_pending_migrations(MIGRATIONS).map(names).map_err(Error::Migration)
    })
}

/// Reverts every migration of this crate, newest first, and gives their versions. The tables and all that is in them
/// are gone after that.
///
/// # Errors
/// [`Error::Migration`] if one fails, such as when a table of the application still references sensor events;
/// [`Error::MigratedElsewhere`] if they were run through Diesel's harness; [`Error::Database`]. Nothing has changed then.
pub fn revert_migrations<C>(conn: &mut C) -> Result<Vec<String>>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    locked(conn, |books| {
        books.refuse_if_migrated_elsewhere()?;
        books.revert_all_migrations(MIGRATIONS).map(names).map_err(Error::Migration)
    })
}

fn names(versions: Vec<MigrationVersion<'_>>) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

fn table_exists<C>(conn: &mut C, name: &str) -> QueryResult<bool>
where
    C: LoadConnection<Backend = Pg>,
{
    diesel::select(
        diesel::dsl::sql::<Bool>("to_regclass(quote_ident(current_schema()) || '.' || ")
            .bind::<Text, _>(name)
            .sql(") IS NOT NULL"),
    )
    .get_result(conn)
}

/// Runs `work` on the books, alone, in one transaction, and restores the `search_path` that the migrations set.
fn locked<C, T>(conn: &mut C, work: impl FnOnce(&mut Books<'_, C>) -> Result<T>) -> Result<T>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    let is_outermost = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?.is_none();
    conn.transaction(|conn| {
        if is_outermost {
            // What is read after the lock must be what the last holder has committed.
            conn.batch_execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
        }
        let (search_path, has_schema): (String, bool) = diesel::select((
            diesel::dsl::sql::<Text>("current_setting('search_path')"),
            diesel::dsl::sql::<Bool>("current_schema() IS NOT NULL"),
        ))
        .get_result(conn)?;
        if !has_schema {
            return Err(Error::NoSchema { search_path });
        }
        // Not IF NOT EXISTS, which would tell the client each time that it does.
        if !table_exists(conn, BOOKS)? {
            create_books(conn)?;
        }
        // Not an advisory lock, which any role could take. Ends with the transaction, also behind a pooler.
        conn.batch_execute(&format!("LOCK TABLE {BOOKS} IN SHARE ROW EXCLUSIVE MODE"))?;
        let result = work(&mut Books(conn))?;
        diesel::sql_query("SELECT set_config('search_path', $1, true)").bind::<Text, _>(search_path).execute(conn)?;
        Ok(result)
    })
}

/// Creates the bookkeeping table. Of two who do so at once, the second waits for the first and then finds it there.
fn create_books<C>(conn: &mut C) -> QueryResult<()>
where
    C: LoadConnection<Backend = Pg>,
{
    let created = conn.transaction(|conn| {
        conn.batch_execute(&format!(
            "CREATE TABLE {BOOKS} (version TEXT PRIMARY KEY, run_on TIMESTAMPTZ NOT NULL DEFAULT now());
             COMMENT ON TABLE {BOOKS} IS 'The migrations of the crate occupancy-models that have run.';
             COMMENT ON COLUMN {BOOKS}.version IS 'The version of the migration.';
             COMMENT ON COLUMN {BOOKS}.run_on IS 'When it ran.'"
        ))
    });
    match created {
        Err(DieselError::DatabaseError(..)) if table_exists(conn, BOOKS)? => Ok(()),
        created => created,
    }
}

/// The migrations that have run, by this crate's own table.
struct Books<'a, C>(&'a mut C);

impl<C> Books<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn refuse_if_migrated_elsewhere(&mut self) -> Result<()> {
        if !table_exists(self.0, "__diesel_schema_migrations")? {
            return Ok(());
        }
        let elsewhere: HashSet<String> = __diesel_schema_migrations::table
            .select(__diesel_schema_migrations::version)
            .load(self.0)?
            .into_iter()
            .collect();
        let ours: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(Error::Migration)?;
        if ours.iter().any(|migration| elsewhere.contains(&migration.name().version().to_string())) {
            return Err(Error::MigratedElsewhere { table: BOOKS });
        }
        Ok(())
    }
}

impl<C> MigrationHarness<Pg> for Books<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn run_migration(&mut self, migration: &dyn Migration<Pg>) -> diesel::migration::Result<MigrationVersion<'static>> {
        let version = migration.name().version().as_owned();
        migration.run(self.0)?;
        diesel::insert_into(occupancy_models_migrations::table)
            .values(occupancy_models_migrations::version.eq(version.to_string()))
            .execute(self.0)?;
        Ok(version)
    }

    fn revert_migration(
        &mut self,
        migration: &dyn Migration<Pg>,
    ) -> diesel::migration::Result<MigrationVersion<'static>> {
        let version = migration.name().version().as_owned();
        migration.revert(self.0)?;
        diesel::delete(occupancy_models_migrations::table.find(version.to_string())).execute(self.0)?;
        Ok(version)
    }

    fn applied_migrations(&mut self) -> diesel::migration::Result<Vec<MigrationVersion<'static>>> {
        let versions: Vec<String> = occupancy_models_migrations::table
            .select(occupancy_models_migrations::version)
            .order(occupancy_models_migrations::version.desc())
            .load(self.0)?;
        Ok(versions.into_iter().map(MigrationVersion::from).collect())
    }
}
