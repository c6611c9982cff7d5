//! Seconds in each state, by hour, day, week or month.

use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Timestamptz;

use super::calendar::Calendar;
use super::pieces::Pieces;
use super::source::{Conditions, States};
use crate::subquery::{Part, Subquery, subquery};
use crate::subquery_columns;

subquery_columns! {
    /// For how long a state held in a bucket of time.
    TimeInState, times_in_state, time_in_state_row (series) {
        /// The series, such as the sensor.
        series: String => Text,
        /// When the bucket starts, which may be before the range.
        bucket: DateTime<Utc> => Timestamptz,
        /// The state; `None` where it is not known: before the first reading, and in silence beyond the limit.
        state: Option<String> => Nullable<Text>,
        /// Whether it says something: not where it is `None`, or one of those that are unavailable.
        is_known: bool => Bool,
        /// For how long it held. What the states of a bucket have together is the length of the bucket, as far as it is
        /// in the range and past.
        seconds: f64 => Double,
        /// How often the series changed to this state: readings of the bucket whose state is another than that of the
        /// reading before.
        changes: i64 => BigInt,
        /// Which share of the bucket the state is known in, whatever it is; from 0 to 1. The same for all states of the
        /// bucket.
        known_share: f64 => Double,
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
    /// For how long each state held in each bucket of a range of time, in no order; a state that did not hold in a bucket
    /// has no row.
    ///
    /// A query that takes further clauses, with the columns of [`times_in_state`]. For an example see [`states`].
    ///
    /// [`states`]: super::states
    pub fn time_in_state(
        self,
        range: Range<DateTime<Utc>>,
        buckets: Calendar<'_>,
    ) -> Subquery<time_in_state_row::table, impl QueryFragment<Pg> + Clone> {
        subquery(
            time_in_state_row::table,
            Times { pieces: Pieces::new(self.clone(), self.series, range), buckets },
            [Part::Rows],
        )
    }
}

/// Pieces, cut at the ends of buckets and added up.
#[derive(Debug, Clone)]
struct Times<'a, S, T, V, F> {
    pieces: Pieces<S, T, V, F, S>,
    buckets: Calendar<'a>,
}

impl<S, T, V, F> QueryFragment<Pg> for Times<'_, S, T, V, F>
where
    Pieces<S, T, V, F, S>: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The buckets of a piece are a slice of the edges, found by binary search. `generate_series` would make
        // PostgreSQL expect a thousand buckets a piece, and compile the plan.
        out.push_sql(
            "SELECT series, bucket, state, is_known, CAST(extract(EPOCH FROM held) AS DOUBLE PRECISION) AS seconds, \
             changes, CAST(coalesce(extract(EPOCH FROM sum(held) FILTER (WHERE is_known) OVER bucket_of_series), 0) / \
             extract(EPOCH FROM sum(held) OVER bucket_of_series) AS DOUBLE PRECISION) AS known_share FROM \
             (SELECT series, bucket, state, is_known, sum(least(ended, bucket_end) - greatest(began, bucket)) AS held, \
             count(*) FILTER (WHERE is_change AND began >= bucket) AS changes FROM \
             (SELECT series, began, ended, state, is_known, is_change, \
             unnest(edges[first:last]) AS bucket, unnest(edges[first + 1:last + 1]) AS bucket_end FROM \
             (SELECT *, width_bucket(began, edges) AS first, \
             width_bucket(ended - INTERVAL '1 microsecond', edges) AS last FROM (",
        );
        self.pieces.walk_ast(out.reborrow())?;
        out.push_sql(") AS pieces CROSS JOIN diesel_timescale.calendar_edges(");
        self.buckets.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(self.pieces.from())?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(self.pieces.to())?;
        out.push_sql(
            ") AS calendar (edges)) AS pieces) AS parts GROUP BY series, bucket, state, is_known) AS times \
             WINDOW bucket_of_series AS (PARTITION BY series, bucket)",
        );
        Ok(())
    }
}
