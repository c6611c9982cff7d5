//! What came of predictions, for many at once.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Timestamptz};
use diesel_timescale::Call;

use crate::call::{Statement, single};
use crate::error::{Error, Result};
use crate::microseconds;

/// Records what came of predictions: for each id when the transition took place, or `None` if it never came.
///
/// As [`Prediction::outcome`](crate::Prediction::outcome) for each of them, in one statement: a prediction is accurate
/// if the transition came within `tolerance` of the predicted time. An outcome that was recorded before is replaced.
///
/// # Errors
/// [`Error::IdRepeated`](crate::Error::IdRepeated) if an id is there twice; nothing is recorded.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// # let (late, missed) = (a_prediction(conn), a_prediction(conn));
/// let actual = late.predicted_transition_time + TimeDelta::minutes(4);
/// let outcomes = [(late.id, Some(actual)), (missed.id, None), (missed.id + 1, None)];
/// let report = occupancy_models::bulk::record_outcomes(&outcomes, TimeDelta::minutes(10)).call(conn)?;
/// assert_eq!((report.recorded, report.accurate, report.missed), (2, 1, 1));
/// assert_eq!(report.unknown_ids, [missed.id + 1]);
/// # Ok(()) }) }
/// ```
pub fn record_outcomes(
    outcomes: &[(i64, Option<DateTime<Utc>>)],
    tolerance: TimeDelta,
) -> impl Call<Output = OutcomeReport, Error = Error> + Clone + use<> {
    RecordOutcomes {
        ids: outcomes.iter().map(|(id, _)| *id).collect(),
        actual_times: outcomes.iter().map(|(_, actual)| actual.map(microseconds::truncate)).collect(),
        tolerance_microseconds: tolerance.num_microseconds().unwrap_or(i64::MAX),
    }
}

/// What recording outcomes did.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct OutcomeReport {
    /// How many outcomes were recorded.
    pub recorded: i64,
    /// How many of them were within the tolerance.
    pub accurate: i64,
    /// How many of them were of transitions that never came.
    pub missed: i64,
    /// The ids that no prediction has, in ascending order.
    pub unknown_ids: Vec<i64>,
}

/// The call that [`record_outcomes`] makes.
#[derive(Debug, Clone, QueryId)]
struct RecordOutcomes {
    ids: Vec<i64>,
    actual_times: Vec<Option<DateTime<Utc>>>,
    tolerance_microseconds: i64,
}

impl Statement for RecordOutcomes {
    type SqlType = (BigInt, BigInt, BigInt, Array<BigInt>);
    type Row = OutcomeReport;
    type Output = OutcomeReport;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT recorded, accurate, missed, unknown_ids FROM record_prediction_outcomes(");
        out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.actual_times)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.tolerance_microseconds)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        single(rows)
    }
}
