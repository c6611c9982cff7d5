//! Compares the old rows with the new ones.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_timescale::{Call, function_call};
use serde::Serialize;

use crate::error::Error;

/// Compares every old row, and every reference, with the new one. Gives the violations, at most a hundred of each
/// table; none if all is well.
///
/// What the application has changed or removed since shows as well, so run it before retention.
///
/// # Errors
/// Only what the database itself reports, such as that no import was begun.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair_2; CREATE TABLE old_pair_2.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// # legacy_import::begin("old_pair_2").call(conn)?;
/// assert_eq!(legacy_import::verify("old_pair_2").call(conn)?, []);
/// # conn.batch_execute("DROP SCHEMA old_pair_2 CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn verify(schema: impl Into<String>) -> impl Call<Output = Vec<RowViolation>, Error = Error> + Clone {
    VerifyImport { schema: schema.into() }
}

function_call! {
    VerifyImport { schema: String = Text },
    "SELECT relation, id, violation FROM verify_legacy_import(", ")",
    (Text, BigInt, Text) => RowViolation => Vec<RowViolation>, Ok,
    error Error,
}

/// An old row that is not in the new table as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct RowViolation {
    /// The table.
    pub relation: String,
    /// The id of the row.
    pub id: i64,
    /// `missing`, `different`, or `its replacement is missing`.
    pub kind: String,
}
