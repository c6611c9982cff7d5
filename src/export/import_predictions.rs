//! Stores the predictions of a file.

use chrono::{DateTime, Utc};
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel_timescale::bulk::{self, OnDuplicate};
use diesel_timescale::call::run_ready;

use super::driver::{Blocking, Driver};
use super::imported_prediction::{Batch, truncate};
use super::prediction_fields::Given;
use super::predictions_to_import::{Found, PredictionsToImport};
use crate::Call;
use crate::bulk::{BulkError, Report};
use crate::error::Error;
use crate::models::Prediction;
use crate::schema::predictions;

const BATCH: usize = 5_000;

/// Stores predictions that were read from a file, with what came of them and what triggered them, each once, in batches
/// of 5,000: a file that is stored already changes nothing.
///
/// A prediction is stored already if there is one of the same room, `prediction_time`, `predicted_transition_time`,
/// `transition_type`, `model_type` and `model_version`. That one stays as it is, whatever else the file has: only an
/// outcome (if it has no `validation_timestamp`) and a triggering event that it lacks are taken from the file, and
/// count as [`updated`](Report::updated). So an import does not erase an outcome, also one that is recorded meanwhile.
/// The same holds for rows of one file that are equal in these columns: the first one counts, and the others are
/// `deduplicated`, or `unchanged` if they are in a later batch.
///
/// The triggering event is the one of the row's sensor and timestamp in this database; `triggering_event_id`, the `id`
/// and `created_at` are not stored. Events come first, by [`import_sensor_events`](super::import_sensor_events).
///
/// Imports at the same time take turns, batch by batch, and store each prediction once. Nobody else who reads or writes
/// predictions waits for them; `VACUUM` and `ANALYZE` do, and the other way round. (An application that inserts the
/// same prediction at the same time, otherwise than by an import, stores it a second time.) Runs under READ COMMITTED
/// only.
///
/// # Errors
/// [`Error`], of the first row that cannot be read or stored: what came before it is stored, and after a correction of
/// the file the call can be made again. [`Error::NoTriggeringEvent`] if the event of a prediction that is not stored
/// yet is not in this database, and [`Error::OnlyTriggeringEventId`] if the row has the id of an event alone, as files
/// have that were exported before they had `triggering_sensor_id` and `triggering_timestamp`. [`BulkError::Batch`] if a
/// batch has rows that the database would refuse, all of them; nothing of that batch is stored.
/// [`ReferenceError::IsolationTooHigh`](crate::timescale::ReferenceError::IsolationTooHigh) above READ COMMITTED.
///
#[cfg_attr(feature = "csv", doc = "```")]
#[cfg_attr(not(feature = "csv"), doc = "```ignore")]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::export;
///
/// # fn main() { run(|conn| {
/// let file = "room_id,prediction_time,predicted_transition_time,transition_type,confidence_score,model_type,model_version\n\
///             office,2026-01-05T09:00:00Z,2026-01-05T09:15:00Z,vacant_to_occupied,0.8,hmm,1\n";
/// for expected in [1, 0] {
///     let rows = export::predictions_from_csv(file.as_bytes()).unwrap();
///     assert_eq!(export::import_predictions(rows).call(conn).unwrap().inserted, expected);
/// }
/// # Ok(()) }) }
/// ```
pub fn import_predictions<I>(rows: I) -> impl Call<Output = Report, Error = Error>
where
    I: IntoIterator<Item = Result<(Prediction, Option<(String, DateTime<Utc>)>), Error>>,
    I::IntoIter: Send,
{
    Import { rows: rows.into_iter(), allows_missing_events: false, output: |report, _| report }
}

/// As [`import_predictions`], and where the triggering event of a prediction is not in this database, or the file has
/// no more of it than its id, the prediction is stored without one. Gives the number of those as well.
///
/// Once the events are there, importing the same file again adds them to the predictions.
///
/// # Errors
/// As [`import_predictions`], but for missing events.
pub fn import_predictions_allowing_missing_events<I>(rows: I) -> impl Call<Output = (Report, u64), Error = Error>
where
    I: IntoIterator<Item = Result<(Prediction, Option<(String, DateTime<Utc>)>), Error>>,
    I::IntoIter: Send,
{
    Import {
        rows: rows.into_iter(),
        allows_missing_events: true,
        output: |report, without_event| (report, without_event),
    }
}

#[must_use = "a call does nothing until it runs"]
struct Import<I, O> {
    rows: I,
    allows_missing_events: bool,
    output: fn(Report, u64) -> O,
}

impl<I, O> Call for Import<I, O>
where
    I: Iterator<Item = Result<Given, Error>> + Send,
{
    type Output = O;
    type Error = Error;

    fn call<C>(self, conn: &mut C) -> Result<O, Error>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        run_ready(self.import(Blocking(conn)))
    }

    #[cfg(feature = "async")]
    fn call_async<C>(self, conn: &mut C) -> impl Future<Output = Result<O, Error>> + Send
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send,
    {
        self.import(super::driver::Asynchronous(conn))
    }
}

impl<I, O> Import<I, O>
where
    I: Iterator<Item = Result<Given, Error>> + Send,
{
    async fn import<D: Driver>(mut self, mut driver: D) -> Result<O, Error> {
        let mut done = Report::default();
        let mut without_event = 0;
        let mut first_row = 0;
        loop {
            let (batch, failure) = self.next_batch();
            let count = batch.len();
            if count > 0 {
                driver.begin().await?;
                let stored = match store(&mut driver, batch, self.allows_missing_events, done, first_row).await {
                    Ok(stored) => stored,
                    Err(error) => {
                        // What went wrong first is what the caller wants to know.
                        let _ = driver.rollback().await;
                        return Err(error);
                    }
                };
                driver.commit().await?;
                if let Some(missing) = stored.missing {
                    return Err(missing);
                }
                done += stored.report;
                without_event += stored.without_event;
                first_row += count;
            }
            match failure {
                Some(error) => return Err(error),
                None if count < BATCH => return Ok((self.output)(done, without_event)),
                None => {}
            }
        }
    }

    /// The next rows, up to one that could not be read.
    fn next_batch(&mut self) -> (Vec<Given>, Option<Error>) {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.rows.next() {
                Some(Ok(row)) => batch.push(row),
                Some(Err(error)) => return (batch, Some(error)),
                None => break,
            }
        }
        (batch, None)
    }
}

/// What became of a batch.
struct Stored {
    report: Report,
    without_event: u64,
    /// Of the first row whose event is not here; the rows from it on are not stored.
    missing: Option<Error>,
}

/// Stores a batch, in a transaction: what was found stays so until it ends.
async fn store<D: Driver>(
    driver: &mut D,
    mut rows: Vec<Given>,
    allows_missing_events: bool,
    done: Report,
    first_row: usize,
) -> Result<Stored, Error> {
    rows.iter_mut().for_each(truncate);
    let found = driver.run(PredictionsToImport::new(&rows)).await?;
    let mut missing = rows.iter().zip(&found).enumerate().filter_map(|(at, (row, found))| {
        let number = (first_row + at) as u64 + 1;
        missing_event(number, row, found).map(|error| (at, error))
    });
    let (first_missing, without_event) = match allows_missing_events {
        true => (None, missing.count() as u64),
        false => (missing.next(), 0),
    };
    let missing = first_missing.map(|(at, error)| {
        rows.truncate(at);
        error
    });
    let outcome = (
        predictions::actual_transition_time,
        predictions::accuracy_minutes,
        predictions::is_accurate,
        predictions::validation_timestamp,
        predictions::triggering_event_id,
    );
    let Batch { rows, places, mut report } = Batch::new(rows, found);
    let upsert = bulk::upsert(rows)
        .on_conflict(predictions::id)
        .overriding_system_value()
        .order_by((predictions::triggering_event_id, predictions::id))
        .on_duplicate(OnDuplicate::KeepFirst)
        .update(outcome)
        .keep_if_null(outcome)
        .validate();
    report += driver.run(upsert).await.map_err(|error| of_batch(error, &places, done, first_row))?;
    Ok(Stored { report, without_event, missing })
}

/// That the event of a prediction that is not stored yet is not here.
fn missing_event(row: u64, (prediction, event): &Given, found: &Found) -> Option<Error> {
    match (event, prediction.triggering_event_id) {
        _ if found.is_stored || found.event_id.is_some() => None,
        (Some((sensor_id, timestamp)), _) => {
            Some(Error::NoTriggeringEvent { row, sensor_id: sensor_id.clone(), timestamp: *timestamp })
        }
        (None, Some(id)) => Some(Error::OnlyTriggeringEventId { row, id }),
        (None, None) => None,
    }
}

/// The error of a batch, with its rows counted as they were given, from the first one of all.
fn of_batch(mut error: BulkError, places: &[usize], done: Report, first_row: usize) -> Error {
    if let BulkError::InvalidRows(rows) = &mut error {
        rows.iter_mut().for_each(|row| row.row = first_row + places.get(row.row).copied().unwrap_or(row.row));
    }
    Error::Bulk(BulkError::Batch { done, first_row, source: Box::new(error) })
}
