//! What a set-up cannot mean.

use diesel::result::Error as DieselError;

use super::Setup;
use super::declaration::{IntegerNow, Table};
use super::wanted::Wanted;
use crate::error::{Error, Result};

impl Setup {
    /// Refuses what has no meaning, before anything is sent.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(message) = &self.error {
            return Err(DieselError::QueryBuilderError(message.clone().into()).into());
        }
        for (name, table) in &self.tables {
            if let Some(tiers) = &table.tiers {
                tiers.check(name)?;
            }
            if let Some(problem) = problem(table) {
                return Err(Error::Declaration { message: format!("{name}: {problem}") });
            }
        }
        for job in &self.jobs {
            if job.schedule.settings.every.is_none() {
                let message = format!("jobs: {}: nothing says how often it runs (every)", job.procedure);
                return Err(Error::Declaration { message });
            }
        }
        if let Some(extension) = &self.extension {
            let release = extension.release();
            release.map_err(|error| Error::Declaration { message: format!("extension: version: {error}") })?;
        }
        Ok(())
    }
}

fn problem(table: &Table) -> Option<&'static str> {
    if table.columnstore == Some(Wanted::Absent) && matches!(table.columnstore_policy, Some(Wanted::Present(_))) {
        return Some("a columnstore policy, and no columnstore");
    }
    if table.direct_compress == Some(true) {
        if table.columnstore == Some(Wanted::Absent) {
            return Some("direct_compress, and no columnstore");
        }
        if matches!(table.target, Some(Wanted::Present(_))) {
            return Some("direct_compress, and a target of references, whose triggers exclude it");
        }
        if matches!(table.notify_inserts, Some(Wanted::Present(_))) {
            return Some("direct_compress, and notifications, whose trigger excludes it");
        }
    }
    if let Some(Wanted::Present(policy)) = &table.columnstore_policy {
        if policy.after.is_some() == policy.created_before.is_some() {
            return Some("a columnstore policy goes by one of after and created_before");
        }
    }
    if let Some(Wanted::Present(policy)) = &table.retention_policy {
        if policy.drop_after.is_some() == policy.drop_created_before.is_some() {
            return Some("a retention policy goes by one of drop_after and drop_created_before");
        }
    }
    match &table.integer_now {
        Some(IntegerNow { unit, function }) if unit.is_some() == function.is_some() => {
            Some("integer_now has one of unit and function")
        }
        _ => None,
    }
}
