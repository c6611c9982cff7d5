//! The policies of continuous aggregates.

use super::super::super::declaration::{Aggregate, RefreshPolicy};
use super::super::super::facts::{Job, Relation};
use super::super::super::length::Length;
use super::super::super::plan::StepClass;
use super::super::super::sql::literal;
use super::super::super::wanted::Wanted;
use super::super::Comparison;
use super::super::policy::{Policy, Retained, length};
use crate::feature::Feature;

impl<'a> Comparison<'a> {
    /// Without a relation: of an aggregate that the step makes.
    pub(super) fn compare_aggregate_policies(
        &mut self,
        name: &str,
        declared: &Aggregate,
        relation: Option<&Relation>,
        after: Option<usize>,
    ) {
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
