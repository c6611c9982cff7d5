//! Ids that are handed out before the rows are stored.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel_timescale::Call;

use crate::call::Statement;
use crate::error::{Error, Result};
use crate::microseconds;
use crate::models::SensorEventKey;

/// Reserves a key for each of these timestamps, in order.
///
/// With its key an event can be stored [by key](super::upsert_sensor_events_by_key), any number of times, and is there once:
/// reserve first, keep the keys with the rows, and send the batch again if the connection broke. Keys that are not
/// used stay unused.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::bulk::{self, Keyed};
///
/// # fn main() { run(|conn| {
/// let event = NewSensorEvent::new(Utc::now(), "office", "office.motion", SensorType::MOTION, "on");
/// let keys = bulk::reserve_keys([event.timestamp()]).call(conn)?;
/// let rows = [Keyed::new(keys[0].id(), event)];
/// for _ in 0..2 {
///     bulk::upsert_sensor_events_by_key(&rows).call(conn)?;
/// }
/// assert_eq!(sensor_events::table.select(SensorEventKey::as_select()).load(conn)?, keys);
/// # Ok(()) }) }
/// ```
pub fn reserve_keys(
    timestamps: impl IntoIterator<Item = DateTime<Utc>>,
) -> impl Call<Output = Vec<SensorEventKey>, Error = Error> + Clone {
    ReserveKeys { timestamps: timestamps.into_iter().map(microseconds::truncate).collect() }
}

/// The call that [`reserve_keys`] makes.
#[derive(Debug, Clone, QueryId)]
struct ReserveKeys {
    timestamps: Vec<DateTime<Utc>>,
}

impl Statement for ReserveKeys {
    type SqlType = (BigInt, Timestamptz);
    type Row = SensorEventKey;
    type Output = Vec<SensorEventKey>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id, timestamp FROM ROWS FROM (reserve_sensor_event_ids(cardinality(");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.timestamps)?;
        out.push_sql(")), unnest(");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.timestamps)?;
        out.push_sql(")) AS reserved (id, timestamp)");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows)
    }
}

/// Reserves ids for this many predictions, for [`upsert_predictions`](super::upsert_predictions).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// let ids = occupancy_models::bulk::reserve_prediction_ids(3).call(conn)?;
/// assert_eq!(ids.len(), 3);
/// # Ok(()) }) }
/// ```
pub fn reserve_prediction_ids(how_many: u32) -> impl Call<Output = Vec<i64>, Error = Error> + Clone {
    ReservePredictionIds { how_many: how_many.into() }
}

/// The call that [`reserve_prediction_ids`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
struct ReservePredictionIds {
    how_many: i64,
}

impl Statement for ReservePredictionIds {
    type SqlType = (BigInt,);
    type Row = (i64,);
    type Output = Vec<i64>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM reserve_prediction_ids(");
        out.push_bind_param::<BigInt, _>(&self.how_many)?;
        out.push_sql(") AS reserved (id)");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}
