//! The policy that converts chunks by their age.

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

/// Converts the chunks of a hypertable to the columnstore in the background once they are this old, and gives the
/// job. Takes the place of such a policy that is there.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if the columnstore
/// is not enabled; [`HypertableError::NoIntegerNow`](crate::HypertableError::NoIntegerNow).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_columnstore_policy, columnstore, remove_columnstore_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let layout = columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time);
/// layout.enable().call(conn)?;
/// let _job = add_columnstore_policy(readings::time, TimeDelta::days(7)).call(conn)?;
/// assert!(remove_columnstore_policy(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_columnstore_policy<C>(time_column: C, after: IntervalOf<C>) -> impl AddJob
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let after = Length::new::<C::SqlType>(Some(after));
    AddColumnstorePolicy { relation: relation_name(&C::Table::default()), after }
}

function_call! {
    /// The call that [`add_columnstore_policy`] makes.
    AddColumnstorePolicy { relation: Relation = Relation, after: Length = Length },
    "SELECT diesel_timescale.add_columnstore_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Columnstore,
}

impl AddsJob for AddColumnstorePolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        setup.declare_columnstore_policy(&self.relation, self.after.declared(), schedule);
    }
}

/// Removes the columnstore policy of a hypertable. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_columnstore_policy`].
pub fn remove_columnstore_policy<T>(table: T) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RemoveColumnstorePolicy { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`remove_columnstore_policy`] makes.
    RemoveColumnstorePolicy { relation: Relation = Relation },
    "SELECT diesel_timescale.remove_columnstore_policy(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Columnstore,
}

impl Declare for RemoveColumnstorePolicy {
    fn declare(self, setup: &mut Setup) {
        setup.declare_columnstore_policy(&self.relation, None, None);
    }
}
