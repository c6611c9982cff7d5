//! The same calls on diesel-async connections.
//!
//! What is not about this crate's tables is [`timescale::asynchronous`](crate::timescale::asynchronous), all of which is
//! here as well.

use diesel::pg::Pg;
use diesel_async::AsyncConnection;
pub use diesel_timescale::asynchronous::*;

use crate::error::Result;

/// What code on diesel-async imports, beside `diesel::prelude` and `diesel_async::RunQueryDsl`;
/// [`occupancy_models::prelude`](crate::prelude) otherwise.
pub mod prelude {
    pub use diesel_timescale::asynchronous::prelude::*;

    pub use crate::models_prelude::*;
}

/// Runs the migrations that have not run yet, and gives their versions; the asynchronous
/// [`run_migrations`](crate::run_migrations).
///
/// Takes the connection: one that was made for this, or one that owns its place in a pool and goes back to it afterwards
/// (bb8's `pool.get_owned()`, deadpool's `pool.get()`). Runs on tokio, with one thread or several. It goes on to its
/// end when the future is dropped.
///
/// # Errors
/// As [`run_migrations`](crate::run_migrations).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::asynchronous;
///
/// # #[tokio::main]
/// # async fn main() {
/// # let (_db, conn) = support::TestDb::ready();
/// # drop(conn);
/// # let conn = _db.connect_async().await;
/// // The set-up of this example has run them all.
/// assert!(asynchronous::run_migrations(conn).await.unwrap().is_empty());
/// # }
/// ```
pub async fn run_migrations<C>(conn: C) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
{
    migrations::blocking(conn, crate::run_migrations).await
}

/// Reverts every migration of this crate; the asynchronous [`revert_migrations`](crate::revert_migrations).
///
/// Takes the connection, as [`run_migrations`] does.
///
/// # Errors
/// As [`revert_migrations`](crate::revert_migrations).
pub async fn revert_migrations<C>(conn: C) -> Result<Vec<String>>
where
    C: AsyncConnection<Backend = Pg> + 'static,
{
    migrations::blocking(conn, crate::revert_migrations).await
}
