//! The database that those of the tests are copies of.

use std::any::TypeId;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use url::Url;

use super::BoxError;

/// What makes and drops databases.
#[cfg(feature = "sync")]
pub(super) type Admin = diesel::PgConnection;
#[cfg(not(feature = "sync"))]
pub(super) type Admin = diesel_async::async_connection_wrapper::AsyncConnectionWrapper<diesel_async::AsyncPgConnection>;

pub(super) fn admin(server: &Url) -> Result<Admin, BoxError> {
    let mut conn = Admin::establish(server.as_str()).map_err(|error| {
        // The URL may contain a password.
        format!("no connection to the server that DATABASE_URL names: {error}")
    })?;
    conn.batch_execute("SET client_min_messages TO warning")?;
    Ok(conn)
}

/// How often a copy is tried while others are connected to the template, 50 ms apart.
const ATTEMPTS: u32 = 100;

/// The comment on a template: this, the test program, and what it must be made of.
const MARK: &str = "diesel-timescale template of ";

/// A template, and the connection that holds its lock.
pub(super) struct Template {
    server: Url,
    admin: Admin,
    name: String,
    program: PathBuf,
    comment: String,
    lock: i64,
}

impl Template {
    /// The template for the set-up that this type stands for.
    pub(super) fn of<F: 'static>(server: Url) -> Result<Self, BoxError> {
        let program = std::env::current_exe()?;
        let built = std::fs::metadata(&program)?.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        let mut admin = admin(&server)?;
        let release: Option<String> = diesel::select(diesel::dsl::sql::<Nullable<Text>>(
            "(SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb')",
        ))
        .get_result(&mut admin)?;

        let mut hasher = DefaultHasher::new();
        (&program, TypeId::of::<F>()).hash(&mut hasher);
        let hash = hasher.finish();
        Ok(Self {
            server,
            admin,
            name: format!("test_template_{hash:016x}"),
            comment: format!("{MARK}{}, {built}, TimescaleDB {}", program.display(), release.unwrap_or_default()),
            program,
            lock: i64::from_ne_bytes(hash.to_ne_bytes()),
        })
    }

    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    pub(super) fn url(&self) -> Url {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url
    }

    /// Makes an empty template and says so, unless there is one that is right. Until it is sealed or dropped, others wait.
    pub(super) fn begin(&mut self) -> Result<bool, BoxError> {
        if self.is_current()? {
            return Ok(false);
        }
        diesel::select(diesel::dsl::sql::<Text>("pg_advisory_lock(").bind::<BigInt, _>(self.lock).sql(")::text"))
            .execute(&mut self.admin)?;
        if self.is_current()? {
            self.unlock()?;
            return Ok(false);
        }
        self.drop_abandoned()?;
        let name = &self.name;
        self.admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        let has_timescale: bool = diesel::select(diesel::dsl::sql::<Bool>(
            "EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')",
        ))
        .get_result(&mut self.admin)?;
        if has_timescale {
            admin(&self.url())?.batch_execute("CREATE EXTENSION IF NOT EXISTS timescaledb")?;
        }
        Ok(true)
    }

    /// Lets others copy it, and nobody connect to it: not the background workers of TimescaleDB either.
    pub(super) fn seal(&mut self) -> Result<(), BoxError> {
        let Self { name, comment, .. } = self;
        let comment = comment.replace('\'', "''");
        self.admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"))?;
        self.disconnect()?;
        let name = &self.name;
        // Last, since it says that the rest is done.
        self.admin.batch_execute(&format!("COMMENT ON DATABASE {name} IS '{comment}'"))?;
        self.unlock()
    }

    /// Makes a copy of this name.
    pub(super) fn copy(&mut self, name: &str) -> Result<(), BoxError> {
        let statement = format!("CREATE DATABASE {name} TEMPLATE {}", self.name);
        let mut attempt = 1;
        loop {
            match self.admin.batch_execute(&statement) {
                Ok(()) => return Ok(()),
                Err(error) if attempt == ATTEMPTS || !self.has_sessions()? => return Err(error.into()),
                // Whoever was connected when the template was sealed may take a moment to go.
                Err(_) => {
                    self.disconnect()?;
                    sleep(Duration::from_millis(50));
                }
            }
            attempt += 1;
        }
    }

    fn is_current(&mut self) -> QueryResult<bool> {
        diesel::select(
            diesel::dsl::sql::<Bool>("EXISTS (SELECT FROM pg_database WHERE datname = ")
                .bind::<Text, _>(&self.name)
                .sql(" AND NOT datallowconn AND shobj_description(oid, 'pg_database') = ")
                .bind::<Text, _>(&self.comment)
                .sql(")"),
        )
        .get_result(&mut self.admin)
    }

    fn has_sessions(&mut self) -> QueryResult<bool> {
        diesel::select(
            diesel::dsl::sql::<Bool>("EXISTS (SELECT FROM pg_stat_activity WHERE datname = ")
                .bind::<Text, _>(&self.name)
                .sql(")"),
        )
        .get_result(&mut self.admin)
    }

    fn disconnect(&mut self) -> Result<(), BoxError> {
        let statement = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
            self.name
        );
        Ok(self.admin.batch_execute(&statement)?)
    }

    fn unlock(&mut self) -> Result<(), BoxError> {
        Ok(self.admin.batch_execute(&format!("SELECT pg_advisory_unlock({})", self.lock))?)
    }

    /// Drops the templates of programs that are gone, such as those of documentation tests.
    fn drop_abandoned(&mut self) -> Result<(), BoxError> {
        #[derive(QueryableByName)]
        struct Other {
            #[diesel(sql_type = Text)]
            name: String,
            #[diesel(sql_type = Text)]
            comment: String,
        }
        let others: Vec<Other> = diesel::sql_query(
            "SELECT datname::text AS name, shobj_description(oid, 'pg_database') AS comment FROM pg_database \
             WHERE datname ^@ 'test_template_' AND shobj_description(oid, 'pg_database') ^@ $1",
        )
        .bind::<Text, _>(MARK)
        .load(&mut self.admin)?;
        for Other { name, comment } in others {
            let program = comment.strip_prefix(MARK).and_then(|rest| rest.rsplitn(3, ", ").nth(2)).map(PathBuf::from);
            if program.is_some_and(|program| program != self.program && !program.exists()) {
                // Another process may do the same.
                self.admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
            }
        }
        Ok(())
    }
}
