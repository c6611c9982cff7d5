//! How likely an interval covers an hour of the week.

use std::borrow::Cow;
use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Text, Timestamptz};

use super::beta::credible_interval;
use super::calendar::Calendar;
use super::intervals::IntervalRule;
use super::source::{Conditions, States};
use crate::microseconds;
use crate::subquery::{Part, Subquery, subquery};
use crate::subquery_columns;

subquery_columns! {
    /// How much of an hour of the week the intervals of an [`IntervalRule`] cover.
    HourlyPrior, hourly_priors, hourly_prior (group_id) {
        /// What the series belong to, such as the room.
        group_id: String => Text,
        /// The day of the week, from 1 (Monday) to 7 (Sunday).
        day_of_week: i32 => Integer,
        /// The hour of the day, from 0 to 23.
        hour: i32 => Integer,
        /// How many such hours there are in the range.
        hours: i64 => BigInt,
        /// How many of them are covered for at least half of their time.
        covered_hours: i64 => BigInt,
        /// The mean of the share that is covered, from 0 to 1.
        mean_share: f64 => Double,
    }
}

impl HourlyPrior {
    /// Between which bounds the probability that such an hour is covered (for at least half of its time) lies with a
    /// credibility such as 0.95: of the beta distribution after these hours, by Jeffreys' prior, with equal tails.
    pub fn credible_interval(&self, level: f64) -> Range<f64> {
        let (lower, upper) = credible_interval(self.covered_hours as f64, self.hours as f64, level);
        lower..upper
    }
}

impl<S, T, V, F> States<S, T, V, F>
where
    S: Column + QueryFragment<Pg> + Clone,
    S::Table: Default + QueryFragment<Pg>,
    T: QueryFragment<Pg> + Clone,
    V: QueryFragment<Pg> + Clone,
    F: Conditions,
{
    /// How much the [intervals](Self::intervals) of each group cover of each hour of the week, by the clocks of a time zone;
    /// in no order. Only whole hours of the range that are past count. A group without any interval has no rows.
    ///
    /// A query that takes further clauses, with the columns of [`hourly_priors`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::states::{HourlyPrior, IntervalRule, hourly_priors, states};
    ///
    /// # fn main() { run(|conn| {
    /// # a_reading(conn);
    /// let now = Utc::now();
    /// let mondays: Vec<HourlyPrior> = states(readings::sensor, readings::time, readings::state)
    ///     .priors(readings::room, IntervalRule::any_of(["on"]), now - TimeDelta::weeks(8)..now, "Europe/Berlin")
    ///     .filter(hourly_priors::day_of_week.eq(1))
    ///     .order(hourly_priors::hour)
    ///     .load(conn)?;
    /// assert!(mondays[0].hours >= 7 && mondays[0].credible_interval(0.95).contains(&0.1));
    /// # Ok(()) }) }
    /// ```
    pub fn priors<'a, G>(
        self,
        group: G,
        rule: IntervalRule,
        range: Range<DateTime<Utc>>,
        time_zone: impl Into<Cow<'a, str>>,
    ) -> Subquery<hourly_prior::table, impl QueryFragment<Pg> + Clone>
    where
        G: Column<SqlType = Text, Table = S::Table> + QueryFragment<Pg> + Clone,
    {
        let time_zone = time_zone.into();
        let (from, to) = (microseconds::truncate(range.start), microseconds::truncate(range.end));
        let buckets = Calendar::hours(time_zone.clone());
        let intervals = self.intervals(group, rule, range);
        subquery(hourly_prior::table, Priors { intervals, buckets, time_zone, from, to }, [Part::Rows])
    }
}

#[derive(Debug, Clone)]
struct Priors<'a, I> {
    intervals: I,
    buckets: Calendar<'a>,
    time_zone: Cow<'a, str>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl<I: QueryFragment<Pg>> QueryFragment<Pg> for Priors<'_, I> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH intervals AS MATERIALIZED (SELECT * FROM ");
        self.intervals.walk_ast(out.reborrow())?;
        out.push_sql("), calendar AS MATERIALIZED (SELECT edges FROM diesel_timescale.calendar_edges(");
        self.buckets.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(
            ") AS calendar (edges)), hours AS (SELECT bucket, bucket_end FROM (SELECT unnest(edges) AS bucket, \
             unnest(edges[2:]) AS bucket_end FROM calendar) AS hours WHERE bucket >= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" AND bucket_end <= least(");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(
            ", now())), covered AS (SELECT group_id, bucket, sum(least(ended_at, bucket_end) - greatest(began_at, bucket)) \
             AS covered FROM (SELECT group_id, began_at, ended_at, unnest(edges[first:last]) AS bucket, \
             unnest(edges[first + 1:last + 1]) AS bucket_end FROM (SELECT *, width_bucket(began_at, edges) AS first, \
             width_bucket(ended_at - INTERVAL '1 microsecond', edges) AS last FROM intervals CROSS JOIN calendar) AS parts) \
             AS parts GROUP BY group_id, bucket) \
             SELECT group_id, day_of_week, hour, count(*) AS hours, count(*) FILTER (WHERE share >= 0.5) AS covered_hours, \
             avg(share) AS mean_share FROM (SELECT group_id, CAST(extract(ISODOW FROM local) AS INTEGER) AS day_of_week, \
             CAST(extract(HOUR FROM local) AS INTEGER) AS hour, CAST(coalesce(extract(EPOCH FROM covered), 0) \
             / extract(EPOCH FROM bucket_end - bucket) AS DOUBLE PRECISION) AS share \
             FROM (SELECT DISTINCT group_id FROM intervals) AS groups CROSS JOIN hours \
             LEFT JOIN covered USING (group_id, bucket) CROSS JOIN LATERAL (SELECT bucket AT TIME ZONE ",
        );
        out.push_bind_param::<Text, _>(&self.time_zone)?;
        out.push_sql(" AS local) AS by_clock) AS shares GROUP BY group_id, day_of_week, hour");
        Ok(())
    }
}
