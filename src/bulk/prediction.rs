//! Bulk writes of predictions.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, BigInt, Double, Jsonb, Nullable, Text, Timestamptz};
use serde_json::Value;

use super::check;
use super::repeats::Repeats;
use super::upsert::{ReportRow, ReportSqlType, UpsertReport, count, nullable, report};
use crate::call::{Statement, single};
use crate::error::Result;
use crate::models::NewPrediction;
use crate::models::TransitionType;

/// Stores predictions and gives their ids, in order.
///
/// References to events [given by key](NewPrediction::with_triggering_event) are registered in one pass that looks
/// only into the chunks of those events; by id alone, each takes a look of its own.
///
/// Rows are written in the order of their triggering events, so that calls that refer to the same events do not deadlock:
/// the ids that come back are in the order of the rows, and need not ascend.
///
/// # Errors
/// [`Error::InvalidRow`](crate::Error::InvalidRow), before anything is sent. When it runs: a foreign key violation
/// if an event does not exist; then nothing is stored.
///
/// ```
/// # include!("../doctest_setup.rs");
/// # fn main() { run(|conn| {
/// # let event = an_event(conn);
/// let at = event.timestamp + TimeDelta::minutes(15);
/// let rows = [TransitionType::VacantToOccupied, TransitionType::StateChange].map(|transition| {
///     NewPrediction::new("office", at, transition, 0.8, ModelType::HMM, "1").with_triggering_event(event.key())
/// });
/// let ids = occupancy_models::bulk::insert_predictions(&rows)?.call(conn)?;
/// assert_eq!(predictions::table.filter(predictions::id.eq_any(ids)).count().get_result::<i64>(conn)?, 2);
/// # Ok(()) }) }
/// ```
pub fn insert_predictions<'a>(rows: &'a [NewPrediction<'a>]) -> Result<InsertPredictions<'a>> {
    check::predictions(rows)?;
    Ok(InsertPredictions { columns: PredictionColumns::new(rows.iter()) })
}

/// The call that [`insert_predictions`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
pub struct InsertPredictions<'a> {
    columns: PredictionColumns<'a>,
}

/// The columns of a batch, each one array. The values are borrowed from the rows.
#[derive(Debug, Clone)]
struct PredictionColumns<'a> {
    room_ids: Vec<&'a str>,
    prediction_times: Vec<DateTime<Utc>>,
    predicted_transition_times: Vec<DateTime<Utc>>,
    transition_types: Vec<TransitionType>,
    confidence_scores: Vec<f64>,
    interval_lowers: Vec<Option<DateTime<Utc>>>,
    interval_uppers: Vec<Option<DateTime<Utc>>>,
    model_types: Vec<&'a str>,
    model_versions: Vec<&'a str>,
    feature_importances: Vec<Option<&'a Value>>,
    alternatives: Vec<Option<&'a Value>>,
    triggering_event_ids: Vec<Option<i64>>,
    triggering_event_timestamps: Vec<Option<DateTime<Utc>>>,
    processing_times_ms: Vec<Option<f64>>,
}

impl<'a> PredictionColumns<'a> {
    fn new(rows: impl Iterator<Item = &'a NewPrediction<'a>> + Clone) -> Self {
        Self {
            room_ids: rows.clone().map(|row| &*row.room_id).collect(),
            prediction_times: rows.clone().map(|row| row.prediction_time).collect(),
            predicted_transition_times: rows.clone().map(|row| row.predicted_transition_time).collect(),
            transition_types: rows.clone().map(|row| row.transition_type).collect(),
            confidence_scores: rows.clone().map(|row| row.confidence_score).collect(),
            interval_lowers: nullable(rows.clone().map(|row| row.prediction_interval_lower)),
            interval_uppers: nullable(rows.clone().map(|row| row.prediction_interval_upper)),
            model_types: rows.clone().map(|row| row.model_type.as_str()).collect(),
            model_versions: rows.clone().map(|row| &*row.model_version).collect(),
            feature_importances: nullable(rows.clone().map(|row| row.feature_importance.as_ref())),
            alternatives: nullable(rows.clone().map(|row| row.alternatives.as_ref())),
            triggering_event_ids: nullable(rows.clone().map(|row| row.triggering_event_id)),
            triggering_event_timestamps: nullable(rows.clone().map(|row| row.triggering_event_timestamp)),
            processing_times_ms: nullable(rows.map(|row| row.processing_time_ms)),
        }
    }

    fn push_binds<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Text>, _>(&self.room_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.prediction_times)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.predicted_transition_times)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.transition_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Double>, _>(&self.confidence_scores)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.interval_lowers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.interval_uppers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.model_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.model_versions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&self.feature_importances)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&self.alternatives)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.triggering_event_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.triggering_event_timestamps)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Double>>, _>(&self.processing_times_ms)
    }
}

// The SQL is the same whatever the lifetime and the rows.
impl QueryId for InsertPredictions<'_> {
    type QueryId = InsertPredictions<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Statement for InsertPredictions<'_> {
    type SqlType = (BigInt,);
    type Row = (i64,);
    type Output = Vec<i64>;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM insert_predictions(");
        self.columns.push_binds(&mut out)?;
        out.push_sql(") AS stored (id)");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

/// A prediction with the id that was [reserved](super::reserve_prediction_ids) for it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedPrediction<'a> {
    id: i64,
    prediction: NewPrediction<'a>,
}

impl<'a> KeyedPrediction<'a> {
    /// The prediction with this id.
    pub fn new(id: i64, prediction: NewPrediction<'a>) -> Self {
        Self { id, prediction }
    }

    /// The id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The prediction.
    pub fn prediction(&self) -> &NewPrediction<'a> {
        &self.prediction
    }
}

/// Stores predictions, each once by its id: for ids that were [reserved](super::reserve_prediction_ids) or read
/// before. What validation has recorded stays.
///
/// They are written in the order of their triggering events and ids, whatever order they come in: calls that store the
/// same predictions at the same time wait for each other, and do not deadlock, unless one gives a prediction another event.
///
/// # Errors
/// [`Error::InvalidRow`](crate::Error::InvalidRow), before anything is sent. When it runs:
/// [`KeyError::NotHandedOut`](crate::KeyError::NotHandedOut), or a foreign key violation.
pub fn upsert_predictions<'a>(rows: &'a [KeyedPrediction<'a>], repeats: Repeats) -> Result<UpsertPredictions<'a>> {
    check::predictions(rows.iter().map(KeyedPrediction::prediction))?;
    let counting = repeats.resolve(rows, "id", |row| row.id)?;
    Ok(UpsertPredictions {
        ids: counting.iter().map(|row| row.id).collect(),
        columns: PredictionColumns::new(counting.iter().map(|row| &row.prediction)),
        merged: count(rows.len() - counting.len()),
    })
}

/// The call that [`upsert_predictions`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
pub struct UpsertPredictions<'a> {
    ids: Vec<i64>,
    columns: PredictionColumns<'a>,
    merged: i64,
}

impl QueryId for UpsertPredictions<'_> {
    type QueryId = UpsertPredictions<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Statement for UpsertPredictions<'_> {
    type SqlType = ReportSqlType;
    type Row = ReportRow;
    type Output = UpsertReport;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT inserted, updated, unchanged, ");
        out.push_bind_param::<BigInt, _>(&self.merged)?;
        out.push_sql(", ARRAY[]::BIGINT[], ARRAY[]::TIMESTAMPTZ[] FROM upsert_predictions(");
        out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
        out.push_sql(", ");
        self.columns.push_binds(&mut out)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(report(single(rows)?))
    }
}
