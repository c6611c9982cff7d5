//! Seconds in each state by day, week or month, of the summaries that a continuous aggregate keeps.

use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};

use super::calendar::Calendar;
use super::pieces::limited;
use super::source::{Conditions, States};
use super::summary::StateSummary;
use super::time_in_state::time_in_state_row;
use crate::call::{Relation, relation_name};
use crate::microseconds;
use crate::subquery::{Part, Subquery, subquery};

impl<S, B, V, F> States<S, B, V, F>
where
    S: Column + QueryFragment<Pg> + Clone,
    S::Table: Default + QueryFragment<Pg>,
    B: QueryFragment<Pg> + Clone,
    V: Expression<SqlType = StateSummary> + QueryFragment<Pg> + Clone,
    F: Conditions,
{
    /// For how long each state held in each day, week or month, from [`state_summaries`](super::state_summaries): the
    /// same numbers as [`time_in_state`](Self::time_in_state) gives from the readings.
    ///
    /// The range is widened to whole days, weeks or months, which are those of the time zone of the summaries.
    ///
    /// # Errors
    /// When it runs: for hours, and for another time zone than that of the summaries, unless it has the same midnights.
    pub fn daily_time_in_state(
        self,
        range: Range<DateTime<Utc>>,
        buckets: Calendar<'_>,
    ) -> Subquery<time_in_state_row::table, impl QueryFragment<Pg> + Clone> {
        let days = Days {
            table: relation_name(&S::Table::default()),
            look_back: limited(self.look_back).num_microseconds().unwrap_or_default(),
            from: microseconds::truncate(range.start),
            to: microseconds::truncate(range.end),
            states: self,
            buckets,
        };
        subquery(time_in_state_row::table, days, [Part::Rows])
    }
}

#[derive(Debug, Clone)]
struct Days<'a, S, B, V, F> {
    states: States<S, B, V, F>,
    table: Relation,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    look_back: i64,
    buckets: Calendar<'a>,
}

impl<S, B, V, F> QueryFragment<Pg> for Days<'_, S, B, V, F>
where
    S: QueryFragment<Pg>,
    B: QueryFragment<Pg>,
    V: QueryFragment<Pg>,
    F: Conditions,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.buckets.unit_and_time_zone().0 == "hour" {
            let message = "a summary of a day does not tell its hours: ask for `time_in_state` of the readings";
            return Err(DieselError::QueryBuilderError(message.into()));
        }
        out.push_sql("WITH calendar AS (SELECT edges, edges[1] AS lower, CASE WHEN ");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(" > ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" THEN (SELECT min(edge) FROM unnest(edges) AS edge WHERE edge >= ");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(") ELSE edges[1] END AS upper FROM diesel_timescale.calendar_edges(");
        self.buckets.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(") AS calendar (edges)), summaries AS (");
        self.push_summaries(&mut out)?;
        // A piece from the last reading of each summary to the first of the next; before the first of all nothing is
        // known. The order of the bytes: which order it is does not matter, and this is the fastest.
        out.push_sql(
            r#"), ordered AS (SELECT series, first_at, first_state, last_at, last_state, silence_limit,
             greatest(coalesce(lead(first_at) OVER series_by_time, least((SELECT upper FROM calendar), now())), last_at)
             AS next, lag(first_at) OVER series_by_time IS NULL AS is_first,
             lag(last_state) OVER series_by_time AS before
             FROM summaries WINDOW series_by_time AS (PARTITION BY series COLLATE "C" ORDER BY first_at)), "#,
        );
        out.push_sql(
            "gaps AS (SELECT series, greatest(piece.began, lower) AS began, piece.ended, piece.state, edges FROM \
             (SELECT *, greatest(last_at, least(next, last_at + silence_limit)) AS silent FROM ordered) AS ordered \
             CROSS JOIN calendar CROSS JOIN LATERAL (VALUES (last_at, silent, last_state), (silent, next, NULL), \
             (CASE WHEN is_first THEN lower ELSE first_at END, first_at, NULL)) AS piece (began, ended, state) \
             WHERE piece.ended > greatest(piece.began, lower)), parts AS (\
             SELECT series, bucket, state, least(ended, bucket_end) - greatest(began, bucket) AS held, 0 AS changes \
             FROM (SELECT series, began, ended, state, unnest(edges[first:last]) AS bucket, \
             unnest(edges[first + 1:last + 1]) AS bucket_end FROM (SELECT *, width_bucket(began, edges) AS first, \
             width_bucket(ended - INTERVAL '1 microsecond', edges) AS last FROM gaps) AS gaps) AS gaps \
             UNION ALL SELECT series, edges[width_bucket(first_at, edges)], part.state, part.held, part.changes \
             FROM summaries CROSS JOIN calendar CROSS JOIN LATERAL unnest(states, held, changes) \
             AS part (state, held, changes) WHERE first_at >= lower \
             UNION ALL SELECT series, edges[width_bucket(first_at, edges)], first_state, INTERVAL '0', 1 \
             FROM ordered CROSS JOIN calendar WHERE first_at >= lower AND first_state <> before) \
             SELECT series, bucket, state, is_known, CAST(extract(EPOCH FROM held) AS DOUBLE PRECISION) AS seconds, \
             changes, CAST(coalesce(extract(EPOCH FROM sum(held) FILTER (WHERE is_known) OVER bucket_of_series), 0) / \
             extract(EPOCH FROM sum(held) OVER bucket_of_series) AS DOUBLE PRECISION) AS known_share FROM \
             (SELECT series, bucket, state, (state IS NOT NULL AND state <> ALL (",
        );
        out.push_bind_param::<Array<Text>, _>(&self.states.unavailable)?;
        out.push_sql(
            ")) AS is_known, sum(held) AS held, CAST(sum(changes) AS BIGINT) AS changes FROM parts \
             GROUP BY series, bucket, state HAVING sum(held) > INTERVAL '0') AS times \
             WINDOW bucket_of_series AS (PARTITION BY bucket, series COLLATE \"C\")",
        );
        Ok(())
    }
}

impl<S, B, V, F> Days<'_, S, B, V, F>
where
    S: QueryFragment<Pg>,
    B: QueryFragment<Pg>,
    V: QueryFragment<Pg>,
    F: Conditions,
{
    /// The summaries of the range, and those before it as far back as the look-back goes.
    fn push_summaries<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let table = self.table.as_ref().map_err(|message| DieselError::QueryBuilderError(message.clone().into()))?;
        out.push_sql("SELECT series, (summary).* FROM (SELECT ");
        self.states.series.walk_ast(out.reborrow())?;
        out.push_sql(" AS series, CASE WHEN ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" = date_trunc('day', ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.buckets.unit_and_time_zone().1)?;
        out.push_sql(") THEN ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" ELSE diesel_timescale.refuse_bucket(");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.buckets.unit_and_time_zone().1)?;
        out.push_sql(") END AS bucket, ");
        self.states.state.walk_ast(out.reborrow())?;
        out.push_sql(" AS summary FROM ");
        out.push_sql(table);
        // What chunks can be left out by; then what it is exactly.
        out.push_sql(" WHERE ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" >= CAST(");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" AS TIMESTAMPTZ) - INTERVAL '40 days' - ");
        out.push_bind_param::<BigInt, _>(&self.look_back)?;
        out.push_sql(" * INTERVAL '1 microsecond' AND ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" < CAST(");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(" AS TIMESTAMPTZ) + INTERVAL '40 days'");
        if let Some(names) = &self.states.names {
            out.push_sql(" AND ");
            self.states.series.walk_ast(out.reborrow())?;
            out.push_sql(" = ANY (");
            out.push_bind_param::<Array<Text>, _>(names)?;
            out.push_sql(")");
        }
        self.states.condition.push(out.reborrow())?;
        out.push_sql(
            " OFFSET 0) AS days WHERE bucket < (SELECT upper FROM calendar) \
             AND (summary).last_at >= (SELECT lower FROM calendar) - ",
        );
        out.push_bind_param::<BigInt, _>(&self.look_back)?;
        out.push_sql(" * INTERVAL '1 microsecond'");
        if let Some(names) = &self.states.names {
            // Where there is none, its state is unknown since ever.
            out.push_sql(
                " UNION ALL SELECT name, '-infinity', NULL, '-infinity', NULL, NULL, NULL, NULL, NULL FROM unnest(",
            );
            out.push_bind_param::<Array<Text>, _>(names)?;
            out.push_sql(") AS name");
        }
        Ok(())
    }
}
