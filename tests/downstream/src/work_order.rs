//! Work orders: a reference to the readings of this crate's own hypertable, by their whole key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use occupancy_models::timescale::references::{self, DropBefore};
use serde::Serialize;

use crate::schema::{energy_readings, work_orders};

/// What somebody should repair.
#[derive(Debug, Clone, PartialEq, Serialize, HasQuery, Identifiable)]
#[diesel(table_name = work_orders, check_for_backend(diesel::pg::Pg))]
pub struct WorkOrder {
    /// Assigned by the database.
    pub id: i64,
    /// What is to be done.
    pub description: String,
    /// The meter of the reading that says so; `None` once the reading is gone.
    pub meter_id: Option<String>,
    /// When that meter was read; `None` once the reading is gone.
    pub read_at: Option<DateTime<Utc>>,
}

/// A work order to open.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = work_orders)]
pub struct NewWorkOrder<'a> {
    /// What is to be done.
    pub description: &'a str,
    /// The meter of the reading that says so.
    pub meter_id: &'a str,
    /// When that meter was read.
    pub read_at: DateTime<Utc>,
}

/// Drops the readings before an instant, chunk by chunk. Work orders stay, and no longer reference them.
pub fn drop_readings_before(cutoff: DateTime<Utc>) -> DropBefore<Timestamptz> {
    references::drop_before(energy_readings::read_at, cutoff)
}
