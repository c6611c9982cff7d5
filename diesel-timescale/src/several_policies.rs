//! Several refresh policies of one continuous aggregate.

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Integer, Interval};

use crate::add_job::{AddJob, AddsJob};
use crate::call::{Relation, relation_name, value};
use crate::chunks::interval;
use crate::function_call;
use crate::schedule::Schedule;
use crate::setup::{RefreshPolicyDeclaration, Setup};
use crate::time_column::{IntervalOf, TimeColumn};
use crate::time_value::Length;

/// Adds a refresh policy beside those that a continuous aggregate has, over a window that overlaps none of theirs: the
/// latest hours each minute, say, and the months before each night. Names the aggregate by its bucket column, and gives
/// the job, which [`delete_job`](crate::delete_job) removes.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) before 2.21, in the Apache edition and without TimescaleDB; [`Error::RetentionWithinRefresh`](crate::Error::RetentionWithinRefresh)
/// as for [`add_refresh_policy`](crate::add_refresh_policy); the server's error if the windows overlap.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_another_refresh_policy, delete_job};
///
/// diesel::table! { hourly (bucket) { bucket -> Timestamptz, readings -> BigInt } }
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::SeveralRefreshPolicies) { return Ok(()); }
/// # conn.batch_execute("CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS \
/// #     SELECT time_bucket(INTERVAL '1 hour', time) AS bucket, count(*) AS readings FROM readings \
/// #     GROUP BY 1 WITH NO DATA")?;
/// let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
/// let latest = add_another_refresh_policy(hourly::bucket, Some(day), hour, hour).call(conn)?;
/// let before = add_another_refresh_policy(hourly::bucket, None, day, day).call(conn)?;
/// assert_ne!(latest, before);
/// delete_job(before).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn add_another_refresh_policy<C>(
    bucket: C,
    start_offset: Option<IntervalOf<C>>,
    end_offset: IntervalOf<C>,
    schedule: TimeDelta,
) -> impl AddJob
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = bucket;
    AddAnotherRefreshPolicy {
        relation: relation_name(&C::Table::default()),
        start_offset: Length::new::<C::SqlType>(start_offset),
        end_offset: Length::new::<C::SqlType>(Some(end_offset)),
        schedule: interval(schedule),
    }
}

function_call! {
    /// The call that [`add_another_refresh_policy`] makes.
    AddAnotherRefreshPolicy {
        relation: Relation = Relation,
        start_offset: Length = Length,
        end_offset: Length = Length,
        schedule: PgInterval = Interval,
    },
    "SELECT diesel_timescale.add_another_refresh_policy(", ")",
    (Integer,) => (i32,) => i32, value,
    requires SeveralRefreshPolicies,
}

impl AddsJob for AddAnotherRefreshPolicy {
    fn declare_with(self, setup: &mut Setup, schedule: Option<Schedule>) {
        let schedule = schedule.unwrap_or_default().or_every(self.schedule.into());
        if let Some(end_offset) = self.end_offset.declared() {
            let policy = RefreshPolicyDeclaration::new(self.start_offset.declared(), end_offset, schedule);
            setup.declare_another_refresh_policy(&self.relation, policy);
        }
    }
}
