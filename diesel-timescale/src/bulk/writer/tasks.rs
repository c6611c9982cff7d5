//! A writer on tokio's tasks.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use diesel::Insertable;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;
use diesel_async::{AsyncConnection, TransactionManager};
use tokio::time::{Instant, timeout, timeout_at};

use super::GRACE;
use super::buffer::Phase;
use super::clock::Clock;
use super::confirmation::Confirmation;
use super::kind::Kind;
use super::options::Sent;
use super::owner::Owner;
use super::shared::Shared;
use super::site::Site;
use super::status::WriterStatus;
use super::work::Worker;
use crate::bulk::driver::Asynchronous;
use crate::bulk::error::BulkError;
use crate::bulk::upsert::Upsert;
use crate::bulk::values::Values;

/// Writes the rows that it is sent, on tasks of its own: see [`bulk::writer`](crate::bulk::writer).
///
/// Shared by reference (or in an `Arc`) between all who send. Dropped without [`finish`](Self::finish), it writes no more
/// than the batch that is being written: the rows that wait go to `on_rejected`, or, without that, are lost; debug builds
/// warn of it on standard error.
#[derive(Debug)]
pub struct Writer<R>(Owner<R>);

impl<R: Clone + Send> Writer<R> {
    /// Takes a row; waits for room while the writer is full, and does not wait until the row is stored.
    ///
    /// Senders get room in the order in which they have come. Dropping the future before it is ready takes nothing: the
    /// row is dropped with it.
    ///
    /// # Errors
    /// [`BulkError::WriterClosed`].
    pub async fn send(&self, row: R) -> Result<(), BulkError> {
        self.0.0.send(row).await
    }

    /// Takes a row as [`send`](Self::send) does, and gives what resolves when it is committed: to acknowledge a message
    /// no sooner.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # #[tokio::main]
    /// # async fn main() {
    /// # let (db, conn) = database::TestDb::with(TABLE);
    /// # drop(conn);
    /// # let url = db.url_for_child().to_string();
    /// use diesel_async::{AsyncConnection, AsyncPgConnection};
    /// use diesel_timescale::bulk;
    ///
    /// let writer = bulk::writer::<Reading>()
    ///     .on_conflict((readings::device_id, readings::measured_at))
    ///     .start_async(async move || AsyncPgConnection::establish(&url).await)
    ///     .unwrap();
    /// let confirmation = writer.send_and_confirm(reading("attic", 1)).await.unwrap();
    /// // It goes with the rows of the next 200 ms.
    /// confirmation.await.unwrap();
    /// writer.finish().await.unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`BulkError::WriterClosed`].
    pub async fn send_and_confirm(&self, row: R) -> Result<Confirmation, BulkError> {
        self.0.0.send_and_confirm(row).await
    }
}

impl<R: Send> Writer<R> {
    /// Writes all rows that were taken, and takes no more; waits for as long as that takes. A second call gives the same,
    /// also when the first one was dropped.
    ///
    /// # Errors
    /// [`BulkError::Rejected`] with the error of the first row that was rejected, if there is no `on_rejected`;
    /// [`BulkError::WriterClosed`], if a task of the writer has panicked, or its runtime has ended.
    pub async fn finish(&self) -> Result<WriterStatus, BulkError> {
        self.0.0.finish().await
    }

    /// As [`finish`](Self::finish); rows that are not stored after this time are rejected with
    /// [`BulkError::NotInTime`].
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub async fn finish_within(&self, limit: Duration) -> Result<WriterStatus, BulkError> {
        let shared = &self.0.0;
        if let Ok(result) = timeout(limit, shared.finish()).await {
            return result;
        }
        shared.enter(Phase::GivingUp);
        timeout(GRACE, shared.finish()).await.unwrap_or_else(|_| Ok(shared.status()))
    }

    /// What it has done, and what it has yet to do.
    pub fn status(&self) -> WriterStatus {
        self.0.0.status()
    }
}

impl<R, Tab> Upsert<Sent<R>, Tab>
where
    R: Insertable<Tab, Values: Values<Tab>> + Clone + Send + 'static,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Starts the writer on tasks of the tokio runtime that this is called in, one for each connection.
    ///
    /// `connect` gives a connection for each batch, from any pool of diesel-async or from none; it is cloned for each. A
    /// connection that was lost, or that leads to a server which has become read-only, is not given back to its pool.
    ///
    /// | pool | `connect` |
    /// |---|---|
    /// | bb8 | `async move \|\| pool.get_owned().await` |
    /// | deadpool, mobc | `async move \|\| pool.get().await` |
    ///
    /// While the server is away, bb8 asks for it again after up to half of its `connection_timeout`: a second or two is
    /// a good one.
    ///
    /// The server may be away: then the rows wait.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # #[tokio::main]
    /// # async fn main() {
    /// # let (db, conn) = database::TestDb::with(TABLE);
    /// # drop(conn);
    /// # let url = db.url_for_child().to_string();
    /// use diesel_async::AsyncPgConnection;
    /// use diesel_async::pooled_connection::AsyncDieselConnectionManager;
    /// use diesel_async::pooled_connection::deadpool::Pool;
    /// use diesel_timescale::bulk;
    ///
    /// let pool = Pool::builder(AsyncDieselConnectionManager::<AsyncPgConnection>::new(url)).build().unwrap();
    /// let writer = bulk::writer::<Reading>()
    ///     .on_conflict((readings::device_id, readings::measured_at))
    ///     .connections(2)
    ///     .on_rejected(|row, error| eprintln!("{}: {error}", row.device_id))
    ///     .start_async(async move || pool.get().await)
    ///     .unwrap();
    /// for minute in 0..1000 {
    ///     writer.send(reading("attic", minute)).await.unwrap();
    /// }
    /// assert_eq!(writer.finish().await.unwrap().stored, 1000);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`BulkError::Start`] outside of a runtime of tokio.
    pub fn start_async<C, E, F, Fut>(self, connect: F) -> Result<Writer<R>, BulkError>
    where
        F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send + 'static,
        C: AsyncConnection<Backend = Pg> + 'static,
        E: Display + Send,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| BulkError::Start(error.into()))?;
        let (options, kind) = Kind::of(self.0)?;
        let start = Instant::now();
        let connections = options.connections;
        let site = Arc::new(Tasks { start, connect });
        let shared = Arc::new(Shared::new(kind, options, Clock::Tokio(start)));
        for lane in 0..connections {
            let worker = Worker { site: Arc::clone(&site), shared: Arc::clone(&shared), lane };
            runtime.spawn(worker.run());
        }
        Ok(Writer(Owner(shared)))
    }
}

struct Tasks<F> {
    start: Instant,
    connect: F,
}

impl<C, E, F, Fut> Site for Tasks<F>
where
    F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<C, E>> + Send + 'static,
    C: AsyncConnection<Backend = Pg> + 'static,
    E: Display + Send,
{
    type Conn = C;
    type Driver<'conn> = Asynchronous<'conn, C>;

    async fn connection(&self) -> Result<C, String> {
        self.connect.clone()().await.map_err(|error| error.to_string())
    }

    fn driver(conn: &mut C) -> Asynchronous<'_, C> {
        Asynchronous(conn)
    }

    fn discard(mut conn: C) {
        C::TransactionManager::transaction_manager_status_mut(&mut conn).set_in_error();
    }

    async fn until<T>(&self, moment: Option<Duration>, future: T) -> Option<T::Output>
    where
        T: Future<Output: Send> + Send,
    {
        match moment.and_then(|moment| self.start.checked_add(moment)) {
            Some(moment) => timeout_at(moment, future).await.ok(),
            None => Some(future.await),
        }
    }

    async fn unless<T, S>(&self, stopped: S, work: T) -> Option<T::Output>
    where
        T: Future<Output: Send> + Send,
        S: Future<Output = ()> + Send,
    {
        let (mut stopped, mut work) = (pin!(stopped), pin!(work));
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => stopped.as_mut().poll(context).map(|()| None),
        })
        .await
    }
}
