//! The readings that states are made of.

use chrono::TimeDelta;
use diesel::expression::{AppearsOnTable, Expression, NonAggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BoolOrNullableBool, Text, Timestamptz};

/// The states that the rows of a table report: in which column the series is (such as the sensor), the time and the
/// state.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::states::{Calendar, TimeInState, states, times_in_state};
///
/// # fn main() { run(|conn| {
/// # let (from, to) = (Utc::now() - TimeDelta::days(7), a_reading(conn) + TimeDelta::seconds(1));
/// let days: Vec<TimeInState> = states(readings::sensor, readings::time, readings::state)
///     .filter(readings::room.eq("office"))
///     .silence_limit(TimeDelta::hours(6))
///     .time_in_state(from..to, Calendar::days("Europe/Berlin"))
///     .filter(times_in_state::state.eq("on"))
///     .load(conn)?;
/// assert_eq!(days[0].series, "office.motion");
/// # Ok(()) }) }
/// ```
pub fn states<S, T, V>(series: S, time: T, state: V) -> States<S, T, V, ()>
where
    S: Column<SqlType = Text>,
    T: Column<SqlType = Timestamptz, Table = S::Table>,
    V: Column<SqlType = Text, Table = S::Table>,
{
    states_of(series, time, state)
}

pub(super) fn states_of<S, T, V>(series: S, time: T, state: V) -> States<S, T, V, ()> {
    States {
        series,
        time,
        state,
        condition: (),
        names: None,
        look_back: MONTH,
        silence_limit: None,
        unavailable: ["unavailable", "unknown"].map(str::to_owned).into(),
    }
}

const MONTH: TimeDelta = TimeDelta::days(30);

/// States over time, as [`states`] makes them: choose the rows, then ask for the [spans](Self::spans) or the
/// [time in each state](Self::time_in_state).
///
/// Two readings of one series at the same instant: which of them holds is not defined. A reading whose time is still to
/// come counts as any other: the state before it lasts until then, and not only until now. ([Intervals](Self::intervals)
/// end now.)
#[derive(Debug, Clone)]
#[must_use = "this does nothing until a query is made of it"]
pub struct States<S, T, V, F> {
    pub(super) series: S,
    pub(super) time: T,
    pub(super) state: V,
    pub(super) condition: F,
    pub(super) names: Option<Vec<String>>,
    pub(super) look_back: TimeDelta,
    pub(super) silence_limit: Option<TimeDelta>,
    pub(super) unavailable: Vec<String>,
}

impl<S, T, V, F> States<S, T, V, F> {
    /// Only these series. Each is there even if nothing of it is found.
    ///
    /// For each the state before the range is looked for by the index of series and time, where without names every row
    /// of the [look-back](Self::look_back) is read.
    pub fn named<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        names.sort();
        names.dedup();
        self.names = Some(names);
        self
    }

    /// Only rows that meet a condition on the columns of the table. What is left out says nothing at all: the state before
    /// it goes on.
    pub fn filter<P>(self, condition: P) -> States<S, T, V, (F, P)>
    where
        S: Column,
        P: Expression<SqlType: BoolOrNullableBool> + AppearsOnTable<S::Table> + NonAggregate,
    {
        States {
            series: self.series,
            time: self.time,
            state: self.state,
            condition: (self.condition, condition),
            names: self.names,
            look_back: self.look_back,
            silence_limit: self.silence_limit,
            unavailable: self.unavailable,
        }
    }

    /// How far before the range the state that it starts with is looked for. Default: 30 days.
    ///
    /// A series that reported nothing in that time is unknown until its first reading.
    pub fn look_back(mut self, look_back: TimeDelta) -> Self {
        self.look_back = look_back;
        self
    }

    /// A state holds for this long at most; after that it is unknown until the next reading. Default: no limit, as for
    /// sensors that report nothing but changes.
    pub fn silence_limit(mut self, limit: TimeDelta) -> Self {
        self.silence_limit = Some(limit);
        self
    }

    /// The states that say that nothing is known. Default: `unavailable` and `unknown`.
    pub fn unavailable<N: Into<String>>(mut self, states: impl IntoIterator<Item = N>) -> Self {
        self.unavailable = states.into_iter().map(Into::into).collect();
        self
    }
}

/// Further conditions of a `WHERE`, each after `AND`.
#[diagnostic::on_unimplemented(message = "`{Self}` is no condition of `States::filter`")]
pub(super) trait Conditions: Clone {
    fn push<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

impl Conditions for () {
    fn push<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }
}

impl<F: Conditions, P: QueryFragment<Pg> + Clone> Conditions for (F, P) {
    fn push<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.push(out.reborrow())?;
        out.push_sql(" AND (");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}
