//! Retention in the background: reference-safe for sensor events, the server's own for other hypertables.

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Integer, Interval};

use super::chunk::interval;
use super::feature::{Feature, Unsupported};
use super::server::Server;
use crate::call::{Relation, function_call, relation_name, value};

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
/// [`Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::RetentionInterval`](crate::ReferenceError::RetentionInterval) if nothing would be kept.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::timescale::{
///     Feature, OutsideTransaction, Server, add_sensor_events_retention, remove_sensor_events_retention, run_job,
/// };
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_sensor_events_retention(TimeDelta::days(730), TimeDelta::days(1), &server)?.call(conn)?;
/// // At once, rather than when it is due.
/// run_job(job, &server)?.run(conn)?;
/// assert!(remove_sensor_events_retention(&server)?.call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_sensor_events_retention(
    drop_after: TimeDelta,
    schedule: TimeDelta,
    server: &Server,
) -> Result<AddSensorEventsRetention, Unsupported> {
    server.require(Feature::Jobs)?;
    Ok(AddSensorEventsRetention { drop_after: interval(drop_after), schedule: interval(schedule) })
}

function_call! {
    /// The call that [`add_sensor_events_retention`] makes.
    AddSensorEventsRetention { drop_after: PgInterval = Interval, schedule: PgInterval = Interval },
    "SELECT set_sensor_events_retention(", ")",
    (Integer,) => (i32,) => i32, value,
}

/// Removes the retention job of sensor events. Gives `false` if there is none.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_sensor_events_retention`].
pub fn remove_sensor_events_retention(server: &Server) -> Result<RemoveSensorEventsRetention, Unsupported> {
    server.require(Feature::Jobs)?;
    Ok(RemoveSensorEventsRetention {})
}

function_call! {
    /// The call that [`remove_sensor_events_retention`] makes.
    RemoveSensorEventsRetention {},
    "SELECT unset_sensor_events_retention(", ")",
    (Bool,) => (bool,) => bool, value,
}

/// Adds the server's own retention policy to a hypertable whose rows nothing references, and gives the job. Takes the
/// place of one that is there.
///
/// Refused for `sensor_events`, which has [`add_sensor_events_retention`], and for a table that a foreign key
/// references: the policy would leave references to rows that are gone, fail for ever, or drop the foreign key,
/// depending on the release.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows), or
/// [`RetentionInterval`](crate::ReferenceError::RetentionInterval) if nothing would be kept.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::timescale::{Feature, Server, add_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let refused = add_retention_policy(sensor_events::table, TimeDelta::days(730), &server)?.call(conn);
/// assert!(matches!(refused, Err(Error::Reference(ReferenceError::LossOfReferencedRows { .. }))));
/// # Ok(()) }) }
/// ```
pub fn add_retention_policy<T>(
    table: T,
    drop_after: TimeDelta,
    server: &Server,
) -> Result<AddRetentionPolicy, Unsupported>
where
    T: Table + QueryFragment<Pg>,
{
    server.require(Feature::Jobs)?;
    Ok(AddRetentionPolicy { relation: relation_name(&table), drop_after: interval(drop_after) })
}

function_call! {
    /// The call that [`add_retention_policy`] makes.
    AddRetentionPolicy { relation: Relation = Relation, drop_after: PgInterval = Interval },
    "SELECT set_retention_policy(", ")",
    (Integer,) => (i32,) => i32, value,
}

/// Removes the server's own retention policy of a hypertable. Gives `false` if there is none.
///
/// # Errors
/// [`Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::timescale::{Feature, Server, remove_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// assert!(!remove_retention_policy(sensor_events::table, &server)?.call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn remove_retention_policy<T>(table: T, server: &Server) -> Result<RemoveRetentionPolicy, Unsupported>
where
    T: Table + QueryFragment<Pg>,
{
    server.require(Feature::Jobs)?;
    Ok(RemoveRetentionPolicy { relation: relation_name(&table) })
}

function_call! {
    /// The call that [`remove_retention_policy`] makes.
    RemoveRetentionPolicy { relation: Relation = Relation },
    "SELECT unset_retention_policy(", ")",
    (Bool,) => (bool,) => bool, value,
}
