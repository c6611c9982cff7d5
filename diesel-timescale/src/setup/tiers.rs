//! Tiers of a hypertable and its continuous aggregates, in one call.

use std::marker::PhantomData;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;

use super::apply::tiers_call;
use super::declaration::{AggregateTier, Tiers as Declaration};
use super::driver::Driver;
use super::plan::{Plan, Refused, Step};
use super::{Declare, Length, Setup};
use crate::call::{Call, relation_name};
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::time_column::{IntervalOf, TimeColumn};
use crate::time_value;

/// Describes for how long a hypertable, named by its time column, and the continuous aggregates of it keep their rows:
/// the rows themselves for a while, those of an hour for longer, those of a day forever.
///
/// What is called, or [declared](crate::setup::Setup::with), sets or changes the columnstore policy and the retention
/// policy of the hypertable, and the retention policy of each aggregate; a tier that is kept forever loses the policy that
/// it has. A hypertable whose rows something [references](crate::references) gets the job that clears the references.
/// Refresh policies are checked and not changed: a refresh that reads rows which are gone erases their aggregates.
/// The call does all of it in one transaction or nothing, and gives the [plan](crate::setup::Plan) that it has carried out.
/// What the tiers take is in [`tier_sizes`](mod@crate::tier_sizes).
///
/// A refresh reads back to `start_offset` and one bucket, and is over when the next one is due. So the rows that it reads
/// must be kept for at least `start_offset`, a bucket and the interval of its schedule together.
///
/// # Errors
/// [`Error::Tiers`] if a tier is shorter than the one before it, rows are dropped before they go into the columnstore, an
/// aggregate reads something that is no tier before it, has no refresh policy that runs, or has nothing yet of rows that
/// would be dropped at once; [`Error::RetentionWithinRefresh`] if a refresh policy reads rows that would be dropped. Both name
/// the lengths of time and the remedy. [`Error::Unsupported`] in the Apache edition and without TimescaleDB, unless
/// [`allow_unsupported`](Tiers::allow_unsupported). Nothing has changed then.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_refresh_policy, continuous_aggregate, refresh, tier_sizes, tiers};
///
/// diesel::table! { hourly_readings (bucket) { bucket -> Timestamptz, readings -> Int8 } }
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ContinuousAggregates) { return Ok(()); }
/// let (hour, days) = (TimeDelta::hours(1), TimeDelta::days(3));
/// continuous_aggregate("hourly_readings", hour, readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// refresh(hourly_readings::bucket, ..).call(conn)?;
/// add_refresh_policy(hourly_readings::bucket, Some(days), hour, hour).call(conn)?;
///
/// let done = tiers(readings::time)
///     .drop_after(TimeDelta::days(90))
///     .then_forever(hourly_readings::bucket)
///     .call(conn)?;
/// assert_eq!((done.done.len(), done.steps.len()), (1, 0));
/// let sizes: Vec<(String, i64, i64, Option<i64>)> = tier_sizes::table
///     .filter(tier_sizes::hypertable.like("%.readings"))
///     .select((tier_sizes::relation, tier_sizes::chunks, tier_sizes::total_bytes, tier_sizes::bytes_per_day))
///     .order(tier_sizes::level)
///     .load(conn)?;
/// for (relation, chunks, bytes, per_day) in sizes {
///     println!("{relation}: {chunks} chunks, {bytes} bytes, {per_day:?} a day");
/// }
/// # Ok(()) }) }
/// ```
pub fn tiers<C>(time_column: C) -> Tiers<C>
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let mut setup = Setup::new();
    let table = setup.name(&relation_name(&C::Table::default()));
    setup.tables.entry(table.clone()).or_default().tiers = Some(Declaration::default());
    Tiers { setup, table, time: PhantomData }
}

/// What [`tiers`] describes.
#[derive(Debug, Clone)]
#[must_use = "tiers do nothing until they are called or declared"]
pub struct Tiers<C> {
    setup: Setup,
    table: String,
    time: PhantomData<fn(C)>,
}

impl<C: TimeColumn> Tiers<C> {
    /// How old rows of the hypertable are when they go into the columnstore, which must be
    /// [enabled](crate::Columnstore::enable). Default: the columnstore policy stays as it is.
    pub fn columnstore_after(self, convert_after: IntervalOf<C>) -> Self {
        let convert_after = length::<C>(convert_after);
        self.with(|tiers| tiers.columnstore_after = convert_after)
    }

    /// How long the hypertable keeps its own rows. Default: forever.
    pub fn drop_after(self, drop_after: IntervalOf<C>) -> Self {
        let drop_after = length::<C>(drop_after);
        self.with(|tiers| tiers.drop_after = drop_after)
    }

    /// Adds a continuous aggregate, named by its bucket column, which keeps its rows for at least as long as the tier
    /// before it. It reads the hypertable, or an aggregate that was added before it.
    pub fn then<B>(self, bucket: B, drop_after: IntervalOf<B>) -> Self
    where
        B: TimeColumn,
        B::Table: Default + QueryFragment<Pg>,
    {
        let _ = bucket;
        self.aggregate::<B>(length::<B>(drop_after))
    }

    /// Adds a continuous aggregate that keeps its rows forever; several may follow each other.
    pub fn then_forever<B>(self, bucket: B) -> Self
    where
        B: TimeColumn,
        B::Table: Default + QueryFragment<Pg>,
    {
        let _ = bucket;
        self.aggregate::<B>(None)
    }

    /// Leaves out what the release or the edition of the server does not have; the plan then says so. Default: an error.
    pub fn allow_unsupported(mut self) -> Self {
        self.setup.allow_unsupported = true;
        self
    }

    fn aggregate<B>(mut self, drop_after: Option<Length>) -> Self
    where
        B: TimeColumn,
        B::Table: Default + QueryFragment<Pg>,
    {
        let name = self.setup.name(&relation_name(&B::Table::default()));
        self.with(|tiers| tiers.aggregates.push(AggregateTier { name, drop_after }))
    }

    fn with(mut self, change: impl FnOnce(&mut Declaration)) -> Self {
        change(self.setup.tables.entry(self.table.clone()).or_default().tiers.get_or_insert_with(Default::default));
        self
    }
}

fn length<C: TimeColumn>(length: IntervalOf<C>) -> Option<Length> {
    time_value::Length::new::<C::SqlType>(Some(length)).declared()
}

impl<C> Declare for Tiers<C> {
    fn declare(self, setup: &mut Setup) {
        let Setup { tables, error, .. } = self.setup;
        setup.error = setup.error.take().or(error);
        for (name, table) in tables {
            setup.tables.entry(name).or_default().tiers = table.tiers;
        }
    }
}

impl<C> Call for Tiers<C> {
    type Output = Plan;
    type Error = Error;

    fn call<Conn>(self, conn: &mut Conn) -> Result<Plan>
    where
        Conn: LoadConnection<Backend = Pg> + 'static,
    {
        tiers_call(self.setup).call(conn)
    }

    #[cfg(feature = "async")]
    async fn call_async<Conn>(self, conn: &mut Conn) -> Result<Plan>
    where
        Conn: diesel_async::AsyncConnection<Backend = Pg>,
    {
        tiers_call(self.setup).call_async(conn).await
    }
}

impl Setup {
    /// All that the tiers need, in one transaction, or nothing.
    pub(super) async fn set_tiers(&self, conn: &mut impl Driver) -> Result<Plan> {
        conn.begin().await?;
        match self.take_tiers(conn).await {
            Ok(plan) => {
                conn.commit().await?;
                Ok(plan)
            }
            Err(error) => {
                // The first error tells more; a connection that is gone has rolled back.
                let _ = conn.rollback().await;
                Err(error)
            }
        }
    }

    async fn take_tiers(&self, conn: &mut impl Driver) -> Result<Plan> {
        let plan = self.plan_on(conn).await?;
        for feature in self.features_of_tiers().filter(|_| !self.allow_unsupported) {
            plan.server.require(feature)?;
        }
        plan.steps.iter().try_for_each(refuse)?;
        for step in &plan.steps {
            if let Some(table) = &step.lock {
                // Those that set up the same table take turns.
                conn.execute(&format!("LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE")).await?;
            }
            if let Some(sql) = &step.sql {
                conn.execute(sql).await?;
            }
        }
        Ok(Plan { done: plan.steps, ..self.plan_on(conn).await? })
    }

    fn features_of_tiers(&self) -> impl Iterator<Item = Feature> {
        self.tables.values().filter_map(|table| table.tiers.as_ref()).flat_map(|tiers| {
            let drops = tiers.drop_after.is_some() || tiers.aggregates.iter().any(|tier| tier.drop_after.is_some());
            let features = [
                (Feature::ContinuousAggregates, !tiers.aggregates.is_empty()),
                (Feature::Columnstore, tiers.columnstore_after.is_some()),
                (Feature::Jobs, drops),
            ];
            features.into_iter().filter_map(|(feature, is_needed)| is_needed.then_some(feature))
        })
    }
}

/// What a set-up would leave as a step, or change of another's policies, the call does not.
fn refuse(step: &Step) -> Result<()> {
    let message = format!("{}: {}", step.object, step.difference);
    let relation = step.object.clone();
    match (&step.refused, &step.obstacle) {
        (Some(Refused::Window(remedy)), _) => {
            Err(Error::RetentionWithinRefresh { message, relation, remedy: format!("{remedy}.") })
        }
        (Some(Refused::Refresh(remedy)), _) | (None, Some(remedy)) => {
            Err(Error::Tiers { message, relation, remedy: remedy.clone() })
        }
        (None, None) => Ok(()),
    }
}
