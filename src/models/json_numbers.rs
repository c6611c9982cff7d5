//! Floats in JSON. JSON has neither NaN nor infinities; serde_json would write null for them, so they are an error here.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() && !number.is_finite() {
        return Err(S::Error::custom(format!("{number} is not a number that JSON can hold: leave it out")));
    }
    number.serialize(serializer)
}

pub(crate) fn serialize_option<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serialize(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// A change of a column that can be null. (A change that is not set is skipped.)
pub(crate) fn serialize_nullable_change<S: Serializer>(
    number: &Option<Option<f64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serialize_option(&number.flatten(), serializer)
}
