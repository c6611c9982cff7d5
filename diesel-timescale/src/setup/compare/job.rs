//! Jobs of one's own.

use super::super::declaration::Job;
use super::super::facts::{self, Facts};
use super::super::length::Length;
use super::super::names::name_parts;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::schedule::{arguments, schedule_changes, set_sql};
use crate::feature::Feature;
use crate::schedule::Settings;

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
        let config = declared.config.as_ref().map(|config| literal(&config.to_string()));
        let procedure = &declared.procedure;
        let settings = &declared.schedule.settings;
        let Some(present) = present else {
            let every = settings.every.map_or_else(|| "INTERVAL '1 day'".to_owned(), Length::sql);
            let (schema, name) = name_parts(procedure);
            let add = format!(
                "diesel_timescale.add_procedure_job({}, {every}, {}{})",
                literal(&name),
                config.unwrap_or_else(|| "NULL".to_owned()),
                schema.map(|schema| format!(", {}", literal(&schema))).unwrap_or_default()
            );
            let rest = Settings { every: None, ..settings.clone() };
            let after = self.procedures.get(procedure).copied();
            let every = settings.every.map(|every| format!(" every {every}")).unwrap_or_default();
            let step = self.step(procedure, StepClass::Safe, format!("no job runs it{every}"));
            step.sql = Some(set_sql(&add, &arguments(&rest)));
            step.after = after;
            return;
        };
        let (mut differences, mut changes) = schedule_changes("job", Some(&declared.schedule), present);
        if let Some(config) = config.filter(|_| present.config != declared.config) {
            differences.push("the job has another config".to_owned());
            changes.push(format!("config => {config}"));
        }
        if !differences.is_empty() {
            self.step(procedure, StepClass::Safe, differences.join("; ")).sql =
                Some(set_sql(&present.id.to_string(), &changes));
        }
    }

    /// The procedures that jobs run.
    pub(super) fn compare_procedures(&mut self) {
        let facts: &'a Facts = self.facts;
        for ((name, wanted), present) in self.setup.procedures.iter().zip(&facts.procedures) {
            let (schema, plain) = name_parts(name);
            let place = schema.map(|schema| format!(", {}", literal(&schema))).unwrap_or_default();
            let (difference, sql) = match (wanted, present) {
                (Wanted::Absent, None) => continue,
                (Wanted::Absent, Some(_)) => (
                    "is there, and is not wanted",
                    format!("SELECT diesel_timescale.drop_job_procedure({}{place})", literal(&plain)),
                ),
                (Wanted::Present(declared), present) => {
                    let difference = match present {
                        None => "the procedure is missing",
                        Some(present) if present.config.is_none() => "another procedure of this name is there",
                        Some(present) if present.body != declared.body => "the procedure has another body",
                        Some(present) if present.config.as_ref() != Some(&declared.config) => {
                            "the procedure has another example of its config"
                        }
                        Some(_) => continue,
                    };
                    let sql = format!(
                        "SELECT diesel_timescale.create_job_procedure({}, {}, {}{place})",
                        literal(&plain),
                        literal(&declared.body),
                        literal(&declared.config.to_string())
                    );
                    (difference, sql)
                }
            };
            let is_foreign =
                matches!((wanted, present), (Wanted::Present(_), Some(present)) if present.config.is_none());
            let step = self.step(name, StepClass::Safe, difference);
            step.sql = Some(sql);
            if is_foreign {
                step.obstacle = Some("Drop it, or take another name.".to_owned());
            }
            let position = self.last();
            self.procedures.insert(name.clone(), position);
        }
    }
}

fn is_of(job: &facts::Job, procedure: &str) -> bool {
    let (schema, name) = name_parts(procedure);
    job.procedure == name && schema.is_none_or(|schema| job.procedure_schema == schema)
}
