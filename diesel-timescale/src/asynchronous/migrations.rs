//! [Migrations](crate::migrations) on diesel-async connections.
//!
//! These take the connection: one that was made for this, or one that owns its place in a pool and goes back to it
//! afterwards (bb8's `pool.get_owned()`, deadpool's `pool.get()`). They run on tokio, with one thread or several, and go
//! on to their end when the future is dropped.

use std::panic::resume_unwind;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::AsyncConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use crate::error::{Error, Result};
use crate::migrations;

/// Installs the functions of this crate; the asynchronous [`migrations::install`].
///
/// # Errors
/// As [`migrations::install`].
pub async fn install<C>(conn: C) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
{
    blocking(conn, migrations::install).await
}

/// Drops the functions of this crate; the asynchronous [`migrations::uninstall`].
///
/// # Errors
/// As [`migrations::uninstall`].
pub async fn uninstall<C>(conn: C) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
{
    blocking(conn, migrations::uninstall).await
}

/// Runs the migrations of a library or application that have not run yet, and gives their versions; the asynchronous
/// [`migrations::run`].
///
/// # Errors
/// As [`migrations::run`].
///
/// ```no_run
/// use diesel_async::{AsyncConnection, AsyncPgConnection};
/// use diesel_timescale::asynchronous::migrations;
/// use diesel_timescale::migrations::{EmbeddedMigrations, embed_migrations};
///
/// const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
///
/// # #[tokio::main]
/// # async fn main() {
/// let conn = AsyncPgConnection::establish("postgres://localhost/readings").await.unwrap();
/// migrations::run(conn, "my_application", MIGRATIONS).await.unwrap();
/// # }
/// ```
pub async fn run<C, S>(conn: C, owner: impl Into<String>, source: S) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    S: MigrationSource<Pg> + Send + 'static,
{
    let owner = owner.into();
    blocking(conn, move |conn| migrations::run(conn, &owner, source)).await
}

/// Reverts all migrations of a library or application, newest first, and gives their versions; the asynchronous
/// [`migrations::revert`].
///
/// # Errors
/// As [`migrations::revert`].
pub async fn revert<C, S>(conn: C, owner: impl Into<String>, source: S) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    S: MigrationSource<Pg> + Send + 'static,
{
    let owner = owner.into();
    blocking(conn, move |conn| migrations::revert(conn, &owner, source)).await
}

/// Runs synchronous work on an asynchronous connection, on a thread that may block: for a
/// [`History`](migrations::History) with a schema of its own, or several histories [at
/// once](migrations::atomically).
///
/// # Errors
/// Those of the work; [`Error::Migration`] if the runtime is shut down meanwhile.
pub async fn blocking<C, T, E>(
    conn: C,
    work: impl FnOnce(&mut AsyncConnectionWrapper<C>) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    C: AsyncConnection + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let work = tokio::task::spawn_blocking(move || work(&mut AsyncConnectionWrapper::from(conn)));
    match work.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime was shut down.
            Err(error) => Err(Error::Migration(Box::new(error)).into()),
        },
    }
}
