//! Many rows, batch by batch.

use std::fmt;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use super::check::{InvalidRow, Problem};
use super::repeats::Repeats;
use super::upsert::{UpsertReport, upsert_events};
use crate::Call;
use crate::error::{Error, Result};
use crate::models::NewSensorEvent;

/// Writes any number of rows in batches of one size: no more than one batch is in memory.
///
/// Each batch is atomic by itself. If one fails, it leaves nothing, those before it stay, and the
/// [error](BatchError) says how far it went. For all or nothing, put the whole run into a transaction; two such
/// transactions with the same rows in different batches can deadlock, which [`Retry`](crate::transaction::Retry) resolves.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::bulk::Batches;
///
/// # fn main() { run(|conn| {
/// let start = Utc::now();
/// let readings = (0..12_000).map(|n| {
///     NewSensorEvent::new(start + TimeDelta::seconds(n), "office", "office.co2", "co2", n.to_string())
/// });
/// let report = Batches::of(5_000)
///     .with_progress(|done| println!("{} rows", done.rows()))
///     .upsert_events(conn, readings)?;
/// assert_eq!(report.inserted, 12_000);
/// # Ok(()) }) }
/// ```
#[must_use = "does nothing until it is given rows"]
pub struct Batches<'p> {
    size: usize,
    repeats: Repeats,
    progress: Option<Progress<'p>>,
    done: UpsertReport,
    /// The rows of the batches that are stored.
    stored: usize,
}

type Progress<'p> = Box<dyn FnMut(&UpsertReport) + Send + 'p>;

/// A batch that failed. It has left nothing, and the batches before it stay.
///
/// The rows from `first_row` on are what there is left to do.
#[derive(Debug, thiserror::Error)]
#[error("the batch from row {first_row} on: {source}")]
#[non_exhaustive]
pub struct BatchError {
    /// What the batches before did.
    pub done: UpsertReport,
    /// The index of the first row of the batch in all that was given, from 0.
    pub first_row: usize,
    /// What went wrong. A row that it names is an index in all that was given, too.
    pub source: Box<Error>,
}

impl<'p> Batches<'p> {
    /// Batches of this many rows, at least one; about 5,000 do well.
    pub fn of(size: usize) -> Self {
        Self {
            size: size.max(1),
            repeats: Repeats::default(),
            progress: None,
            done: UpsertReport::default(),
            stored: 0,
        }
    }

    /// Calls this after each batch, with what was done so far.
    pub fn with_progress(mut self, progress: impl FnMut(&UpsertReport) + Send + 'p) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// What to do with repeats inside one batch; default: the last one wins. A repeat in a later batch is an
    /// update of what the earlier one stored.
    pub fn repeats(mut self, repeats: Repeats) -> Self {
        self.repeats = repeats;
        self
    }

    /// [Upserts](super::upsert_events) the rows by sensor and instant.
    ///
    /// # Errors
    /// [`BatchError`], with what [`upsert_events`](super::upsert_events) fails with.
    pub fn upsert_events<'a, C>(
        self,
        conn: &mut C,
        rows: impl IntoIterator<Item = NewSensorEvent<'a>>,
    ) -> Result<UpsertReport, BatchError>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        let repeats = self.repeats;
        self.run(rows, |batch| upsert_events(batch, repeats)?.call(conn))
    }

    /// [Inserts](super::insert_events) the rows through COPY. What is done counts as inserted; rows are not looked
    /// at for repeats.
    ///
    /// # Errors
    /// [`BatchError`], with what [`insert_events`](super::insert_events) fails with.
    ///
    /// ```
    /// # include!("../doctest_setup.rs");
    /// use occupancy_models::bulk::Batches;
    ///
    /// # fn main() { run(|conn| {
    /// # if !support::has(support::Needs::Copy) { return Ok(()); }
    /// let at = Utc::now();
    /// let sensors = (0..30).map(|n| NewSensorEvent::new(at, "office", format!("office.{n}"), SensorType::MOTION, "off"));
    /// assert_eq!(Batches::of(20).insert_events(conn, sensors)?.inserted, 30);
    /// # Ok(()) }) }
    /// ```
    #[cfg(feature = "sync")]
    pub fn insert_events<'a>(
        self,
        conn: &mut diesel::pg::PgConnection,
        rows: impl IntoIterator<Item = NewSensorEvent<'a>>,
    ) -> Result<UpsertReport, BatchError> {
        self.run(rows, |batch| {
            let rows = super::insert_events(batch)?.execute(conn)?;
            Ok(UpsertReport { inserted: i64::try_from(rows).unwrap_or(i64::MAX), ..UpsertReport::default() })
        })
    }

    /// [Upserts](super::upsert_events) the rows of a stream by sensor and instant, on an asynchronous connection.
    ///
    /// The stream is asked for the rows of the next batch when the one before is stored.
    ///
    /// # Errors
    /// [`BatchError`], with what [`upsert_events`](super::upsert_events) fails with.
    ///
    /// ```
    /// # include!("../doctest_setup.rs");
    /// use occupancy_models::bulk::Batches;
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// # let (_db, conn) = support::TestDb::ready();
    /// # drop(conn);
    /// # let mut conn = _db.connect_async().await;
    /// # let at = Utc::now();
    /// # let reading = move |n| NewSensorEvent::new(at, "office", format!("office.{n}"), SensorType::MOTION, "off");
    /// // Any stream will do.
    /// let readings = futures_util::stream::iter((0..30).map(reading));
    /// let report = Batches::of(20).upsert_stream(&mut conn, readings).await.unwrap();
    /// assert_eq!(report.inserted, 30);
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn upsert_stream<'a, C>(
        mut self,
        conn: &mut C,
        rows: impl futures_core::Stream<Item = NewSensorEvent<'a>> + Send,
    ) -> Result<UpsertReport, BatchError>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
    {
        let mut rows = std::pin::pin!(rows);
        let mut batch = Vec::new();
        loop {
            let row = std::future::poll_fn(|context| rows.as_mut().poll_next(context)).await;
            let is_last = row.is_none();
            batch.extend(row);
            if batch.len() == self.size || is_last && !batch.is_empty() {
                let result = match upsert_events(&batch, self.repeats) {
                    Ok(call) => crate::asynchronous::Call::call(call, conn).await,
                    Err(error) => Err(error),
                };
                self.settle(batch.len(), result)?;
                batch.clear();
            }
            if is_last {
                return Ok(self.done);
            }
        }
    }

    fn run<'a>(
        mut self,
        rows: impl IntoIterator<Item = NewSensorEvent<'a>>,
        mut store: impl FnMut(&[NewSensorEvent<'a>]) -> Result<UpsertReport>,
    ) -> Result<UpsertReport, BatchError> {
        let mut rows = rows.into_iter();
        let mut batch = Vec::new();
        loop {
            batch.extend(rows.by_ref().take(self.size));
            if batch.is_empty() {
                return Ok(self.done);
            }
            let result = store(&batch);
            self.settle(batch.len(), result)?;
            batch.clear();
        }
    }

    /// Adds up what a batch did, or says how far the run went.
    fn settle(&mut self, rows: usize, result: Result<UpsertReport>) -> Result<(), BatchError> {
        match result {
            Ok(report) => self.done += report,
            Err(source) => {
                let (done, first_row) = (std::mem::take(&mut self.done), self.stored);
                return Err(BatchError { done, first_row, source: Box::new(shifted(source, first_row)) });
            }
        }
        self.stored += rows;
        if let Some(progress) = &mut self.progress {
            progress(&self.done);
        }
        Ok(())
    }
}

/// The error of a batch, with its rows counted from the first row of all.
fn shifted(error: Error, first_row: usize) -> Error {
    match error {
        Error::InvalidRow(InvalidRow { row, field, problem }) => {
            let problem = match problem {
                Problem::Repeats(other) => Problem::Repeats(other + first_row),
                problem => problem,
            };
            Error::InvalidRow(InvalidRow { row: row + first_row, field, problem })
        }
        error => error,
    }
}

impl fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("size", &self.size).field("repeats", &self.repeats).finish_non_exhaustive()
    }
}
