//! Spans of time in which a state held.

use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};

use super::pieces::Pieces;
use super::source::{Conditions, States};
use crate::subquery::{Part, Subquery, subquery};
use crate::subquery_columns;

subquery_columns! {
    /// A span of time in which a state held.
    StateSpan, state_spans, state_span (series) {
        /// The series, such as the sensor.
        series: String => Text,
        /// The state; `None` where it is not known: before the first reading, and in silence beyond the limit.
        state: Option<String> => Nullable<Text>,
        /// Whether it says something: not where it is `None`, or one of those that are unavailable.
        is_known: bool => Bool,
        /// When the span began, but not before the range.
        began_at: DateTime<Utc> => Timestamptz,
        /// When it ended: at the next span, at the end of the range, or now.
        ended_at: DateTime<Utc> => Timestamptz,
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
    /// The spans of time in which a state held, in a range of time, in no order. Those of a series cover the range, up to
    /// now, without a gap, and no two that follow one another have the same state.
    ///
    /// A query that takes further clauses, with the columns of [`state_spans`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::states::{StateSpan, state_spans, states};
    ///
    /// # fn main() { run(|conn| {
    /// # let at = a_reading(conn);
    /// # let (from, to) = (at - TimeDelta::hours(1), at + TimeDelta::hours(1));
    /// let spans: Vec<StateSpan> = states(readings::sensor, readings::time, readings::state)
    ///     .named(["office.motion"])
    ///     .spans(from..to)
    ///     .order(state_spans::began_at)
    ///     .load(conn)?;
    /// assert_eq!((spans[0].state.as_deref(), spans[0].is_known), (None, false));
    /// assert_eq!((spans[1].state.as_deref(), spans[1].began_at), (Some("on"), at));
    /// # Ok(()) }) }
    /// ```
    pub fn spans(self, range: Range<DateTime<Utc>>) -> Subquery<state_span::table, impl QueryFragment<Pg> + Clone> {
        subquery(state_span::table, Spans { pieces: Pieces::new(self.clone(), self.series, range) }, [Part::Rows])
    }
}

/// Pieces of the same state, put together.
#[derive(Debug, Clone)]
struct Spans<P> {
    pieces: P,
}

impl<P: QueryFragment<Pg>> QueryFragment<Pg> for Spans<P> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT series, state, is_known, min(began) AS began_at, max(ended) AS ended_at FROM \
             (SELECT *, count(*) FILTER (WHERE is_other) OVER series_by_time AS span FROM \
             (SELECT *, state IS DISTINCT FROM lag(state) OVER series_by_time AS is_other FROM (",
        );
        self.pieces.walk_ast(out.reborrow())?;
        out.push_sql(
            r#") AS pieces WINDOW series_by_time AS (PARTITION BY series COLLATE "C" ORDER BY began)) AS pieces
             WINDOW series_by_time AS (PARTITION BY series COLLATE "C" ORDER BY began)) AS pieces
             GROUP BY series, span, state, is_known"#,
        );
        Ok(())
    }
}
