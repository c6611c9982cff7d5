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
use super::schedule::{arguments, schedule_changes, set_sql};
use super::target_retention::is_target;
use crate::feature::Feature;
use crate::schedule::Schedule;

/// A policy that is wanted, whatever its kind.
pub(super) struct Policy<'a> {
    pub kind: &'static str,
    /// Its keys in the configuration of the job; `None` is no limit.
    pub settings: Vec<(&'static str, Option<Length>)>,
    pub schedule: Option<&'a Schedule>,
    /// Its other settings in the configuration of the job.
    pub options: Vec<(&'static str, Value)>,
    /// The call that adds it, which gives the job.
    pub add: String,
    pub lock: Option<&'a str>,
}

impl Policy<'_> {
    /// Whether the call that adds it does not take its other settings.
    fn adds_options_later(&self) -> bool {
        !self.options.is_empty() && !self.settings.is_empty()
    }
}

/// What a retention policy is for: a hypertable or a continuous aggregate.
pub(super) struct Retained<'a> {
    /// With its schema, quoted.
    pub qualified: &'a str,
    pub lock: Option<&'a str>,
    pub job: Option<&'a Job>,
    pub is_empty: bool,
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
                let table = literal(&relation.qualified);
                let (settings, add) = match (declared.after, declared.created_before) {
                    (Some(after), _) => {
                        let argument = after.argument("convert_after", "integer_after");
                        let add = format!("diesel_timescale.add_columnstore_policy({table}, {argument})");
                        (vec![("compress_after", Some(after)), ("compress_created_before", None)], add)
                    }
                    (None, created) => {
                        let age = created.map_or_else(|| "NULL".to_owned(), Length::sql);
                        let add = format!("diesel_timescale.add_creation_columnstore_policy({table}, {age})");
                        (vec![("compress_created_before", created), ("compress_after", None)], add)
                    }
                };
                let policy = Policy {
                    kind: "columnstore policy",
                    settings,
                    options: Vec::new(),
                    schedule: declared.schedule.as_ref(),
                    add,
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
        if is_target(table, relation) {
            // When the target is what it should be.
            return;
        }
        let job = self.policy_job(relation, &["policy_retention"]);
        match &table.retention_policy {
            Some(Wanted::Present(declared)) => {
                let retained = Retained {
                    qualified: &relation.qualified,
                    lock: Some(&relation.qualified),
                    job,
                    is_empty: relation.hypertable.as_ref().is_none_or(|hypertable| hypertable.chunks == 0),
                    after: self.held.get(name).copied().or(base.step),
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
        let Retained { qualified, lock, job, is_empty, after } = retained;
        let feature = if declared.drop_after.is_some() { Feature::Jobs } else { Feature::RetentionByCreation };
        if self.lacks(name, "a retention policy", feature) {
            return;
        }
        let (key, other, age) = match declared.drop_after {
            Some(age) => ("drop_after", "drop_created_before", Some(age)),
            None => ("drop_created_before", "drop_after", declared.drop_created_before),
        };
        let class = retention_class(job, key, age, is_empty, declared.schedule.as_ref());
        let add = match declared.drop_after {
            Some(age) => format!(
                "diesel_timescale.add_retention_policy({}, {})",
                literal(qualified),
                age.argument("drop_after", "integer_after")
            ),
            None => format!(
                "diesel_timescale.add_creation_retention_policy({}, {})",
                literal(qualified),
                age.map_or_else(|| "NULL".to_owned(), Length::sql)
            ),
        };
        let policy = Policy {
            kind: "retention policy",
            settings: vec![(key, age), (other, None)],
            options: Vec::new(),
            schedule: declared.schedule.as_ref(),
            add,
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
        let (differences, sql) = match job {
            None => {
                let schedule = policy.schedule.map(|schedule| arguments(&schedule.settings)).unwrap_or_default();
                let mut sql = set_sql(&policy.add, &schedule);
                if policy.adds_options_later() {
                    // The call comes first, as the settings need its job.
                    let added = set_sql(&policy.add, &schedule);
                    sql = format!(
                        "SELECT diesel_timescale.merge_job_config(({added}), {})",
                        literal(&Value::Object(options(&policy)).to_string())
                    );
                }
                let with = settings_text(&policy);
                let with = if with.is_empty() { String::new() } else { format!(" with {with}") };
                (vec![format!("has no {}{with}", policy.kind)], sql)
            }
            Some(job) => alteration(&policy, job),
        };
        if !differences.is_empty() {
            let step = self.step(name, class, differences.join("; "));
            step.sql = Some(sql);
            step.after = after;
            step.lock = policy.lock.map(str::to_owned);
        }
    }
}

/// How much a retention policy takes that is added or changed.
pub(super) fn retention_class(
    job: Option<&Job>,
    key: &str,
    age: Option<Length>,
    is_empty: bool,
    schedule: Option<&Schedule>,
) -> StepClass {
    let current = job.filter(|job| job.scheduled).and_then(|job| length(job, key));
    let keeps_more = current.zip(age).is_some_and(|(current, age)| !age.is_less_than(current));
    let is_disabled = schedule.is_some_and(|schedule| schedule.settings.enabled == Some(false));
    if keeps_more || is_empty || is_disabled { StepClass::Safe } else { StepClass::DestroysData }
}

impl<'a> Comparison<'a> {
    pub(super) fn policy_job(&self, relation: &Relation, procedures: &[&str]) -> Option<&'a Job> {
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

/// What a policy that is missing should have.
fn settings_text(policy: &Policy<'_>) -> String {
    // What excludes another setting says nothing.
    let is_said = |(position, (key, value)): &(usize, &(&str, Option<Length>))| {
        value.is_some() || *position == 0 || *key == "start_offset"
    };
    let settings = policy.settings.iter().enumerate().filter(is_said);
    settings.map(|(_, (key, value))| setting(key, *value)).collect::<Vec<_>>().join(" and ")
}

fn options(policy: &Policy<'_>) -> serde_json::Map<String, Value> {
    policy.options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// How a job differs from what is wanted, and what makes it so.
fn alteration(policy: &Policy<'_>, job: &Job) -> (Vec<String>, String) {
    let mut differences = Vec::new();
    let mut config = job.config.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let Value::Object(entries) = &mut config else { return (differences, String::new()) };
    for (key, wanted) in &policy.settings {
        let current = length(job, key);
        if current == *wanted {
            continue;
        }
        // A policy goes by the time of rows or by that of chunks: that one is not there shows by the other.
        if key.contains("_after") || key.contains("_created_before") {
            match wanted {
                Some(wanted) => {
                    entries.insert((*key).to_owned(), wanted.json());
                }
                None => {
                    entries.remove(*key);
                    continue;
                }
            }
        } else {
            entries.insert((*key).to_owned(), wanted.map_or(Value::Null, Length::json));
        }
        let current = setting(key, current);
        differences.push(format!("the {} has {current}, not {}", policy.kind, setting(key, *wanted)));
    }
    for (key, wanted) in &policy.options {
        let current = entries.get(*key).cloned().unwrap_or_default();
        if current != *wanted {
            differences.push(format!("the {} has {key} {current}, not {wanted}", policy.kind));
            entries.insert((*key).to_owned(), wanted.clone());
        }
    }
    let mut changes = Vec::new();
    if !differences.is_empty() {
        changes.push(format!("config => {}", literal(&config.to_string())));
    }
    let (schedule, arguments) = schedule_changes(policy.kind, policy.schedule, job);
    differences.extend(schedule);
    changes.extend(arguments);
    (differences, set_sql(&job.id.to_string(), &changes))
}
