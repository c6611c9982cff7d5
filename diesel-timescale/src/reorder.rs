//! The policy that puts the rows of chunks into the order of an index.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Integer, Text};

use crate::add_job::{AddJob, AddsJob};
use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::schedule::Schedule;
use crate::setup::{Declare, Setup};

/// Puts the rows of each chunk of a hypertable into the order of an index in the background, once, all but the latest
/// three chunks, and gives the job. Takes the place of a reorder policy that is there. Names the index without its schema,
/// which is that of the table.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// index; [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_reorder_policy, remove_reorder_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// # conn.batch_execute("CREATE INDEX readings_by_room ON readings (room, time)")?;
/// let _job = add_reorder_policy(readings::table, "readings_by_room").call(conn)?;
/// assert!(remove_reorder_policy(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_reorder_policy<T>(table: T, index: impl Into<String>) -> impl AddJob
where
    T: Table + QueryFragment<Pg>,
{
    AddReorderPolicy { relation: relation_name(&table), index: index.into() }
}

function_call! {
    /// The call that [`add_reorder_policy`] makes.
    AddReorderPolicy { relation: Relation = Relation, index: String = Text },
    "SELECT diesel_timescale.add_reorder_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl AddsJob for AddReorderPolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        setup.declare_reorder_policy(&self.relation, Some((self.index, schedule)));
    }
}

/// Removes the reorder policy of a hypertable. Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_reorder_policy`].
pub fn remove_reorder_policy<T>(table: T) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RemoveReorderPolicy { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`remove_reorder_policy`] makes.
    RemoveReorderPolicy { relation: Relation = Relation },
    "SELECT diesel_timescale.remove_reorder_policy(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Jobs,
}

impl Declare for RemoveReorderPolicy {
    fn declare(self, setup: &mut Setup) {
        setup.declare_reorder_policy(&self.relation, None);
    }
}
