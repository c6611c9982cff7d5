//! Calls, with the errors of this crate.

pub(crate) use diesel_timescale::call::Statement;

use crate::error::Result;

/// The only row of a call that returns exactly one.
pub(crate) fn single<T>(rows: Vec<T>) -> Result<T> {
    diesel_timescale::call::single(rows)
}
