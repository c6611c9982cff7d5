//! Deserializes fields that may be absent, null or set. `#[serde(default)]` handles absent fields.

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::microseconds;

/// A change of a column that cannot be null.
pub(crate) fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Option::deserialize(deserializer)? {
        None => Err(D::Error::custom("null in a column that cannot be null: leave the field out to keep its value")),
        value => Ok(value),
    }
}

/// A change of a column that can be null; null clears it.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A change of a JSON column that cannot be null: `null` is one of its values.
pub(crate) fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A change of a timestamp that cannot be null.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(value(deserializer)?.map(microseconds::truncate))
}

/// A change of a timestamp that can be null; null clears it.
pub(crate) fn nullable_timestamp<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    microseconds::deserialize_option(deserializer).map(Some)
}
