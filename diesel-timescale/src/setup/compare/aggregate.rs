//! Continuous aggregates, and the plain views in their place.

use super::super::declaration::{Aggregate, RefreshPolicy, Table};
use super::super::facts::{Facts, Job, Relation};
use super::super::length::Length;
use super::super::names::name_parts;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::policy::{Policy, Retained, length};
use crate::feature::Feature;

impl<'a> Comparison<'a> {
    /// Those that read others come after them.
    pub(super) fn compare_aggregates(&mut self) {
        let facts: &'a Facts = self.facts;
        let relations = facts.relations.iter().skip(self.setup.tables.len());
        let mut waiting: Vec<_> = self.setup.aggregates.iter().zip(relations).collect();
        while !waiting.is_empty() {
            let is_ready = |&((_, wanted), _): &((&String, &Wanted<Aggregate>), _)| match wanted {
                Wanted::Absent => true,
                Wanted::Present(aggregate) => {
                    !waiting.iter().any(|((name, _), _)| Some(*name) == aggregate.from.as_ref())
                }
            };
            let ready = waiting.iter().position(is_ready).unwrap_or(0);
            let ((name, wanted), relation) = waiting.remove(ready);
            match wanted {
                Wanted::Present(aggregate) => self.compare_aggregate(name, aggregate, relation.as_ref()),
                Wanted::Absent => self.compare_absent_aggregate(name, relation.as_ref()),
            }
        }
    }

    pub(super) fn has_aggregates(&self) -> bool {
        self.extension.is_some() || self.facts.server.has(Feature::ContinuousAggregates)
    }

    fn compare_absent_aggregate(&mut self, name: &str, relation: Option<&Relation>) {
        if let Some(relation) = relation {
            let class = if relation.aggregate.is_some() { StepClass::DestroysData } else { StepClass::Locks };
            self.step(name, class, "is there, and is not wanted").sql = Some(drop_sql(relation));
        }
    }

    fn compare_aggregate(&mut self, name: &str, declared: &Aggregate, relation: Option<&Relation>) {
        let Some(definition) = &declared.definition else {
            return self.compare_policies_alone(name, declared, relation);
        };
        let is_supported = self.has_aggregates();
        if !is_supported && declared.plain_definition.is_none() {
            self.lacks(name, "a continuous aggregate", Feature::ContinuousAggregates);
            return;
        }
        let marked = match &declared.plain_definition {
            Some(plain) if !is_supported => format!("View: {plain}"),
            _ => format!("Continuous aggregate: {definition}"),
        };
        let kind = if is_supported { "continuous aggregate" } else { "view" };
        let create = create_sql(name, declared, definition, relation);
        let after = declared.from.as_ref().and_then(|from| self.bases.get(from)).copied().flatten();
        let (difference, class, sql) = match relation {
            None => (format!("the {kind} is missing"), StepClass::Safe, create),
            Some(relation)
                if relation.comment.as_ref() == Some(&marked) && relation.aggregate.is_some() == is_supported =>
            {
                self.bases.insert(name.to_owned(), None);
                self.compare_materialized_only(name, declared.materialized_only.unwrap_or(false), relation);
                self.compare_aggregate_policies(name, declared, Some(relation), None);
                return;
            }
            Some(relation) => {
                let is_ours = relation.comment.as_ref().is_some_and(|comment| comment.starts_with("View: "));
                let difference = match relation.aggregate {
                    Some(_) => "the continuous aggregate is defined otherwise".to_owned(),
                    None if is_ours && is_supported => "is a plain view, not a continuous aggregate".to_owned(),
                    None if is_ours => "the view is defined otherwise".to_owned(),
                    None => {
                        self.step(name, StepClass::DestroysData, format!("is no {kind}")).obstacle =
                            Some("Another relation has this name: drop it, or take another name.".to_owned());
                        return;
                    }
                };
                // What is there is all that there is of rows that are gone from the hypertable.
                let class = if relation.aggregate.is_some() { StepClass::DestroysData } else { StepClass::Locks };
                (difference, class, format!("{}; {create}", drop_sql(relation)))
            }
        };
        let step = self.step(name, class, difference);
        step.sql = Some(sql);
        step.after = after;
        let step = self.last();
        self.bases.insert(name.to_owned(), Some(step));
        self.compare_aggregate_policies(name, declared, None, Some(step));
    }

    /// Of an aggregate that is set up elsewhere, and was declared as if it were a table.
    pub(super) fn compare_retention_of_aggregate(&mut self, name: &str, table: &Table, relation: &Relation) {
        let retention_policy = table.retention_policy.clone();
        self.compare_aggregate_policies(
            name,
            &Aggregate { retention_policy, ..Aggregate::default() },
            Some(relation),
            None,
        );
        if (Table { retention_policy: None, ..table.clone() }) != Table::default() {
            self.step(name, StepClass::Safe, "is a continuous aggregate, and is declared as a table").obstacle =
                Some("Of a continuous aggregate its definition and its policies can be declared.".to_owned());
        }
    }

    /// Of an aggregate that is set up elsewhere.
    fn compare_policies_alone(&mut self, name: &str, declared: &Aggregate, relation: Option<&Relation>) {
        match relation {
            Some(relation) if relation.aggregate.is_some() => {
                if let Some(materialized_only) = declared.materialized_only {
                    self.compare_materialized_only(name, materialized_only, relation);
                }
                self.compare_aggregate_policies(name, declared, Some(relation), None);
            }
            _ if self.lacks(name, "a continuous aggregate", Feature::ContinuousAggregates) => {}
            _ => {
                self.step(name, StepClass::Safe, "the continuous aggregate is missing").obstacle =
                    Some("Declare its definition as well, or create it first.".to_owned());
            }
        }
    }

    fn compare_materialized_only(&mut self, name: &str, materialized_only: bool, relation: &Relation) {
        let current = relation.aggregate.as_ref().map(|aggregate| aggregate.materialized_only);
        if current.is_some_and(|current| current != materialized_only) {
            let difference = match materialized_only {
                true => "shows rows that are not materialized",
                false => "shows only rows that are materialized",
            };
            self.step(name, StepClass::Locks, difference).sql = Some(format!(
                "SELECT diesel_timescale.alter_continuous_aggregate({}, {})",
                literal(&relation.qualified),
                materialized_only
            ));
        }
    }

    /// Without a relation: of an aggregate that the step makes.
    fn compare_aggregate_policies(
        &mut self,
        name: &str,
        declared: &Aggregate,
        relation: Option<&Relation>,
        after: Option<usize>,
    ) {
        if !self.has_aggregates() {
            self.plan.left_out.push(format!("{name}: stays a plain view: the server has no continuous aggregates"));
            return;
        }
        let job = |comparison: &Self, procedure: &str| {
            relation.and_then(|relation| comparison.aggregate_job(relation, procedure))
        };
        let view = relation.map_or(name, |relation| &relation.qualified);
        let refresh = match (&declared.refresh_policy, relation) {
            (Some(Wanted::Present(policy)), Some(relation)) => self.refresh_job(relation, declared, policy),
            _ => job(self, "policy_refresh_continuous_aggregate"),
        };
        match &declared.refresh_policy {
            Some(Wanted::Present(policy)) => {
                let add = format!("diesel_timescale.add_refresh_policy({}", literal(view));
                self.compare_policy(name, refresh_policy(policy, &add), refresh, after, StepClass::Safe);
            }
            Some(Wanted::Absent) if refresh.is_some() => {
                self.step(name, StepClass::Safe, "has a refresh policy, and none is wanted").sql =
                    Some(format!("SELECT diesel_timescale.remove_refresh_policy({})", literal(view)));
            }
            Some(Wanted::Absent) | None => {}
        }
        for policy in &declared.further_refresh_policies {
            if self.lacks(name, "another refresh policy", Feature::SeveralRefreshPolicies) {
                continue;
            }
            let present = relation.and_then(|relation| self.refresh_jobs(relation).find(|job| is_window(job, policy)));
            let add = format!("diesel_timescale.add_another_refresh_policy({}", literal(view));
            self.compare_policy(name, refresh_policy(policy, &add), present, after, StepClass::Safe);
        }
        let retention = job(self, "policy_retention");
        match (&declared.retention_policy, relation) {
            (Some(Wanted::Present(policy)), _) => {
                let qualified = relation.map_or(name, |relation| &relation.qualified);
                let present = relation.and_then(|relation| relation.aggregate.as_ref());
                let is_empty = present.is_none_or(|aggregate| !aggregate.has_chunks);
                let after = self.held.get(name).copied().or(after);
                let retained = Retained { qualified, lock: None, job: retention, is_empty, after };
                self.retention_policy(name, policy, retained);
            }
            (Some(Wanted::Absent), Some(relation)) => {
                self.remove_policy(name, "retention policy", "remove_retention_policy", relation, retention);
            }
            (Some(Wanted::Absent), None) | (None, _) => {}
        }
    }

    fn aggregate_job(&self, relation: &Relation, procedure: &str) -> Option<&'a Job> {
        self.facts.jobs.iter().find(|job| job.procedure == procedure && is_of(job, relation))
    }

    fn refresh_jobs(&self, relation: &Relation) -> impl Iterator<Item = &'a Job> + Clone {
        let procedure = "policy_refresh_continuous_aggregate";
        self.facts.jobs.iter().filter(move |job| job.procedure == procedure && is_of(job, relation))
    }

    /// Among several, the one of this window, or one that is not declared by itself.
    fn refresh_job(&self, relation: &Relation, declared: &Aggregate, policy: &RefreshPolicy) -> Option<&'a Job> {
        let is_further = |job: &&Job| declared.further_refresh_policies.iter().any(|other| is_window(job, other));
        let mut jobs = self.refresh_jobs(relation);
        jobs.clone().find(|job| is_window(job, policy)).or_else(|| jobs.find(|job| !is_further(job)))
    }
}

fn is_window(job: &Job, policy: &RefreshPolicy) -> bool {
    length(job, "start_offset") == policy.start_offset && length(job, "end_offset") == Some(policy.end_offset)
}

/// The policy, with the start of the call that adds it.
fn refresh_policy<'a>(policy: &'a RefreshPolicy, add: &str) -> Policy<'a> {
    let start = policy.start_offset.map(|start| start.argument("start_offset", "start_offset_integer"));
    let options = [
        ("buckets_per_batch", policy.buckets_per_batch.map(Into::into)),
        ("max_batches_per_execution", policy.max_batches_per_execution.map(Into::into)),
        ("refresh_newest_first", policy.newest_first.map(Into::into)),
    ];
    Policy {
        kind: "refresh policy",
        settings: vec![("start_offset", policy.start_offset), ("end_offset", Some(policy.end_offset))],
        options: options.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        schedule: Some(&policy.schedule),
        add: format!(
            "{add}{}, {}, schedule_interval => {})",
            start.map(|start| format!(", {start}")).unwrap_or_default(),
            policy.end_offset.argument("end_offset", "end_offset_integer"),
            // A refresh policy cannot do without.
            policy.schedule.settings.every.map_or_else(|| "INTERVAL '1 day'".to_owned(), Length::sql),
        ),
        lock: None,
    }
}

/// The releases name the hypertable that an aggregate keeps its rows in, or the view.
fn is_of(job: &Job, relation: &Relation) -> bool {
    let place = job.schema.as_deref().zip(job.relation.as_deref());
    let aggregate = relation.aggregate.as_ref();
    place.is_some()
        && (place == aggregate.map(|aggregate| (aggregate.schema.as_str(), aggregate.name.as_str()))
            || place == Some((&relation.schema, &relation.name)))
}

fn drop_sql(relation: &Relation) -> String {
    let (name, schema) = (literal(&relation.name), literal(&relation.schema));
    format!("SELECT diesel_timescale.drop_continuous_aggregate({name}, {schema})")
}

fn create_sql(name: &str, declared: &Aggregate, definition: &str, relation: Option<&Relation>) -> String {
    let (schema, view) = match relation {
        Some(relation) => (Some(relation.schema.clone()), relation.name.clone()),
        None => name_parts(name),
    };
    format!(
        "SELECT diesel_timescale.create_continuous_aggregate({}, {}, {}, {}, {}{})",
        literal(&view),
        literal(definition),
        declared.plain_definition.as_ref().map_or_else(|| "NULL".to_owned(), |plain| literal(plain)),
        declared.plain_definition.is_some(),
        declared.materialized_only.unwrap_or(false),
        schema.map(|schema| format!(", view_schema => {}", literal(&schema))).unwrap_or_default(),
    )
}
