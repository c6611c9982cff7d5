//! Retries transactions on diesel-async connections.

use diesel::QueryResult;
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, TransactionManager};

use crate::transaction::{Retry, Transient};

impl Retry {
    /// Runs `work` in a transaction, again for as long as the error is transient and attempts are left; the
    /// asynchronous [`transaction`](Self::transaction).
    ///
    /// Inside a transaction it runs once. Dropping the future leaves the connection in a transaction: a pool throws it
    /// away.
    ///
    /// # Errors
    /// The last error of `work` or of the commit.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::asynchronous::Call;
    /// use diesel_timescale::transaction::Retry;
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// # let (_db, conn) = support::TestDb::installed();
    /// # drop(conn);
    /// # let mut conn = _db.connect_async().await;
    /// # { use diesel_async::SimpleAsyncConnection; conn.batch_execute("CREATE TABLE readings (time TIMESTAMPTZ)").await.unwrap(); }
    /// let report = Retry::default()
    ///     .transaction_async(&mut conn, async |conn| hypertable(readings::time).allow_plain_table().call(conn).await)
    ///     .await
    ///     .unwrap();
    /// println!("{report}");
    /// # }
    /// ```
    #[expect(clippy::manual_async_fn, reason = "callers cannot prove that an `async fn` on any connection is Send")]
    pub fn transaction_async<'conn, 'work, C, T, E, F>(
        self,
        conn: &'conn mut C,
        work: F,
    ) -> impl Future<Output = Result<T, E>> + Send + 'conn
    where
        C: AsyncConnection,
        T: Send + 'work,
        E: From<DieselError> + Transient + Send + 'work,
        for<'c> F: AsyncFnOnce(&'c mut C) -> Result<T, E> + Attempt<&'c mut C, Result<T, E>> + Clone + Send + 'work,
        'work: 'conn,
    {
        async move {
            let is_nested = is_nested(conn)?;
            let mut attempt = 1;
            loop {
                let result = conn.transaction(work.clone()).await;
                if !matches!(&result, Err(error) if self.is_worth_another(error, is_nested, attempt)) {
                    return result;
                }
                tokio::time::sleep(self.told_pause_after(attempt)).await;
                attempt += 1;
            }
        }
    }

    /// Runs `work`, which opens its own transaction (such as a serializable one), again for as long as the error is
    /// transient and attempts are left; the asynchronous [`run`](Self::run).
    ///
    /// Inside a transaction it runs once. Waits by tokio's clock.
    ///
    /// # Errors
    /// The last error of `work`.
    #[expect(clippy::manual_async_fn, reason = "callers cannot prove that an `async fn` on any connection is Send")]
    pub fn run_async<'conn, 'work, C, T, E, F>(
        self,
        conn: &'conn mut C,
        work: F,
    ) -> impl Future<Output = Result<T, E>> + Send + 'conn
    where
        C: AsyncConnection,
        T: Send + 'work,
        E: From<DieselError> + Transient + Send + 'work,
        for<'c> F: AsyncFnOnce(&'c mut C) -> Result<T, E> + Attempt<&'c mut C, Result<T, E>> + Clone + Send + 'work,
        'work: 'conn,
    {
        async move {
            let is_nested = is_nested(conn)?;
            let mut attempt = 1;
            loop {
                let result = work.clone()(conn).await;
                if !matches!(&result, Err(error) if self.is_worth_another(error, is_nested, attempt)) {
                    return result;
                }
                tokio::time::sleep(self.told_pause_after(attempt)).await;
                attempt += 1;
            }
        }
    }
}

fn is_nested<C: AsyncConnection>(conn: &mut C) -> QueryResult<bool> {
    Ok(C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?.is_some())
}

/// What [`Retry`] can run several times: an async closure on a connection, whose future can go from thread to thread.
///
/// Every such closure is one; there is nothing to implement. A closure that owns what it uses (`async move`) is cloned
/// for each attempt.
pub(crate) trait Attempt<Conn, R>: AsyncFnOnce(Conn) -> R + FnOnce(Conn) -> Self::Running {
    /// The closure's future.
    type Running: Future<Output = R> + Send;
}

impl<Conn, R, F, Running> Attempt<Conn, R> for F
where
    F: AsyncFnOnce(Conn) -> R + FnOnce(Conn) -> Running,
    Running: Future<Output = R> + Send,
{
    type Running = Running;
}
