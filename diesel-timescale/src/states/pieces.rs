//! The pieces of time that readings make: each from one reading to the next, cut at the ends of the range and where silence
//! begins.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};

use super::source::{Conditions, States};
use crate::call::{Relation, relation_name};
use crate::microseconds;

/// At most a hundred years, so that PostgreSQL can add it to any instant.
pub(super) fn limited(span: TimeDelta) -> TimeDelta {
    span.min(TimeDelta::days(36_525))
}

/// The pieces in a range of time: rows of `group_id`, `series`, `began`, `ended`, `state` (null where nothing is known), `is_known` and
/// `is_change`. None is empty, and those of a series follow one another without a gap.
#[derive(Debug, Clone)]
pub(super) struct Pieces<S, T, V, F, G> {
    group: G,
    states: States<S, T, V, F>,
    table: Relation,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    look_from: DateTime<Utc>,
    silence_limit: Option<i64>,
}

impl<S, T, V, F, G> Pieces<S, T, V, F, G> {
    /// `group` is the column that tells what the series belongs to.
    pub(super) fn new(states: States<S, T, V, F>, group: G, range: Range<DateTime<Utc>>) -> Self
    where
        S: Column,
        S::Table: Default + QueryFragment<Pg>,
    {
        // PostgreSQL has no instants before 4714 BC.
        let earliest = DateTime::UNIX_EPOCH - TimeDelta::days(700_000);
        let from = microseconds::truncate(range.start);
        Self {
            table: relation_name(&S::Table::default()),
            from,
            to: microseconds::truncate(range.end),
            look_from: from.checked_sub_signed(states.look_back).unwrap_or(earliest).max(earliest),
            silence_limit: states.silence_limit.and_then(|limit| limited(limit).num_microseconds()),
            group,
            states,
        }
    }

    pub(super) fn from(&self) -> &DateTime<Utc> {
        &self.from
    }

    pub(super) fn to(&self) -> &DateTime<Utc> {
        &self.to
    }
}

impl<S, T, V, F, G> QueryFragment<Pg> for Pieces<S, T, V, F, G>
where
    S: QueryFragment<Pg>,
    T: QueryFragment<Pg>,
    V: QueryFragment<Pg>,
    F: Conditions,
    G: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT group_id, series, piece.began, piece.ended, piece.state, piece.is_change, \
             (piece.state IS NOT NULL AND piece.state <> ALL (",
        );
        out.push_bind_param::<Array<Text>, _>(&self.states.unavailable)?;
        out.push_sql(")) AS is_known FROM (SELECT held.*, ");
        // From here on nothing is known.
        match &self.silence_limit {
            Some(limit) => {
                out.push_sql("greatest(began, least(next, at + ");
                out.push_bind_param::<BigInt, _>(limit)?;
                out.push_sql(" * INTERVAL '1 microsecond'))");
            }
            None => out.push_sql("next"),
        }
        out.push_sql(
            " AS silent FROM (SELECT group_id, series, at, state, lag(at) OVER series_by_time IS NULL AS is_first, greatest(at, ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(") AS began, greatest(coalesce(lead(at) OVER series_by_time, least(");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(", now())), at, ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(") AS next, state <> lag(state) OVER series_by_time AND at >= ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" AS is_change FROM (");
        self.push_readings(&mut out)?;
        // The order of the bytes: which order it is does not matter, and this is the fastest.
        out.push_sql(
            r#") AS readings WINDOW series_by_time AS (PARTITION BY series COLLATE "C" ORDER BY at)) AS held) AS held
             CROSS JOIN LATERAL (VALUES (began, silent, state, is_change)"#,
        );
        if self.silence_limit.is_some() {
            out.push_sql(", (silent, next, NULL, false)");
        }
        if self.states.names.is_none() {
            // What is before the first reading, if there was none before the range.
            out.push_sql(", (CASE WHEN is_first THEN ");
            out.push_bind_param::<Timestamptz, _>(&self.from)?;
            out.push_sql(" ELSE at END, at, NULL, false)");
        }
        out.push_sql(") AS piece (began, ended, state, is_change) WHERE piece.ended > piece.began");
        Ok(())
    }
}

impl<S, T, V, F, G> Pieces<S, T, V, F, G>
where
    S: QueryFragment<Pg>,
    T: QueryFragment<Pg>,
    V: QueryFragment<Pg>,
    F: Conditions,
    G: QueryFragment<Pg>,
{
    /// The readings of the range, and of each series the last one before it.
    fn push_readings<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.push_select(out, &self.from, &self.to)?;
        let Some(names) = &self.states.names else {
            out.push_sql(" UNION ALL (");
            out.push_sql("SELECT DISTINCT ON (series) group_id, series, at, state FROM (");
            self.push_select(out, &self.look_from, &self.from)?;
            out.push_sql(") AS before ORDER BY series, at DESC)");
            return Ok(());
        };
        out.push_sql(" AND ");
        self.states.series.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY (");
        out.push_bind_param::<Array<Text>, _>(names)?;
        // Where there is none, its state is unknown since ever.
        out.push_sql(") UNION ALL SELECT before.group_id, named.series, coalesce(before.at, '-infinity'), before.state FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(names)?;
        out.push_sql(") AS named (series) LEFT JOIN LATERAL (");
        self.push_select(out, &self.look_from, &self.from)?;
        out.push_sql(" AND ");
        self.states.series.walk_ast(out.reborrow())?;
        out.push_sql(" = named.series ORDER BY ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" DESC LIMIT 1) AS before ON true");
        Ok(())
    }

    fn push_select<'b>(
        &'b self,
        out: &mut AstPass<'_, 'b, Pg>,
        since: &'b DateTime<Utc>,
        until: &'b DateTime<Utc>,
    ) -> QueryResult<()> {
        let table = self.table.as_ref().map_err(|message| DieselError::QueryBuilderError(message.clone().into()))?;
        out.push_sql("SELECT ");
        self.group.walk_ast(out.reborrow())?;
        out.push_sql(" AS group_id, ");
        self.states.series.walk_ast(out.reborrow())?;
        out.push_sql(" AS series, ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" AS at, ");
        self.states.state.walk_ast(out.reborrow())?;
        out.push_sql(" AS state FROM ");
        out.push_sql(table);
        out.push_sql(" WHERE ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" >= ");
        out.push_bind_param::<Timestamptz, _>(since)?;
        out.push_sql(" AND ");
        self.states.time.walk_ast(out.reborrow())?;
        out.push_sql(" < ");
        out.push_bind_param::<Timestamptz, _>(until)?;
        self.states.condition.push(out.reborrow())
    }
}
