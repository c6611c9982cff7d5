//! Upserts of sensor events by sensor and instant.

use std::hash::Hash;
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, Text, Timestamptz};
use foldhash::{HashMap, HashMapExt};
use serde_json::Value;

use super::check;
use super::repeats::Repeats;
use crate::call::{Statement, single};
use crate::error::Result;
use crate::models::NewSensorEvent;
use crate::models::SensorEventKey;

/// Stores events, each once by sensor and instant: for at-least-once delivery and re-imports.
///
/// Rows that are stored already are updated where they differ, and not rewritten where they do not; `processed_at`
/// is not cleared. Any number of rows is one statement, prepared once.
///
/// Rows are written in the order of timestamp and sensor, whatever order they come in: calls that store the same rows at
/// the same time wait for each other, and do not deadlock. Several calls in one transaction write in the order of the
/// calls, so they can; see [`Retry`](crate::transaction::Retry).
///
/// # Errors
/// [`Error::InvalidRow`](crate::Error::InvalidRow), before anything is sent.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::bulk::{self, Repeats};
///
/// # fn main() { run(|conn| {
/// let at = Utc::now();
/// let reading = |state: &'static str| NewSensorEvent::new(at, "office", "office.light", SensorType::LIGHT, state);
///
/// let report = bulk::upsert_events(&[reading("320"), reading("321")], Repeats::LastWins)?.call(conn)?;
/// assert_eq!((report.inserted, report.merged), (1, 1));
///
/// let report = bulk::upsert_events(&[reading("321")], Repeats::LastWins)?.with_keys().call(conn)?;
/// assert_eq!((report.inserted, report.unchanged), (0, 1));
/// assert_eq!(report.keys.len(), 1);
/// # Ok(()) }) }
/// ```
pub fn upsert_events<'a>(rows: &'a [NewSensorEvent<'a>], repeats: Repeats) -> Result<UpsertEvents<'a>> {
    check::events(rows)?;
    let mut counting = repeats.resolve(rows, "sensor_id, timestamp", instant)?;
    counting.sort_unstable_by(|a, b| order_of_writing(a).cmp(&order_of_writing(b)));
    Ok(UpsertEvents {
        span: Span::new(rows),
        columns: EventColumns::new(counting.iter().copied()),
        merged: count(rows.len() - counting.len()),
        rows,
        keys_of: None,
    })
}

/// The database writes rows in this order in any case, and sorts those faster that have it already.
pub(super) fn order_of_writing<'a>(row: &'a NewSensorEvent<'_>) -> (DateTime<Utc>, &'a str) {
    (row.timestamp, &row.sensor_id)
}

fn instant<'a>(row: &'a NewSensorEvent<'_>) -> (&'a str, DateTime<Utc>) {
    (&row.sensor_id, row.timestamp)
}

pub(super) fn count(rows: usize) -> i64 {
    // No machine holds more rows than that.
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A column that may have nulls. One of nothing else is empty: it costs no bytes, and the SQL reads null beyond its end.
pub(super) fn nullable<T>(values: impl Iterator<Item = Option<T>> + Clone) -> Vec<Option<T>> {
    if values.clone().all(|value| value.is_none()) { Vec::new() } else { values.collect() }
}

/// The different values, and for each of the given ones its position among them, from 1.
fn distinct<'a, V: Eq + Hash + ?Sized>(values: impl Iterator<Item = &'a V>) -> (Vec<&'a V>, Vec<i32>) {
    let mut distinct = Vec::new();
    let mut positions = HashMap::new();
    let at = values
        .map(|value| {
            *positions.entry(value).or_insert_with(|| {
                distinct.push(value);
                // An array of PostgreSQL holds no more than that.
                i32::try_from(distinct.len()).unwrap_or(i32::MAX)
            })
        })
        .collect();
    (distinct, at)
}

/// What an upsert did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UpsertReport {
    /// Rows that were not stored before.
    pub inserted: i64,
    /// Rows that were stored otherwise before.
    pub updated: i64,
    /// Rows that were already identical, and not rewritten.
    pub unchanged: i64,
    /// Rows of the batch that another one of the same key stood for; see [`Repeats`].
    pub merged: i64,
    /// The keys, in the order of the rows that were given, one for each; empty unless asked for.
    pub keys: Vec<SensorEventKey>,
}

impl UpsertReport {
    /// How many rows were given.
    pub fn rows(&self) -> i64 {
        self.inserted + self.updated + self.unchanged + self.merged
    }
}

impl AddAssign for UpsertReport {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.merged += other.merged;
        self.keys.extend(other.keys);
    }
}

/// The sensors of a batch, each once, and its range of time: what the database looks through for stored rows.
#[derive(Debug, Clone)]
struct Span<'a> {
    sensors: Vec<&'a str>,
    earliest: Option<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
}

impl<'a> Span<'a> {
    fn new(rows: &'a [NewSensorEvent<'a>]) -> Self {
        Self {
            sensors: distinct(rows.iter().map(|row| &*row.sensor_id)).0,
            earliest: rows.iter().map(|row| row.timestamp).min(),
            latest: rows.iter().map(|row| row.timestamp).max(),
        }
    }

    fn push_binds<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Text>, _>(&self.sensors)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.earliest)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.latest)
    }
}

/// The columns of a batch, each one array. The values are borrowed from the rows.
#[derive(Debug, Clone)]
pub(super) struct EventColumns<'a> {
    timestamps: Vec<DateTime<Utc>>,
    room_ids: Vec<&'a str>,
    sensor_ids: Vec<&'a str>,
    sensor_types: Vec<&'a str>,
    states: Vec<&'a str>,
    numeric_values: Vec<Option<f64>>,
    previous_states: Vec<Option<&'a str>>,
    /// Each once, and the position of each row's, from 1: sensors seldom change theirs, and the database reads JSON slowly.
    attributes: Vec<&'a Value>,
    attributes_at: Vec<i32>,
    human_triggered: Vec<bool>,
    confidence_scores: Vec<Option<f64>>,
    processed_ats: Vec<Option<DateTime<Utc>>>,
}

impl<'a> EventColumns<'a> {
    pub(super) fn new(rows: impl ExactSizeIterator<Item = &'a NewSensorEvent<'a>> + Clone) -> Self {
        let (attributes, attributes_at) = distinct(rows.clone().map(|row| &row.attributes));
        Self {
            timestamps: rows.clone().map(|row| row.timestamp).collect(),
            room_ids: rows.clone().map(|row| &*row.room_id).collect(),
            sensor_ids: rows.clone().map(|row| &*row.sensor_id).collect(),
            sensor_types: rows.clone().map(|row| row.sensor_type.as_str()).collect(),
            states: rows.clone().map(|row| row.state.as_str()).collect(),
            numeric_values: nullable(rows.clone().map(|row| row.numeric_value)),
            previous_states: nullable(rows.clone().map(|row| row.previous_state.as_ref().map(|state| state.as_str()))),
            attributes,
            attributes_at,
            human_triggered: rows.clone().map(|row| row.is_human_triggered).collect(),
            confidence_scores: nullable(rows.clone().map(|row| row.confidence_score)),
            processed_ats: nullable(rows.map(|row| row.processed_at)),
        }
    }

    pub(super) fn push_binds<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Timestamptz>, _>(&self.timestamps)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.room_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.sensor_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.sensor_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Double>>, _>(&self.numeric_values)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.previous_states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Jsonb>, _>(&self.attributes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.attributes_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.human_triggered)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Double>>, _>(&self.confidence_scores)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.processed_ats)
    }
}

/// The call that [`upsert_events`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
pub struct UpsertEvents<'a> {
    span: Span<'a>,
    columns: EventColumns<'a>,
    merged: i64,
    rows: &'a [NewSensorEvent<'a>],
    /// Sensors and instants of all the rows that were given.
    keys_of: Option<(Vec<&'a str>, Vec<DateTime<Utc>>)>,
}

impl UpsertEvents<'_> {
    /// Asks for the keys, in the order of the rows that were given. Costs a look-up of each.
    pub fn with_keys(mut self) -> Self {
        self.keys_of = Some(self.rows.iter().map(instant).unzip());
        self
    }
}

// The SQL is the same whatever the lifetime, the rows and the options.
impl QueryId for UpsertEvents<'_> {
    type QueryId = UpsertEvents<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Statement for UpsertEvents<'_> {
    type SqlType = ReportSqlType;
    type Row = ReportRow;
    type Output = UpsertReport;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // SELECT inserted, updated, unchanged, $1, ids, $18 FROM upsert_sensor_events($2, …, $16) AS written, and the
        // ids of $17 and $18.
        let (sensor_ids, timestamps) = match &self.keys_of {
            Some((sensor_ids, timestamps)) => (sensor_ids.as_slice(), timestamps.as_slice()),
            None => (&[][..], &[][..]),
        };
        out.push_sql("SELECT inserted, updated, unchanged, ");
        out.push_bind_param::<BigInt, _>(&self.merged)?;
        out.push_sql(", coalesce(ids, ARRAY[]::BIGINT[]), timestamps FROM upsert_sensor_events(");
        self.span.push_binds(&mut out)?;
        out.push_sql(", ");
        self.columns.push_binds(&mut out)?;
        // Depends on what was written, so it runs after that.
        out.push_sql(") AS written CROSS JOIN LATERAL (SELECT sensor_event_ids(s, t) AS ids, t AS timestamps FROM (SELECT CASE WHEN inserted IS NOT NULL THEN ");
        out.push_bind_param::<Array<Text>, _>(sensor_ids)?;
        out.push_sql(" END AS s, ");
        out.push_bind_param::<Array<Timestamptz>, _>(timestamps)?;
        out.push_sql(" AS t) AS asked) AS stored");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(report(single(rows)?))
    }
}

/// Inserted, updated, unchanged, merged; ids and timestamps of the keys.
pub(super) type ReportSqlType = (BigInt, BigInt, BigInt, BigInt, Array<BigInt>, Array<Timestamptz>);
pub(super) type ReportRow = (i64, i64, i64, i64, Vec<i64>, Vec<DateTime<Utc>>);

pub(super) fn report((inserted, updated, unchanged, merged, ids, timestamps): ReportRow) -> UpsertReport {
    let keys = ids.into_iter().zip(timestamps).map(|(id, timestamp)| SensorEventKey::new(id, timestamp)).collect();
    UpsertReport { inserted, updated, unchanged, merged, keys }
}
