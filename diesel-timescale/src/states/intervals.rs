//! Intervals of time in which several series together were in some state.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};

use super::pieces::{Pieces, limited};
use super::source::{Conditions, States};
use crate::microseconds;
use crate::subquery::{Part, Subquery, subquery};
use crate::subquery_columns;

/// How the states of several series make intervals, such as those of the sensors of a room the times in which it is
/// occupied.
///
/// ```
/// use chrono::TimeDelta;
/// use diesel_timescale::states::IntervalRule;
///
/// // Motion counts for five minutes more, pauses of two minutes are bridged, and what is shorter than a minute is left out.
/// let rule = IntervalRule::any_of(["on", "open"])
///     .hold(TimeDelta::minutes(5))
///     .bridge(TimeDelta::minutes(2))
///     .shortest(TimeDelta::minutes(1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalRule {
    states: Vec<String>,
    /// How many series; `None` for all.
    least: Option<i64>,
    hold: TimeDelta,
    bridge: TimeDelta,
    shortest: TimeDelta,
}

impl IntervalRule {
    fn new<N: Into<String>>(states: impl IntoIterator<Item = N>, least: Option<i64>) -> Self {
        let states = states.into_iter().map(Into::into).collect();
        Self { states, least, hold: TimeDelta::zero(), bridge: TimeDelta::zero(), shortest: TimeDelta::zero() }
    }

    /// While any series is in one of these states.
    pub fn any_of<N: Into<String>>(states: impl IntoIterator<Item = N>) -> Self {
        Self::new(states, Some(1))
    }

    /// While so many series are in one of these states.
    pub fn at_least<N: Into<String>>(series: u32, states: impl IntoIterator<Item = N>) -> Self {
        Self::new(states, Some(i64::from(series.max(1))))
    }

    /// While all series of the group are, as far as they have reported in the range or in the look-back before it.
    pub fn all_of<N: Into<String>>(states: impl IntoIterator<Item = N>) -> Self {
        Self::new(states, None)
    }

    /// For how long a state counts after it has ended. Default: not at all.
    pub fn hold(mut self, hold: TimeDelta) -> Self {
        self.hold = hold.max(TimeDelta::zero());
        self
    }

    /// Intervals with at most this between them are one. Default: only those that touch.
    pub fn bridge(mut self, bridge: TimeDelta) -> Self {
        self.bridge = bridge.max(TimeDelta::zero());
        self
    }

    /// Intervals that are shorter than this, gaps bridged, are left out. Default: none is.
    pub fn shortest(mut self, shortest: TimeDelta) -> Self {
        self.shortest = shortest.max(TimeDelta::zero());
        self
    }
}

subquery_columns! {
    /// An interval of time that an [`IntervalRule`] makes of the states of several series.
    StateInterval, state_intervals, state_interval (group_id) {
        /// What the series belong to, such as the room.
        group_id: String => Text,
        /// When it began, but not before the range.
        began_at: DateTime<Utc> => Timestamptz,
        /// When it ended; at the end of the range, or now, if it goes on.
        ended_at: DateTime<Utc> => Timestamptz,
        /// The series whose state began it; `None` if it began before the range. Of several the first by name.
        started_by: Option<String> => Nullable<Text>,
        /// The series whose state ended it; `None` if it goes on, or ends with the range. Of several the first by name.
        ended_by: Option<String> => Nullable<Text>,
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
    /// The intervals of a range of time that a rule makes of the series of each group, in no order. What is not known does
    /// not count.
    ///
    /// What the rule needs to know of the time before and after the range (states that are held, gaps across its ends) is
    /// read as well, so the intervals of two ranges side by side are those of both together.
    ///
    /// A query that takes further clauses, with the columns of [`state_intervals`]. An interval that goes on has no
    /// `ended_by`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::states::{IntervalRule, StateInterval, state_intervals, states};
    ///
    /// # fn main() { run(|conn| {
    /// # let at = a_reading(conn);
    /// let from = at - TimeDelta::hours(1);
    /// let since: StateInterval = states(readings::sensor, readings::time, readings::state)
    ///     .filter(readings::room.eq("office"))
    ///     .intervals(readings::room, IntervalRule::any_of(["on"]), from..Utc::now())
    ///     .filter(state_intervals::ended_by.is_null())
    ///     .first(conn)?;
    /// assert_eq!((since.began_at, since.started_by.as_deref()), (at, Some("office.motion")));
    /// # Ok(()) }) }
    /// ```
    pub fn intervals<G>(
        self,
        group: G,
        rule: IntervalRule,
        range: Range<DateTime<Utc>>,
    ) -> Subquery<state_interval::table, impl QueryFragment<Pg> + Clone>
    where
        G: Column<SqlType = Text, Table = S::Table> + QueryFragment<Pg> + Clone,
    {
        subquery(state_interval::table, Intervals::new(self, group, rule, range), [Part::Rows])
    }
}

#[derive(Debug, Clone)]
struct Intervals<P> {
    pieces: P,
    rule: IntervalRule,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// In microseconds.
    hold: i64,
    bridge: i64,
    shortest: i64,
}

impl<S, T, V, F, G> Intervals<Pieces<S, T, V, F, G>> {
    fn new(mut states: States<S, T, V, F>, group: G, rule: IntervalRule, range: Range<DateTime<Utc>>) -> Self
    where
        S: Column,
        S::Table: Default + QueryFragment<Pg>,
    {
        let after = limited(rule.bridge) + limited(rule.shortest);
        let before = limited(rule.hold) + after;
        // A state that begins with the range has a beginning only in what is read from before it on: the last moment of
        // the look-back.
        let moment = TimeDelta::microseconds(1);
        let before = before + moment;
        states.look_back = states.look_back.checked_sub(&moment).unwrap_or(states.look_back);
        let wider = range.start.checked_sub_signed(before).unwrap_or(range.start)
            ..range.end.checked_add_signed(after).unwrap_or(range.end);
        let micros = |span: TimeDelta| limited(span).num_microseconds().unwrap_or(0);
        Self {
            pieces: Pieces::new(states, group, wider),
            from: microseconds::truncate(range.start),
            to: microseconds::truncate(range.end),
            hold: micros(rule.hold),
            bridge: micros(rule.bridge),
            shortest: micros(rule.shortest),
            rule,
        }
    }
}

impl<S, T, V, F, G> QueryFragment<Pg> for Intervals<Pieces<S, T, V, F, G>>
where
    Pieces<S, T, V, F, G>: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH pieces AS (");
        self.pieces.walk_ast(out.reborrow())?;
        // How many series it takes, and until when what goes on has gone on.
        out.push_sql("), counted AS (SELECT pieces.*, least(");
        out.push_bind_param::<Timestamptz, _>(self.pieces.to())?;
        out.push_sql(", now()) AS goes_on, ");
        match &self.rule.least {
            Some(least) => {
                out.push_bind_param::<BigInt, _>(least)?;
                out.push_sql(" AS least FROM pieces");
            }
            None => out.push_sql(
                "least FROM pieces JOIN (SELECT group_id, count(DISTINCT series) AS least FROM pieces GROUP BY group_id) \
                 AS sizes USING (group_id)",
            ),
        }
        // The pieces that count, held. What goes on from before the range does not start there.
        out.push_sql("), held AS (SELECT group_id, series, began, least(ended + ");
        out.push_bind_param::<BigInt, _>(&self.hold)?;
        out.push_sql(" * INTERVAL '1 microsecond', goes_on) AS ended, least, goes_on, is_change OR began > ");
        out.push_bind_param::<Timestamptz, _>(self.pieces.from())?;
        out.push_sql(" AS is_start FROM counted WHERE state = ANY (");
        out.push_bind_param::<Array<Text>, _>(&self.rule.states)?;
        out.push_sql(
            // Those of a series that overlap or touch as one.
            ")), apart AS (SELECT *, began > max(ended) OVER (PARTITION BY group_id, series ORDER BY began \
             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_apart FROM held), \
             parts AS (SELECT *, count(*) FILTER (WHERE is_apart) OVER (PARTITION BY group_id, series ORDER BY began) \
             AS part FROM apart), \
             counting AS (SELECT group_id, series, min(began) AS began, max(ended) AS ended, least, goes_on, \
             (array_agg(is_start ORDER BY began))[1] AS is_start FROM parts \
             GROUP BY group_id, series, part, least, goes_on), \
             edges AS (SELECT group_id, at, sum(change) AS change, least, \
             min(series) FILTER (WHERE change > 0 AND is_start) AS started_by, \
             min(series) FILTER (WHERE change < 0 AND at < goes_on) AS ended_by FROM counting \
             CROSS JOIN LATERAL (VALUES (began, 1), (ended, -1)) AS edge (at, change) GROUP BY group_id, at, least), ",
        );
        out.push_sql(
            // From edge to edge, whether enough of them count; then only where that turns.
            "levels AS (SELECT *, sum(change) OVER (PARTITION BY group_id ORDER BY at) >= least AS is_on FROM edges), \
             turns AS (SELECT *, is_on IS DISTINCT FROM lag(is_on) OVER (PARTITION BY group_id ORDER BY at) AS is_turn \
             FROM levels), \
             runs AS (SELECT group_id, is_on, at AS began, started_by, lead(at) OVER by_time AS ended, \
             lead(ended_by) OVER by_time AS ended_by FROM turns WHERE is_turn \
             WINDOW by_time AS (PARTITION BY group_id ORDER BY at)), \
             far AS (SELECT *, began > lag(ended) OVER (PARTITION BY group_id ORDER BY began) + ",
        );
        out.push_bind_param::<BigInt, _>(&self.bridge)?;
        out.push_sql(
            // Runs that are near each other as one.
            " * INTERVAL '1 microsecond' AS is_far FROM runs WHERE is_on), \
             bridged AS (SELECT *, count(*) FILTER (WHERE is_far) OVER (PARTITION BY group_id ORDER BY began) AS part \
             FROM far), \
             intervals AS (SELECT group_id, min(began) AS began, max(ended) AS ended, \
             (array_agg(started_by ORDER BY began))[1] AS started_by, \
             (array_agg(ended_by ORDER BY began DESC))[1] AS ended_by FROM bridged GROUP BY group_id, part) \
             SELECT group_id, greatest(began, window_start) AS began_at, least(ended, window_end) AS ended_at, \
             CASE WHEN began >= window_start THEN started_by END AS started_by, \
             CASE WHEN ended < window_end THEN ended_by END AS ended_by FROM intervals CROSS JOIN (SELECT ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" AS window_start, least(");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(", now()) AS window_end) AS range WHERE ended - began >= ");
        out.push_bind_param::<BigInt, _>(&self.shortest)?;
        out.push_sql(" * INTERVAL '1 microsecond' AND ended > window_start AND began < window_end");
        Ok(())
    }
}
