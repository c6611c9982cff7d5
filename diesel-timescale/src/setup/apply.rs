//! The calls of a set-up: plan, apply and check.

use std::collections::BTreeMap;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::result::Error as DieselError;

#[cfg(feature = "async")]
use super::driver::Asynchronous;
use super::driver::{Blocking, Driver};
use super::facts::{ProcedureRequest, QueryFacts, ReferenceRequest, RelationRequest};
use super::names::name_parts;
use super::plan::{Plan, Step, StepClass};
use super::wanted::Wanted;
use super::{Setup, compare};
use crate::call::{Call, run_ready};
use crate::error::{Error, Result};

impl Setup {
    /// Compares what is declared with the database, and gives the steps to it.
    ///
    /// One statement, which changes nothing and locks no more than any read. This crate's migrations must have run.
    ///
    /// # Errors
    /// [`Error::Declaration`] if what is declared has no meaning;
    /// [`Error::NotMigrated`].
    pub fn plan(&self) -> impl Call<Output = Plan, Error = Error> + Clone + use<> {
        PlanCall { setup: self.clone() }
    }

    /// Takes the steps of the plan that are of this class or a lesser one, in order, and gives the plan that is left,
    /// with the steps that were done. Steps of a higher class, and those that cannot be done, are left with what builds
    /// on them.
    ///
    /// Every step is a transaction of its own, so whatever fails, the steps before it stay done; run it again to go on.
    /// Inside a transaction the steps are part of it, and steps that cannot run in one are an error. Several that apply
    /// the same set-up at once take turns, and each step is done once.
    ///
    /// # Errors
    /// As [`plan`](Setup::plan), and [`Error::Step`], which names the step that failed.
    pub fn apply(&self, up_to: StepClass) -> impl Call<Output = Plan, Error = Error> + Clone + use<> {
        ApplyCall { setup: self.clone(), up_to }
    }

    /// Makes sure that the database is as declared.
    ///
    /// # Errors
    /// [`Error::Drift`] with the plan, if it has a step. As [`plan`](Setup::plan).
    pub fn check(&self) -> impl Call<Output = (), Error = Error> + Clone + use<> {
        CheckCall { setup: self.clone() }
    }

    pub(super) async fn plan_on(&self, conn: &mut impl Driver) -> Result<Plan> {
        self.validate()?;
        let setup = self.expanded()?;
        let facts = conn.facts(setup.query_facts()?).await?;
        Ok(compare::compare(&setup, &facts))
    }

    async fn apply_on(&self, conn: &mut impl Driver, up_to: StepClass) -> Result<Plan> {
        let plan = self.plan_on(conn).await?;
        let is_in_transaction = conn.is_in_transaction()?;
        let mut left = Vec::new();
        let mut done = Vec::new();
        for (position, step) in plan.steps.into_iter().enumerate() {
            let is_ready = step.after.is_none_or(|after| !left.contains(&after));
            if step.class > up_to || !step.is_possible() || !is_ready {
                left.push(position);
                continue;
            }
            let result = match step.in_transaction {
                true => self.take_in_transaction(conn, &step, up_to).await,
                false if is_in_transaction => Err(Error::InsideTransaction { statement: "a step of the set-up" }),
                false => self.take(conn, &step, up_to).await,
            };
            match result {
                Ok(true) => done.push(step),
                Ok(false) => {}
                Err(source) => return Err(Error::Step { step: Box::new(step), source: Box::new(source) }),
            }
        }
        Ok(Plan { done, ..self.plan_on(conn).await? })
    }

    async fn take_in_transaction(&self, conn: &mut impl Driver, step: &Step, up_to: StepClass) -> Result<bool> {
        conn.begin().await?;
        match self.take(conn, step, up_to).await {
            Ok(is_done) => {
                conn.commit().await?;
                Ok(is_done)
            }
            Err(error) => {
                // The first error tells more; a connection that is gone has rolled back.
                let _ = conn.rollback().await;
                Err(error)
            }
        }
    }

    /// Takes a step, unless it is no longer needed.
    async fn take(&self, conn: &mut impl Driver, step: &Step, up_to: StepClass) -> Result<bool> {
        // Those that set up the same table take turns; nobody who reads or writes it waits.
        let lock = match &step.lock {
            Some(table) => format!("LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE"),
            None => "SELECT pg_advisory_xact_lock(hashtext('diesel_timescale.setup'))".to_owned(),
        };
        if step.in_transaction {
            conn.execute(&lock).await?;
        }
        let plan = self.plan_on(conn).await?;
        // It may take more by now, or may not be possible any more.
        let still_needed = |now: &&Step| {
            let is_allowed = now.class <= up_to && now.in_transaction == step.in_transaction;
            now.is_same(step) && now.is_possible() && is_allowed
        };
        let Some(step) = plan.steps.iter().find(still_needed) else {
            return Ok(false);
        };
        match &step.sql {
            Some(sql) => conn.execute(sql).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn check_on(&self, conn: &mut impl Driver) -> Result<()> {
        let plan = self.plan_on(conn).await?;
        if plan.is_empty() { Ok(()) } else { Err(Error::Drift(Box::new(plan))) }
    }
}

/// A call that is made of several statements of its own.
macro_rules! setup_call {
    ($call:ident { $($field:ident: $type:ty),* }, $output:ty, |$this:ident, $conn:ident| $run:expr) => {
        #[derive(Debug, Clone)]
        #[must_use = "a call does nothing until it runs"]
        struct $call {
            setup: Setup,
            $($field: $type,)*
        }

        impl Call for $call {
            type Output = $output;
            type Error = Error;

            fn call<C>(self, conn: &mut C) -> Result<$output>
            where
                C: LoadConnection<Backend = Pg> + 'static,
            {
                let ($this, mut driver) = (self, Blocking(conn));
                let $conn = &mut driver;
                run_ready($run)
            }

            #[cfg(feature = "async")]
            async fn call_async<C>(self, conn: &mut C) -> Result<$output>
            where
                C: diesel_async::AsyncConnection<Backend = Pg>,
            {
                let ($this, mut driver) = (self, Asynchronous(conn));
                let $conn = &mut driver;
                $run.await
            }
        }
    };
}

setup_call!(PlanCall {}, Plan, |this, conn| this.setup.plan_on(conn));
setup_call!(ApplyCall { up_to: StepClass }, Plan, |this, conn| this.setup.apply_on(conn, this.up_to));
setup_call!(CheckCall {}, (), |this, conn| this.setup.check_on(conn));
setup_call!(TiersCall {}, Plan, |this, conn| this.setup.set_tiers(conn));

/// The call that sets the tiers of a set-up that has nothing else.
pub(super) fn tiers_call(setup: Setup) -> impl Call<Output = Plan, Error = Error> + Clone {
    TiersCall { setup }
}

impl Setup {
    /// Asks for what the comparison goes through, in its order: tables, then aggregates.
    fn query_facts(&self) -> Result<QueryFacts> {
        let tiers: BTreeMap<&str, _> =
            self.tables.iter().filter_map(|(name, table)| Some(table.tiers.as_ref()?.each(name))).flatten().collect();
        let kept_for = |name: &str| tiers.get(name).copied().flatten().map(|length| length.to_string());
        let tables = self.tables.iter().map(|(name, table)| RelationRequest {
            name,
            is_tier: table.tiers.is_some(),
            kept_for: kept_for(name),
            time_column: table.hypertable.as_ref().map(|declared| declared.time.as_str()),
            registry: match &table.target {
                Some(Wanted::Present(target)) => target.registry.as_deref(),
                Some(Wanted::Absent) | None => None,
            },
            direct_compress: table.direct_compress == Some(true),
        });
        let views = self.aggregates.keys().map(|name| RelationRequest {
            name,
            is_tier: tiers.contains_key(name.as_str()),
            kept_for: kept_for(name),
            time_column: None,
            registry: None,
            direct_compress: false,
        });
        let references = self.tables.iter().flat_map(|(name, table)| {
            table.references.iter().map(move |reference| ReferenceRequest {
                name,
                columns: &reference.columns,
                target: &reference.to,
            })
        });
        let procedures = self.procedures.keys().map(|name| {
            let (schema, name) = name_parts(name);
            ProcedureRequest { name, schema }
        });
        let unwritable = |error: serde_json::Error| DieselError::SerializationError(error.into());
        Ok(QueryFacts {
            relations: serde_json::to_value(tables.chain(views).collect::<Vec<_>>()).map_err(unwritable)?,
            references: serde_json::to_value(references.collect::<Vec<_>>()).map_err(unwritable)?,
            procedures: serde_json::to_value(procedures.collect::<Vec<_>>()).map_err(unwritable)?,
        })
    }
}
