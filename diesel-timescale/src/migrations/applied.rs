//! The history table: applied migrations, and the lock.

use std::collections::HashSet;

use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::migration::{self, Migration, MigrationSource, MigrationVersion};
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::prelude::*;
use diesel::query_builder::QueryBuilder;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_migrations::MigrationHarness;

use super::History;
use crate::error::{Error, Result};
use crate::trace::Run;

pub(super) fn quoted(identifier: &str) -> QueryResult<String> {
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
pub(super) struct Applied<'a, C> {
    pub(super) conn: &'a mut C,
    pub(super) table: String,
}

impl<C> Applied<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    pub(super) fn exists(&mut self) -> QueryResult<bool> {
        table_exists(self.conn, &self.table)
    }

    /// Locks the table, to the end of the transaction, and makes it first if need be.
    pub(super) fn lock(&mut self, history: &History) -> Result<()> {
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

    /// Clears the table: nothing of what it says is there any more.
    pub(super) fn forget(&mut self) -> QueryResult<()> {
        self.conn.batch_execute(&format!("DELETE FROM {}", self.table))
    }

    pub(super) fn refuse_if_migrated_elsewhere(&mut self, migrations: &impl MigrationSource<Pg>) -> Result<()> {
        let schema: Option<String> =
            diesel::select(diesel::dsl::sql::<Nullable<Text>>("current_schema()::text")).get_result(self.conn)?;
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
        let run = Run::migration(&self.table, &version.to_string());
        if let Err(error) = run.scope(|| migration.run(self.conn)) {
            run.failed("it failed");
            return Err(error);
        }
        diesel::sql_query(format!("INSERT INTO {} (version) VALUES ($1)", self.table))
            .bind::<Text, _>(version.to_string())
            .execute(self.conn)?;
        run.migrated();
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
