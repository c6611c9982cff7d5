//! The key of a sensor event as one word, for URLs and logs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::sensor_event::SensorEventKey;

/// A text that is no key of a sensor event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key of a sensor event: it has an id and a timestamp, such as 42@2026-01-01T12:00:00.000000Z")]
pub struct InvalidSensorEventKey(pub String);

/// As `42@2026-01-01T12:00:00.000000Z`: always in UTC, to the microsecond, and fit for a URL's query as it is.
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
    type Err = InvalidSensorEventKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = || {
            let (id, timestamp) = text.split_once('@')?;
            Some(Self::new(id.parse().ok()?, timestamp.parse::<DateTime<Utc>>().ok()?))
        };
        key().ok_or_else(|| InvalidSensorEventKey(text.to_owned()))
    }
}
