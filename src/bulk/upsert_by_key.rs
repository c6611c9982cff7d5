//! Upserts of sensor events by key.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, BigInt};

use super::check;
use super::repeats::Repeats;
use super::upsert::{EventColumns, ReportRow, ReportSqlType, UpsertReport, count, order_of_writing, report};
use crate::call::{Statement, single};
use crate::error::Result;
use crate::models::NewSensorEvent;
use crate::models::SensorEventKey;

/// A sensor event with the id that was [reserved](super::reserve_keys) for it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedSensorEvent<'a> {
    id: i64,
    event: NewSensorEvent<'a>,
}

impl<'a> KeyedSensorEvent<'a> {
    /// The event with this id; its timestamp is the other half of the key.
    pub fn new(id: i64, event: NewSensorEvent<'a>) -> Self {
        Self { id, event }
    }

    /// The key.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.event.timestamp)
    }

    /// The event.
    pub fn event(&self) -> &NewSensorEvent<'a> {
        &self.event
    }
}

/// Stores events, each once by its key: for rows whose key is known, [reserved](super::reserve_keys) or read before.
///
/// An id that exists with another timestamp, or that the sequence has not handed out, is refused: no duplicate id comes
/// in this way. That takes a look at every chunk a call, and calls for nearby ids take turns, by locking rows of
/// `sensor_event_id_locks`: a role needs `SELECT` and `UPDATE` on that table. (Statements of your own that bring an id,
/// with `OVERRIDING SYSTEM VALUE`, by COPY, or into a chunk, are not checked.) Runs under READ COMMITTED only.
///
/// Rows are written in the same order as by [`upsert_events`](super::upsert_events). Calls of both kinds at the same time do not deadlock,
/// unless one gives an event another sensor.
///
/// # Errors
/// [`Error::InvalidRow`](crate::Error::InvalidRow), before anything is sent. When it runs:
/// [`KeyError`](crate::KeyError), or a unique violation if another event has the sensor and instant.
pub fn upsert_events_by_key<'a>(rows: &'a [KeyedSensorEvent<'a>], repeats: Repeats) -> Result<UpsertEventsByKey<'a>> {
    check::events(rows.iter().map(KeyedSensorEvent::event))?;
    let mut counting = repeats.resolve(rows, "id", |row| row.id)?;
    counting.sort_unstable_by(|a, b| order_of_writing(&a.event).cmp(&order_of_writing(&b.event)));
    Ok(UpsertEventsByKey {
        ids: counting.iter().map(|row| row.id).collect(),
        columns: EventColumns::new(counting.iter().map(|row| &row.event)),
        merged: count(rows.len() - counting.len()),
    })
}

/// The call that [`upsert_events_by_key`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
pub struct UpsertEventsByKey<'a> {
    ids: Vec<i64>,
    columns: EventColumns<'a>,
    merged: i64,
}

impl QueryId for UpsertEventsByKey<'_> {
    type QueryId = UpsertEventsByKey<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Statement for UpsertEventsByKey<'_> {
    type SqlType = ReportSqlType;
    type Row = ReportRow;
    type Output = UpsertReport;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT inserted, updated, unchanged, ");
        out.push_bind_param::<BigInt, _>(&self.merged)?;
        out.push_sql(", ARRAY[]::BIGINT[], ARRAY[]::TIMESTAMPTZ[] FROM upsert_sensor_events_by_key(");
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
