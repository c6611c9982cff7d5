//! Copies old rows, one batch for each call.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_timescale::{Call, function_call};
use serde::Serialize;

use crate::call::single;
use crate::error::Error;

type NullableText = Nullable<Text>;

/// Takes the next step of the import that [`begin`](super::begin()) began in this schema: the validation, or a batch of at
/// most `size` events, or of predictions. Call it until it [is done](Progress::is_done).
///
/// Each step is a transaction of its own, so don't call it in one that goes on; some thousands of rows a batch do well.
/// The first step reads all old rows, to check them and to find duplicates. Copies the newest rows first. Readers and
/// writers of the new tables go on meanwhile; retention is better left until it is done.
///
/// # Errors
/// [`Error::ImportBlocked`] while a violation that [`validate`](super::validate()) finds prevents the import.
/// Nothing has changed then.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair; CREATE TABLE old_pair.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// legacy_import::begin("old_pair").call(conn)?;
/// while !legacy_import::copy_batch("old_pair", 10_000).call(conn)?.is_done() {}
/// # conn.batch_execute("DROP SCHEMA old_pair CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn copy_batch(schema: impl Into<String>, size: u32) -> impl Call<Output = Progress, Error = Error> + Clone {
    CopyBatch { schema: schema.into(), size: size.into() }
}

function_call! {
    CopyBatch { schema: String = Text, size: i64 = BigInt },
    "SELECT nullif(phase, 'done'), copied, changed, copied_in_all FROM copy_legacy_batch(", ")",
    (NullableText, BigInt, BigInt, BigInt) => Progress => Progress, single,
    error Error,
}

/// What a step of an import did.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// What is copied next, `events` or `predictions`; `None` once everything is copied.
    pub next: Option<String>,
    /// How many rows this step copied.
    pub copied: i64,
    /// How many rows this step recorded in the table `changes`, because they are not copied unchanged.
    pub changed: i64,
    /// How many rows all steps have copied.
    pub copied_in_all: i64,
}

impl Progress {
    /// Whether everything is copied.
    pub fn is_done(&self) -> bool {
        self.next.is_none()
    }
}
