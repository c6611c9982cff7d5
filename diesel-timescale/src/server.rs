//! The server: releases and edition.

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow, Queryable};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Integer, Nullable, Text};
use serde::Serialize;

use crate::call::{Call, single};
use crate::error::Error;
use crate::function_call;
use crate::parse_error::ParseError;

type NullableText = Nullable<Text>;

/// A release of TimescaleDB. Ordered; a pre-release such as `2.23.0-dev` counts as its release.
///
/// ```
/// use diesel_timescale::TimescaleVersion;
///
/// let version: TimescaleVersion = "2.23.0-dev".parse().unwrap();
/// assert_eq!(version, TimescaleVersion::new(2, 23, 0));
/// assert!(version > TimescaleVersion::new(2, 19, 3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromSqlRow)]
pub struct TimescaleVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl TimescaleVersion {
    /// The release with these numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for TimescaleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for TimescaleVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for TimescaleVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let release = text.split('-').next().unwrap_or(text);
        let mut numbers = release.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(Self { major, minor, patch }),
            _ => Err(ParseError::new(text, "a release of TimescaleDB, such as 2.19.3")),
        }
    }
}

impl FromSql<Text, Pg> for TimescaleVersion {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(std::str::from_utf8(value.as_bytes())?.parse()?)
    }
}

/// An edition of TimescaleDB, by the license that the server runs under.
///
/// Source: the setting `timescaledb.license`, which is `apache` or `timescale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edition {
    /// The Apache edition: hypertables, without columnstore, policies and continuous aggregates.
    Apache,
    /// The Community edition: everything.
    Community,
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apache => "Apache",
            Self::Community => "Community",
        })
    }
}

impl FromSql<Text, Pg> for Edition {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "apache" => Ok(Self::Apache),
            "timescale" => Ok(Self::Community),
            other => Err(format!("timescaledb.license is {other:?}, which this release does not know").into()),
        }
    }
}

/// The server that a connection leads to, and what TimescaleDB it has.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::Server;
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// println!("{server}");
/// # assert!(server.postgres_major() >= 15);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct Server {
    /// The release of PostgreSQL as a number: 170006 is 17.6.
    pub postgres_version: i32,
    /// The release of TimescaleDB in this database; `None` where the extension is not created.
    pub timescaledb: Option<TimescaleVersion>,
    /// The edition of TimescaleDB; `None` where its library is not loaded.
    pub edition: Option<Edition>,
    /// The release of TimescaleDB that `CREATE EXTENSION` would give; `None` on plain PostgreSQL.
    pub available: Option<TimescaleVersion>,
    /// The release of the extension `timescaledb_toolkit` in this database; `None` where it is not created.
    pub toolkit: Option<TimescaleVersion>,
}

impl Server {
    /// Asks the server. Works on plain PostgreSQL, and before the migrations have run.
    pub fn query() -> impl Call<Output = Self, Error = Error> + Clone {
        QueryServer {}
    }

    /// The major release of PostgreSQL, such as 17.
    pub fn postgres_major(&self) -> i32 {
        self.postgres_version / 10_000
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.timescaledb, self.edition) {
            (Some(version), Some(edition)) => write!(f, "TimescaleDB {version} ({edition} edition) on ")?,
            (Some(version), None) => write!(f, "TimescaleDB {version} (not loaded) on ")?,
            (None, _) if self.available.is_none() => write!(f, "plain ")?,
            (None, _) => {}
        }
        write!(f, "PostgreSQL {}.{}", self.postgres_major(), self.postgres_version % 10_000)?;
        match (self.timescaledb, self.available) {
            (None, Some(version)) => {
                write!(f, ", where the extension timescaledb ({version}) is not created in this database")
            }
            _ => Ok(()),
        }
    }
}

function_call! {
    QueryServer {},
    "SELECT \
         current_setting('server_version_num')::int, \
         (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), \
         current_setting('timescaledb.license', true), \
         (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'), \
         (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb_toolkit')", "",
    (Integer, NullableText, NullableText, NullableText, NullableText) => Server => Server, single,
}
