//! TimescaleDB's own retention policy.

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Integer, Interval};

use crate::call::{Call, Relation, relation_name, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::function_call;

/// Adds the server's own retention policy to a hypertable whose rows nothing references, and gives the job. Takes the
/// place of one that is there.
///
/// Refused for a table whose rows something references, by a foreign key or by triggers that keep references: the
/// policy would leave references to rows that are gone, fail for ever, or drop the foreign key,
/// depending on the release.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows), or
/// [`RetentionInterval`](crate::ReferenceError::RetentionInterval) if nothing would be kept.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, add_retention_policy, run_job};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_retention_policy(readings::table, TimeDelta::days(730)).call(conn)?;
/// // At once, rather than when it is due.
/// run_job(job).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn add_retention_policy<T>(table: T, drop_after: TimeDelta) -> impl Call<Output = i32, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    AddRetentionPolicy { relation: relation_name(&table), drop_after: interval(drop_after) }
}

function_call! {
    /// The call that [`add_retention_policy`] makes.
    AddRetentionPolicy { relation: Relation = Relation, drop_after: PgInterval = Interval },
    "SELECT diesel_timescale.add_retention_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

/// Removes the server's own retention policy of a hypertable. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, remove_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// assert!(!remove_retention_policy(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn remove_retention_policy<T>(table: T) -> impl Call<Output = bool, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RemoveRetentionPolicy { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`remove_retention_policy`] makes.
    RemoveRetentionPolicy { relation: Relation = Relation },
    "SELECT diesel_timescale.remove_retention_policy(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Jobs,
}
