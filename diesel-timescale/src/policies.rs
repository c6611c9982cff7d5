//! TimescaleDB's own retention policy.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Integer};

use crate::add_job::{AddJob, AddsJob};
use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::schedule::Schedule;
use crate::setup::{Declare, Setup};
use crate::time_column::{IntervalOf, TimeColumn};
use crate::time_value::Length;

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
/// [`RetentionInterval`](crate::ReferenceError::RetentionInterval) if nothing would be kept;
/// [`HypertableError::NoIntegerNow`](crate::HypertableError::NoIntegerNow) if the column counts units and the server does
/// not know the present ([`set_integer_now`](crate::set_integer_now)).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_retention_policy, run_job};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// // At once, rather than when it is due.
/// run_job(job).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn add_retention_policy<C>(time_column: C, drop_after: IntervalOf<C>) -> impl AddJob
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let drop_after = Length::new::<C::SqlType>(Some(drop_after));
    AddRetentionPolicy { relation: relation_name(&C::Table::default()), drop_after }
}

function_call! {
    /// The call that [`add_retention_policy`] makes.
    AddRetentionPolicy { relation: Relation = Relation, drop_after: Length = Length },
    "SELECT diesel_timescale.add_retention_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl AddsJob for AddRetentionPolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        setup.declare_retention_policy(&self.relation, self.drop_after.declared(), schedule);
    }
}

/// Removes the server's own retention policy of a hypertable. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, remove_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// assert!(!remove_retention_policy(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn remove_retention_policy<T>(table: T) -> impl Call<Output = bool, Error = Error> + Declare + Clone
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

impl Declare for RemoveRetentionPolicy {
    fn declare(self, setup: &mut Setup) {
        setup.declare_retention_policy(&self.relation, None, None);
    }
}
