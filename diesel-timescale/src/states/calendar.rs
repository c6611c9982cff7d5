//! Parts of the calendar of a time zone.

use std::borrow::Cow;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Text;

/// Buckets as the clocks of a time zone have them, such as `Europe/Berlin`.
///
/// Where the clocks change, a day has 23 or 25 hours, and an hour that they repeat is two hours. PostgreSQL refuses a time
/// zone that it does not know when the query runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar<'a> {
    unit: &'static str,
    time_zone: Cow<'a, str>,
}

impl<'a> Calendar<'a> {
    fn new(unit: &'static str, time_zone: impl Into<Cow<'a, str>>) -> Self {
        Self { unit, time_zone: time_zone.into() }
    }

    /// As `date_trunc` takes them.
    #[doc(hidden)]
    pub fn unit_and_time_zone(&self) -> (&'static str, &str) {
        (self.unit, &self.time_zone)
    }

    /// Hours.
    pub fn hours(time_zone: impl Into<Cow<'a, str>>) -> Self {
        Self::new("hour", time_zone)
    }

    /// Days, from midnight.
    pub fn days(time_zone: impl Into<Cow<'a, str>>) -> Self {
        Self::new("day", time_zone)
    }

    /// Weeks, from Monday.
    pub fn weeks(time_zone: impl Into<Cow<'a, str>>) -> Self {
        Self::new("week", time_zone)
    }

    /// Months.
    pub fn months(time_zone: impl Into<Cow<'a, str>>) -> Self {
        Self::new("month", time_zone)
    }
}

/// Writes the first two arguments of `diesel_timescale.calendar_edges`.
impl QueryFragment<Pg> for Calendar<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Text, _>(self.unit)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.time_zone)
    }
}
