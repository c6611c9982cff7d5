//! Ranges of time as conditions.

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, Utc};
use diesel::expression::Expression;
use diesel::sql_types::Timestamptz;

use super::condition::Condition;
use super::subquery::Part;

/// Whether a timestamp is in a range of time: for `filter`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::within;
///
/// # fn main() { run(|conn| {
/// # an_event(conn);
/// let recent = Utc::now() - TimeDelta::hours(1)..=Utc::now();
/// let count: i64 = sensor_events::table.filter(within(sensor_events::timestamp, recent)).count().get_result(conn)?;
/// assert_eq!(count, 1);
/// # Ok(()) }) }
/// ```
pub fn within<C>(column: C, range: impl RangeBounds<DateTime<Utc>>) -> Condition<C>
where
    C: Expression<SqlType = Timestamptz>,
{
    // (TRUE AND "t"."c" >= $1 AND "t"."c" < $2)
    let mut parts = vec![Part::Sql("(TRUE")];
    for (bound, inclusive, exclusive) in [(range.start_bound(), " >= ", " > "), (range.end_bound(), " <= ", " < ")] {
        let (operator, at) = match bound {
            Bound::Included(at) => (inclusive, at),
            Bound::Excluded(at) => (exclusive, at),
            Bound::Unbounded => continue,
        };
        parts.extend([Part::Sql(" AND "), Part::Rows, Part::Sql(operator), Part::Timestamptz(*at)]);
    }
    parts.push(Part::Sql(")"));
    Condition::new(column, parts)
}
