//! Comparing old and new.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{BigInt, Text};

use crate::call::Statement;
use crate::error::Result;

/// Compares every old row, and every reference, with the new one. Gives the violations, at most a hundred of each
/// table; none if all is well.
///
/// What the application has changed or removed since shows as well, so run it before retention.
///
/// # Errors
/// Only what the database itself reports, such as that no adoption was started.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair_2; CREATE TABLE old_pair_2.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// # legacy_import::begin().schema("old_pair_2").call(conn)?;
/// assert_eq!(legacy_import::verify().schema("old_pair_2").call(conn)?, []);
/// # conn.batch_execute("DROP SCHEMA old_pair_2 CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn verify() -> VerifyImport {
    VerifyImport { schema: "legacy".to_owned() }
}

/// The call that [`verify()`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct VerifyImport {
    schema: String,
}

impl VerifyImport {
    /// The schema that the old tables are in. Default: `legacy`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }
}

/// An old row that is not in the new table as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct RowViolation {
    /// The table.
    pub relation: String,
    /// The id of the row.
    pub id: i64,
    /// `missing`, `different`, or `its replacement is missing`.
    pub kind: String,
}

impl Statement for VerifyImport {
    type SqlType = (Text, BigInt, Text);
    type Row = RowViolation;
    type Output = Vec<RowViolation>;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT relation, id, violation FROM verify_legacy_import(CAST(");
        out.push_bind_param::<Text, _>(&self.schema)?;
        out.push_sql(" AS name))");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows)
    }
}
