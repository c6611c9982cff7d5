//! Calls that add a job, with its schedule.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::Integer;

use crate::call::{Call, Statement};
use crate::error::Error;
use crate::feature::Feature;
use crate::schedule::{Arguments, Schedule};
use crate::setup::{Declare, Setup};

/// A call that adds a job, before it is called: a policy, or a job of one's own.
pub trait AddJob: Call<Output = i32, Error = Error> + Declare + Clone {
    /// Gives the job that is added a schedule, in the same statement; a [set-up](crate::setup) declares both.
    fn scheduled(self, schedule: Schedule) -> impl Call<Output = i32, Error = Error> + Declare + Clone;
}

/// A statement that adds a job.
pub(crate) trait AddsJob:
    Statement<SqlType = (Integer,), Row = (i32,), Output = i32, Error = Error> + Clone
{
    /// Declares the job with its schedule.
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>);
}

impl<S: AddsJob + Call<Output = i32, Error = Error>> AddJob for S {
    fn scheduled(self, schedule: Schedule) -> impl Call<Output = i32, Error = Error> + Declare + Clone {
        ScheduledJob { arguments: schedule.arguments(), added: self, schedule }
    }
}

impl<S: AddsJob> Declare for S {
    fn declare(self, setup: &mut Setup) {
        self.declare_with(setup, None);
    }
}

/// The call that [`AddJob::scheduled`] makes.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it runs"]
struct ScheduledJob<S> {
    added: S,
    schedule: Schedule,
    arguments: Arguments,
}

impl<S: QueryId> QueryId for ScheduledJob<S> {
    type QueryId = ScheduledJob<S::QueryId>;

    const HAS_STATIC_QUERY_ID: bool = S::HAS_STATIC_QUERY_ID;
}

impl<S: AddsJob> Statement for ScheduledJob<S> {
    type SqlType = (Integer,);
    type Row = (i32,);
    type Output = i32;
    type Error = Error;

    const REQUIRES: Option<Feature> = S::REQUIRES;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT diesel_timescale.set_job_schedule(added.job, ");
        self.arguments.push(&mut out)?;
        out.push_sql(") FROM (");
        self.added.walk_ast(out.reborrow())?;
        out.push_sql(") AS added (job)");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<i32, Error> {
        S::output(rows)
    }
}

impl<S: AddsJob> Declare for ScheduledJob<S> {
    fn declare(self, setup: &mut Setup) {
        self.added.declare_with(setup, Some(self.schedule));
    }
}
