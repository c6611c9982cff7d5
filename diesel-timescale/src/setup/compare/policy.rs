//! The policies of a hypertable.

use serde_json::Value;

use super::super::declaration::Table;
use super::super::facts::{Job, Relation};
use super::super::length::Length;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::hypertable::Base;
use crate::feature::Feature;

/// A policy that is wanted, whatever its kind.
pub(super) struct Policy<'a> {
    pub kind: &'static str,
    /// Its keys in the configuration of the job; `None` is no limit.
    pub settings: Vec<(&'static str, Option<Length>)>,
    pub schedule: Option<Length>,
    /// The call that adds it, which gives the job.
    pub add: String,
    pub lock: &'a str,
}

impl Comparison<'_> {
    pub(super) fn compare_columnstore_policy(
        &mut self,
        name: &str,
        table: &Table,
        relation: &Relation,
        columnstore: Option<Base>,
    ) {
        let job = self.policy_job(relation, &["policy_compression", "policy_columnstore"]);
        match (&table.columnstore_policy, columnstore) {
            (Some(Wanted::Present(declared)), Some(base)) => {
                if self.lacks(name, "a columnstore policy", Feature::Columnstore) {
                    return;
                }
                let policy = Policy {
                    kind: "columnstore policy",
                    settings: vec![("compress_after", Some(declared.after))],
                    schedule: declared.schedule,
                    add: format!(
                        "diesel_timescale.add_columnstore_policy({}, {})",
                        literal(&relation.qualified),
                        declared.after.argument("convert_after", "integer_after")
                    ),
                    lock: &relation.qualified,
                };
                self.compare_policy(name, policy, job, base.step, StepClass::Safe);
            }
            (Some(Wanted::Absent), _) => {
                self.remove_policy(name, "columnstore policy", "remove_columnstore_policy", relation, job);
            }
            // Without a columnstore a step says that there is none.
            (Some(Wanted::Present(_)), None) | (None, _) => {}
        }
    }

    pub(super) fn compare_retention_policy(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        let job = self.policy_job(relation, &["policy_retention"]);
        match &table.retention_policy {
            Some(Wanted::Present(declared)) => {
                if self.lacks(name, "a retention policy", Feature::Jobs) {
                    return;
                }
                let current = job.and_then(|job| length(job, "drop_after"));
                let keeps_more = current.is_some_and(|current| !declared.drop_after.is_less_than(current))
                    && job.is_some_and(|job| job.scheduled);
                let is_empty = relation.hypertable.as_ref().is_none_or(|hypertable| hypertable.chunks == 0);
                let class = if keeps_more || is_empty { StepClass::Safe } else { StepClass::DestroysData };
                let policy = Policy {
                    kind: "retention policy",
                    settings: vec![("drop_after", Some(declared.drop_after))],
                    schedule: declared.schedule,
                    add: format!(
                        "diesel_timescale.add_retention_policy({}, {})",
                        literal(&relation.qualified),
                        declared.drop_after.argument("drop_after", "integer_after")
                    ),
                    lock: &relation.qualified,
                };
                self.compare_policy(name, policy, job, base.step, class);
            }
            Some(Wanted::Absent) => {
                self.remove_policy(name, "retention policy", "remove_retention_policy", relation, job);
            }
            None => {}
        }
    }

    fn remove_policy(&mut self, name: &str, kind: &str, function: &str, relation: &Relation, job: Option<&Job>) {
        if job.is_some() {
            let step = self.step(name, StepClass::Safe, format!("has a {kind}, and none is wanted"));
            step.sql = Some(format!("SELECT diesel_timescale.{function}({})", literal(&relation.qualified)));
            step.lock = Some(relation.qualified.clone());
        }
    }

    pub(super) fn compare_policy(
        &mut self,
        name: &str,
        policy: Policy<'_>,
        job: Option<&Job>,
        after: Option<usize>,
        class: StepClass,
    ) {
        let schema = self.extension_schema();
        let kind = policy.kind;
        let (differences, sql) = match job {
            None => {
                let sql = match policy.schedule {
                    // The call comes first, as alter_job needs its job.
                    Some(schedule) => {
                        format!(
                            "SELECT job_id FROM {schema}.alter_job({}, schedule_interval => {})",
                            policy.add,
                            schedule.sql()
                        )
                    }
                    None => format!("SELECT {}", policy.add),
                };
                let settings: Vec<_> = policy.settings.iter().map(|(key, value)| setting(key, *value)).collect();
                (vec![format!("has no {kind} with {}", settings.join(" and "))], sql)
            }
            Some(job) => alteration(&policy, job, &schema),
        };
        if !differences.is_empty() {
            let step = self.step(name, class, differences.join("; "));
            step.sql = Some(sql);
            step.after = after;
            step.lock = Some(policy.lock.to_owned());
        }
    }
}

impl<'a> Comparison<'a> {
    fn policy_job(&self, relation: &Relation, procedures: &[&str]) -> Option<&'a Job> {
        let is_of =
            |job: &Job| job.schema.as_ref() == Some(&relation.schema) && job.relation.as_ref() == Some(&relation.name);
        self.facts.jobs.iter().find(|job| procedures.contains(&job.procedure.as_str()) && is_of(job))
    }
}

fn length(job: &Job, key: &str) -> Option<Length> {
    job.lengths.get(key).copied().flatten().map(Length::from)
}

fn setting(key: &str, value: Option<Length>) -> String {
    value.map_or_else(|| format!("no {key}"), |value| format!("{key} {value}"))
}

/// How a job differs from what is wanted, and what makes it so.
fn alteration(policy: &Policy<'_>, job: &Job, schema: &str) -> (Vec<String>, String) {
    let mut differences = Vec::new();
    let mut arguments = String::new();
    let mut config = job.config.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    for (key, wanted) in &policy.settings {
        let current = length(job, key);
        if current != *wanted {
            let current = setting(key, current);
            differences.push(format!("the {} has {current}, not {}", policy.kind, setting(key, *wanted)));
            if let Value::Object(config) = &mut config {
                config.insert((*key).to_owned(), wanted.map_or(Value::Null, Length::json));
            }
        }
    }
    if !differences.is_empty() {
        arguments = format!(", config => {}", literal(&config.to_string()));
    }
    let current = Length::from(job.schedule);
    if let Some(schedule) = policy.schedule.filter(|schedule| *schedule != current) {
        differences.push(format!("the {} runs every {current}, not every {schedule}", policy.kind));
        arguments += &format!(", schedule_interval => {}", schedule.sql());
    }
    if !job.scheduled {
        differences.push(format!("the {} is disabled", policy.kind));
        arguments += ", scheduled => true";
    }
    (differences, format!("SELECT job_id FROM {schema}.alter_job({}{arguments})", job.id))
}
