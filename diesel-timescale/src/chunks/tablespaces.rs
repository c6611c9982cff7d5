//! The tablespaces that a hypertable spreads its chunks over, and chunks that move.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Bool, Integer, Text};

use super::Chunk;
use crate::call::{Call, Relation, done, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup};

type Texts = Array<Text>;

/// Lets new chunks of a hypertable go to a tablespace as well. Gives `false` if that is so already.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs:
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable), and the server's error if there is no such
/// tablespace, or the owner of the table may not use it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, attach_tablespace, detach_tablespace, detach_tablespaces, tablespaces};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// assert!(attach_tablespace(readings::table, "pg_default").call(conn)?);
/// assert_eq!(tablespaces(readings::table).call(conn)?, ["pg_default"]);
/// assert!(detach_tablespace(readings::table, "pg_default").call(conn)?);
/// assert_eq!(detach_tablespaces(readings::table).call(conn)?, 0);
/// # Ok(()) }) }
/// ```
pub fn attach_tablespace<T>(
    table: T,
    tablespace: impl Into<String>,
) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    AttachTablespace { relation: relation_name(&table), tablespace: tablespace.into() }
}

function_call! {
    /// The call that [`attach_tablespace`] makes.
    AttachTablespace { relation: Relation = Relation, tablespace: String = Text },
    "SELECT diesel_timescale.attach_tablespace(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Hypertables,
}

impl Declare for AttachTablespace {
    fn declare(self, setup: &mut Setup) {
        setup.declare_tablespace(&self.relation, self.tablespace);
    }
}

/// Lets no new chunk of a hypertable go to a tablespace. Gives `false` if that is so already. Chunks that are there stay.
///
/// # Errors
/// As [`attach_tablespace`], which has an example.
pub fn detach_tablespace<T>(table: T, tablespace: impl Into<String>) -> impl Call<Output = bool, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    DetachTablespace { relation: relation_name(&table), tablespace: tablespace.into() }
}

function_call! {
    /// The call that [`detach_tablespace`] makes.
    DetachTablespace { relation: Relation = Relation, tablespace: String = Text },
    "SELECT diesel_timescale.detach_tablespace(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Hypertables,
}

/// Detaches every tablespace of a hypertable, and gives how many: new chunks go where the table is.
///
/// # Errors
/// As [`attach_tablespace`], which has an example.
pub fn detach_tablespaces<T>(table: T) -> impl Call<Output = i32, Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    DetachTablespaces { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`detach_tablespaces`] makes.
    DetachTablespaces { relation: Relation = Relation },
    "SELECT diesel_timescale.detach_tablespaces(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Hypertables,
}

impl Declare for DetachTablespaces {
    fn declare(self, setup: &mut Setup) {
        setup.declare_no_tablespaces(&self.relation);
    }
}

/// The tablespaces that a hypertable spreads its chunks over, by name.
///
/// # Errors
/// As [`attach_tablespace`], which has an example.
pub fn tablespaces<T>(table: T) -> impl Call<Output = Vec<String>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    Tablespaces { relation: relation_name(&table) }
}

function_call! {
    /// The query that [`tablespaces`] makes.
    Tablespaces { relation: Relation = Relation },
    "SELECT CAST(diesel_timescale.attached_tablespaces(", ") AS text[])",
    (Texts,) => (Vec<String>,) => Vec<String>, value,
    requires Hypertables,
}

/// Moves a chunk with its indexes to another tablespace, its rows in the order of an index of the hypertable. Reads go on
/// meanwhile, writes wait.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB; [`Error::InsideTransaction`]; the server's error if
/// there is no such tablespace or index.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks, move_chunk, reorder_chunk};
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::MoveChunks) { return Ok(()); }
/// # conn.batch_execute("CREATE INDEX readings_by_room ON readings (room, time)")?;
/// for chunk in chunks(readings::time, ..).call(conn)? {
///     move_chunk(&chunk, "pg_default", "readings_by_room").call(conn)?;
///     // Without moving.
///     reorder_chunk(&chunk, "readings_by_room").call(conn)?;
/// }
/// # Ok(()) }) }
/// ```
pub fn move_chunk<V>(
    chunk: &Chunk<V>,
    tablespace: impl Into<String>,
    index: impl Into<String>,
) -> impl Call<Output = (), Error = Error> + Clone {
    let tablespace = tablespace.into();
    MoveChunk {
        chunk: Ok(chunk.name.clone()),
        index_tablespace: tablespace.clone(),
        tablespace,
        index: Ok(index.into()),
    }
}

function_call! {
    /// The statement that [`move_chunk`] makes.
    MoveChunk {
        chunk: Relation = Relation,
        tablespace: String = Text,
        index_tablespace: String = Text,
        index: Relation = Relation,
    },
    "SELECT move_chunk(", ") IS NULL",
    (Bool,) => (bool,) => (), done,
    requires MoveChunks, non_transactional "move_chunk",
}

/// Puts the rows of a chunk into the order of an index of the hypertable, which reads along the index find next to each
/// other then. Reads go on meanwhile, writes wait. [`add_reorder_policy`](crate::add_reorder_policy) does so in the background.
///
/// # Errors
/// As [`move_chunk`], which has an example.
pub fn reorder_chunk<V>(chunk: &Chunk<V>, index: impl Into<String>) -> impl Call<Output = (), Error = Error> + Clone {
    ReorderChunk { chunk: Ok(chunk.name.clone()), index: Ok(index.into()) }
}

function_call! {
    /// The statement that [`reorder_chunk`] makes.
    ReorderChunk { chunk: Relation = Relation, index: Relation = Relation },
    "SELECT reorder_chunk(", ") IS NULL",
    (Bool,) => (bool,) => (), done,
    requires MoveChunks, non_transactional "reorder_chunk",
}
