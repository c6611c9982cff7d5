//! The columnstore: compressed, columnar chunks.

mod policy;
mod sparse_indexes;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use serde::Serialize;

pub use self::policy::{add_columnstore_policy, remove_columnstore_policy};
use crate::call::{Call, Relation, done, relation_name, single};
use crate::error::Error;
use crate::function_call;
use crate::setup::{ColumnstoreDeclaration, Declare, Setup};

type Texts = Array<Text>;
type Bools = Array<Bool>;
type NullableBigInt = Nullable<BigInt>;

/// How a hypertable is kept by columns: which rows together, and in what order.
///
/// Rows with the same values in the `segment_by` columns are compressed together, up to a thousand at a time, in the
/// order of the `order_by` columns. Queries and upserts that name the segment find their rows without
/// decompressing others.
///
/// The releases before 2.18 call it compression; this finds the right name.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks, columnstore, columnstore_stats, to_columnstore};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Columnstore) { return Ok(()); }
/// let layout = columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time);
/// layout.enable().call(conn)?;
/// for chunk in chunks(readings::time, ..).call(conn)? {
///     to_columnstore(&chunk).call(conn)?;
/// }
/// let stats = columnstore_stats(readings::table).call(conn)?;
/// assert_eq!(stats.columnstore_chunks, 1);
/// # Ok(()) }) }
/// ```
///
/// A column of another table does not compile:
///
/// ```compile_fail,E0271
/// diesel::table! { readings (time) { time -> Timestamptz } }
/// diesel::table! { rooms (id) { id -> Int8 } }
/// diesel_timescale::columnstore(readings::table).segment_by(rooms::id);
/// ```
pub fn columnstore<T>(table: T) -> Columnstore<T>
where
    T: Table + QueryFragment<Pg>,
{
    Columnstore {
        table,
        segment_by: Vec::new(),
        order_by: Vec::new(),
        descending: Vec::new(),
        bloom: Vec::new(),
        minmax: Vec::new(),
    }
}

/// What [`columnstore`] describes.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is enabled"]
pub struct Columnstore<T> {
    table: T,
    segment_by: Vec<&'static str>,
    order_by: Vec<&'static str>,
    descending: Vec<bool>,
    bloom: Vec<&'static str>,
    minmax: Vec<&'static str>,
}

impl<T> Columnstore<T>
where
    T: Table + QueryFragment<Pg>,
{
    /// Rows with the same value in this column are kept together; may be called for several columns.
    pub fn segment_by<C: Column<Table = T>>(mut self, column: C) -> Self {
        let _ = column;
        self.segment_by.push(C::NAME);
        self
    }

    /// Orders the rows of a segment by this column, ascending; may be called for several columns.
    pub fn order_by<C: Column<Table = T>>(self, column: C) -> Self {
        self.ordered(column, false)
    }

    /// Orders the rows of a segment by this column, descending.
    pub fn order_by_desc<C: Column<Table = T>>(self, column: C) -> Self {
        self.ordered(column, true)
    }

    fn ordered<C: Column<Table = T>>(mut self, column: C, descending: bool) -> Self {
        let _ = column;
        self.order_by.push(C::NAME);
        self.descending.push(descending);
        self
    }

    /// Lets chunks be converted so. Chunks that are there stay as they are.
    ///
    /// # Errors
    /// [`Error::Unsupported`] in the Apache edition and without TimescaleDB, and for sparse indexes before 2.22.
    pub fn enable(self) -> impl Call<Output = (), Error = Error> + Clone {
        EnableColumnstore {
            relation: relation_name(&self.table),
            segment_by: self.segment_by,
            order_by: self.order_by,
            descending: self.descending,
            bloom: self.bloom,
            minmax: self.minmax,
        }
    }
}

impl<T> Declare for Columnstore<T>
where
    T: Table + QueryFragment<Pg>,
{
    fn declare(self, setup: &mut Setup) {
        let columns = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let order = self.order_by.iter().zip(&self.descending);
        let declaration = ColumnstoreDeclaration {
            segment_by: columns(self.segment_by),
            order_by: order
                .map(|(column, desc)| if *desc { format!("{column} DESC") } else { column.to_string() })
                .collect(),
            bloom: columns(self.bloom),
            minmax: columns(self.minmax),
        };
        setup.declare_columnstore(&relation_name(&self.table), declaration);
    }
}

function_call! {
    /// The call that [`Columnstore::enable`] makes.
    EnableColumnstore {
        relation: Relation = Relation,
        segment_by: Vec<&'static str> = Texts,
        order_by: Vec<&'static str> = Texts,
        descending: Vec<bool> = Bools,
        bloom: Vec<&'static str> = Texts,
        minmax: Vec<&'static str> = Texts,
    },
    "SELECT diesel_timescale.enable_columnstore(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Columnstore,
}

/// Takes [`Columnstore::enable`] back. Every chunk must be in the rowstore.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, columnstore, disable_columnstore};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Columnstore) { return Ok(()); }
/// let layout = columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time);
/// layout.enable().call(conn)?;
/// disable_columnstore(readings::table).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn disable_columnstore<T>(table: T) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    DisableColumnstore { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`disable_columnstore`] makes.
    DisableColumnstore { relation: Relation = Relation },
    "SELECT diesel_timescale.disable_columnstore(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Columnstore,
}

impl Declare for DisableColumnstore {
    fn declare(self, setup: &mut Setup) {
        setup.declare_no_columnstore(&self.relation);
    }
}

/// Converts a chunk to the columnstore; nothing happens if it is there already.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`columnstore`].
pub fn to_columnstore<V>(chunk: &super::Chunk<V>) -> impl Call<Output = (), Error = Error> + Clone + use<V> {
    ConvertChunk { chunk: Ok(chunk.name.clone()), to_columnstore: true }
}

/// Converts a chunk back to the rowstore; nothing happens if it is there already.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks, columnstore, to_columnstore, to_rowstore};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Columnstore) { return Ok(()); }
/// let layout = columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time);
/// layout.enable().call(conn)?;
/// let chunks = chunks(readings::time, ..);
/// let chunk = chunks.clone().call(conn)?.remove(0);
/// to_columnstore(&chunk).call(conn)?;
/// to_rowstore(&chunk).call(conn)?;
/// assert!(!chunks.call(conn)?[0].is_columnstore);
/// # Ok(()) }) }
/// ```
pub fn to_rowstore<V>(chunk: &super::Chunk<V>) -> impl Call<Output = (), Error = Error> + Clone + use<V> {
    ConvertChunk { chunk: Ok(chunk.name.clone()), to_columnstore: false }
}

function_call! {
    /// The call that [`to_columnstore`] and [`to_rowstore`] make.
    ConvertChunk { chunk: Relation = Relation, to_columnstore: bool = Bool },
    "SELECT diesel_timescale.convert_chunk(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Columnstore,
}

/// What the columnstore of a hypertable saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct ColumnstoreStats {
    /// How many chunks there are.
    pub chunks: i64,
    /// How many of them are in the columnstore.
    pub columnstore_chunks: i64,
    /// The bytes of those before they were converted; `None` if there are none.
    pub before_bytes: Option<i64>,
    /// The bytes of those now; `None` if there are none.
    pub after_bytes: Option<i64>,
}

/// What the columnstore of a hypertable saves; it must be enabled.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`columnstore`].
pub fn columnstore_stats<T>(table: T) -> impl Call<Output = ColumnstoreStats, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    QueryColumnstoreStats { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`columnstore_stats`] makes.
    QueryColumnstoreStats { relation: Relation = Relation },
    // The older name, which later releases have as well.
    "SELECT total_chunks, number_compressed_chunks, before_compression_total_bytes, after_compression_total_bytes \
     FROM hypertable_compression_stats(", ")",
    (BigInt, BigInt, NullableBigInt, NullableBigInt) => ColumnstoreStats => ColumnstoreStats, single,
    requires Columnstore,
}
