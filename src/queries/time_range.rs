//! Ranges of time as conditions.

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, Utc};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Timestamptz};

/// Whether a timestamp is in a range of time: for `filter`.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::queries::within;
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let recent = Utc::now() - TimeDelta::hours(1)..=Utc::now();
/// let count: i64 = sensor_events::table.filter(within(sensor_events::timestamp, recent)).count().get_result(conn)?;
/// assert_eq!(count, 1);
/// # Ok(()) }) }
/// ```
pub fn within<C>(column: C, range: impl RangeBounds<DateTime<Utc>>) -> Within<C>
where
    C: Expression<SqlType = Timestamptz>,
{
    Within { column, from: range.start_bound().cloned(), to: range.end_bound().cloned() }
}

/// The condition that [`within`] gives.
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub struct Within<C> {
    column: C,
    from: Bound<DateTime<Utc>>,
    to: Bound<DateTime<Utc>>,
}

impl<C> Expression for Within<C> {
    type SqlType = Bool;
}

impl<C: AppearsOnTable<QS>, QS> AppearsOnTable<QS> for Within<C> {}

impl<C: SelectableExpression<QS>, QS> SelectableExpression<QS> for Within<C> {}

// The SQL depends on which ends there are, so a statement goes by its text.
impl<C> QueryId for Within<C> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Within<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // (TRUE AND "t"."c" >= $1 AND "t"."c" < $2)
        out.push_sql("(TRUE");
        for (bound, inclusive, exclusive) in [(&self.from, " >= ", " > "), (&self.to, " <= ", " < ")] {
            let (operator, timestamp) = match bound {
                Bound::Included(timestamp) => (inclusive, timestamp),
                Bound::Excluded(timestamp) => (exclusive, timestamp),
                Bound::Unbounded => continue,
            };
            out.push_sql(" AND ");
            self.column.walk_ast(out.reborrow())?;
            out.push_sql(operator);
            out.push_bind_param::<Timestamptz, _>(timestamp)?;
        }
        out.push_sql(")");
        Ok(())
    }
}
