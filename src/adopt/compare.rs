//! Comparing old and new.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};

use crate::call::Call;
use crate::error::Result;

/// Compares every old row, and every reference, with the new one. Gives the differences, at most a hundred of each
/// table; none if all is well.
///
/// What the application has changed or removed since shows as well, so run it before retention.
///
/// # Errors
/// Only what the database itself reports, such as that no adoption was started.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::adopt;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair_2; CREATE TABLE old_pair_2.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// # adopt::start().schema("old_pair_2").call(conn)?;
/// assert_eq!(adopt::compare().schema("old_pair_2").call(conn)?, []);
/// # conn.batch_execute("DROP SCHEMA old_pair_2 CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn compare() -> CompareAdoption {
    CompareAdoption { schema: "legacy".to_owned() }
}

/// The call that [`compare`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct CompareAdoption {
    schema: String,
}

impl CompareAdoption {
    /// The schema that the old tables are in. `legacy` unless told.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }
}

/// An old row that is not in the new table as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct Difference {
    /// The table.
    pub relation: String,
    /// The id of the row.
    pub id: i64,
    /// `missing`, `different`, or `its replacement is missing`.
    pub difference: String,
}

impl Query for CompareAdoption {
    type SqlType = (Text, BigInt, Text);
}

impl QueryFragment<Pg> for CompareAdoption {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT relation, id, difference FROM compare_adoption(CAST(");
        out.push_bind_param::<Text, _>(&self.schema)?;
        out.push_sql(" AS name))");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for CompareAdoption {}

impl Call for CompareAdoption {
    type Row = Difference;
    type Output = Vec<Difference>;
    type Error = crate::error::Error;

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows)
    }
}
