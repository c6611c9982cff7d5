//! Stores the events of a file.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use crate::Call;
use crate::bulk::{Report, upsert_sensor_events};
use crate::error::Error;
use crate::models::NewSensorEvent;

const BATCH: usize = 5_000;

/// Stores events that were read from a file, each once by sensor and instant, in batches of 5,000: a file that is
/// stored already changes nothing.
///
/// # Errors
/// [`Error`], of the first row that cannot be read or stored: what came before it is stored, and after a correction
/// of the file the call can be made again. Rows of a file are counted from 1, those of a
/// [`BulkError`](crate::bulk::BulkError) from 0.
///
#[cfg_attr(feature = "csv", doc = "```")]
#[cfg_attr(not(feature = "csv"), doc = "```ignore")]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::export;
///
/// # fn main() { run(|conn| {
/// let file = "timestamp,room_id,sensor_id,sensor_type,state\n\
///             2026-01-05T09:00:00Z,office,office.light,light,320\n";
/// for expected in [1, 0] {
///     let rows = export::sensor_events_from_csv(file.as_bytes()).unwrap();
///     assert_eq!(export::import_sensor_events(rows).call(conn).unwrap().inserted, expected);
/// }
/// # Ok(()) }) }
/// ```
pub fn import_sensor_events<I>(rows: I) -> impl Call<Output = Report, Error = Error>
where
    I: IntoIterator<Item = Result<NewSensorEvent<'static>, Error>>,
    I::IntoIter: Send,
{
    Import { rows: rows.into_iter() }
}

#[must_use = "a call does nothing until it runs"]
struct Import<I> {
    rows: I,
}

impl<I> Call for Import<I>
where
    I: Iterator<Item = Result<NewSensorEvent<'static>, Error>> + Send,
{
    type Output = Report;
    type Error = Error;

    fn call<C>(self, conn: &mut C) -> Result<Report, Error>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        let mut failure = None;
        let rows = self.rows.map_while(|row| row.map_err(|error| failure = Some(error)).ok());
        let report = upsert_sensor_events(rows).in_batches(BATCH).call(conn);
        finish(report, failure)
    }

    #[cfg(feature = "async")]
    async fn call_async<C>(self, conn: &mut C) -> Result<Report, Error>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send,
    {
        let mut failure = None;
        let rows = self.rows.map_while(|row| row.map_err(|error| failure = Some(error)).ok());
        let report = upsert_sensor_events(rows).in_batches(BATCH).call_async(conn).await;
        finish(report, failure)
    }
}

fn finish<E: Into<Error>>(report: Result<Report, E>, failure: Option<Error>) -> Result<Report, Error> {
    let report = report.map_err(Into::into)?;
    failure.map_or(Ok(report), Err)
}
