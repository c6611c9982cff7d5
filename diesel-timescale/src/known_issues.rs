//! Known issues of TimescaleDB that affect users of this crate, by release.

use serde::Serialize;
mod table;

use std::fmt;

use crate::server::{Server, TimescaleVersion};

pub use table::KNOWN_ISSUES;

/// A known issue of TimescaleDB, and the releases that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnownIssue {
    /// A name for it.
    pub id: &'static str,
    /// What it is about: `foreign_key_to_hypertable` (native ones), `jobs`, `grants` on a hypertable, `triggers`,
    /// `queries`, `columnstore_writes`, or `continuous_aggregates`.
    pub subject: &'static str,
    /// The first release that has it.
    pub since: TimescaleVersion,
    /// The releases that fixed it, in order, one for each branch that was fixed; empty while there is none. A branch
    /// (2.27, say) between them that is not listed was never fixed, and later branches have the fix from the start.
    pub fixed_in: &'static [TimescaleVersion],
    /// The first minor release of each major release of PostgreSQL that brings it about, as
    /// [`Server::postgres_version`] has it. Empty if every release does.
    pub postgres: &'static [i32],
    /// What happens.
    pub what: &'static str,
    /// Where it is reported or fixed, or what brought it about.
    pub sources: &'static [&'static str],
}

impl KnownIssue {
    /// Whether a release of TimescaleDB has it, on a release of PostgreSQL (180007 is 18.7).
    ///
    /// ```
    /// use diesel_timescale::{KNOWN_ISSUES, TimescaleVersion};
    ///
    /// let issue = KNOWN_ISSUES.iter().find(|issue| issue.id == "jobs_reported_failed").unwrap();
    /// assert!(issue.affects(TimescaleVersion::new(2, 28, 3), 170_012));
    /// assert!(!issue.affects(TimescaleVersion::new(2, 28, 4), 170_012));
    /// assert!(!issue.affects(TimescaleVersion::new(2, 28, 3), 170_011));
    /// ```
    pub fn affects(&self, timescaledb: TimescaleVersion, postgres_version: i32) -> bool {
        let is_brought_about = self.postgres.is_empty()
            || self
                .postgres
                .iter()
                .any(|first| first / 10_000 == postgres_version / 10_000 && *first <= postgres_version);
        is_brought_about && self.since <= timescaledb && !self.is_fixed(timescaledb)
    }

    fn is_fixed(&self, version: TimescaleVersion) -> bool {
        let branch = |version: TimescaleVersion| (version.major, version.minor);
        self.fixed_in.iter().any(|fixed| branch(*fixed) == branch(version) && *fixed <= version)
            || self.fixed_in.last().is_some_and(|last| branch(*last) < branch(version))
    }

    /// The first release after this one that does not have it.
    pub fn fixed_after(&self, version: TimescaleVersion) -> Option<TimescaleVersion> {
        self.fixed_in.iter().copied().find(|fixed| *fixed > version)
    }
}

impl fmt::Display for KnownIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |versions: Vec<String>| versions.join(", ");
        write!(f, "{} (TimescaleDB {} and later", self.what, self.since)?;
        if !self.fixed_in.is_empty() {
            write!(f, ", fixed in {}", list(self.fixed_in.iter().map(ToString::to_string).collect()))?;
        }
        if !self.postgres.is_empty() {
            let minors = self.postgres.iter().map(|first| format!("{}.{}", first / 10_000, first % 10_000)).collect();
            write!(f, ", on PostgreSQL from {}", list(minors))?;
        }
        write!(f, "; {})", self.sources.join(", "))
    }
}

/// The [`KNOWN_ISSUES`] of the release that a server has; none on plain PostgreSQL.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Server, known_issues};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// for issue in known_issues(&server) {
///     println!("{}: {issue}", issue.id);
/// }
/// # assert_eq!(known_issues(&server).count() == 0, server.timescaledb.is_none());
/// # Ok(()) }) }
/// ```
pub fn known_issues(server: &Server) -> impl Iterator<Item = &'static KnownIssue> + use<> {
    issues_of(server.timescaledb, server.postgres_version)
}

/// The known issues of a release on a release of PostgreSQL.
pub fn issues_of(
    timescaledb: Option<TimescaleVersion>,
    postgres_version: i32,
) -> impl Iterator<Item = &'static KnownIssue> {
    KNOWN_ISSUES.iter().filter(move |issue| timescaledb.is_some_and(|version| issue.affects(version, postgres_version)))
}
