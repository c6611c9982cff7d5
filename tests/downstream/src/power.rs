//! Power samples: a hypertable of this crate's own, whose time is a count of milliseconds.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use occupancy_models::timescale::{self, HypertableSetup};
use serde::{Deserialize, Serialize};

use crate::schema::power_samples;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a device used at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Insertable)]
#[diesel(table_name = power_samples, check_for_backend(diesel::pg::Pg))]
pub struct PowerSample {
    /// The device.
    pub device_id: String,
    /// When, as the device counts: in milliseconds since 1970-01-01 00:00 UTC.
    pub measured_ms: i64,
    /// How much, in watts.
    pub watts: f64,
}

impl PowerSample {
    /// The set-up of `power_samples` as a hypertable, which knows the present in milliseconds: policies go by that.
    pub fn hypertable() -> HypertableSetup<BigInt> {
        timescale::hypertable(power_samples::measured_ms).chunk_interval(DAY_MS).integer_now(TimeDelta::milliseconds(1))
    }
}
