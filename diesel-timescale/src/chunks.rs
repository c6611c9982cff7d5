//! Chunks: their interval, hash dimensions, listing and dropping them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Integer, Interval, Nullable, Text, Timestamptz};
use serde::Serialize;

use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::microseconds;
use crate::time_column::TimeColumn;
use crate::timestamp::TimestampOrInfinity;

type NullableTimestamptz = Nullable<Timestamptz>;

/// The time that a length covers, as PostgreSQL has it; what is longer than that is the longest.
pub fn interval(length: TimeDelta) -> PgInterval {
    PgInterval::from_microseconds(length.num_microseconds().unwrap_or(i64::MAX))
}

/// Sets how much time new chunks of a hypertable cover, and gives that. Chunks that are there stay as they are.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs: [`HypertableError::ChunkInterval`](crate::HypertableError).
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, set_chunk_interval};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let interval = set_chunk_interval(readings::time, TimeDelta::hours(12)).call(conn)?;
/// assert_eq!(interval, TimeDelta::hours(12));
/// # Ok(()) }) }
/// ```
pub fn set_chunk_interval<C>(
    time_column: C,
    chunk_interval: TimeDelta,
) -> impl Call<Output = TimeDelta, Error = Error> + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    SetChunkInterval { relation: relation_name(&C::Table::default()), chunk_interval: interval(chunk_interval) }
}

function_call! {
    /// The call that [`set_chunk_interval`] makes.
    SetChunkInterval { relation: Relation = Relation, chunk_interval: PgInterval = Interval },
    "SELECT diesel_timescale.change_chunk_interval(", ")",
    (Interval,) => (TimeDelta,) => TimeDelta, value,
    requires Hypertables,
}

/// Spreads the chunks of a hypertable by the hash of a column as well, into this many partitions. Gives `false` if
/// that is so already.
///
/// Every unique index must contain the column, and the hypertable must be empty. Worth it only with several disks:
/// more chunks make planning slower.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs, what the server itself refuses.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, add_hash_dimension, hypertable};
///
/// diesel::table! {
///     meters (meter_id, read_at) { meter_id -> Int8, read_at -> Timestamptz }
/// }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// conn.batch_execute("CREATE TABLE meters (meter_id BIGINT, read_at TIMESTAMPTZ, PRIMARY KEY (meter_id, read_at))")?;
/// hypertable(meters::read_at).call(conn)?;
/// assert!(add_hash_dimension(meters::meter_id, 4).call(conn)?);
/// assert!(!add_hash_dimension(meters::meter_id, 4).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_hash_dimension<C>(column: C, partitions: u16) -> impl Call<Output = bool, Error = Error> + Clone
where
    C: Column,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    AddHashDimension { relation: relation_name(&C::Table::default()), column: C::NAME, partitions: partitions.into() }
}

function_call! {
    /// The call that [`add_hash_dimension`] makes.
    AddHashDimension { relation: Relation = Relation, column: &'static str = Text, partitions: i32 = Integer },
    "SELECT diesel_timescale.add_hash_dimension(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Hypertables,
}

/// A chunk of a hypertable.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Chunk {
    /// Its schema and name, quoted where need be: what `regclass` takes.
    pub name: String,
    /// The first instant that it covers; `None` in a hypertable on integers.
    pub range_start: Option<TimestampOrInfinity>,
    /// The first instant after it; `None` in a hypertable on integers.
    pub range_end: Option<TimestampOrInfinity>,
    /// Whether it is in the columnstore.
    pub is_columnstore: bool,
}

/// The chunks of a hypertable, oldest first: those that end by `older_than` and start at `newer_than` or later,
/// whichever is given.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, chunks};
///
/// # fn main() { run(|conn| {
/// # let time = a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let all = chunks(readings::table, None, None).call(conn)?;
/// assert!(all[0].range_start <= Some(time.into()));
/// # Ok(()) }) }
/// ```
pub fn chunks<T>(
    table: T,
    older_than: Option<DateTime<Utc>>,
    newer_than: Option<DateTime<Utc>>,
) -> impl Call<Output = Vec<Chunk>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    Chunks {
        relation: relation_name(&table),
        older_than: older_than.map(microseconds::truncate),
        newer_than: newer_than.map(microseconds::truncate),
    }
}

function_call! {
    /// The query that [`chunks`] makes.
    Chunks {
        relation: Relation = Relation,
        older_than: Option<DateTime<Utc>> = NullableTimestamptz,
        newer_than: Option<DateTime<Utc>> = NullableTimestamptz,
    },
    "SELECT format('%I.%I', chunk_schema, chunk_name), range_start, range_end, is_compressed \
     FROM (SELECT ",
    ") AS asked (relation, older_than, newer_than) \
     JOIN pg_class ON pg_class.oid = asked.relation \
     JOIN pg_namespace ON pg_namespace.oid = relnamespace \
     JOIN timescaledb_information.chunks ON hypertable_schema = nspname AND hypertable_name = relname \
     WHERE (older_than IS NULL OR range_end <= older_than) AND (newer_than IS NULL OR range_start >= newer_than) \
     ORDER BY range_start, chunk_name",
    (Text, NullableTimestamptz, NullableTimestamptz, Bool) => Chunk => Vec<Chunk>, Ok,
    requires Hypertables,
}

/// Drops the chunks of a hypertable that end by `older_than`, and gives how many.
///
/// Refused where something references the rows: that takes a retention that clears the references.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs:
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows).
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, drop_chunks};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// # a_reading(conn);
/// let dropped = drop_chunks(readings::table, Utc::now() - TimeDelta::days(365)).call(conn)?;
/// assert_eq!(dropped, 0);
/// # Ok(()) }) }
/// ```
pub fn drop_chunks<T>(table: T, older_than: DateTime<Utc>) -> impl Call<Output = i64, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    DropChunks { relation: relation_name(&table), older_than: microseconds::truncate(older_than) }
}

function_call! {
    /// The call that [`drop_chunks`] makes.
    DropChunks { relation: Relation = Relation, older_than: DateTime<Utc> = Timestamptz },
    "SELECT diesel_timescale.drop_chunks_before(", ")",
    (BigInt,) => (i64,) => i64, value,
    requires Hypertables,
}
