//! Moments and lengths of time of any time column, on their way to the database and back.
//!
//! Functions of this crate take a moment as two arguments, an instant and a count, of which one is null: so their SQL is
//! the same for every type. The function converts it to the type of the column.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::sql_types::{BigInt, Date, Integer, Interval, Nullable, SmallInt, Timestamp, Timestamptz};

use crate::time_column::{TimeType, midnight};
use crate::timestamp::TimestampOrInfinity;

/// A moment or a length of time, as the type of the column has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TimeValue {
    Interval(PgInterval),
    Timestamptz(DateTime<Utc>),
    Timestamp(NaiveDateTime),
    Date(NaiveDate),
    SmallInt(i16),
    Integer(i32),
    BigInt(i64),
}

impl TimeValue {
    /// Pushes it as a bind of its own type.
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Self::Interval(interval) => out.push_bind_param::<Interval, _>(interval),
            Self::Timestamptz(at) => out.push_bind_param::<Timestamptz, _>(at),
            Self::Timestamp(at) => out.push_bind_param::<Timestamp, _>(at),
            Self::Date(date) => out.push_bind_param::<Date, _>(date),
            Self::SmallInt(count) => out.push_bind_param::<SmallInt, _>(count),
            Self::Integer(count) => out.push_bind_param::<Integer, _>(count),
            Self::BigInt(count) => out.push_bind_param::<BigInt, _>(count),
        }
    }

    /// As SQL of its own, for a view.
    pub(crate) fn literal(self) -> String {
        match self {
            Self::Interval(interval) => format!("INTERVAL '{} microseconds'", interval.microseconds),
            Self::Timestamptz(at) => format!("TIMESTAMPTZ '{}'", at.format("%Y-%m-%d %H:%M:%S%.6f+00")),
            Self::Timestamp(at) => format!("TIMESTAMP '{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")),
            Self::Date(date) => format!("DATE '{date}'"),
            Self::SmallInt(count) => format!("'{count}'::smallint"),
            Self::Integer(count) => format!("'{count}'::integer"),
            Self::BigInt(count) => format!("'{count}'::bigint"),
        }
    }

    /// As one number: microseconds, since 1970 if it is a moment, or the count.
    #[cfg(any(feature = "sync", feature = "async"))]
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Interval(interval) => interval.microseconds,
            Self::Timestamptz(at) => at.timestamp_micros(),
            Self::Timestamp(at) => at.and_utc().timestamp_micros(),
            Self::Date(date) => midnight(date).timestamp_micros(),
            Self::SmallInt(count) => count.into(),
            Self::Integer(count) => count.into(),
            Self::BigInt(count) => count,
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::SmallInt(count) => Some(count.into()),
            Self::Integer(count) => Some(count.into()),
            Self::BigInt(count) => Some(count),
            _ => None,
        }
    }
}

impl fmt::Display for TimeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(interval) => write!(f, "{} microseconds", interval.microseconds),
            Self::Timestamptz(at) => at.fmt(f),
            Self::Timestamp(at) => at.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::SmallInt(count) => count.fmt(f),
            Self::Integer(count) => count.fmt(f),
            Self::BigInt(count) => count.fmt(f),
        }
    }
}

impl From<TimeDelta> for TimeValue {
    fn from(length: TimeDelta) -> Self {
        Self::Interval(crate::chunks::interval(length))
    }
}

impl From<i16> for TimeValue {
    fn from(count: i16) -> Self {
        Self::SmallInt(count)
    }
}

impl From<i32> for TimeValue {
    fn from(count: i32) -> Self {
        Self::Integer(count)
    }
}

impl From<i64> for TimeValue {
    fn from(count: i64) -> Self {
        Self::BigInt(count)
    }
}

/// A moment as two arguments of a function.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moment {
    at: Option<DateTime<Utc>>,
    integer: Option<i64>,
}

impl Moment {
    /// The moment of a column of this type; none if there is none.
    pub(crate) fn new<ST: TimeType>(value: Option<ST::Value>) -> Self {
        let Some(value) = value.map(ST::value) else { return Self::default() };
        let at = match value {
            TimeValue::Timestamptz(at) => Some(at),
            TimeValue::Timestamp(at) => Some(at.and_utc()),
            TimeValue::Date(date) => Some(midnight(date)),
            _ => None,
        };
        Self { at, integer: value.integer() }
    }

    /// Pushes both arguments.
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.integer)
    }
}

/// A length of time as two arguments of a function.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Length {
    pub(crate) interval: Option<PgInterval>,
    pub(crate) integer: Option<i64>,
}

impl Length {
    /// The length of time in a column of this type; none if there is none.
    pub(crate) fn new<ST: TimeType>(interval: Option<ST::Interval>) -> Self {
        let Some(value) = interval.map(ST::interval) else { return Self::default() };
        let interval = if let TimeValue::Interval(interval) = value { Some(interval) } else { None };
        Self { interval, integer: value.integer() }
    }

    /// As a set-up declares it.
    pub(crate) fn declared(self) -> Option<crate::setup::Length> {
        self.interval.map(Into::into).or(self.integer.map(crate::setup::Length::Integer))
    }

    /// Pushes both arguments.
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Nullable<Interval>, _>(&self.interval)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.integer)
    }
}

/// A moment that comes back, in one of two columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant {
    pub(crate) at: Option<TimestampOrInfinity>,
    pub(crate) integer: Option<i64>,
}

/// A length of time that comes back, in one of two columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) interval: Option<TimeDelta>,
    pub(crate) integer: Option<i64>,
}
