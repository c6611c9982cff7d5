//! The extension itself.

use super::super::plan::StepClass;
use super::super::sql::literal;
use super::Comparison;

impl Comparison<'_> {
    pub(super) fn compare_extension(&mut self) {
        let Some(extension) = &self.setup.extension else { return };
        let facts = self.facts;
        let server = &facts.server;
        match (server.timescaledb, server.available) {
            (Some(installed), _) => {
                let wanted = extension.release().ok().flatten();
                if let Some(wanted) = wanted.filter(|wanted| installed < *wanted) {
                    let difference = format!("the extension timescaledb is {installed}, not {wanted} or later");
                    let remedy = match server.available {
                        Some(available) if available >= wanted => {
                            "Run ALTER EXTENSION timescaledb UPDATE as the first statement of a new session.".to_owned()
                        }
                        _ => format!("Install TimescaleDB {wanted} or later on the server first."),
                    };
                    self.step("timescaledb", StepClass::Locks, difference).obstacle = Some(remedy);
                }
            }
            (None, Some(_)) => {
                let schema = extension.schema.as_ref().map(|schema| literal(schema)).unwrap_or_default();
                let difference = format!("the extension timescaledb is not created in the database {}", facts.database);
                let step = self.step("timescaledb", StepClass::Safe, difference);
                step.sql = Some(format!("SELECT outcome FROM diesel_timescale.create_timescaledb({schema})"));
                self.extension = Some(self.last());
            }
            (None, None) if extension.allow_plain_postgres || self.setup.allow_unsupported => {
                self.plan.left_out.push("timescaledb: the extension: the server has no TimescaleDB".to_owned());
            }
            (None, None) => {
                self.step("timescaledb", StepClass::Safe, "the server has no TimescaleDB").obstacle = Some(
                    "Install TimescaleDB on the server, or allow plain PostgreSQL (allow_plain_postgres).".to_owned(),
                );
            }
        }
    }
}
