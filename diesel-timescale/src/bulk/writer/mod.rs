//! A writer: takes rows one by one, and stores them in batches, however often the database is away.

mod backoff;
mod buffer;
mod clock;
mod confirmation;
mod error;
mod kind;
mod lane;
mod options;
mod owner;
mod shared;
mod site;
mod status;
mod suspects;
#[cfg(feature = "async")]
mod tasks;
mod threads;
mod trace;
mod wait;
mod work;

use std::time::Duration;

pub use confirmation::Confirmation;
pub use options::Sent;
pub use status::WriterStatus;
#[cfg(feature = "async")]
pub use tasks::Writer as AsyncWriter;
pub use threads::Writer;

pub(super) use trace::condition;

use super::settings::Settings;
use super::upsert::Upsert;
use super::work::Work;

/// How long `finish_within` waits for what has to come back after its time.
const GRACE: Duration = Duration::from_secs(1);

/// A writer for live data: takes rows one by one, from any number of senders, and upserts them in batches.
///
/// What an upsert is set to do ([`keep_if_null`](super::Upsert::keep_if_null), [`validate`](super::Upsert::validate), …)
/// each of its batches does. Then [`start`](super::Upsert::start) starts the writer on threads, `start_async` on tokio's
/// tasks: they are [`Writer`] and `asynchronous::Writer`, with the same methods. Rows have to be [`Clone`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
/// # fn main() { run_with_db(|db, _| {
/// # let url = db.url();
/// use std::time::Duration;
///
/// use diesel_timescale::bulk;
///
/// let writer = bulk::writer::<Reading>()
///     .on_conflict((readings::device_id, readings::measured_at))
///     .keep_if_null(readings::temperature)
///     .batch_of(1_000, Duration::from_millis(500))
///     .holding(50_000, 16 << 20)
///     .on_rejected(|row, error| eprintln!("{}: {error}", row.device_id))
///     .start(move || PgConnection::establish(url.as_str()))?;
/// writer.send(reading("attic", 1)).unwrap();
/// println!("{:?}", writer.status());
/// assert_eq!(writer.finish().unwrap().stored, 1);
/// # Ok(()) }) }
/// ```
///
/// # What is promised
/// - A row that was taken is stored, or comes back: [`on_rejected`](super::Upsert::on_rejected). It is not stored twice,
///   as the upsert makes repeats safe.
/// - Of the rows of one key, in the order in which they were taken, the last one is what is stored. That holds across
///   batches, connections and repeats: before a batch is written again whose connection was lost, what the server may
///   still be doing with it is waited for. (It is found by its locks, and only by the role that began it. An
///   upsert that waits in a proxy, and arrives after its connection has gone, is beyond that.)
/// - With [`OnDuplicate::KeepFirst`](super::OnDuplicate::KeepFirst), the first one counts within a batch; and which rows
///   are in one batch is by chance.
///
/// # What is tried again
/// Serialization failures, deadlocks, lock and statement timeouts, cancelled statements, chunks that were dropped
/// meanwhile, lost and refused connections, a server that starts, stops or has become read-only, too many connections, an
/// exhausted pool, a full disk, and too little memory or too few locks: with pauses of 20 ms to a second, for as long as
/// [`give_up_after`](super::Upsert::give_up_after) says. A batch that is too slow or too large is halved after three
/// tries. A wrong password or a database that does not exist is a connection that cannot be had:
/// [`WriterStatus::last_error`] shows it.
///
/// All other errors mean that a row cannot be stored. Diesel does not tell the SQLSTATE, so most conditions are recognised
/// by PostgreSQL's English messages: the role needs `lc_messages` of `C` or English. Where they are in another language,
/// what is not recognised is tried again for a minute, in halves, before a row is rejected.
pub fn writer<R>() -> Upsert<Sent<R>, ()> {
    Upsert(Work::new(Sent { options: options::Options::default() }, Settings::default()))
}
