//! The key of a sensor event, and its text for URLs and logs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel_timescale::ParseError;
use serde::{Deserialize, Serialize};

use crate::microseconds;
use crate::schema::sensor_events;

/// The key of a sensor event: what names it and leads to its chunk.
///
/// Code carries the key rather than the bare id, because the id alone does not tell the chunk. The timestamp is
/// normalised to the microsecond, so that a key read back equals the key written.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use occupancy_models::SensorEventKey;
///
/// let timestamp: DateTime<Utc> = "2026-01-01T12:00:00.123456789Z".parse().unwrap();
/// assert_eq!(SensorEventKey::new(1, timestamp).timestamp().to_rfc3339(), "2026-01-01T12:00:00.123456+00:00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Queryable, Selectable)]
#[diesel(table_name = sensor_events, check_for_backend(diesel::pg::Pg))]
pub struct SensorEventKey {
    id: i64,
    #[serde(deserialize_with = "microseconds::deserialize")]
    timestamp: DateTime<Utc>,
}

impl SensorEventKey {
    /// The key with this id and timestamp.
    pub fn new(id: i64, timestamp: DateTime<Utc>) -> Self {
        Self { id, timestamp: microseconds::truncate(timestamp) }
    }

    /// The id, unique across all chunks.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// When the sensor reported.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }
}

impl<'a> Identifiable for &'a SensorEventKey {
    type Id = (&'a i64, &'a DateTime<Utc>);

    fn id(self) -> Self::Id {
        (&self.id, &self.timestamp)
    }
}

impl diesel::associations::HasTable for SensorEventKey {
    type Table = sensor_events::table;

    fn table() -> Self::Table {
        sensor_events::table
    }
}

/// As `42@2026-01-01T12:00:00.000000Z`: always in UTC, to the microsecond, and valid in the query of a URL without escaping.
///
/// ```
/// use occupancy_models::SensorEventKey;
///
/// let key = SensorEventKey::new(42, "2026-01-01T12:00:00Z".parse().unwrap());
/// assert_eq!(key.to_string(), "42@2026-01-01T12:00:00.000000Z");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// assert!("42".parse::<SensorEventKey>().is_err());
/// ```
impl fmt::Display for SensorEventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id(), self.timestamp().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl FromStr for SensorEventKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = || {
            let (id, timestamp) = text.split_once('@')?;
            Some(Self::new(id.parse().ok()?, timestamp.parse::<DateTime<Utc>>().ok()?))
        };
        key().ok_or_else(|| ParseError::new(text, "a key of a sensor event, such as 42@2026-01-01T12:00:00.000000Z"))
    }
}
