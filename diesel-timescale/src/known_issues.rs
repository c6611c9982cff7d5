//! Known issues of TimescaleDB that affect users of this crate, by release.

use serde::Serialize;
use std::fmt;

use crate::server::{Server, TimescaleVersion};

/// What a known issue is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssueSubject {
    /// Native foreign keys that reference a hypertable.
    ForeignKeyToHypertable,
    /// Jobs that run in the background.
    Jobs,
    /// `GRANT` and `REVOKE` on a hypertable.
    Grants,
}

/// A known issue of TimescaleDB, and the releases that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnownIssue {
    /// A name for it.
    pub id: &'static str,
    /// What it is about.
    pub subject: IssueSubject,
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

const fn release(minor: u32, patch: u32) -> TimescaleVersion {
    TimescaleVersion::new(2, minor, patch)
}

/// The known issues. `verify` of occupancy-models reports those about native foreign keys to a
/// hypertable (possible since 2.16) where there is one, and those about jobs where there are jobs.
pub const KNOWN_ISSUES: &[KnownIssue] = &[
    KnownIssue {
        id: "false_foreign_key_violations",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(16, 0),
        fixed_in: &[release(21, 1)],
        postgres: &[],
        what: "After some inserts in one session, rows whose event exists are refused with a false foreign key violation",
        sources: &[
            "https://github.com/timescale/timescaledb/issues/9250",
            "https://github.com/timescale/timescaledb/pull/8336",
        ],
    },
    KnownIssue {
        id: "drop_chunks_refused",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(16, 0),
        fixed_in: &[release(22, 0)],
        postgres: &[],
        what: "drop_chunks, and with it retention, is refused, even when no row refers to the chunk",
        sources: &[
            "https://github.com/timescale/timescaledb/issues/7181",
            "https://github.com/timescale/timescaledb/issues/498",
        ],
    },
    KnownIssue {
        id: "drop_chunks_drops_foreign_key",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(22, 0),
        fixed_in: &[release(28, 0)],
        postgres: &[],
        what: "drop_chunks drops the foreign key without asking: references are left dangling, and new ones are not checked",
        sources: &["https://github.com/timescale/timescaledb/pull/8496"],
    },
    KnownIssue {
        id: "drop_chunks_refused_again",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(28, 0),
        fixed_in: &[],
        postgres: &[],
        what: "drop_chunks, and with it retention, is refused again, even when no row refers to the chunk",
        sources: &["https://github.com/timescale/timescaledb/pull/9915"],
    },
    KnownIssue {
        id: "concurrent_delete_leaves_reference",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(16, 0),
        fixed_in: &[release(25, 2)],
        postgres: &[],
        what: "A row that is deleted while another session refers to it can leave a dangling reference",
        sources: &["https://github.com/timescale/timescaledb/pull/9324"],
    },
    KnownIssue {
        id: "second_foreign_key_not_kept",
        subject: IssueSubject::ForeignKeyToHypertable,
        since: release(16, 0),
        fixed_in: &[],
        postgres: &[],
        what: "Of several foreign keys from one table only the first is kept when rows are deleted",
        sources: &["https://github.com/timescale/timescaledb/issues/10055"],
    },
    KnownIssue {
        id: "jobs_reported_failed",
        subject: IssueSubject::Jobs,
        since: release(0, 0),
        fixed_in: &[release(27, 3), release(28, 4), release(31, 2), release(32, 1)],
        postgres: &[150_020, 160_016, 170_012, 180_007],
        what: "Every run of a job in the background is reported as failed (\"cannot drop portal\"), and counted and \
               repeated as such, although its work is done",
        sources: &[
            "https://github.com/timescale/timescaledb/pull/11015",
            "https://github.com/timescale/timescaledb/releases/tag/2.27.3",
            "https://github.com/timescale/timescaledb/releases/tag/2.28.4",
            "https://github.com/timescale/timescaledb/releases/tag/2.31.2",
            "https://github.com/timescale/timescaledb/releases/tag/2.32.0",
        ],
    },
    KnownIssue {
        id: "repeated_grant_crashes_server",
        subject: IssueSubject::Grants,
        since: release(0, 0),
        fixed_in: &[release(23, 0)],
        postgres: &[],
        what: "GRANT or REVOKE on a hypertable that runs several times from one plan (in a loop of PL/pgSQL, or prepared) \
               can crash the server",
        sources: &[
            "https://github.com/timescale/timescaledb/issues/8600",
            "https://github.com/timescale/timescaledb/pull/8739",
        ],
    },
];

/// The [`KNOWN_ISSUES`] of the release that a server has; none on plain PostgreSQL.
///
/// ```
/// # include!("doctest_setup.rs");
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
