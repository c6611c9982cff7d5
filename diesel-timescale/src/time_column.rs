//! The columns that a hypertable can be partitioned on, and what their types mean in Rust.
#![allow(private_interfaces, reason = "only this crate implements and calls what is private here")]

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::sql_types::{
    BigInt, Date, Integer, Interval, SingleValue, SmallInt, SqlType, Timestamp, Timestamptz, Uuid,
};

use crate::microseconds;
use crate::time_value::{Instant, Span, TimeValue};
use crate::timestamp::TimestampOrInfinity;

/// A column that a hypertable can be partitioned on: of one of the [types of time](TimeType), and not null.
///
/// Every column of such a type is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no column that a hypertable can be partitioned on",
    label = "the time column of a table is wanted here, such as `readings::time`"
)]
pub trait TimeColumn: Column<SqlType: TimeType> {}

impl<C: Column<SqlType: TimeType>> TimeColumn for C {}

/// A moment in a time column, in Rust.
pub(crate) type ValueOf<C> = <<C as Expression>::SqlType as TimeType>::Value;

/// A length of time in a time column, in Rust.
pub(crate) type IntervalOf<C> = <<C as Expression>::SqlType as TimeType>::Interval;

/// The type of a column that a hypertable can be partitioned on.
///
/// | SQL type | [`Value`](Self::Value) | [`Interval`](Self::Interval) |
/// |---|---|---|
/// | `Timestamptz` | `DateTime<Utc>` | `TimeDelta` |
/// | `Timestamp`, which is taken for UTC | `NaiveDateTime` | `TimeDelta` |
/// | `Date` | `NaiveDate` | `TimeDelta`, of whole days |
/// | `SmallInt`, `Integer`, `BigInt`: a count of units since a moment of your choice | `i16`, `i32`, `i64` | the same |
/// | `Uuid` of version 7 ([`Feature::UuidTime`](crate::Feature::UuidTime)) | `DateTime<Utc>` | `TimeDelta` |
#[diagnostic::on_unimplemented(
    message = "a hypertable cannot be partitioned on a column of the type `{Self}`",
    label = "the type of this column is `{Self}`",
    note = "declare the column `Timestamptz`, `Timestamp`, `Date`, `SmallInt`, `Integer`, `BigInt` or `Uuid`, and not \
            nullable"
)]
pub trait TimeType: SqlType + SingleValue + QueryId + Sealed {
    /// A moment, in Rust.
    type Value: Clone + Debug + PartialEq + PartialOrd + Send + Sync + 'static;
    /// How far two moments are apart, in Rust.
    type Interval: Clone + Debug + PartialEq + PartialOrd + Into<TimeValue> + Send + Sync + 'static;
    /// The SQL type of such an interval: `Interval`, or the same one.
    type Width: SqlType + SingleValue;
    /// The type of the start of a bucket: the same one, or `Timestamptz` for `Uuid`.
    type Bucket: TimeType<Value = Self::Value, Interval = Self::Interval>;

    /// What PostgreSQL calls the type.
    #[doc(hidden)]
    const NAME: &'static str;

    /// The moment as an argument.
    #[doc(hidden)]
    fn value(value: Self::Value) -> TimeValue;

    /// The interval as an argument.
    #[doc(hidden)]
    fn interval(interval: Self::Interval) -> TimeValue;

    /// The moment that comes back, in one of the two; `None` if it is infinite.
    #[doc(hidden)]
    fn from_instant(instant: Instant) -> Option<Self::Value>;

    /// The interval that comes back, in one of the two.
    #[doc(hidden)]
    fn from_span(span: Span) -> Option<Self::Interval>;

    /// SQL for the start of the bucket of a moment without TimescaleDB, from the width and the column as SQL.
    #[doc(hidden)]
    fn plain_bucket(width: &str, column: &str) -> String;
}

/// Keeps other crates from having types of time of their own.
trait Sealed {}

/// The type of a time column that counts units, of which the server cannot know how long they are.
#[diagnostic::on_unimplemented(
    message = "the server knows the present in a column of the type `{Self}`",
    note = "only `SmallInt`, `Integer` and `BigInt` need a function that tells it"
)]
pub(crate) trait IntegerTimeType: TimeType {}

/// The types whose moments PostgreSQL knows the present of, with what `date_bin` needs of each: how the column is read,
/// an origin, and the type that comes back. Both `date_bin` from there and `time_bucket` start days at midnight UTC and
/// weeks on a Monday.
macro_rules! calendar_types {
    ($($sql_type:ident = $name:literal, $value:ty, $bucket:ident, $variant:ident, $to_value:expr, $from_utc:expr,
        ($before:literal, $after:literal, $origin:literal, $cast:literal);)+) => {
        $(
            impl Sealed for $sql_type {}

            impl TimeType for $sql_type {
                type Value = $value;
                type Interval = TimeDelta;
                type Width = Interval;
                type Bucket = $bucket;

                const NAME: &'static str = $name;

                fn value(value: Self::Value) -> TimeValue {
                    TimeValue::$variant($to_value(value))
                }

                fn interval(interval: TimeDelta) -> TimeValue {
                    TimeValue::Interval(crate::chunks::interval(interval))
                }

                fn from_instant(instant: Instant) -> Option<Self::Value> {
                    instant.at.and_then(TimestampOrInfinity::finite).map($from_utc)
                }

                fn from_span(span: Span) -> Option<TimeDelta> {
                    span.interval
                }

                fn plain_bucket(width: &str, column: &str) -> String {
                    format!(concat!("date_bin({}, ", $before, "{}", $after, ", ", $origin, ")", $cast), width, column)
                }
            }
        )+
    };
}

calendar_types! {
    Timestamptz = "timestamp with time zone", DateTime<Utc>, Timestamptz, Timestamptz, microseconds::truncate, std::convert::identity,
        ("", "", "TIMESTAMPTZ '2000-01-03 00:00+00'", "");
    Timestamp = "timestamp without time zone", NaiveDateTime, Timestamp, Timestamp,
        |value: NaiveDateTime| microseconds::truncate(value.and_utc()).naive_utc(),
        |at: DateTime<Utc>| at.naive_utc(),
        ("", "", "TIMESTAMP '2000-01-03'", "");
    Date = "date", NaiveDate, Date, Date, std::convert::identity, |at: DateTime<Utc>| at.date_naive(),
        ("", "::timestamp", "TIMESTAMP '2000-01-03'", "::date");
    // The first 48 bits are the milliseconds since 1970.
    Uuid = "uuid", DateTime<Utc>, Timestamptz, Timestamptz, microseconds::truncate, std::convert::identity,
        (
            "to_timestamp(('x' || left(replace(", "::text, '-', ''), 12))::bit(48)::bigint / 1000.0)",
            "TIMESTAMPTZ '2000-01-03 00:00+00'", ""
        );
}

macro_rules! integer_types {
    ($($sql_type:ident = $name:literal, $value:ty;)+) => {
        $(
            impl Sealed for $sql_type {}

            impl IntegerTimeType for $sql_type {}

            impl TimeType for $sql_type {
                type Value = $value;
                type Interval = $value;
                type Width = $sql_type;
                type Bucket = $sql_type;

                const NAME: &'static str = $name;

                fn value(value: $value) -> TimeValue {
                    TimeValue::$sql_type(value)
                }

                fn interval(interval: $value) -> TimeValue {
                    TimeValue::$sql_type(interval)
                }

                fn from_instant(instant: Instant) -> Option<$value> {
                    <$value>::try_from(instant.integer?).ok()
                }

                fn from_span(span: Span) -> Option<$value> {
                    <$value>::try_from(span.integer?).ok()
                }

                fn plain_bucket(width: &str, column: &str) -> String {
                    // The remainder of a negative number is negative.
                    format!("{column} - ({column} % {width} + {width}) % {width}")
                }
            }
        )+
    };
}

integer_types! {
    SmallInt = "smallint", i16;
    Integer = "integer", i32;
    BigInt = "bigint", i64;
}

/// Midnight UTC.
pub(crate) fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}
