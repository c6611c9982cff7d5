//! Retention: drops old events and clears the references to them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::data_types::PgInterval;
use diesel::sql_types::{Bool, Integer, Interval, Timestamptz};
use diesel_timescale::call::value;
use diesel_timescale::references::{DropBefore, drop_before};
use diesel_timescale::{Call, function_call, interval};

use crate::error::Error;
use crate::schema::sensor_events;

/// Drops the chunks that end by `cutoff` and clears every reference to their events, in one transaction.
///
/// A chunk that `cutoff` falls into stays whole. On a plain table the rows before `cutoff` are deleted. References
/// become `NULL`; the predictions stay. A plain `drop_chunks`, or the server's own retention policy, would leave
/// references to events that are gone: [`verify`](crate::verify()) finds both.
///
/// Chunks that others read or write cannot be dropped. Waiting for them would hold up every read that does not leave
/// these chunks out, so the call does all in a moment or nothing: an attempt that waits for more than a fraction of a
/// second gives back what it has locked, and another one follows, until
/// [`lock_timeout`](DropBefore::lock_timeout). Runs under READ COMMITTED only; best in a transaction of its
/// own, since whatever the transaction did before stays locked while the call waits.
///
/// # Errors
/// [`ReferenceError::IsolationTooHigh`](crate::timescale::ReferenceError::IsolationTooHigh) above READ COMMITTED;
/// [`ReferenceError::RowSecurity`](crate::timescale::ReferenceError::RowSecurity) where a policy hides events from the caller;
/// [`ReferenceError::StillReferenced`](crate::timescale::ReferenceError::StillReferenced) if a foreign key without
/// `SET NULL` or `CASCADE` references such an event;
/// [`ReferenceError::LockTimeout`](crate::timescale::ReferenceError::LockTimeout), which is
/// [transient](crate::transaction::Transient), if long transactions held locks all the time. Nothing has changed then.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let report = drop_sensor_events_before(Utc::now() - TimeDelta::days(730)).call(conn)?;
/// assert_eq!((report.chunks_dropped, report.rows_deleted), (0, 0));
/// # Ok(()) }) }
/// ```
pub fn drop_sensor_events_before(cutoff: DateTime<Utc>) -> DropBefore<Timestamptz> {
    drop_before(sensor_events::timestamp, cutoff)
}

/// Drops sensor events in the background once they are this old, every `schedule`, and gives the job.
///
/// The job is this crate's own: like [`drop_sensor_events_before`](crate::drop_sensor_events_before), it clears the
/// references in the same transaction. Takes the place of such a job that is there. Where the edition has no jobs, call
/// [`drop_sensor_events_before`](crate::drop_sensor_events_before) now and then.
///
/// A run for which long transactions leave no moment within 30 seconds fails and changes nothing. The server counts it
/// as failed (`total_failures` in `timescaledb_information.job_stats`) and runs the job again after its retry period.
///
/// # Errors
/// [`timescale::Error::Unsupported`](crate::timescale::Error::Unsupported) in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::RetentionInterval`](crate::timescale::ReferenceError::RetentionInterval) if nothing would be kept.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::timescale::{Feature, Server, run_job};
/// use occupancy_models::{add_sensor_events_retention, remove_sensor_events_retention};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_sensor_events_retention(TimeDelta::days(730), TimeDelta::days(1)).call(conn)?;
/// // At once, rather than when it is due.
/// run_job(job).call(conn)?;
/// assert!(remove_sensor_events_retention().call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_sensor_events_retention(
    drop_after: TimeDelta,
    schedule: TimeDelta,
) -> impl Call<Output = i32, Error = Error> + Clone {
    AddSensorEventsRetention { drop_after: interval(drop_after), schedule: interval(schedule) }
}

function_call! {
    /// The call that [`add_sensor_events_retention`] makes.
    AddSensorEventsRetention { drop_after: PgInterval = Interval, schedule: PgInterval = Interval },
    "SELECT add_sensor_events_retention(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
    error Error,
}

/// Removes the retention job of sensor events. Gives `false` if there is none.
///
/// # Errors
/// [`timescale::Error::Unsupported`](crate::timescale::Error::Unsupported) in the Apache edition and without TimescaleDB. For an example see [`add_sensor_events_retention`].
pub fn remove_sensor_events_retention() -> impl Call<Output = bool, Error = Error> + Clone {
    RemoveSensorEventsRetention {}
}

function_call! {
    /// The call that [`remove_sensor_events_retention`] makes.
    RemoveSensorEventsRetention {},
    "SELECT remove_sensor_events_retention(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Jobs,
    error Error,
}
