//! Background jobs: listing, running, altering and deleting them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Interval, Jsonb, Nullable, Text, Timestamptz};
use serde::Serialize;
use serde_json::Value;

use crate::timestamp::TimestampOrInfinity;

use crate::call::{Call, done, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::function_call;
use crate::microseconds;

type NullableBool = Nullable<Bool>;
type NullableInterval = Nullable<Interval>;
type NullableJsonb = Nullable<Jsonb>;
type NullableText = Nullable<Text>;
type NullableTimestamptz = Nullable<Timestamptz>;

/// A job, with its last run.
#[derive(Debug, Clone, PartialEq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: i32,
    /// The schema of its procedure.
    pub procedure_schema: String,
    /// Its procedure, such as `policy_retention`.
    pub procedure: String,
    /// The schema of the hypertable that it is for, if it is for one.
    pub hypertable_schema: Option<String>,
    /// The hypertable that it is for.
    pub hypertable: Option<String>,
    /// How often it runs. Months count as 30 days.
    pub schedule_interval: TimeDelta,
    /// Whether it runs by itself.
    pub is_scheduled: bool,
    /// The configuration that its procedure receives.
    pub config: Option<Value>,
    /// When it is due next; `-infinity` while it runs, `infinity` while it is paused.
    pub next_start: Option<TimestampOrInfinity>,
    /// When its last run began; `None` before the first one.
    pub last_run_started_at: Option<DateTime<Utc>>,
    /// When the last run without an error ended; `None` if there was none.
    pub last_successful_finish: Option<DateTime<Utc>>,
    /// How its last run ended: `Success` or `Failed`.
    pub last_run_status: Option<String>,
    /// How often it ran.
    pub total_runs: i64,
    /// How often it failed.
    pub total_failures: i64,
    /// The last error that the server has kept: what its owner may see.
    pub last_error: Option<String>,
}

/// The jobs of this database, by id, each with its last run.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, add_retention_policy, jobs};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let id = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// let jobs = jobs().call(conn)?;
/// let job = jobs.iter().find(|job| job.id == id).unwrap();
/// assert_eq!((&*job.procedure, job.hypertable.as_deref()), ("policy_retention", Some("readings")));
/// # Ok(()) }) }
/// ```
pub fn jobs() -> impl Call<Output = Vec<Job>, Error = Error> + Clone {
    Jobs {}
}

function_call! {
    /// The query that [`jobs`] makes.
    Jobs {},
    // What has not happened yet did so at -infinity.
    "SELECT job_id, proc_schema::text, proc_name::text, j.hypertable_schema::text, j.hypertable_name::text, \
     schedule_interval, scheduled, config, j.next_start, \
     nullif(last_run_started_at, '-infinity'), nullif(last_successful_finish, '-infinity'), last_run_status, \
     coalesce(total_runs, 0), coalesce(total_failures, 0), err_message \
     FROM timescaledb_information.jobs AS j \
     LEFT JOIN timescaledb_information.job_stats AS s USING (job_id) \
     LEFT JOIN LATERAL (\
         SELECT e.err_message FROM timescaledb_information.job_errors AS e \
         WHERE e.job_id = j.job_id ORDER BY e.start_time DESC LIMIT 1\
     ) AS failed ON true ORDER BY job_id", "",
    (
        Integer, Text, Text, NullableText, NullableText, Interval, Bool, NullableJsonb, NullableTimestamptz,
        NullableTimestamptz, NullableTimestamptz, NullableText, BigInt, BigInt, NullableText,
    ) => Job => Vec<Job>, Ok,
    requires Jobs,
}

/// Runs a job now, in this session, whatever its schedule.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs:
/// [`Error::InsideTransaction`](crate::Error::InsideTransaction), and what the job itself reports. For an example see
/// [`add_retention_policy`](crate::add_retention_policy).
pub fn run_job(id: i32) -> impl Call<Output = (), Error = Error> + Clone {
    RunJob { id }
}

function_call! {
    /// The call that [`run_job`] makes.
    RunJob { id: i32 = Integer },
    "CALL run_job(", ")",
    (Bool,) => (bool,) => (), done,
    requires Jobs, non_transactional "run_job",
}

/// Alters a job: what is not set stays unchanged. Returns its id.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// job.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server, add_retention_policy, alter_job};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// alter_job(job).with_schedule_interval(TimeDelta::hours(6)).with_scheduled(false).call(conn)?;
/// # diesel_timescale::delete_job(job).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn alter_job(id: i32) -> AlterJob {
    AlterJob { id, schedule_interval: None, is_scheduled: None, config: None, next_start: None }
}

function_call! {
    /// The call that [`alter_job`] makes.
    pub AlterJob {
        id: i32 = Integer,
        schedule_interval: Option<PgInterval> = NullableInterval,
        is_scheduled: Option<bool> = NullableBool,
        config: Option<Value> = NullableJsonb,
        next_start: Option<TimestampOrInfinity> = NullableTimestamptz,
    },
    "SELECT changed.job_id FROM (SELECT ",
    ") AS asked (id, schedule, scheduled, config, due) CROSS JOIN LATERAL alter_job(asked.id, \
     schedule_interval => asked.schedule, scheduled => asked.scheduled, config => asked.config, \
     next_start => asked.due) AS changed",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl AlterJob {
    /// How often it runs.
    pub fn with_schedule_interval(mut self, schedule: TimeDelta) -> Self {
        self.schedule_interval = Some(interval(schedule));
        self
    }

    /// Whether it runs by itself.
    pub fn with_scheduled(mut self, is_scheduled: bool) -> Self {
        self.is_scheduled = Some(is_scheduled);
        self
    }

    /// The configuration that its procedure receives.
    pub fn with_config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// When it is due next. [`Infinity`](TimestampOrInfinity::Infinity) pauses it until it is given an instant again.
    pub fn with_next_start(mut self, next_start: impl Into<TimestampOrInfinity>) -> Self {
        self.next_start = Some(match next_start.into() {
            TimestampOrInfinity::Finite(at) => TimestampOrInfinity::Finite(microseconds::truncate(at)),
            infinite => infinite,
        });
        self
    }
}

/// Deletes a job.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// job. For an example see [`alter_job`].
pub fn delete_job(id: i32) -> impl Call<Output = (), Error = Error> + Clone {
    DeleteJob { id }
}

function_call! {
    /// The call that [`delete_job`] makes.
    DeleteJob { id: i32 = Integer },
    "SELECT delete_job(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Jobs,
}
