//! The chunks of a columnstore: what each saves, and whether it should be converted anew.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use crate::call::{Call, Relation, done, relation_name};
use crate::chunks::Chunk;
use crate::error::Error;
use crate::function_call;

type NullableBigInt = Nullable<BigInt>;

/// A chunk of a hypertable that has a columnstore.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct ColumnstoreChunk {
    /// Its schema and name, quoted where need be, as [`Chunk::name`](crate::Chunk::name).
    pub chunk: String,
    /// Whether it is in the columnstore.
    pub is_columnstore: bool,
    /// Whether rows were written to it since it was converted, or in another order: converting it again saves more.
    pub needs_recompression: bool,
    /// The bytes of its rows before it was converted; `None` for a chunk of the rowstore, and for one whose rows came
    /// [directly](crate::compress_directly).
    pub before_table_bytes: Option<i64>,
    /// The bytes of its indexes then.
    pub before_index_bytes: Option<i64>,
    /// The bytes of its large values then.
    pub before_toast_bytes: Option<i64>,
    /// All bytes then.
    pub before_total_bytes: Option<i64>,
    /// The bytes of its rows when it had been converted.
    pub after_table_bytes: Option<i64>,
    /// The bytes of its indexes then.
    pub after_index_bytes: Option<i64>,
    /// The bytes of its large values, which batches of compressed rows are, then.
    pub after_toast_bytes: Option<i64>,
    /// All bytes then.
    pub after_total_bytes: Option<i64>,
}

/// Each chunk of a hypertable, and what the columnstore saves of it, by name.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks, columnstore, columnstore_chunks, recompress, to_columnstore};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Columnstore) { return Ok(()); }
/// columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time).enable().call(conn)?;
/// let chunk = chunks(readings::time, ..).call(conn)?.remove(0);
/// to_columnstore(&chunk).call(conn)?;
/// let stats = columnstore_chunks(readings::table).call(conn)?;
/// assert!(stats[0].is_columnstore && stats[0].before_total_bytes > Some(0));
///
/// // After a change of the layout, or for a chunk that needs it.
/// recompress(&chunk).call(conn)?;
/// assert!(!columnstore_chunks(readings::table).call(conn)?[0].needs_recompression);
/// # Ok(()) }) }
/// ```
pub fn columnstore_chunks<T>(table: T) -> impl Call<Output = Vec<ColumnstoreChunk>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ColumnstoreChunks { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`columnstore_chunks`] makes.
    ColumnstoreChunks { relation: Relation = Relation },
    "SELECT * FROM diesel_timescale.columnstore_chunks(", ")",
    (
        Text, Bool, Bool, NullableBigInt, NullableBigInt, NullableBigInt, NullableBigInt, NullableBigInt,
        NullableBigInt, NullableBigInt, NullableBigInt,
    ) => ColumnstoreChunk => Vec<ColumnstoreChunk>, Ok,
    requires Columnstore,
}

/// Converts a chunk to the columnstore anew, all of it, as the hypertable's [`columnstore`](crate::columnstore()) is
/// set up now. From 2.24 on that happens in memory.
///
/// To bring only what came since into order, [`to_columnstore`](crate::to_columnstore) is enough.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`columnstore_chunks`].
pub fn recompress(chunk: &Chunk) -> impl Call<Output = (), Error = Error> + Clone + use<> {
    Recompress { chunk: Ok(chunk.name.clone()) }
}

function_call! {
    /// The call that [`recompress`] makes.
    Recompress { chunk: Relation = Relation },
    "SELECT diesel_timescale.recompress_chunk(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Columnstore,
}
