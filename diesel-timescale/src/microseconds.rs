//! Timestamps truncated to microseconds, the precision of PostgreSQL.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// Drops what PostgreSQL would drop, so that a timestamp read back equals the one written.
///
/// A leap second becomes the second that follows it, as PostgreSQL knows none.
pub fn truncate(timestamp: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(timestamp.timestamp_micros()).unwrap_or(timestamp)
}

/// Deserializes a timestamp, and truncates it; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::deserialize(deserializer).map(truncate)
}

/// Deserializes a timestamp that may be missing, and truncates it.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(truncate))
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;

    #[test]
    fn nanoseconds_are_dropped_before_and_after_1970() {
        for (seconds, nanos) in [(1_700_000_000, 123_456_789), (-1_700_000_000, 123_456_789)] {
            let timestamp = DateTime::from_timestamp(seconds, nanos).unwrap();
            assert_eq!(truncate(timestamp), DateTime::from_timestamp(seconds, 123_456_000).unwrap());
        }
    }

    #[test]
    fn a_leap_second_becomes_the_next_second() {
        let leap =
            NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_hms_micro_opt(23, 59, 59, 1_500_000).unwrap().and_utc();
        let next = NaiveDate::from_ymd_opt(2017, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        assert_eq!(truncate(leap), next + TimeDelta::milliseconds(500));
    }
}
