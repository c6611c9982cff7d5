//! Verification: finds violations of the guarantees that this schema gives.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Bool, Integer, Nullable, Text};
use serde::Serialize;

use crate::call::Statement;
use crate::error::Result;
use crate::timescale::{IssueSubject, TimescaleVersion, issues_of};

/// Looks for violations: in the hypertable and its dimension, keys, triggers, foreign keys, references and ids.
///
/// Gives one [`Violation`] for each, with its remedy; none if all is well. Run it while nothing removes events: a chunk
/// that retention drops while verification waits for it looks as if its references dangled, until the next run.
///
/// It writes nothing, so it runs on a read replica and in a read-only transaction. It reads the tables that refer to
/// events only if they belong to a superuser, to its caller, or to the owner of `sensor_events`: an index or a policy
/// of another role's table could run that role's code with the rights of the caller. What it could not read is a
/// violation of the kind [`ViolationKind::Unchecked`]. The rights that it needs are in [`rights`](crate::rights).
///
/// # Errors
/// What the database itself reports; a violation is not an error.
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// let violations = verify().allow_plain_table().call(conn)?;
/// for violation in &violations {
///     eprintln!("{violation}");
/// }
/// assert!(violations.is_empty());
/// # Ok(()) }) }
/// ```
pub fn verify() -> Verify {
    Verify { allow_plain_table: false, scan_events: true }
}

/// The call that [`verify()`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct Verify {
    allow_plain_table: bool,
    scan_events: bool,
}

impl Verify {
    /// Accepts a plain table in place of a hypertable. Default: that is reported.
    pub fn allow_plain_table(mut self) -> Self {
        self.allow_plain_table = true;
        self
    }

    /// Whether to look for duplicate ids, which reads every event. Default: `true`.
    pub fn scan_events(mut self, scan: bool) -> Self {
        self.scan_events = scan;
        self
    }
}

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
                    other => Err(format!("verify_sensor_events() reports {other:?}, which this release does not know").into()),
                }
            }
        }
    };
}

violation_kinds! {
    /// `sensor_events` is no hypertable.
    NotAHypertable = "not_a_hypertable",
    /// The hypertable is partitioned on another column.
    WrongDimension = "wrong_dimension",
    /// A retention policy of the server's own drops chunks without clearing references.
    ForeignRetentionPolicy = "foreign_retention_policy",
    /// The primary key or the unique key of `sensor_events` is missing.
    MissingKey = "missing_key",
    /// Ids are not `GENERATED ALWAYS`.
    IdNotGenerated = "id_not_generated",
    /// A trigger is missing.
    MissingTrigger = "missing_trigger",
    /// A trigger is disabled, or one of those that a foreign key does its work by.
    DisabledTrigger = "disabled_trigger",
    /// A trigger has a name of this crate's and executes another function, or was made for an earlier name of its
    /// column.
    WrongTrigger = "wrong_trigger",
    /// A column that refers to sensor events has lost its foreign key.
    MissingForeignKey = "missing_foreign_key",
    /// A foreign key to sensor events is not validated, or it is `ON DELETE SET NULL` on a column that is `NOT NULL`; or
    /// that of `predictions` is not `ON DELETE SET NULL`. On other tables any action is right.
    WrongForeignKey = "wrong_foreign_key",
    /// A foreign key references the hypertable itself. The detail says what the release that was found makes of that,
    /// by its [known issues](crate::timescale::KNOWN_ISSUES).
    NativeForeignKey = "native_foreign_key",
    /// References to events that are there, and that `referenced_events` does not have.
    UnregisteredReference = "unregistered_reference",
    /// References to events that are gone.
    DanglingReference = "dangling_reference",
    /// Several events have the same id.
    DuplicateId = "duplicate_id",
    /// The sequence of the ids of events or predictions will hand out ids that are there already.
    SequenceBehind = "sequence_behind",
    /// Verification could not read this: a right is missing, a row-level security policy applies, or the table belongs
    /// to a role whose code it could run.
    Unchecked = "unchecked",
    /// There are jobs, and the server reports every run of one as failed, by its
    /// [known issues](crate::timescale::KNOWN_ISSUES).
    JobsReportedFailed = "jobs_reported_failed",
}

/// Adds what the server that was found is known to do; `None` if it does nothing wrong.
fn with_known_issues(
    mut violation: Violation,
    timescaledb: Option<TimescaleVersion>,
    postgres_version: i32,
) -> Option<Violation> {
    let issues = issues_of(timescaledb, postgres_version);
    match violation.kind {
        ViolationKind::NativeForeignKey => {
            for issue in issues.filter(|issue| issue.subject == IssueSubject::ForeignKeyToHypertable) {
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

impl Statement for Verify {
    type SqlType = ((Text, Text, Text, Text), Nullable<Text>, Integer);
    type Row = (Violation, Option<TimescaleVersion>, i32);
    type Output = Vec<Violation>;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT violation, object, detail, remedy, (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), \
             current_setting('server_version_num')::int FROM (SELECT * FROM verify_sensor_events(",
        );
        out.push_bind_param::<Bool, _>(&self.allow_plain_table)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.scan_events)?;
        out.push_sql(
            ") UNION ALL SELECT 'jobs_reported_failed', 'job ' || array_to_string(ids, ', '), '', '' \
             FROM diesel_timescale.scheduled_jobs() AS ids WHERE ids <> '{}') AS violations (violation, object, detail, remedy)",
        );
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows
            .into_iter()
            .filter_map(|(violation, timescaledb, postgres)| with_known_issues(violation, timescaledb, postgres))
            .collect())
    }
}
