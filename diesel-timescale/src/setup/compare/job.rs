//! Jobs of one's own.

use super::super::declaration::Job;
use super::super::facts::{self, Facts};
use super::super::length::Length;
use super::super::names::name_parts;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::Comparison;
use crate::feature::Feature;

impl<'a> Comparison<'a> {
    /// A job is found by its procedure; among several jobs of one procedure, by their configuration.
    pub(super) fn compare_jobs(&mut self) {
        let facts: &'a Facts = self.facts;
        let mut taken = Vec::new();
        for declared in &self.setup.jobs {
            let procedure = &declared.procedure;
            if self.lacks(procedure, "a job", Feature::Jobs) {
                continue;
            }
            let is_free = |job: &&facts::Job| is_of(job, procedure) && !taken.contains(&job.id);
            let free: Vec<_> = facts.jobs.iter().filter(is_free).collect();
            let same = free.iter().find(|job| declared.config.is_none() || job.config == declared.config);
            // One that another declaration means is not changed into this one.
            let is_alone = self.setup.jobs.iter().filter(|other| other.procedure == *procedure).count() == 1;
            let present = same.or(free.first().filter(|_| is_alone)).copied();
            taken.extend(present.map(|job| job.id));
            self.compare_job(declared, present);
        }
    }

    fn compare_job(&mut self, declared: &Job, present: Option<&facts::Job>) {
        let schema = self.extension_schema();
        let config = declared.config.as_ref().map(|config| literal(&config.to_string()));
        let procedure = &declared.procedure;
        let Some(present) = present else {
            let config = config.map(|config| format!(", config => {config}")).unwrap_or_default();
            let difference = format!("no job runs it every {}", declared.schedule);
            let step = self.step(procedure, StepClass::Safe, difference);
            step.sql =
                Some(format!("SELECT {schema}.add_job({}, {}{config})", literal(procedure), declared.schedule.sql()));
            return;
        };
        let (mut differences, mut arguments) = (Vec::new(), String::new());
        let current = Length::from(present.schedule);
        if current != declared.schedule {
            differences.push(format!("the job runs every {current}, not every {}", declared.schedule));
            arguments += &format!(", schedule_interval => {}", declared.schedule.sql());
        }
        if let Some(config) = config.filter(|_| present.config != declared.config) {
            differences.push("the job has another config".to_owned());
            arguments += &format!(", config => {config}");
        }
        if !present.scheduled {
            differences.push("the job is disabled".to_owned());
            arguments += ", scheduled => true";
        }
        if !differences.is_empty() {
            self.step(procedure, StepClass::Safe, differences.join("; ")).sql =
                Some(format!("SELECT job_id FROM {schema}.alter_job({}{arguments})", present.id));
        }
    }
}

fn is_of(job: &facts::Job, procedure: &str) -> bool {
    let (schema, name) = name_parts(procedure);
    job.procedure == name && schema.is_none_or(|schema| job.procedure_schema == schema)
}
