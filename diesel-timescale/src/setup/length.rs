//! Lengths of time, as PostgreSQL compares them.

use std::fmt;

use diesel::pg::data_types::PgInterval;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const DAY: i64 = 86_400_000_000;

/// How much time, or how many units of a time column of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A day has 24 hours; a month has no number of days.
    Interval { months: i32, microseconds: i64 },
    /// Units of an integer column.
    Integer(i64),
}

impl From<PgInterval> for Length {
    fn from(interval: PgInterval) -> Self {
        let days = i64::from(interval.days).saturating_mul(DAY);
        Self::Interval { months: interval.months, microseconds: days.saturating_add(interval.microseconds) }
    }
}

impl Length {
    /// The value as SQL.
    pub(super) fn sql(self) -> String {
        match self {
            Self::Interval { .. } => format!("INTERVAL '{self}'"),
            Self::Integer(units) => units.to_string(),
        }
    }

    /// The value as the argument of a function that takes it in one of two, by name.
    pub(super) fn argument(self, interval: &str, integer: &str) -> String {
        let name = if let Self::Integer(_) = self { integer } else { interval };
        format!("{name} => {}", self.sql())
    }

    /// The value in the settings of a job.
    pub(super) fn json(self) -> serde_json::Value {
        match self {
            Self::Interval { .. } => self.to_string().into(),
            Self::Integer(units) => units.into(),
        }
    }

    /// Both together. A length of time and units have no sum: the units stay what they are.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Interval { months, microseconds }, Self::Interval { months: more, microseconds: longer }) => {
                Self::Interval {
                    months: months.saturating_add(more),
                    microseconds: microseconds.saturating_add(longer),
                }
            }
            (Self::Integer(units), Self::Integer(more)) => Self::Integer(units.saturating_add(more)),
            (units @ Self::Integer(_), Self::Interval { .. }) | (Self::Interval { .. }, units @ Self::Integer(_)) => {
                units
            }
        }
    }

    /// As much in the other direction.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Interval { months, microseconds } => {
                Self::Interval { months: months.saturating_neg(), microseconds: microseconds.saturating_neg() }
            }
            Self::Integer(units) => Self::Integer(units.saturating_neg()),
        }
    }

    /// Whether it is surely less than another one.
    pub(super) fn is_less_than(self, other: Self) -> bool {
        // The shortest month against the longest: what may be less is less.
        let microseconds = |length, days| match length {
            Self::Interval { months, microseconds } => {
                i128::from(months) * days * i128::from(DAY) + i128::from(microseconds)
            }
            Self::Integer(units) => units.into(),
        };
        self != other && microseconds(self, 28) < microseconds(other, 31)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || format!("{text:?} is no length of time: write it as \"7 days\", \"1 hour 30 minutes\" or \"00:15:00\"");
        let (mut months, mut microseconds) = (0_i32, 0_i64);
        let mut words = text.split_whitespace().peekable();
        if words.peek().is_none() {
            return Err(expected());
        }
        while let Some(word) = words.next() {
            if word.contains(':') {
                microseconds = clock(word).and_then(|time| microseconds.checked_add(time)).ok_or_else(expected)?;
                continue;
            }
            let end = word.rfind(|c: char| c.is_ascii_digit()).map_or(0, |position| position + 1);
            let (number, attached) = word.split_at(end);
            let unit = if attached.is_empty() { words.next().ok_or_else(expected)? } else { attached };
            let number: i64 = number.parse().map_err(|_| expected())?;
            let (in_months, factor) = unit_of(unit).ok_or_else(expected)?;
            let added = number.checked_mul(factor).ok_or_else(expected)?;
            if in_months {
                months = i32::try_from(added).ok().and_then(|added| months.checked_add(added)).ok_or_else(expected)?;
            } else {
                microseconds = microseconds.checked_add(added).ok_or_else(expected)?;
            }
        }
        Ok(Self::Interval { months, microseconds })
    }
}

/// Whether a unit counts months, and how many of them, or how many microseconds.
fn unit_of(name: &str) -> Option<(bool, i64)> {
    let lower = name.to_ascii_lowercase();
    Some(match lower.strip_suffix('s').filter(|singular| singular.len() > 1).unwrap_or(&lower) {
        "us" | "microsecond" => (false, 1),
        "ms" | "millisecond" => (false, 1_000),
        "s" | "sec" | "second" => (false, 1_000_000),
        "min" | "minute" => (false, 60_000_000),
        "h" | "hour" => (false, 3_600_000_000),
        "d" | "day" => (false, DAY),
        "w" | "week" => (false, 7 * DAY),
        "mon" | "month" => (true, 1),
        "y" | "year" => (true, 12),
        _ => return None,
    })
}

/// `HH:MM:SS`, as PostgreSQL prints the time of an interval.
fn clock(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut parts = digits.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = parts.next().map_or(("0", ""), |text| text.split_once('.').unwrap_or((text, "")));
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let in_range = hours >= 0 && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    in_range.then_some(())?;
    hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds)?
        .checked_mul(1_000_000)?
        .checked_add(fraction)?
        .checked_mul(sign)
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (months, mut rest) = match *self {
            Self::Integer(units) => return units.fmt(f),
            Self::Interval { months, microseconds } => (months, microseconds),
        };
        if months == 0 && rest == 0 {
            return f.write_str("0 seconds");
        }
        let units = [
            (DAY, "day"),
            (3_600_000_000, "hour"),
            (60_000_000, "minute"),
            (1_000_000, "second"),
            (1_000, "millisecond"),
            (1, "microsecond"),
        ];
        let mut separator = "";
        let mut part = |f: &mut fmt::Formatter<'_>, number: i64, unit: &str| {
            if number == 0 {
                return Ok(());
            }
            let plural = if number == 1 { "" } else { "s" };
            write!(f, "{separator}{number} {unit}{plural}")?;
            separator = " ";
            Ok(())
        };
        part(f, months.into(), "month")?;
        for (size, unit) in units {
            part(f, rest / size, unit)?;
            rest %= size;
        }
        Ok(())
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Interval { .. } => serializer.collect_str(self),
            Self::Integer(units) => serializer.serialize_i64(*units),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl Visitor<'_> for Texts {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"7 days\", or a number of units of an integer column")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
                Length::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Length, E> {
                Ok(Length::Integer(units))
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Length, E> {
                i64::try_from(units).map(Length::Integer).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

/// A length as the server tells it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum LengthFact {
    Integer(i64),
    Interval { months: i32, microseconds: i64 },
}

impl From<LengthFact> for Length {
    fn from(fact: LengthFact) -> Self {
        match fact {
            LengthFact::Integer(units) => Self::Integer(units),
            LengthFact::Interval { months, microseconds } => Self::Interval { months, microseconds },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for (text, written) in [
            ("7 days", "7 days"),
            ("1 week", "7 days"),
            ("24 hours", "1 day"),
            ("90min", "1 hour 30 minutes"),
            ("1 year 2 mons 3 days 04:05:06.5", "14 months 3 days 4 hours 5 minutes 6 seconds 500 milliseconds"),
            ("-01:00:00", "-1 hours"),
            ("5 ms", "5 milliseconds"),
            ("0 s", "0 seconds"),
            ("12 us", "12 microseconds"),
        ] {
            let length = Length::parse(text).unwrap();
            assert_eq!(length.to_string(), written, "{text}");
            assert_eq!(Length::parse(written), Ok(length), "{written}");
        }
        for text in ["", "7", "days", "7 fortnights", "1:99:00", "1 day 7", "99999999999999999 days", "1.5 hours"] {
            Length::parse(text).unwrap_err();
        }
    }

    #[test]
    fn lengths_are_added() {
        let length = |text| Length::parse(text).unwrap();
        assert_eq!(length("2 days").plus(length("1 month 3 hours")), length("1 month 2 days 3 hours"));
        assert_eq!(length("1 month").plus(length("1 hour").negated()), length("1 month -1 hours"));
        assert_eq!(Length::Integer(5).plus(Length::Integer(3).negated()), Length::Integer(2));
        assert_eq!(Length::Integer(5).plus(length("1 hour")), Length::Integer(5));
    }

    #[test]
    fn a_month_may_be_less_than_thirty_days() {
        let month = Length::parse("1 month").unwrap();
        let days = Length::parse("30 days").unwrap();
        assert!(month.is_less_than(days) && days.is_less_than(month));
        assert!(!days.is_less_than(days));
        assert!(!Length::parse("2 months").unwrap().is_less_than(days));
    }
}
