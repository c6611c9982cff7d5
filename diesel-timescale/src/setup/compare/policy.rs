//! The policies of a hypertable.

use serde_json::Value;

use super::super::declaration::{RetentionPolicy, Table};
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
    /// Whether that has the schedule already.
    pub adds_schedule: bool,
    pub lock: Option<&'a str>,
}

/// What a retention policy is for: a hypertable or a continuous aggregate.
pub(super) struct Retained<'a> {
    /// With its schema, quoted.
    pub qualified: &'a str,
    pub lock: Option<&'a str>,
    pub job: Option<&'a Job>,
    pub is_empty: bool,
    pub is_target: bool,
    pub after: Option<usize>,
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
                let is_enabled = relation.hypertable.as_ref().is_some_and(|hypertable| hypertable.columnstore);
                if table.columnstore.is_none() && !is_enabled {
                    self.step(
                        name,
                        StepClass::Locks,
                        "a columnstore policy is declared, and there is no columnstore",
                    )
                    .obstacle = Some("Declare the columnstore as well.".to_owned());
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
                    adds_schedule: false,
                    lock: Some(&relation.qualified),
                };
                self.compare_policy(name, policy, job, base.step, StepClass::Safe);
            }
            (Some(Wanted::Absent), _) => {
                self.remove_policy(name, "columnstore policy", "remove_columnstore_policy", relation, job);
            }
            // Where the server has none, a step says so or that it was left out.
            (Some(Wanted::Present(_)), None) | (None, _) => {}
        }
    }

    pub(super) fn compare_retention_policy(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        let job = self.policy_job(relation, &["policy_retention"]);
        match &table.retention_policy {
            Some(Wanted::Present(declared)) => {
                let is_target = relation.target.is_some() || matches!(table.target, Some(Wanted::Present(_)));
                let retained = Retained {
                    qualified: &relation.qualified,
                    lock: Some(&relation.qualified),
                    job,
                    is_empty: relation.hypertable.as_ref().is_none_or(|hypertable| hypertable.chunks == 0),
                    is_target,
                    after: base.step,
                };
                self.retention_policy(name, declared, retained);
            }
            Some(Wanted::Absent) => {
                self.remove_policy(name, "retention policy", "remove_retention_policy", relation, job);
            }
            None => {}
        }
    }

    pub(super) fn retention_policy(&mut self, name: &str, declared: &RetentionPolicy, retained: Retained<'_>) {
        let Retained { qualified, lock, job, is_empty, is_target, after } = retained;
        if self.lacks(name, "a retention policy", Feature::Jobs) {
            return;
        }
        if is_target {
            let difference = "a retention policy is declared, and the table is a target of references";
            self.step(name, StepClass::DestroysData, difference).obstacle = Some(
                "The policy of the server would leave references to rows that are gone: use references::drop_before."
                    .to_owned(),
            );
            return;
        }
        let current = job.filter(|job| job.scheduled).and_then(|job| length(job, "drop_after"));
        let keeps_more = current.is_some_and(|current| !declared.drop_after.is_less_than(current));
        let class = if keeps_more || is_empty { StepClass::Safe } else { StepClass::DestroysData };
        let policy = Policy {
            kind: "retention policy",
            settings: vec![("drop_after", Some(declared.drop_after))],
            schedule: declared.schedule,
            add: format!(
                "diesel_timescale.add_retention_policy({}, {})",
                literal(qualified),
                declared.drop_after.argument("drop_after", "integer_after")
            ),
            adds_schedule: false,
            lock,
        };
        self.compare_policy(name, policy, job, after, class);
    }

    pub(super) fn remove_policy(
        &mut self,
        name: &str,
        kind: &str,
        function: &str,
        relation: &Relation,
        job: Option<&Job>,
    ) {
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
                let sql = match policy.schedule.filter(|_| !policy.adds_schedule) {
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
            step.lock = policy.lock.map(str::to_owned);
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

pub(super) fn length(job: &Job, key: &str) -> Option<Length> {
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
                // A policy goes by the time of rows or by that of chunks.
                config.remove(&key.replace("_after", "_created_before"));
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
