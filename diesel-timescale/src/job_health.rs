//! How a job does.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Text;
use serde::Serialize;

/// How a job does, by its schedule and its last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobHealth {
    /// Its last run succeeded, and the next one is not due yet.
    Healthy,
    /// It runs at this moment.
    Running,
    /// It is disabled, or paused.
    Paused,
    /// It has not run yet, and is not late.
    NotRunYet,
    /// It should have started more than a minute ago: too few background workers, a scheduler that is off, or a server
    /// that has none.
    Late,
    /// Its last run failed.
    Failing,
    /// Its last run did its work and was reported failed by a fault of the server, the
    /// [known issue](crate::KNOWN_ISSUES) `jobs_reported_failed`.
    ReportedFailed,
}

impl JobHealth {
    /// Whether someone should look: late, or failing.
    pub fn is_problem(self) -> bool {
        matches!(self, Self::Late | Self::Failing)
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::NotRunYet => "not run yet",
            Self::Late => "late",
            Self::Failing => "failing",
            Self::ReportedFailed => "reported failed by a fault of the server",
        }
    }
}

impl fmt::Display for JobHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromSql<Text, Pg> for JobHealth {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "healthy" => Ok(Self::Healthy),
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "not_run_yet" => Ok(Self::NotRunYet),
            "late" => Ok(Self::Late),
            "failing" => Ok(Self::Failing),
            "reported_failed" => Ok(Self::ReportedFailed),
            other => Err(format!("job_report() reports {other:?}, which this release does not know").into()),
        }
    }
}
