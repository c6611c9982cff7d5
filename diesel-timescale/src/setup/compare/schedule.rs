//! When a job runs, as it is declared and as it is.

use super::super::facts::Job;
use super::super::length::Length;
use super::super::sql::literal;
use crate::schedule::{Schedule, Settings};

/// How a job differs from its schedule, and the arguments of `set_job_schedule()` that make it so. A schedule that is not
/// declared is not compared, but that the job is enabled.
pub(super) fn schedule_changes(kind: &str, declared: Option<&Schedule>, job: &Job) -> (Vec<String>, Vec<String>) {
    let nothing = Settings::default();
    let declared = declared.map_or(&nothing, |schedule| &schedule.settings);
    let mut differences = Vec::new();
    let mut changed = Settings::default();
    if let Some(every) = declared.every.filter(|every| *every != Length::from(job.schedule)) {
        differences.push(format!("the {kind} runs every {}, not every {every}", Length::from(job.schedule)));
        changed.every = Some(every);
    }
    if let Some(start) = declared.start.filter(|start| Some(*start) != job.start) {
        let current = job.start.map_or_else(|| "at no fixed time".to_owned(), |start| start.to_rfc3339());
        differences.push(format!("the {kind} starts {current}, not {}", start.to_rfc3339()));
        changed.start = Some(start);
    }
    // A start or a time zone makes it fixed, unless that is said otherwise.
    let implied = (declared.start.is_some() || declared.time_zone.is_some()).then_some(true);
    if let Some(fixed) = declared.fixed.or(implied).filter(|fixed| *fixed != job.fixed) {
        let words = |fixed| if fixed { "at fixed times" } else { "after the last run" };
        differences.push(format!("the {kind} runs {}, not {}", words(job.fixed), words(fixed)));
        changed.fixed = Some(fixed);
    }
    if let Some(zone) = declared.time_zone.as_ref().filter(|zone| Some(*zone) != job.time_zone.as_ref()) {
        let current = job.time_zone.as_deref().unwrap_or("UTC");
        differences.push(format!("the {kind} goes by the time zone {current}, not {zone}"));
        changed.time_zone = Some(zone.clone());
    }
    if let Some(runtime) = declared.max_runtime.filter(|runtime| *runtime != Length::from(job.max_runtime)) {
        let current = Length::from(job.max_runtime);
        differences.push(format!("a run of the {kind} takes {current} at most, not {runtime}"));
        changed.max_runtime = Some(runtime);
    }
    if let Some(retries) = declared.max_retries.filter(|retries| *retries != job.max_retries) {
        differences.push(format!("the {kind} has {} retries, not {retries}", job.max_retries));
        changed.max_retries = Some(retries);
    }
    if let Some(period) = declared.retry_period.filter(|period| *period != Length::from(job.retry_period)) {
        let current = Length::from(job.retry_period);
        differences.push(format!("the {kind} is repeated after {current}, not after {period}"));
        changed.retry_period = Some(period);
    }
    let enabled = declared.enabled.unwrap_or(true);
    if enabled != job.scheduled {
        let difference = if enabled { "is disabled" } else { "is enabled, and should not be" };
        differences.push(format!("the {kind} {difference}"));
        changed.enabled = Some(enabled);
    }
    (differences, arguments(&changed))
}

/// What is set, as named arguments of `set_job_schedule()`.
pub(super) fn arguments(settings: &Settings) -> Vec<String> {
    let Settings { every, start, fixed, time_zone, max_runtime, max_retries, retry_period, enabled } = settings;
    [
        every.map(|every| format!("schedule_interval => {}", every.sql())),
        start.map(|start| format!("initial_start => {}", literal(&start.to_rfc3339()))),
        fixed.map(|fixed| format!("fixed_schedule => {fixed}")),
        time_zone.as_ref().map(|zone| format!("time_zone => {}", literal(zone))),
        max_runtime.map(|runtime| format!("max_runtime => {}", runtime.sql())),
        max_retries.map(|retries| format!("max_retries => {retries}")),
        retry_period.map(|period| format!("retry_period => {}", period.sql())),
        enabled.map(|enabled| format!("scheduled => {enabled}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The statement that gives the job of an expression these settings.
pub(super) fn set_sql(job: &str, arguments: &[String]) -> String {
    match arguments {
        [] => format!("SELECT {job}"),
        arguments => format!("SELECT diesel_timescale.set_job_schedule({job}, {})", arguments.join(", ")),
    }
}
