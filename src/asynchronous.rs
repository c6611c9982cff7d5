//! The same calls on diesel-async connections, under the same names.
//!
//! | sync | async |
//! |---|---|
//! | [`Call::call`](crate::Call::call) | [`Call::call`] |
//! | `diesel::RunQueryDsl` | `diesel_async::RunQueryDsl` |
//!
//! Import [`asynchronous::Call`](Call) instead of [`occupancy_models::Call`](crate::Call). The values that are called
//! are the same, so nothing else changes.

use diesel::pg::Pg;
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncConnectionCore, RunQueryDsl};

use crate::error::Result;

/// Runs a [call](crate::Call) on an asynchronous connection.
///
/// ```
/// # include!("doctest_setup.rs");
/// use occupancy_models::asynchronous::Call;
///
/// # #[tokio::main]
/// # async fn main() {
/// # let (_db, conn) = support::TestDb::ready();
/// # drop(conn);
/// # let mut conn = _db.connect_async().await;
/// let faults = occupancy_models::verify().plain_table_will_do(true).call(&mut conn).await.unwrap();
/// assert!(faults.is_empty());
/// # }
/// ```
pub trait Call: crate::Call {
    /// Runs the call.
    ///
    /// Dropping the future before it is done leaves the connection as diesel-async leaves it: do not use it again.
    ///
    /// # Errors
    /// As [`occupancy_models::Call::call`](crate::Call::call).
    fn call<'query, C>(self, conn: &mut C) -> impl Future<Output = Result<Self::Output>> + Send
    where
        C: AsyncConnectionCore<Backend = Pg> + Send,
        Self: LoadQuery<'query, C, Self::Row> + Send + 'query,
        Self::Row: Send,
    {
        async move { Self::output(self.load(conn).await?) }
    }
}

impl<T: crate::Call> Call for T {}
