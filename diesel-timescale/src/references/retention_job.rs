//! Retention of a target of references, as a job.

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Integer, Interval};

use crate::call::{Call, Relation, relation_name, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::function_call;
use crate::time_column::{IntervalOf, TimeColumn};
use crate::time_value::Length;

/// Drops the rows of a [target](super::create_target) in the background once they are this old, and gives the job.
///
/// The job does what [`drop_before`](super::drop_before) does, so references are cleared in the same transaction. Takes the
/// place of such a job that is there. Where the edition has no jobs, call [`drop_before`](super::drop_before) now and then.
/// A [set-up](crate::setup) declares the job by [`add_retention_policy`](crate::add_retention_policy()), which means it where
/// the table is a target, or by [`tiers`](crate::tiers()).
///
/// A run that fails changes nothing: one for which long transactions leave no moment within 30 seconds, or one that would
/// drop what a foreign key with `RESTRICT` references, unless [`keep_referenced`](AddRetention::keep_referenced). The
/// server counts it as failed (`total_failures` in `timescaledb_information.job_stats`) and runs the job again after its
/// retry period.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`ReferenceError::RetentionInterval`](crate::ReferenceError::RetentionInterval) if nothing would be kept;
/// [`NotATarget`](crate::ReferenceError::NotATarget);
/// [`HypertableError::NoIntegerNow`](crate::HypertableError::NoIntegerNow) if the column counts units and the server does
/// not know the present ([`set_integer_now`](crate::set_integer_now)).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, references, run_job};
///
/// # fn main() { run(|conn| {
/// # if !Server::query().call(conn)?.has(Feature::Jobs) { return Ok(()); }
/// references::create_target(readings::time).call(conn)?;
/// let job = references::add_retention(readings::time, TimeDelta::days(730))
///     .schedule(TimeDelta::hours(6))
///     .keep_referenced(true)
///     .call(conn)?;
/// // At once, rather than when it is due.
/// run_job(job).call(conn)?;
/// assert!(references::remove_retention(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_retention<C>(time_column: C, drop_after: IntervalOf<C>) -> AddRetention
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    AddRetention {
        target: relation_name(&C::Table::default()),
        drop_after: Length::new::<C::SqlType>(Some(drop_after)),
        schedule: interval(TimeDelta::days(1)),
        keep_referenced: false,
    }
}

function_call! {
    /// The call that [`add_retention`] makes.
    pub AddRetention {
        target: Relation = Relation,
        drop_after: Length = Length,
        schedule: PgInterval = Interval,
        keep_referenced: bool = Bool,
    },
    "SELECT diesel_timescale.add_reference_retention(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl AddRetention {
    /// How often the job runs. Default: once a day.
    pub fn schedule(mut self, schedule: TimeDelta) -> Self {
        self.schedule = interval(schedule);
        self
    }

    /// Whether chunks stay that have a row which a foreign key with `RESTRICT` references; on a plain table only such
    /// rows stay. Default: `false`, with which a run fails then.
    pub fn keep_referenced(mut self, keep: bool) -> Self {
        self.keep_referenced = keep;
        self
    }
}

/// Removes the retention job of a [target](super::create_target). Gives `false` if there is none.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. For an example see [`add_retention`].
pub fn remove_retention<T>(target: T) -> impl Call<Output = bool, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RemoveRetention { target: relation_name(&target) }
}

function_call! {
    RemoveRetention { target: Relation = Relation },
    "SELECT diesel_timescale.remove_reference_retention(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Jobs,
}
