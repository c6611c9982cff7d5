//! Chunk skipping: chunks that a query leaves out by the values of a column that is not the time.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Bool, Text};

use crate::call::{Call, Relation, done, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup};

type Texts = Array<Text>;

/// Keeps the smallest and largest value of a column, for each chunk that is converted to the columnstore from now on. Gives
/// `false` if that is so already. Queries leave out chunks by it where [`use_chunk_skipping`] is on, and the policy that
/// converts chunks keeps the values only there.
///
/// The column is an integer or a time. The server has [known issues](crate::known_issues()) before 2.31.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable), and what the server refuses: a column of
/// another type.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{
///     Feature, Server, chunk_skipping_columns, disable_chunk_skipping, enable_chunk_skipping, use_chunk_skipping,
/// };
///
/// diesel::table! {
///     jobs_done (finished_at) { finished_at -> Timestamptz, number -> Int8 }
/// }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ChunkSkipping) { return Ok(()); }
/// # conn.batch_execute("CREATE TABLE jobs_done (finished_at TIMESTAMPTZ PRIMARY KEY, number BIGINT NOT NULL)")?;
/// hypertable(jobs_done::finished_at).call(conn)?;
/// columnstore(jobs_done::table).order_by(jobs_done::number).enable().call(conn)?;
/// assert!(enable_chunk_skipping(jobs_done::number).call(conn)?);
/// assert_eq!(chunk_skipping_columns(jobs_done::table).call(conn)?, ["number"]);
/// use_chunk_skipping(true).call(conn)?;
/// // The way back.
/// use_chunk_skipping(false).call(conn)?;
/// assert!(disable_chunk_skipping(jobs_done::number).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn enable_chunk_skipping<C>(column: C) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    C: Column,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    ChangeChunkSkipping { relation: relation_name(&C::Table::default()), column: C::NAME, enabled: true }
}

/// Keeps the values of a column no longer. Gives `false` if that is so already.
///
/// # Errors
/// As [`enable_chunk_skipping`].
pub fn disable_chunk_skipping<C>(column: C) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    C: Column,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    ChangeChunkSkipping { relation: relation_name(&C::Table::default()), column: C::NAME, enabled: false }
}

function_call! {
    /// The call that [`enable_chunk_skipping`] and [`disable_chunk_skipping`] make.
    ChangeChunkSkipping { relation: Relation = Relation, column: &'static str = Text, enabled: bool = Bool },
    "SELECT diesel_timescale.change_chunk_skipping(", ")",
    (Bool,) => (bool,) => bool, value,
    requires ChunkSkipping,
}

impl Declare for ChangeChunkSkipping {
    fn declare(self, setup: &mut Setup) {
        setup.declare_chunk_skipping(&self.relation, self.column, self.enabled);
    }
}

/// The columns of a hypertable that chunk skipping is enabled for, by name.
///
/// # Errors
/// As [`enable_chunk_skipping`], which has an example.
pub fn chunk_skipping_columns<T>(table: T) -> impl Call<Output = Vec<String>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ChunkSkippingColumns { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`chunk_skipping_columns`] makes.
    ChunkSkippingColumns { relation: Relation = Relation },
    "SELECT CAST(diesel_timescale.chunk_skipping_columns(", ") AS text[])",
    (Texts,) => (Vec<String>,) => Vec<String>, value,
    requires ChunkSkipping,
}

/// Lets this session and every later one of the database leave out chunks by the values that chunk skipping keeps: a
/// setting of the database, so that the jobs in the background have it too. Default: off.
///
/// # Errors
/// As [`enable_chunk_skipping`], which has an example; the server's error for a role that does not own the database.
pub fn use_chunk_skipping(enabled: bool) -> impl Call<Output = (), Error = Error> + Clone {
    UseChunkSkipping { enabled }
}

function_call! {
    /// The call that [`use_chunk_skipping`] makes.
    UseChunkSkipping { enabled: bool = Bool },
    "SELECT diesel_timescale.use_chunk_skipping(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires ChunkSkipping,
}
