//! Timestamps that may be infinite.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::data_types::PgTimestamp;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Timestamptz;

/// A `timestamptz` as PostgreSQL has it: an instant, or `-infinity`, or `infinity`.
///
/// TimescaleDB uses the infinities: a job that runs is due at `-infinity`, one that is paused is due at `infinity`, and a
/// job that has never succeeded did so at `-infinity`. Diesel and chrono cannot load them into a `DateTime`.
///
/// The order is that of PostgreSQL. An instant beyond what chrono can hold (the year 262142), such as the start of the
/// last chunk that there can be, loads as `Infinity`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::sql_types::Timestamptz;
/// use diesel_timescale::TimestampOrInfinity;
///
/// # fn main() { run(|conn| {
/// let never: TimestampOrInfinity =
///     diesel::select(diesel::dsl::sql::<Timestamptz>("timestamptz '-infinity'")).get_result(conn)?;
/// assert_eq!((never, never.finite()), (TimestampOrInfinity::NegativeInfinity, None));
/// assert!(never < TimestampOrInfinity::from(Utc::now()));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromSqlRow, AsExpression)]
#[diesel(sql_type = Timestamptz)]
pub enum TimestampOrInfinity {
    /// Before every instant.
    NegativeInfinity,
    /// An instant.
    Finite(DateTime<Utc>),
    /// After every instant.
    Infinity,
}

impl TimestampOrInfinity {
    /// The instant; `None` for both infinities.
    pub fn finite(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Finite(at) => Some(at),
            Self::NegativeInfinity | Self::Infinity => None,
        }
    }
}

impl serde::Serialize for TimestampOrInfinity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Finite(at) => at.serialize(serializer),
            infinity => serializer.collect_str(infinity),
        }
    }
}

impl From<DateTime<Utc>> for TimestampOrInfinity {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Finite(at)
    }
}

impl fmt::Display for TimestampOrInfinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeInfinity => f.pad("-infinity"),
            Self::Finite(at) => at.fmt(f),
            Self::Infinity => f.pad("infinity"),
        }
    }
}

impl FromSql<Timestamptz, Pg> for TimestampOrInfinity {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let PgTimestamp(microseconds) = FromSql::<Timestamptz, Pg>::from_sql(value)?;
        if microseconds == i64::MIN {
            return Ok(Self::NegativeInfinity);
        }
        // Every other timestamp before chrono's last one fits: PostgreSQL's begin in 4713 BC.
        Ok(DateTime::<Utc>::from_sql(value).map_or(Self::Infinity, Self::Finite))
    }
}

impl ToSql<Timestamptz, Pg> for TimestampOrInfinity {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let infinity = match self {
            Self::NegativeInfinity => i64::MIN,
            Self::Infinity => i64::MAX,
            Self::Finite(at) => return <DateTime<Utc> as ToSql<Timestamptz, Pg>>::to_sql(at, out),
        };
        <PgTimestamp as ToSql<Timestamptz, Pg>>::to_sql(&PgTimestamp(infinity), &mut out.reborrow())
    }
}
