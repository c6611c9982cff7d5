//! A database of its own for each test, in the milliseconds that a copy takes; feature `testing`.
//!
//! Tests that share a database and roll their transactions back wait for one another: each insert that meets a unique
//! key of an open transaction, each lock that retention or a set-up takes. They cannot test what commits, either. With a
//! database each, tests run side by side and see what an application sees.
//!
//! [`TestDatabase::create`] runs the set-up once, into a template database, and copies that for each test. The template is
//! made anew when the test program was built anew or the server has another release of TimescaleDB. The database is
//! dropped with the value.
//!
//! ```
//! # mod support { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs")); }
//! use diesel::prelude::*;
//! use diesel::connection::SimpleConnection;
//! use diesel_timescale::testing::TestDatabase;
//!
//! fn database() -> TestDatabase {
//!     TestDatabase::create(|conn| {
//!         diesel_timescale::migrations::install(conn)?;
//!         // migrations::run(conn, "my_application", MIGRATIONS)?, hypertable(..).call(conn)?, …
//!         conn.batch_execute("CREATE TABLE readings (time TIMESTAMPTZ NOT NULL)")?;
//!         Ok(())
//!     })
//!     .unwrap()
//! }
//!
//! # if support::has_quietly(support::Needs::TwoConnections) {
//! let db = database();
//! let mut conn = db.connect().unwrap();
//! conn.batch_execute("INSERT INTO readings VALUES (now())").unwrap();
//! # }
//! ```
//!
//! # Server
//! The environment variable `DATABASE_URL` names a database to connect to, such as `postgres://user@localhost/postgres`.
//! The role needs the right to create databases; the test databases are beside the one that the URL names. Where the
//! server has TimescaleDB, each has the extension.
//!
//! # What stays
//! Templates stay for the next run; their names start with `test_template_`. Making one drops those whose test program is
//! gone. A process that is killed leaves its databases, `test_…`.

mod template;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "sync")]
use diesel::{Connection, PgConnection};
#[cfg(feature = "async")]
use diesel_async::{AsyncConnection, AsyncPgConnection};
use url::Url;

use self::template::{Template, admin};

/// The errors of the kit: whatever the set-up fails with, and those of the server, with what to do in the text.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A database that is dropped with this value, with its open connections.
#[derive(Debug)]
pub struct TestDatabase {
    server: Url,
    url: Url,
    name: String,
}

impl TestDatabase {
    /// A database as `setup` leaves it: the migrations of the application, say, and its hypertables.
    ///
    /// `setup` runs once for each place in the program that gives one; it must do the same each time, so it should
    /// capture nothing.
    ///
    /// # Errors
    /// If `DATABASE_URL` is missing or no URL, if the server cannot be reached, and whatever `setup` fails with.
    #[cfg(feature = "sync")]
    pub fn create<F>(setup: F) -> Result<Self, BoxError>
    where
        F: FnOnce(&mut PgConnection) -> Result<(), BoxError> + 'static,
    {
        let mut template = Template::of::<F>(server_url()?)?;
        if template.begin()? {
            setup(&mut PgConnection::establish(template.url().as_str())?)?;
            template.seal()?;
        }
        Self::copy_of(&mut template)
    }

    /// A database as `setup` leaves it; the asynchronous [`create`](Self::create).
    ///
    /// `setup` gets the URL, for a connection or a pool. Connections that it leaves open are closed.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// # mod support { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs")); }
    /// use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
    /// use diesel_timescale::testing::TestDatabase;
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// # if support::has_quietly(support::Needs::TwoConnections) {
    /// let db = TestDatabase::create_async(async |url| {
    ///     let mut conn = AsyncPgConnection::establish(&url).await?;
    ///     conn.batch_execute("CREATE TABLE readings (time TIMESTAMPTZ NOT NULL)").await?;
    ///     Ok(())
    /// })
    /// .await
    /// .unwrap();
    /// let mut conn = db.connect_async().await.unwrap();
    /// conn.batch_execute("INSERT INTO readings VALUES (now())").await.unwrap();
    /// # }
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn create_async<F>(setup: F) -> Result<Self, BoxError>
    where
        F: AsyncFnOnce(String) -> Result<(), BoxError> + 'static,
    {
        let server = server_url()?;
        let (mut template, is_new) = blocking(move || {
            let mut template = Template::of::<F>(server)?;
            let is_new = template.begin()?;
            Ok((template, is_new))
        })
        .await?;
        if is_new {
            setup(template.url().into()).await?;
        }
        blocking(move || {
            if is_new {
                template.seal()?;
            }
            Self::copy_of(&mut template)
        })
        .await
    }

    fn copy_of(template: &mut Template) -> Result<Self, BoxError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Other processes, also on other machines, may use the same server.
        let random = RandomState::new().hash_one(std::process::id());
        let name = format!("test_{random:016x}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        template.copy(&name)?;
        let server = template.server().clone();
        let mut url = server.clone();
        url.set_path(&name);
        Ok(Self { server, url, name })
    }

    /// The URL of the database: for a pool, or another process.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A connection to the database.
    ///
    /// # Errors
    /// If the server cannot be reached, or has no connection left.
    #[cfg(feature = "sync")]
    pub fn connect(&self) -> diesel::ConnectionResult<PgConnection> {
        PgConnection::establish(self.url())
    }

    /// An asynchronous connection to the database.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[cfg(feature = "async")]
    pub async fn connect_async(&self) -> diesel::ConnectionResult<AsyncPgConnection> {
        AsyncPgConnection::establish(self.url()).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // In a thread of its own: this may be a thread of an asynchronous runtime, which must not be blocked by another.
        let dropped = std::thread::spawn(move || {
            diesel::connection::SimpleConnection::batch_execute(&mut admin(&server)?, &statement)
                .map_err(BoxError::from)
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the database {} of a test was not dropped: {error}", self.name);
        }
    }
}

fn server_url() -> Result<Url, BoxError> {
    let url = std::env::var("DATABASE_URL").map_err(|_| {
        "these tests need a database server: set DATABASE_URL to a database to connect to, such as \
         postgres://postgres@localhost/postgres"
    })?;
    Ok(Url::parse(&url)
        .map_err(|error| format!("DATABASE_URL is no URL such as postgres://user@host/database: {error}"))?)
}

#[cfg(feature = "async")]
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, BoxError> {
    tokio::task::spawn_blocking(work).await?
}
