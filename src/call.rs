//! Calls, with the errors of this crate.

pub(crate) use diesel_timescale::call::{Call, push_relation, relation_name};

use crate::error::Result;

/// The only row of a call that returns exactly one.
pub(crate) fn single<T>(rows: Vec<T>) -> Result<T> {
    diesel_timescale::call::single(rows)
}
