//! Retention of a target of references: a job that clears the references to what it drops.

use super::super::declaration::Table;
use super::super::facts::{Job, Relation};
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::policy::{Policy, retention_class};
use crate::feature::Feature;

/// Whether retention must clear references.
pub(super) fn is_target(table: &Table, relation: &Relation) -> bool {
    relation.target.is_some() || matches!(table.target, Some(Wanted::Present(_)))
}

impl Comparison<'_> {
    pub(super) fn compare_target_retention(&mut self, name: &str, table: &Table, relation: &Relation) {
        // One that is to be none has the retention of other tables when it is.
        let is_meant = is_target(table, relation) && table.target != Some(Wanted::Absent);
        let Some(&base) = self.bases.get(name).filter(|_| is_meant) else { return };
        let job = self.target_job(relation);
        match &table.retention_policy {
            Some(Wanted::Present(declared)) => {
                if self.lacks(name, "a retention policy", Feature::Jobs) {
                    return;
                }
                let Some(age) = declared.drop_after else {
                    let difference =
                        "a retention policy by creation is declared, and the table is a target of references";
                    self.step(name, StepClass::DestroysData, difference).obstacle =
                        Some("Rows of a target go by their time: declare drop_after.".to_owned());
                    return;
                };
                let is_empty = relation.hypertable.as_ref().is_none_or(|hypertable| hypertable.chunks == 0);
                let schedule = declared.schedule.as_ref();
                let class = retention_class(job.as_ref(), "drop_after", Some(age), is_empty, schedule);
                let policy = Policy {
                    kind: "retention policy",
                    settings: vec![("drop_after", Some(age))],
                    options: Vec::new(),
                    schedule,
                    add: format!(
                        "diesel_timescale.add_reference_retention({}, {})",
                        literal(&relation.qualified),
                        age.argument("drop_after", "integer_after")
                    ),
                    lock: Some(&relation.qualified),
                };
                let after = self.held.get(name).or(self.targets.get(name)).copied().or(base);
                self.compare_policy(name, policy, job.as_ref(), after, class);
            }
            Some(Wanted::Absent) => {
                let Some(job) = job else { return };
                let schema = self.facts.extension_schema.clone().unwrap_or_default();
                let step = self.step(name, StepClass::Safe, "has a retention policy, and none is wanted");
                step.sql = Some(format!("SELECT {schema}.delete_job({})", job.id));
                step.lock = Some(relation.qualified.clone());
            }
            None => {}
        }
    }

    /// The job, whose procedure may be of a crate that builds on this one.
    fn target_job(&self, relation: &Relation) -> Option<Job> {
        let present = relation.target.as_ref()?.retention.as_ref()?;
        let mut job = self.facts.jobs.iter().find(|job| job.id == present.id)?.clone();
        job.lengths.insert("drop_after".to_owned(), present.drop_after);
        Some(job)
    }
}
