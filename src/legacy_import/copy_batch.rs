//! Copying, a step at a time.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{BigInt, Text};

use crate::call::{Statement, single};
use crate::error::Result;

/// Takes the next step of the adoption that [`begin`](super::begin()) began: the check, or a batch of at most `size`
/// events, or of predictions. To be called until it [is done](Progress::is_done).
///
/// Each step is a transaction of its own, so don't call it in one that goes on; some thousands of rows a batch do well.
/// The first step reads all old rows, to check them and to find duplicates. Copies the newest rows first. Readers and
/// writers of the new tables go on meanwhile; retention is better left until it is done.
///
/// # Errors
/// [`LegacyImportError`](crate::LegacyImportError) while something that [`validate`](super::validate()) finds stands against it.
/// Nothing has changed then.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair; CREATE TABLE old_pair.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// legacy_import::begin().schema("old_pair").call(conn)?;
/// while !legacy_import::copy_batch(10_000).schema("old_pair").call(conn)?.is_done() {}
/// # conn.batch_execute("DROP SCHEMA old_pair CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn copy_batch(size: u32) -> CopyBatch {
    CopyBatch { schema: "legacy".to_owned(), size: size.into() }
}

/// The call that [`copy_batch`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct CopyBatch {
    schema: String,
    size: i64,
}

impl CopyBatch {
    /// The schema that the old tables are in. Default: `legacy`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }
}

/// How far an adoption has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow)]
pub enum Phase {
    /// Events are copied next.
    Events,
    /// All events are copied; predictions are next.
    Predictions,
    /// Everything is copied.
    Done,
}

impl FromSql<Text, Pg> for Phase {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "events" => Ok(Self::Events),
            "predictions" => Ok(Self::Predictions),
            "done" => Ok(Self::Done),
            other => Err(format!("copy_legacy_batch() reports {other:?}, which this release does not know").into()),
        }
    }
}

/// What a step of an adoption did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct Progress {
    /// What comes next.
    pub phase: Phase,
    /// How many rows this step copied.
    pub copied: i64,
    /// How many rows this step noted in the table `changes`, because they do not come over as they were.
    pub changed: i64,
    /// How many rows all steps have copied.
    pub copied_in_all: i64,
}

impl Progress {
    /// Whether everything is copied.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

impl Statement for CopyBatch {
    type SqlType = (Text, BigInt, BigInt, BigInt);
    type Row = Progress;
    type Output = Progress;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT phase, copied, changed, copied_in_all FROM copy_legacy_batch(CAST(");
        out.push_bind_param::<Text, _>(&self.schema)?;
        out.push_sql(" AS name), ");
        out.push_bind_param::<BigInt, _>(&self.size)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        single(rows)
    }
}
