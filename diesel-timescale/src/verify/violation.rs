//! What verification reports.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde::Serialize;

use crate::known_issues::issues_of;
use crate::server::TimescaleVersion;
use crate::setup::Plan;

/// What is wrong, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// The kind of violation.
    pub kind: ViolationKind,
    /// The object that has it: a table, column, trigger, constraint, sequence, job or id.
    pub object: String,
    /// What is wrong.
    pub detail: String,
    /// How to fix it: one SQL statement where that is possible, which does all or nothing.
    ///
    /// For a table whose owner verification does not trust it says who may run the statement, in words before it.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} Fix: {}", self.object, self.detail, self.remedy)
    }
}

/// Declares the kinds of violation with the names that the SQL function gives them.
macro_rules! violation_kinds {
    ($( $(#[$doc:meta])* $kind:ident = $name:literal, )+) => {
        /// A kind of violation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow)]
        #[non_exhaustive]
        pub enum ViolationKind {
            $( $(#[$doc])* $kind, )+
        }

        impl ViolationKind {
            /// The name that the SQL function gives it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$kind => $name, )+
                }
            }
        }

        impl Serialize for ViolationKind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl FromSql<Text, Pg> for ViolationKind {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                match std::str::from_utf8(value.as_bytes())? {
                    $( $name => Ok(Self::$kind), )+
                    other => Err(format!("verification reports {other:?}, which this release does not know").into()),
                }
            }
        }
    };
}

violation_kinds! {
    /// A table that should be a hypertable is none.
    NotAHypertable = "not_a_hypertable",
    /// The hypertable is partitioned on another column.
    WrongDimension = "wrong_dimension",
    /// A retention policy of the server's own drops chunks without clearing references.
    ForeignRetentionPolicy = "foreign_retention_policy",
    /// A refresh policy reads rows that retention drops, so that a refresh erases their aggregates.
    RetentionWithinRefresh = "retention_within_refresh",
    /// A primary key or a unique key that is promised is missing.
    MissingKey = "missing_key",
    /// Ids are not `GENERATED ALWAYS`.
    IdNotGenerated = "id_not_generated",
    /// A trigger is missing.
    MissingTrigger = "missing_trigger",
    /// A trigger is disabled, or one of those that a foreign key does its work by.
    DisabledTrigger = "disabled_trigger",
    /// A trigger has a name of this crate's and executes another function, or was made for an earlier name of its
    /// table or of a column.
    WrongTrigger = "wrong_trigger",
    /// The registry of a target is gone, or has lost its primary key.
    MissingRegistry = "missing_registry",
    /// Columns that reference a target have lost their foreign key.
    MissingForeignKey = "missing_foreign_key",
    /// A foreign key to the registry of a target is not validated, is `ON DELETE SET NULL` on a column that is `NOT NULL`, or
    /// has another action than is promised.
    WrongForeignKey = "wrong_foreign_key",
    /// A foreign key references a hypertable itself. The detail says what the release that was found makes of that,
    /// by its [known issues](crate::KNOWN_ISSUES).
    NativeForeignKey = "native_foreign_key",
    /// References to rows that are there, and that the registry does not have.
    UnregisteredReference = "unregistered_reference",
    /// References to rows that are gone.
    DanglingReference = "dangling_reference",
    /// Several rows have the same id.
    DuplicateId = "duplicate_id",
    /// A sequence will hand out ids that are there already.
    SequenceBehind = "sequence_behind",
    /// Everybody may execute a function that works with the rights of the owner of a target.
    PublicFunction = "public_function",
    /// Verification could not read this: a right is missing, a row-level security policy applies, or the table belongs
    /// to a role whose code it could run.
    Unchecked = "unchecked",
    /// There are jobs, and the server reports every run of one as failed, by its
    /// [known issues](crate::KNOWN_ISSUES).
    JobsReportedFailed = "jobs_reported_failed",
    /// The database is not as a [set-up](crate::setup) declares.
    Drift = "drift",
}

/// What differs from a declared set-up, as violations.
#[doc(hidden)]
pub fn drifts(plan: &Plan) -> Vec<Violation> {
    let steps = plan.steps.iter();
    steps
        .map(|step| Violation {
            kind: ViolationKind::Drift,
            object: step.object.clone(),
            detail: step.difference.clone(),
            remedy: step.obstacle.clone().or_else(|| step.sql.clone()).unwrap_or_default(),
        })
        .collect()
}

/// Adds what the server that was found is known to do; `None` if it does nothing wrong.
pub(super) fn with_known_issues(
    mut violation: Violation,
    timescaledb: Option<TimescaleVersion>,
    postgres_version: i32,
) -> Option<Violation> {
    let issues = issues_of(timescaledb, postgres_version);
    match violation.kind {
        ViolationKind::NativeForeignKey => {
            for issue in issues.filter(|issue| issue.subject == "foreign_key_to_hypertable") {
                violation.detail.push_str(&format!(" Known issue {}: {issue}.", issue.id));
            }
        }
        ViolationKind::JobsReportedFailed => {
            let issue = issues.into_iter().find(|issue| issue.id == "jobs_reported_failed")?;
            violation.detail = format!("Known issue {}: {issue}.", issue.id);
            violation.remedy = match issue.fixed_after(timescaledb?) {
                Some(fixed) => format!("install TimescaleDB {fixed} or later, then ALTER EXTENSION timescaledb UPDATE"),
                None => "go back to an earlier minor release of PostgreSQL".to_owned(),
            };
        }
        _ => {}
    }
    Some(violation)
}
