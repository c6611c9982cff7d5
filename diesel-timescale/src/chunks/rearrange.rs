//! Other ranges of chunks: split, merged, detached, attached.

use std::ops::Range;

use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Bool, Text};

use super::Chunk;
use crate::call::{Call, Relation, done, relation_name};
use crate::error::Error;
use crate::function_call;
use crate::time_column::{TimeColumn, ValueOf};
use crate::time_value::Moment;

type Texts = Array<Text>;

/// Splits a chunk in two, at a moment or (`None`) in the middle. The table is locked while its rows are written anew.
///
/// # Errors
/// [`Error::Unsupported`] before 2.20, in the Apache edition and without TimescaleDB. When it runs, what the server
/// refuses: a chunk of the columnstore in some releases, one of a hypertable with a dimension of space, a moment outside of
/// the chunk.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks, merge_chunks, split_chunk};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::SplitChunks) { return Ok(()); }
/// let chunk = chunks(readings::time, ..).call(conn)?.remove(0);
/// split_chunk(readings::time, &chunk, None).call(conn)?;
/// let halves = chunks(readings::time, ..).call(conn)?;
/// assert_eq!((halves.len(), halves[0].range_start), (2, chunk.range_start));
/// merge_chunks(&halves).call(conn)?;
/// assert_eq!(chunks(readings::time, ..).call(conn)?.len(), 1);
/// # Ok(()) }) }
/// ```
pub fn split_chunk<C>(
    time_column: C,
    chunk: &Chunk<ValueOf<C>>,
    at: Option<ValueOf<C>>,
) -> impl Call<Output = (), Error = Error> + Clone + use<C>
where
    C: TimeColumn,
{
    let _ = time_column;
    SplitChunk { chunk: Ok(chunk.name.clone()), at: Moment::new::<C::SqlType>(at) }
}

function_call! {
    /// The call that [`split_chunk`] makes.
    SplitChunk { chunk: Relation = Relation, at: Moment = Moment },
    "SELECT diesel_timescale.split_chunk(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires SplitChunks,
}

/// Makes one chunk of several whose ranges follow each other: the first one gets the rows of all. The table is locked while
/// they are written anew.
///
/// # Errors
/// [`Error::Unsupported`] before 2.18, in the Apache edition and without TimescaleDB. When it runs, what the server
/// refuses: fewer than two chunks, a gap between them. For an example see [`split_chunk`].
pub fn merge_chunks<'c, V: 'c>(
    chunks: impl IntoIterator<Item = &'c Chunk<V>>,
) -> impl Call<Output = (), Error = Error> + Clone {
    MergeChunks { chunks: chunks.into_iter().map(|chunk| chunk.name.clone()).collect() }
}

function_call! {
    /// The call that [`merge_chunks`] makes.
    MergeChunks { chunks: Vec<String> = Texts },
    "SELECT diesel_timescale.merge_chunks(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires MergeChunks,
}

/// Takes a chunk out of its hypertable: it stays as a table of its own, by its name, and [`attach_chunk`] brings it back.
///
/// # Errors
/// [`Error::Unsupported`] before 2.21, in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows); what the server refuses: a chunk
/// of the columnstore.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, attach_chunk, chunks, detach_chunk};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::AttachChunks) { return Ok(()); }
/// let chunk = chunks(readings::time, ..).call(conn)?.remove(0);
/// detach_chunk(&chunk).call(conn)?;
/// assert!(chunks(readings::time, ..).call(conn)?.is_empty());
/// if let (Some(start), Some(end)) = (chunk.range_start, chunk.range_end) {
///     attach_chunk(readings::time, &chunk.name, start..end).call(conn)?;
/// }
/// assert_eq!(chunks(readings::time, ..).call(conn)?.len(), 1);
/// # Ok(()) }) }
/// ```
pub fn detach_chunk<V>(chunk: &Chunk<V>) -> impl Call<Output = (), Error = Error> + Clone + use<V> {
    DetachChunk { chunk: Ok(chunk.name.clone()) }
}

function_call! {
    /// The call that [`detach_chunk`] makes.
    DetachChunk { chunk: Relation = Relation },
    "SELECT diesel_timescale.detach_chunk(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires AttachChunks,
}

/// Makes a table with the columns of a hypertable its chunk for a range of time, in which no chunk is. Names the table as
/// SQL does. Every row must be in the range.
///
/// # Errors
/// [`Error::Unsupported`] before 2.21, in the Apache edition and without TimescaleDB. When it runs, what the server
/// refuses: a hypertable with a dimension of space, other columns, a range that overlaps that of a chunk. For an example
/// see [`detach_chunk`].
pub fn attach_chunk<C>(
    time_column: C,
    table: impl Into<String>,
    range: Range<ValueOf<C>>,
) -> impl Call<Output = (), Error = Error> + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    AttachChunk {
        relation: relation_name(&C::Table::default()),
        table: Ok(table.into()),
        start: Moment::new::<C::SqlType>(Some(range.start)),
        end: Moment::new::<C::SqlType>(Some(range.end)),
    }
}

function_call! {
    /// The call that [`attach_chunk`] makes.
    AttachChunk { relation: Relation = Relation, table: Relation = Relation, start: Moment = Moment, end: Moment = Moment },
    "SELECT diesel_timescale.attach_chunk(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires AttachChunks,
}
