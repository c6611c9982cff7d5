//! A writer on threads.

use std::fmt::Display;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::Insertable;
use diesel::connection::{LoadConnection, TransactionManager};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

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
use super::wait::{block_on, block_on_until};
use super::work::Worker;
use crate::bulk::driver::Blocking;
use crate::bulk::error::BulkError;
use crate::bulk::upsert::Upsert;
use crate::bulk::values::Values;

/// Writes the rows that it is sent, on threads of its own: see [`writer`](super::writer).
///
/// Shared by reference (or in an `Arc`) between all who send. Dropped without [`finish`](Self::finish), it writes no more
/// than the batch that is being written: the rows that wait go to `on_rejected`, or, without that, are lost; debug builds
/// warn of it on standard error.
#[derive(Debug)]
pub struct Writer<R>(Owner<R>);

impl<R: Clone> Writer<R> {
    /// Takes a row; waits for room while the writer is full, and does not wait until the row is stored.
    ///
    /// # Errors
    /// [`BulkError::WriterClosed`].
    pub fn send(&self, row: R) -> Result<(), BulkError> {
        block_on(self.0.0.send(row))
    }

    /// Takes a row as [`send`](Self::send) does, and gives what tells when it is committed.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run_with_db(|db, conn| {
    /// # let url = db.url_for_child();
    /// use diesel_timescale::bulk;
    ///
    /// let writer = bulk::writer::<Reading>()
    ///     .on_conflict((readings::device_id, readings::measured_at))
    ///     .start(move || PgConnection::establish(url.as_str()))?;
    /// let confirmation = writer.send_and_confirm(reading("attic", 1)).unwrap();
    /// // It goes with the rows of the next 200 ms.
    /// confirmation.wait().unwrap();
    /// assert_eq!(readings::table.count().get_result::<i64>(conn)?, 1);
    /// writer.finish().unwrap();
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`BulkError::WriterClosed`].
    pub fn send_and_confirm(&self, row: R) -> Result<Confirmation, BulkError> {
        block_on(self.0.0.send_and_confirm(row))
    }
}

impl<R> Writer<R> {
    /// Writes all rows that were taken, and takes no more; waits for as long as that takes. A second call gives the same.
    ///
    /// # Errors
    /// [`BulkError::Rejected`] with the error of the first row that was rejected, if there is no `on_rejected`;
    /// [`BulkError::WriterClosed`], if a thread of the writer has panicked.
    pub fn finish(&self) -> Result<WriterStatus, BulkError> {
        block_on(self.0.0.finish())
    }

    /// As [`finish`](Self::finish); rows that are not stored after this time are rejected with
    /// [`BulkError::NotInTime`].
    ///
    /// A thread that waits for an answer of the server cannot be stopped: rows that are still being written a second
    /// after the time are those that [`waiting`](WriterStatus::waiting) counts.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_within(&self, limit: Duration) -> Result<WriterStatus, BulkError> {
        let shared = &self.0.0;
        if let Some(result) = block_on_until(Instant::now().checked_add(limit), shared.finish()) {
            return result;
        }
        shared.enter(Phase::GivingUp);
        let result = block_on_until(Instant::now().checked_add(GRACE), shared.finish());
        result.unwrap_or_else(|| Ok(shared.status()))
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
    /// Starts the writer on threads, one for each connection. On diesel-async: `start_async`.
    ///
    /// `connect` gives a connection for each batch; a connection that was lost, or that leads to a server which has become
    /// read-only, is not given back to its pool. With r2d2 it is `move || pool.get()`, on a pool with a
    /// `connection_timeout` of a second or two: while the server is away, a pool asks for it again after up to half of
    /// that time.
    ///
    /// The server may be away: then the rows wait.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run_with_db(|db, _| {
    /// # let url = db.url_for_child();
    /// use std::time::Duration;
    ///
    /// use diesel::r2d2::{ConnectionManager, Pool};
    /// use diesel_timescale::bulk;
    ///
    /// let pool = Pool::builder()
    ///     .connection_timeout(Duration::from_secs(2))
    ///     .build_unchecked(ConnectionManager::<PgConnection>::new(url));
    /// let writer = bulk::writer::<Reading>()
    ///     .on_conflict((readings::device_id, readings::measured_at))
    ///     .connections(2)
    ///     .on_rejected(|row, error| eprintln!("{}: {error}", row.device_id))
    ///     .start(move || pool.get())?;
    /// for minute in 0..1000 {
    ///     writer.send(reading("attic", minute)).unwrap();
    /// }
    /// assert_eq!(writer.finish().unwrap().stored, 1000);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`BulkError::Start`], if no thread can be started.
    pub fn start<C, E, F>(self, connect: F) -> Result<Writer<R>, BulkError>
    where
        F: Fn() -> Result<C, E> + Send + Sync + 'static,
        C: LoadConnection<Backend = Pg> + 'static,
        E: Display,
    {
        let (options, kind) = Kind::of(self.0)?;
        let start = Instant::now();
        let connections = options.connections;
        let site = Arc::new(Threads { start, connect });
        let shared = Arc::new(Shared::new(kind, options, Clock::Threads(start)));
        let owner = Owner(Arc::clone(&shared));
        for lane in 0..connections {
            let worker = Worker { site: Arc::clone(&site), shared: Arc::clone(&shared), lane };
            let thread = thread::Builder::new().name(format!("writer {lane}"));
            thread.spawn(move || block_on(worker.run())).map_err(|error| BulkError::Start(error.into()))?;
        }
        Ok(Writer(owner))
    }
}

struct Threads<F> {
    start: Instant,
    connect: F,
}

impl<C, E, F> Site for Threads<F>
where
    F: Fn() -> Result<C, E> + Send + Sync + 'static,
    C: LoadConnection<Backend = Pg> + 'static,
    E: Display,
{
    type Conn = C;
    type Driver<'conn> = Blocking<'conn, C>;

    async fn connection(&self) -> Result<C, String> {
        (self.connect)().map_err(|error| error.to_string())
    }

    fn driver(conn: &mut C) -> Blocking<'_, C> {
        Blocking(conn)
    }

    fn discard(mut conn: C) {
        C::TransactionManager::transaction_manager_status_mut(&mut conn).set_in_error();
    }

    async fn until<T>(&self, moment: Option<Duration>, future: T) -> Option<T::Output>
    where
        T: Future<Output: Send> + Send,
    {
        block_on_until(moment.and_then(|moment| self.start.checked_add(moment)), future)
    }

    async fn unless<T, S>(&self, _: S, work: T) -> Option<T::Output>
    where
        T: Future<Output: Send> + Send,
        S: Future<Output = ()> + Send,
    {
        Some(work.await)
    }
}
