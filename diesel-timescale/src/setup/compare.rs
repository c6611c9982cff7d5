//! The comparison of what is declared with what is there.

mod aggregate;
mod chunks;
mod columnstore;
mod direct_compress;
mod extension;
mod granular_refresh;
mod hypertable;
mod job;
mod notifications;
mod policy;
mod reference;
mod schedule;
mod table;
mod target_retention;
mod tiers;

use std::collections::BTreeMap;

use super::Setup;
use super::declaration::Table;
use super::facts::{Facts, Relation};
use super::plan::{Plan, Step, StepClass};
use crate::error::Error;
use crate::feature::Feature;

pub(super) struct Comparison<'a> {
    setup: &'a Setup,
    facts: &'a Facts,
    plan: Plan,
    /// The step that creates the extension.
    extension: Option<usize>,
    /// The hypertables and aggregates, each with the step that makes it.
    bases: BTreeMap<String, Option<usize>>,
    /// The steps that set granular refresh of hypertables.
    granular: BTreeMap<String, usize>,
    /// The steps that make targets of references.
    targets: BTreeMap<String, usize>,
    /// The tiers whose rows must not go before a step is done.
    held: BTreeMap<String, usize>,
    /// The steps that make or change procedures.
    procedures: BTreeMap<String, usize>,
}

/// The steps from what is there to what is declared. The facts are those of the declared relations, in their order.
pub(super) fn compare(setup: &Setup, facts: &Facts) -> Plan {
    let plan = Plan { server: facts.server.clone(), done: Vec::new(), steps: Vec::new(), left_out: Vec::new() };
    let (bases, granular, targets, held, procedures) = Default::default();
    let mut comparison = Comparison { setup, facts, plan, extension: None, bases, granular, targets, held, procedures };
    comparison.compare_extension();
    comparison.compare_tiers();
    for ((name, table), relation) in setup.tables.iter().zip(&facts.relations) {
        comparison.compare_table(name, table, relation.as_ref());
    }
    comparison.compare_all_references();
    comparison.compare_aggregates();
    comparison.compare_procedures();
    comparison.compare_jobs();
    comparison.plan
}

impl Comparison<'_> {
    fn compare_table(&mut self, name: &str, table: &Table, relation: Option<&Relation>) {
        let Some(relation) = relation else {
            self.step(name, StepClass::Safe, "the table is missing").obstacle =
                Some("Run the migrations that create it, or put its schema on the search_path.".to_owned());
            return;
        };
        if relation.aggregate.is_some() {
            return self.compare_retention_of_aggregate(name, table, relation);
        }
        self.compare_columns(name, table, relation);
        let base = self.compare_hypertable(name, table, relation);
        self.compare_indexes(name, table, relation, base);
        self.compare_notifications(name, table, relation, base);
        let Some(base) = base else { return };
        self.bases.insert(name.to_owned(), base.step);
        self.compare_dimensions(name, table, relation, base);
        let columnstore = self.compare_columnstore(name, table, relation, base);
        self.compare_columnstore_policy(name, table, relation, columnstore);
        self.compare_direct_compress(name, table, relation, columnstore);
        self.compare_granular_refresh(name, table, relation, base);
        self.compare_chunk_skipping(name, table, relation, columnstore);
        self.compare_retention_policy(name, table, relation, base);
        self.compare_reorder_policy(name, table, relation, base);
        self.compare_tablespaces(name, table, relation, base);
    }

    fn step(&mut self, object: &str, class: StepClass, difference: impl Into<String>) -> &mut Step {
        self.plan.steps.push(Step {
            object: object.to_owned(),
            difference: difference.into(),
            class,
            sql: None,
            in_transaction: true,
            obstacle: None,
            after: None,
            lock: None,
            refused: None,
        });
        let last = self.plan.steps.len() - 1;
        &mut self.plan.steps[last]
    }

    /// The position of the step that was added last.
    fn last(&self) -> usize {
        self.plan.steps.len().saturating_sub(1)
    }

    /// Whether what is declared cannot be, because the server lacks a feature: a step says so, or that it was left out.
    fn lacks(&mut self, object: &str, what: &str, feature: Feature) -> bool {
        if self.extension.is_some() {
            // What the server has shows when the extension is there.
            return false;
        }
        let Err(Error::Unsupported { message, remedy, .. }) = self.facts.server.require(feature) else { return false };
        if self.setup.allow_unsupported {
            self.plan.left_out.push(format!("{object}: {what}: {message}"));
        } else {
            self.step(object, StepClass::Safe, format!("{what} is declared")).obstacle =
                Some(format!("{message}. {remedy} Or allow it to be left out (allow_unsupported)."));
        }
        true
    }
}
