//! Procedures that an application declares for jobs of its own.

use std::marker::PhantomData;

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::query_builder::{AstPass, QueryId};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Bool, Integer, Interval, Jsonb, Nullable, Text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::add_job::{AddJob, AddsJob};
use crate::call::{Call, Statement, done, value};
use crate::chunks::interval;
use crate::error::Error;
use crate::function_call;
use crate::schedule::Schedule;
use crate::setup::{Declare, ProcedureDeclaration, Setup};

/// A config as JSON, or why it is none.
pub(crate) type Document = Result<Value, String>;

/// Pushes a config as an argument.
#[doc(hidden)]
pub fn push_document<'b>(document: &'b Result<Value, String>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    let value = document.as_ref().map_err(|message| DieselError::QueryBuilderError(message.clone().into()))?;
    out.push_bind_param::<Jsonb, _>(value)
}

fn document<T: Serialize>(config: &T) -> Document {
    match serde_json::to_value(config) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(other) => Err(format!("the config of a job is an object, and this is {other}")),
        Err(error) => Err(format!("the config of a job cannot be serialized: {error}")),
    }
}

/// A procedure that jobs run, with a config of the type `T`: its name, its body in PL/pgSQL, and an example of its config.
///
/// The body is that of a PL/pgSQL procedure with the arguments `job_id` and `config`, a `jsonb`. A job runs it with the
/// rights and the settings of its owner: name tables with their schema unless the default `search_path` finds them. The
/// procedure is made in the first schema of the `search_path`.
///
/// Its config is checked twice: serde makes it and reads it, and the server refuses one that has other fields than the
/// example, or other types of JSON in them, whoever gives it, from psql as well. What is `null` in the example may be left
/// out, and have any type.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{AddJob as _, Feature, Schedule, Server, job_procedure, run_job};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Purge {
///     room: String,
///     keep_days: i32,
/// }
///
/// # fn main() { run(|conn| {
/// let example = Purge { room: "hall".to_owned(), keep_days: 30 };
/// let purge = job_procedure(
///     "purge_room",
///     "BEGIN
///          DELETE FROM readings
///          WHERE room = config ->> 'room' AND time < now() - make_interval(days => (config ->> 'keep_days')::int);
///      END",
///     &example,
/// );
/// assert!(purge.create().call(conn)?);
/// // By hand, on any server:
/// purge.run(&example).call(conn)?;
///
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { purge.drop().call(conn)?; return Ok(()); }
/// let hourly = Schedule::new().max_retries(3);
/// let job = purge.add(TimeDelta::hours(1), &example).scheduled(hourly).call(conn)?;
/// run_job(job).call(conn)?;
/// purge.set_config(job, &Purge { room: "hall".to_owned(), keep_days: 7 }).call(conn)?;
/// assert_eq!(purge.jobs().call(conn)?, [(job, Purge { room: "hall".to_owned(), keep_days: 7 })]);
/// // With its jobs:
/// assert!(purge.drop().call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn job_procedure<T>(name: impl Into<String>, body: impl Into<String>, example: &T) -> JobProcedure<T>
where
    T: Serialize + DeserializeOwned,
{
    JobProcedure { name: name.into(), body: body.into(), example: document(example), config: PhantomData }
}

/// What [`job_procedure`] declares.
#[derive(Debug)]
pub struct JobProcedure<T> {
    name: String,
    body: String,
    example: Document,
    config: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> JobProcedure<T> {
    /// Makes the procedure, and the function that checks its config. Gives `false` if it is there so already; another
    /// body or example takes the place of the one that is there.
    ///
    /// # Errors
    /// [`Error::OtherProcedure`] if something else has made a procedure of this name; [`Error::JobConfig`] if a job of it
    /// has a config that the example does not fit. Nothing has changed then.
    pub fn create(&self) -> impl Call<Output = bool, Error = Error> + Declare + Clone + use<T> {
        CreateJobProcedure { name: self.name.clone(), body: self.body.clone(), example: self.example.clone() }
    }

    /// Deletes the jobs of the procedure, and drops it. Gives `false` if there is none.
    ///
    /// # Errors
    /// [`Error::OtherProcedure`] if something else has made the procedure.
    pub fn drop(&self) -> impl Call<Output = bool, Error = Error> + Declare + Clone + use<T> {
        DropJobProcedure { name: self.name.clone() }
    }

    /// Runs the procedure in the background with this config, and gives the job. One of the same config that is there is
    /// enabled and gets the interval.
    ///
    /// # Errors
    /// [`Error::Unsupported`] in the Apache edition and without TimescaleDB; [`Error::JobConfig`].
    pub fn add(&self, every: TimeDelta, config: &T) -> impl AddJob + use<T> {
        AddProcedureJob { name: self.name.clone(), every: interval(every), config: document(config) }
    }

    /// Gives a job of the procedure another config, and gives the job.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn set_config(&self, job: i32, config: &T) -> impl Call<Output = i32, Error = Error> + Clone + use<T> {
        SetJobConfig { job, config: document(config) }
    }

    /// The jobs of the procedure, each with its config. On every server; none without TimescaleDB.
    ///
    /// # Errors
    /// [`Error::JobConfig`] if serde cannot read a config, which names the job.
    pub fn jobs(&self) -> impl Call<Output = Vec<(i32, T)>, Error = Error> + use<T> {
        ProcedureJobs { name: self.name.clone(), config: PhantomData }
    }

    /// Runs the procedure now, in this session, without a job: on every server, on plain PostgreSQL for a scheduler of
    /// your own.
    ///
    /// # Errors
    /// What the procedure itself reports.
    pub fn run(&self, config: &T) -> impl Call<Output = (), Error = Error> + Clone + use<T> {
        RunProcedure { name: self.name.clone(), config: document(config) }
    }
}

function_call! {
    /// The call that [`JobProcedure::create`] makes.
    CreateJobProcedure { name: String = Text, body: String = Text, example: Document = Document },
    "SELECT diesel_timescale.create_job_procedure(", ")",
    (Bool,) => (bool,) => bool, value,
}

impl Declare for CreateJobProcedure {
    fn declare(self, setup: &mut Setup) {
        let config = setup.document(self.example);
        setup.declare_procedure(&self.name, Some(ProcedureDeclaration { body: self.body, config }));
    }
}

function_call! {
    /// The call that [`JobProcedure::drop`] makes.
    DropJobProcedure { name: String = Text },
    "SELECT diesel_timescale.drop_job_procedure(", ")",
    (Bool,) => (bool,) => bool, value,
}

impl Declare for DropJobProcedure {
    fn declare(self, setup: &mut Setup) {
        setup.declare_procedure(&self.name, None);
    }
}

function_call! {
    /// The call that [`JobProcedure::add`] makes.
    AddProcedureJob { name: String = Text, every: PgInterval = Interval, config: Document = Document },
    "SELECT diesel_timescale.add_procedure_job(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl AddsJob for AddProcedureJob {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        let config = setup.document(self.config);
        setup.declare_job(&self.name, schedule.unwrap_or_default().or_every(self.every.into()), config);
    }
}

function_call! {
    /// The call that [`JobProcedure::set_config`] makes.
    pub(crate) SetJobConfig { job: i32 = Integer, config: Document = Document },
    "SELECT diesel_timescale.set_job_config(", ")",
    (Integer,) => (i32,) => i32, value,
    requires Jobs,
}

impl SetJobConfig {
    pub(crate) fn new(job: i32, config: Value) -> Self {
        Self { job, config: Ok(config) }
    }
}

/// The query that [`JobProcedure::jobs`] makes.
#[derive(Debug)]
#[must_use = "a call does nothing until it runs"]
struct ProcedureJobs<T> {
    name: String,
    config: PhantomData<fn() -> T>,
}

// The SQL is the same for every type.
impl<T> QueryId for ProcedureJobs<T> {
    type QueryId = ProcedureJobs<()>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T: DeserializeOwned> Statement for ProcedureJobs<T> {
    type SqlType = (Integer, Nullable<Jsonb>);
    type Row = (i32, Option<Value>);
    type Output = Vec<(i32, T)>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT job_id, config FROM diesel_timescale.procedure_jobs(");
        out.push_bind_param::<Text, _>(&self.name)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        let typed = |(job, config): (i32, Option<Value>)| {
            let config = config.unwrap_or_default();
            serde_json::from_value(config.clone()).map(|typed| (job, typed)).map_err(|error| Error::JobConfig {
                message: format!("the config {config} of job {job} cannot be read: {error}"),
                remedy: "Give the job another config, or delete it.".to_owned(),
            })
        };
        rows.into_iter().map(typed).collect()
    }
}

/// The statement that [`JobProcedure::run`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
struct RunProcedure {
    name: String,
    config: Document,
}

// The SQL has the name.
impl QueryId for RunProcedure {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Statement for RunProcedure {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("CALL ");
        out.push_identifier(&self.name)?;
        out.push_sql("(0, ");
        push_document(&self.config, &mut out)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<(), Error> {
        done(rows)
    }
}
