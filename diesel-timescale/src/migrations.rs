//! Migrations of any library or application, with a history of their own and a lock.
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
//! Those who compose sources run them through Diesel's own harness instead; [`Chained`] makes one source of several.
//! Choose one way and stay with it.

use std::collections::HashSet;

use diesel::connection::{LoadConnection, SimpleConnection, TransactionManager};
use diesel::migration::{self, Migration, MigrationSource, MigrationVersion};
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::prelude::*;
use diesel::query_builder::QueryBuilder;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::MigrationHarness;
pub use diesel_migrations::{EmbeddedMigrations, embed_migrations};

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
    own_history().run(conn, MIGRATIONS)
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

/// Several sources in one, in this order, for Diesel's own harness.
///
/// The harness sorts by version: `00dieseltimescale…` comes before dated ones.
#[allow(missing_debug_implementations, reason = "EmbeddedMigrations has none")]
pub struct Chained<const N: usize>(pub [EmbeddedMigrations; N]);

impl<const N: usize> MigrationSource<Pg> for Chained<N> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        let mut all = Vec::new();
        for source in &self.0 {
            all.extend(MigrationSource::<Pg>::migrations(source)?);
        }
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
    /// before; [`Error::Database`].
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
            None => diesel::select(diesel::dsl::sql::<diesel::sql_types::Nullable<Text>>("current_schema()::text"))
                .get_result(conn)?,
        };
        let table = quoted(&format!("{}_migrations", self.owner))?;
        Ok(match schema {
            Some(schema) => format!("{}.{table}", quoted(&schema)?),
            // The server says what is wrong.
            None => table,
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

fn quoted(identifier: &str) -> QueryResult<String> {
    let mut builder = PgQueryBuilder::default();
    builder.push_identifier(identifier)?;
    Ok(builder.finish())
}

fn table_exists<C>(conn: &mut C, table: &str) -> QueryResult<bool>
where
    C: LoadConnection<Backend = Pg>,
{
    diesel::select(diesel::dsl::sql::<Bool>("to_regclass(").bind::<Text, _>(table).sql(") IS NOT NULL"))
        .get_result(conn)
}

/// A version, of whichever history.
#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The migrations that have run, by the table of a history.
struct Applied<'a, C> {
    conn: &'a mut C,
    table: String,
}

impl<C> Applied<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn exists(&mut self) -> QueryResult<bool> {
        table_exists(self.conn, &self.table)
    }

    /// Locks the table, to the end of the transaction, and makes it first if need be.
    fn lock(&mut self, history: &History) -> Result<()> {
        if !self.exists()? {
            // Another process may make it at the same time: this waits for that, fails, and finds it.
            let made = self.conn.transaction(|conn| create(conn, &self.table, history));
            if made.is_err() && !self.exists()? {
                made?;
            }
        }
        self.conn.batch_execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.table))?;
        Ok(())
    }

    fn refuse_if_migrated_elsewhere(&mut self, migrations: &impl MigrationSource<Pg>) -> Result<()> {
        let schema: Option<String> =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Nullable<Text>>("current_schema()::text"))
                .get_result(self.conn)?;
        let Some(schema) = schema else { return Ok(()) };
        let diesels = format!("{}.__diesel_schema_migrations", quoted(&schema)?);
        if !table_exists(self.conn, &diesels)? {
            return Ok(());
        }
        let elsewhere: HashSet<String> = versions(self.conn, &diesels)?.into_iter().collect();
        let ours: Vec<Box<dyn Migration<Pg>>> = migrations.migrations().map_err(Error::Migration)?;
        if ours.iter().any(|migration| elsewhere.contains(&migration.name().version().to_string())) {
            return Err(Error::MigratedElsewhere { table: self.table.clone() });
        }
        Ok(())
    }
}

fn create<C>(conn: &mut C, table: &str, history: &History) -> Result<()>
where
    C: LoadConnection<Backend = Pg> + SimpleConnection,
{
    if let Some(schema) = &history.schema {
        // Not IF NOT EXISTS, which would tell the client each time that it does.
        let exists: bool = diesel::select(
            diesel::dsl::sql::<Bool>("EXISTS (SELECT FROM pg_namespace WHERE nspname = ")
                .bind::<Text, _>(schema)
                .sql(")"),
        )
        .get_result(conn)?;
        if !exists {
            conn.batch_execute(&format!("CREATE SCHEMA {}", quoted(schema)?))?;
        }
    }
    conn.batch_execute(&format!(
        "CREATE TABLE {table} (version TEXT PRIMARY KEY, run_on TIMESTAMPTZ NOT NULL DEFAULT now());
         COMMENT ON TABLE {table} IS 'The migration history of {}.';
         COMMENT ON COLUMN {table}.version IS 'The version of the migration.';
         COMMENT ON COLUMN {table}.run_on IS 'When it ran.'",
        history.owner.replace('\'', "''")
    ))?;
    if history.schema.is_some() {
        // Whoever starts later and has nothing to run sees that.
        conn.batch_execute(&format!("GRANT SELECT ON {table} TO PUBLIC"))?;
    }
    Ok(())
}

fn versions<C>(conn: &mut C, table: &str) -> QueryResult<Vec<String>>
where
    C: LoadConnection<Backend = Pg>,
{
    let versions: Vec<Version> =
        diesel::sql_query(format!("SELECT version::text AS version FROM {table} ORDER BY version DESC")).load(conn)?;
    Ok(versions.into_iter().map(|row| row.version).collect())
}

impl<C> MigrationHarness<Pg> for Applied<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn run_migration(&mut self, migration: &dyn Migration<Pg>) -> migration::Result<MigrationVersion<'static>> {
        let version = migration.name().version().as_owned();
        migration.run(self.conn)?;
        diesel::sql_query(format!("INSERT INTO {} (version) VALUES ($1)", self.table))
            .bind::<Text, _>(version.to_string())
            .execute(self.conn)?;
        Ok(version)
    }

    fn revert_migration(&mut self, migration: &dyn Migration<Pg>) -> migration::Result<MigrationVersion<'static>> {
        let version = migration.name().version().as_owned();
        migration.revert(self.conn)?;
        diesel::sql_query(format!("DELETE FROM {} WHERE version = $1", self.table))
            .bind::<Text, _>(version.to_string())
            .execute(self.conn)?;
        Ok(version)
    }

    fn applied_migrations(&mut self) -> migration::Result<Vec<MigrationVersion<'static>>> {
        Ok(versions(self.conn, &self.table)?.into_iter().map(MigrationVersion::from).collect())
    }
}
