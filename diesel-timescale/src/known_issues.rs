//! Faults of TimescaleDB itself that touch who uses this crate, by release.

use std::fmt;

use crate::server::{Server, TimescaleVersion};

/// A fault of TimescaleDB, and the releases that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownIssue {
    /// A name for it.
    pub id: &'static str,
    /// The first release that has it.
    pub since: TimescaleVersion,
    /// The first release that does not have it any more; `None` while there is none.
    pub until: Option<TimescaleVersion>,
    /// What happens.
    pub what: &'static str,
    /// Where it is reported, mended, or was brought about.
    pub sources: &'static [&'static str],
}

impl KnownIssue {
    /// Whether a release has it.
    ///
    /// ```
    /// use diesel_timescale::{KNOWN_ISSUES, TimescaleVersion};
    ///
    /// let issue = KNOWN_ISSUES.iter().find(|issue| issue.id == "false_foreign_key_violations").unwrap();
    /// assert!(issue.affects(TimescaleVersion::new(2, 21, 0)));
    /// assert!(!issue.affects(TimescaleVersion::new(2, 21, 1)));
    /// ```
    pub fn affects(&self, version: TimescaleVersion) -> bool {
        self.since <= version && self.until.is_none_or(|until| version < until)
    }
}

impl fmt::Display for KnownIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (TimescaleDB {}", self.what, self.since)?;
        match self.until {
            Some(until) => write!(f, " until before {until}")?,
            None => f.write_str(" and later")?,
        }
        write!(f, "; {})", self.sources.join(", "))
    }
}

const fn release(minor: u32, patch: u32) -> TimescaleVersion {
    TimescaleVersion::new(2, minor, patch)
}

/// The faults that this crate knows of. All of them are about native foreign keys to a hypertable, which are
/// possible since 2.16, and which [`verify`](crate::verify()) therefore reports.
pub const KNOWN_ISSUES: &[KnownIssue] = &[
    KnownIssue {
        id: "false_foreign_key_violations",
        since: release(16, 0),
        until: Some(release(21, 1)),
        what: "After some inserts in one session, rows whose event exists are refused with a false foreign key violation",
        sources: &[
            "https://github.com/timescale/timescaledb/issues/9250",
            "https://github.com/timescale/timescaledb/pull/8336",
        ],
    },
    KnownIssue {
        id: "drop_chunks_refused",
        since: release(16, 0),
        until: Some(release(22, 0)),
        what: "drop_chunks, and with it retention, is refused, even when no row refers to the chunk",
        sources: &[
            "https://github.com/timescale/timescaledb/issues/7181",
            "https://github.com/timescale/timescaledb/issues/498",
        ],
    },
    KnownIssue {
        id: "drop_chunks_drops_foreign_key",
        since: release(22, 0),
        until: Some(release(28, 0)),
        what: "drop_chunks drops the foreign key without asking: references are left dangling, and new ones are not checked",
        sources: &["https://github.com/timescale/timescaledb/pull/8496"],
    },
    KnownIssue {
        id: "drop_chunks_refused_again",
        since: release(28, 0),
        until: None,
        what: "drop_chunks, and with it retention, is refused again, even when no row refers to the chunk",
        sources: &["https://github.com/timescale/timescaledb/pull/9915"],
    },
    KnownIssue {
        id: "concurrent_delete_leaves_reference",
        since: release(16, 0),
        until: Some(release(25, 2)),
        what: "A row that is deleted while another session refers to it can leave a dangling reference",
        sources: &["https://github.com/timescale/timescaledb/pull/9324"],
    },
    KnownIssue {
        id: "second_foreign_key_not_kept",
        since: release(16, 0),
        until: None,
        what: "Of several foreign keys from one table only the first is kept when rows are deleted",
        sources: &["https://github.com/timescale/timescaledb/issues/10055"],
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
    issues_of(server.timescaledb)
}

/// The known issues of a release.
pub fn issues_of(version: Option<TimescaleVersion>) -> impl Iterator<Item = &'static KnownIssue> {
    KNOWN_ISSUES.iter().filter(move |issue| version.is_some_and(|version| issue.affects(version)))
}
