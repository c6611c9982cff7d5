//! The same calls on diesel-async connections.
//!
//! | sync | async |
//! |---|---|
//! | [`Call::call`](crate::Call::call) | [`Call::call`] |
//! | [`migrations`](crate::migrations) | [`migrations`] |
//! | [`Retry::transaction`] | [`Retry::transaction_async`] |
//! | [`Retry::run`] | [`Retry::run_async`] |
//! | [`bulk::Writer`](crate::bulk::Writer) | [`Writer`] |
//! | `diesel::RunQueryDsl` | `diesel_async::RunQueryDsl` |
//!
//! Import [`asynchronous::Call`](Call) instead of [`diesel_timescale::Call`](crate::Call). The values that are called
//! are the same, so nothing else changes. Connections from a pool (bb8, deadpool, mobc) do as they are:
//! `.call(&mut conn)`.

pub mod migrations;
mod transaction;

/// What code on diesel-async imports, beside `diesel::prelude` and `diesel_async::RunQueryDsl`;
/// [`diesel_timescale::prelude`](crate::prelude) otherwise.
pub mod prelude {
    pub use super::Call;
    pub use crate::feature::Feature;
    pub use crate::hypertable::hypertable;
    pub use crate::server::Server;
    pub use crate::transaction::{Retry, Transient};
}

use diesel::pg::Pg;
use diesel_async::AsyncConnection;

#[doc(inline)]
pub use crate::bulk::AsyncWriter as Writer;
#[allow(unused_imports, reason = "for the documentation")]
use crate::transaction::Retry;

/// Runs a [call](crate::Call) on an asynchronous connection.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::asynchronous::Call;
///
/// # #[tokio::main]
/// # async fn main() {
/// # let (_db, conn) = support::TestDb::installed();
/// # drop(conn);
/// # let mut conn = _db.connect_async().await;
/// let server = diesel_timescale::Server::query().call(&mut conn).await.unwrap();
/// println!("{server}");
/// # }
/// ```
pub trait Call: crate::Call + Send {
    /// Runs the call.
    ///
    /// Dropping the future before it is done leaves the connection as diesel-async leaves it: do not use it again.
    ///
    /// # Errors
    /// As [`diesel_timescale::Call::call`](crate::Call::call).
    fn call<C>(self, conn: &mut C) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send
    where
        C: AsyncConnection<Backend = Pg>,
    {
        self.call_async(conn)
    }
}

impl<T: crate::Call + Send> Call for T {}
