//! What goes by the time that chunks were created, rather than by the time of their rows: where the time column has
//! another calendar, or counts what is no time.

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Integer, Interval, Nullable, Timestamptz};

use super::interval;
use crate::add_job::{AddJob, AddsJob};
use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::microseconds;
use crate::schedule::Schedule;
use crate::setup::Setup;

type NullableTimestamptz = Nullable<Timestamptz>;

/// Drops the chunks of a hypertable that were created in a range of time, whatever time their rows have, and gives how
/// many. Gaps of a microsecond between bounds do not matter: both are taken as the server does, the end not in it.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs: [`Error::NoBound`] for `..`;
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows);
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, drop_chunks_created};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let dropped = drop_chunks_created(readings::table, ..Utc::now() - TimeDelta::days(365)).call(conn)?;
/// assert_eq!(dropped, 0);
/// # Ok(()) }) }
/// ```
pub fn drop_chunks_created<T>(
    table: T,
    range: impl RangeBounds<DateTime<Utc>>,
) -> impl Call<Output = i64, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    let bound = |bound: Bound<&DateTime<Utc>>| match bound {
        Bound::Included(at) | Bound::Excluded(at) => Some(microseconds::truncate(*at)),
        Bound::Unbounded => None,
    };
    DropChunksCreated {
        relation: relation_name(&table),
        after: bound(range.start_bound()),
        before: bound(range.end_bound()),
    }
}

function_call! {
    /// The call that [`drop_chunks_created`] makes.
    DropChunksCreated {
        relation: Relation = Relation,
        after: Option<DateTime<Utc>> = NullableTimestamptz,
        before: Option<DateTime<Utc>> = NullableTimestamptz,
    },
    "SELECT diesel_timescale.drop_chunks_created(", ")",
    (BigInt,) => (i64,) => i64, value,
    requires Hypertables,
}

/// Adds the server's own retention policy to a hypertable whose rows nothing references, by the time that chunks were
/// created, and gives the job. Takes the place of a retention policy that is there;
/// [`remove_retention_policy`](crate::remove_retention_policy) removes it.
///
/// # Errors
/// [`Error::Unsupported`] before 2.27, where every run of the job would fail; otherwise as
/// [`add_retention_policy`](crate::add_retention_policy).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_retention_policy_by_creation, remove_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::RetentionByCreation) { return Ok(()); }
/// let _job = add_retention_policy_by_creation(readings::table, TimeDelta::days(730)).call(conn)?;
/// assert!(remove_retention_policy(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_retention_policy_by_creation<T>(table: T, drop_created_before: TimeDelta) -> impl AddJob
where
    T: Table + QueryFragment<Pg>,
{
    AddCreationRetentionPolicy { relation: relation_name(&table), created_before: interval(drop_created_before) }
}

function_call! {
    /// The call that [`add_retention_policy_by_creation`] makes.
    AddCreationRetentionPolicy { relation: Relation = Relation, created_before: PgInterval = Interval },
    "SELECT diesel_timescale.add_creation_retention_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires RetentionByCreation,
}

impl AddsJob for AddCreationRetentionPolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        setup.declare_creation_retention_policy(&self.relation, self.created_before.into(), schedule);
    }
}

/// Converts the chunks of a hypertable to the columnstore in the background once they were created this long ago, and
/// gives the job. Takes the place of a columnstore policy that is there;
/// [`remove_columnstore_policy`](crate::remove_columnstore_policy) removes it.
///
/// # Errors
/// As [`add_columnstore_policy`](crate::add_columnstore_policy).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_columnstore_policy_by_creation, columnstore};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Columnstore) { return Ok(()); }
/// columnstore(readings::table).segment_by(readings::sensor).enable().call(conn)?;
/// let _job = add_columnstore_policy_by_creation(readings::table, TimeDelta::days(7)).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn add_columnstore_policy_by_creation<T>(table: T, created_before: TimeDelta) -> impl AddJob
where
    T: Table + QueryFragment<Pg>,
{
    AddCreationColumnstorePolicy { relation: relation_name(&table), created_before: interval(created_before) }
}

function_call! {
    /// The call that [`add_columnstore_policy_by_creation`] makes.
    AddCreationColumnstorePolicy { relation: Relation = Relation, created_before: PgInterval = Interval },
    "SELECT diesel_timescale.add_creation_columnstore_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Columnstore,
}

impl AddsJob for AddCreationColumnstorePolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        setup.declare_creation_columnstore_policy(&self.relation, self.created_before.into(), schedule);
    }
}
