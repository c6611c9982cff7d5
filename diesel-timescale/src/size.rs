//! Sizes of hypertables and chunks.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;

use crate::call::{Call, Relation, relation_name, single, value};
use crate::error::Error;
use crate::function_call;

/// Bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Size {
    /// Of the rows.
    pub table_bytes: i64,
    /// Of the indexes.
    pub index_bytes: i64,
    /// Of large values that are kept apart.
    pub toast_bytes: i64,
    /// Of all of it.
    pub total_bytes: i64,
}

/// How large a hypertable is, with all its chunks.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, size};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let size = size(readings::table).call(conn)?;
/// assert!(size.index_bytes > 0 && size.total_bytes >= size.table_bytes + size.index_bytes);
/// # Ok(()) }) }
/// ```
pub fn size<T>(table: T) -> impl Call<Output = Size, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    HypertableSize { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`size`] makes.
    HypertableSize { relation: Relation = Relation },
    "SELECT coalesce(sum(table_bytes), 0)::bigint, coalesce(sum(index_bytes), 0)::bigint, \
     coalesce(sum(toast_bytes), 0)::bigint, coalesce(sum(total_bytes), 0)::bigint FROM hypertable_detailed_size(", ")",
    (BigInt, BigInt, BigInt, BigInt) => Size => Size, single,
    requires Hypertables,
}

/// How large each chunk of a hypertable is: its schema and name, quoted where need be, as
/// [`Chunk::name`](super::Chunk::name) has them, and its size.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunk_sizes};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let sizes = chunk_sizes(readings::table).call(conn)?;
/// assert!(sizes.iter().all(|(_chunk, size)| size.total_bytes > 0));
/// # Ok(()) }) }
/// ```
pub fn chunk_sizes<T>(table: T) -> impl Call<Output = Vec<(String, Size)>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ChunkSizes { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`chunk_sizes`] makes.
    ChunkSizes { relation: Relation = Relation },
    "SELECT format('%I.%I', chunk_schema, chunk_name), coalesce(table_bytes, 0), coalesce(index_bytes, 0), \
     coalesce(toast_bytes, 0), coalesce(total_bytes, 0) FROM chunks_detailed_size(", ") ORDER BY 1",
    (Text, (BigInt, BigInt, BigInt, BigInt)) => (String, Size) => Vec<(String, Size)>, Ok,
    requires Hypertables,
}

/// About how many rows a hypertable has, by the server's statistics: at once, and right after an `ANALYZE`.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, approximate_row_count};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// conn.batch_execute("ANALYZE readings")?;
/// assert_eq!(approximate_row_count(readings::table).call(conn)?, 1);
/// # Ok(()) }) }
/// ```
pub fn approximate_row_count<T>(table: T) -> impl Call<Output = i64, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ApproximateRowCount { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`approximate_row_count`] makes.
    ApproximateRowCount { relation: Relation = Relation },
    "SELECT coalesce(approximate_row_count(", "), 0)",
    (BigInt,) => (i64,) => i64, value,
    requires Hypertables,
}

/// About how large a hypertable is, by the sizes that PostgreSQL keeps in memory: at once, whatever the number of chunks.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, approximate_size, index_size};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// assert!(approximate_size(readings::table).call(conn)?.total_bytes > 0);
/// assert!(index_size("readings_pkey").call(conn)? > 0);
/// # Ok(()) }) }
/// ```
pub fn approximate_size<T>(table: T) -> impl Call<Output = Size, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ApproximateSize { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`approximate_size`] makes.
    ApproximateSize { relation: Relation = Relation },
    "SELECT coalesce(sum(table_bytes), 0)::bigint, coalesce(sum(index_bytes), 0)::bigint, \
     coalesce(sum(toast_bytes), 0)::bigint, coalesce(sum(total_bytes), 0)::bigint \
     FROM hypertable_approximate_detailed_size(", ")",
    (BigInt, BigInt, BigInt, BigInt) => Size => Size, single,
    requires Hypertables,
}

/// The bytes of an index of a hypertable, in all its chunks. The index is found by the `search_path`.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB; the server's error if there is no such index. For an example see
/// [`approximate_size`].
pub fn index_size(index: impl Into<String>) -> impl Call<Output = i64, Error = Error> + Clone {
    IndexSize { index: index.into() }
}

function_call! {
    /// The query that [`index_size`] makes.
    IndexSize { index: String = Text },
    "SELECT coalesce(hypertable_index_size(CAST(quote_ident(", ") AS regclass)), 0)",
    (BigInt,) => (i64,) => i64, value,
    requires Hypertables,
}

diesel::table! {
    use diesel::sql_types::*;

    /// What each tier takes, as measured: a row for each hypertable, and for each continuous aggregate that reads it or
    /// another one of them. A view; sizes are read of the rows that a filter leaves. Empty without TimescaleDB.
    ///
    /// `bytes_per_day` is the size of the chunks that have ended by now, as they are stored now, divided by the time that
    /// they cover. `bytes_when_full` is that times `kept_for`: what the tier will take if rows go on coming as they did,
    /// and are stored as they are. Both are null before a chunk has ended, and where the time column counts units; the
    /// latter also where rows are kept forever.
    ///
    /// For an example see [`tiers`](crate::tiers).
    diesel_timescale.tier_sizes (relation) {
        /// The hypertable, with its schema, quoted where need be.
        hypertable -> Text,
        /// How many aggregates it is away from the hypertable, which is 0.
        level -> Integer,
        /// The hypertable or the continuous aggregate, with its schema.
        relation -> Text,
        /// What it reads; null for a hypertable.
        source -> Nullable<Text>,
        /// After which time a job drops its rows; null: never.
        kept_for -> Nullable<Interval>,
        /// The same in units, where the time column counts these.
        kept_for_integer -> Nullable<BigInt>,
        /// How many chunks it has.
        chunks -> BigInt,
        /// How many of them are in the columnstore.
        columnstore_chunks -> BigInt,
        /// The bytes of rows.
        table_bytes -> BigInt,
        /// The bytes of indexes.
        index_bytes -> BigInt,
        /// The bytes of long values; most of what is in the columnstore.
        toast_bytes -> BigInt,
        /// The bytes of all of that.
        total_bytes -> BigInt,
        /// How many of them the chunks in the columnstore take.
        columnstore_bytes -> BigInt,
        /// The bytes of a day, on the average.
        bytes_per_day -> Nullable<BigInt>,
        /// The bytes of all the time that rows are kept for.
        bytes_when_full -> Nullable<BigInt>,
    }
}
