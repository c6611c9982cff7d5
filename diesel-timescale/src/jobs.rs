//! Background jobs: listing, running, altering and deleting them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Interval, Jsonb, Nullable, Text, Timestamptz};
use serde::Serialize;
use serde_json::Value;

use crate::call::{Call, done, value};
use crate::error::Error;
use crate::function_call;
use crate::job_health::JobHealth;
use crate::job_procedure::SetJobConfig;
use crate::schedule::{Arguments, Schedule};
use crate::timestamp::TimestampOrInfinity;

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
    /// Whether it starts at fixed times, and not some time after the last run has ended.
    pub is_fixed: bool,
    /// When it runs first, if that was set.
    pub initial_start: Option<TimestampOrInfinity>,
    /// The time zone of fixed times; `None` is UTC.
    pub time_zone: Option<String>,
    /// How long a run may take; zero is without end.
    pub max_runtime: TimeDelta,
    /// How often a run that failed is repeated; -1 is without end.
    pub max_retries: i32,
    /// How long to wait before that.
    pub retry_period: TimeDelta,
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
    /// How long the last run took, once it has ended.
    pub last_run_duration: Option<TimeDelta>,
    /// How its last run ended: `Success` or `Failed`.
    pub last_run_status: Option<String>,
    /// How often it ran.
    pub total_runs: i64,
    /// How often it succeeded.
    pub total_successes: i64,
    /// How often it failed.
    pub total_failures: i64,
    /// The last error that the server has kept: what its owner may see.
    pub last_error: Option<String>,
    /// How it does.
    pub health: JobHealth,
}

/// The jobs of this database, by id, each with its last run and how it does. The runs before that are in
/// [`catalog::JobHistory`](crate::catalog::JobHistory), those that failed in [`catalog::JobError`](crate::catalog::JobError).
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_retention_policy, jobs};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let id = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// let jobs = jobs().call(conn)?;
/// let job = jobs.iter().find(|job| job.id == id).unwrap();
/// assert_eq!((&*job.procedure, job.hypertable.as_deref()), ("policy_retention", Some("readings")));
/// for job in jobs.iter().filter(|job| job.health.is_problem()) {
///     eprintln!("{} ({}) is {}: {:?}", job.id, job.procedure, job.health, job.last_error);
/// }
/// # Ok(()) }) }
/// ```
pub fn jobs() -> impl Call<Output = Vec<Job>, Error = Error> + Clone {
    Jobs {}
}

function_call! {
    /// The query that [`jobs`] makes.
    Jobs {},
    "SELECT job_id, procedure_schema, procedure, hypertable_schema, hypertable, schedule_interval, is_fixed, \
     initial_start, time_zone, max_runtime, max_retries, retry_period, is_scheduled, config, next_start, \
     last_run_started_at, last_successful_finish, last_run_duration, last_run_status, total_runs, total_successes, \
     total_failures, last_error, health FROM diesel_timescale.job_report()", "",
    (
        Integer, Text, Text, NullableText, NullableText, Interval, Bool, NullableTimestamptz, NullableText, Interval,
        Integer, Interval, Bool, NullableJsonb, NullableTimestamptz, NullableTimestamptz, NullableTimestamptz,
        NullableInterval, NullableText, BigInt, BigInt, BigInt, NullableText, Text,
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

/// Gives a job that is there another schedule: what is not set stays as it is. Gives its id.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, the server's error if there is no such
/// job.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Schedule, Server, add_retention_policy, alter_job};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let job = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// alter_job(job, Schedule::every(TimeDelta::hours(6)).enabled(false)).call(conn)?;
/// # diesel_timescale::delete_job(job).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn alter_job(id: i32, schedule: Schedule) -> impl Call<Output = i32, Error = Error> + Clone {
    AlterJob { id, schedule: schedule.arguments() }
}

function_call! {
    /// The call that [`alter_job`] makes.
    AlterJob { id: i32 = Integer, schedule: Arguments = Arguments },
    "SELECT diesel_timescale.set_job_schedule(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

/// Gives a job the configuration that its procedure receives, and gives its id. Of a job of one's own better through its
/// [`JobProcedure`](crate::JobProcedure), which knows the type.
///
/// # Errors
/// [`Error::Unsupported`] in the Apache edition and without TimescaleDB. When it runs, what the function says that checks
/// it, and the server's error if there is no such job.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_retention_policy, jobs, set_job_config};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let id = add_retention_policy(readings::time, TimeDelta::days(730)).call(conn)?;
/// let job = jobs().call(conn)?.into_iter().find(|job| job.id == id).unwrap();
/// let mut config = job.config.unwrap();
/// config["drop_after"] = "3 years".into();
/// set_job_config(id, config).call(conn)?;
/// # diesel_timescale::delete_job(id).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_job_config(id: i32, config: Value) -> impl Call<Output = i32, Error = Error> + Clone {
    SetJobConfig::new(id, config)
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
