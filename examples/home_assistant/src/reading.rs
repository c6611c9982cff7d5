//! What a row of the recorder says: a reading of a sensor, or why it is none.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::types::Value as Sql;
use serde_json::{Map, Value};

use crate::mapping::Unavailable;

/// Why a row is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Unavailable,
    Removed,
    Ignored,
    Unmapped,
    NoEntity,
    NoTime,
    NoState,
    Refused,
}

impl Reason {
    /// Whether something is wrong with the row, rather than with its being imported.
    pub fn is_fault(self) -> bool {
        self >= Self::NoEntity
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Removed => "entity removed",
            Self::Ignored => "ignored",
            Self::Unmapped => "not mapped",
            Self::NoEntity => "no entity",
            Self::NoTime => "bad timestamp",
            Self::NoState => "bad state",
            Self::Refused => "refused",
        }
    }
}

/// A reason, and what was found.
pub type Fault = (Reason, String);

pub fn entity_id(value: &Sql) -> Result<&str, Fault> {
    match value {
        Sql::Text(text) if !text.is_empty() && !text.contains('\0') => Ok(text),
        other => Err((Reason::NoEntity, shown(other))),
    }
}

/// The state to store. An empty one tells that the entity was removed.
pub fn state(value: &Sql, unavailable: Unavailable) -> Result<&str, Fault> {
    match value {
        Sql::Text(text) if text.is_empty() => Err((Reason::Removed, String::new())),
        Sql::Text(text) if text == "unavailable" => match unavailable {
            Unavailable::Skip => Err((Reason::Unavailable, String::new())),
            Unavailable::Unknown => Ok("unknown"),
        },
        Sql::Text(text) if !text.contains('\0') => Ok(text),
        other => Err((Reason::NoState, shown(other))),
    }
}

/// The instant: seconds since 1970 as a number, or a date and time in UTC as text.
///
/// A number is rounded to the nearest microsecond. Doubles have steps of 0.24 µs (0.48 µs from 2038 on), so that gives
/// back the microsecond that Home Assistant had; and a row has the same instant before and after Home Assistant has
/// turned its text into a number.
pub fn instant(value: &Sql) -> Result<DateTime<Utc>, Fault> {
    const YEAR_10000: f64 = 253_402_300_800.0;
    let at = match value {
        Sql::Real(seconds) if (0.0..YEAR_10000).contains(seconds) => {
            DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
        }
        Sql::Integer(seconds) if (0..YEAR_10000 as i64).contains(seconds) => DateTime::from_timestamp(*seconds, 0),
        Sql::Text(text) => date_time(text).filter(|at| (0..YEAR_10000 as i64).contains(&at.timestamp())),
        _ => None,
    };
    at.ok_or_else(|| (Reason::NoTime, shown(value)))
}

fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let local = |format| NaiveDateTime::parse_from_str(text, format).ok().map(|at| at.and_utc());
    local("%Y-%m-%d %H:%M:%S%.f")
        .or_else(|| local("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| Some(DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").ok()?.to_utc()))
        .or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
}

/// The attributes; none are `{}`.
///
/// # Errors
/// What is wrong, if they are no JSON object or PostgreSQL cannot store them.
pub fn attributes(value: &Sql) -> Result<Map<String, Value>, String> {
    match value {
        Sql::Null => Ok(Map::new()),
        Sql::Text(text) => match serde_json::from_str(text) {
            Ok(Value::Object(attributes))
                if attributes.iter().any(|(key, value)| has_nul(key) || value_has_nul(value)) =>
            {
                Err("\\u0000 in a text".to_owned())
            }
            Ok(Value::Object(attributes)) => Ok(attributes),
            Ok(_) => Err("no JSON object".to_owned()),
            Err(error) => Err(format!("no JSON: {error}")),
        },
        other => Err(format!("no JSON: {}", shown(other))),
    }
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

fn value_has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => has_nul(text),
        Value::Array(values) => values.iter().any(value_has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| has_nul(key) || value_has_nul(value)),
        _ => false,
    }
}

fn shown(value: &Sql) -> String {
    match value {
        Sql::Null => "NULL".to_owned(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => number.to_string(),
        Sql::Text(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Sql::Blob(bytes) => format!("{} bytes that are no text", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Sql {
        Sql::Text(text.to_owned())
    }

    #[test]
    fn a_number_is_rounded_to_the_microsecond_that_was_meant() {
        // In 2025, and in 2038, when doubles become coarser.
        for second in [1_764_030_000_i64, 2_150_000_000] {
            for micros in (1..1_000_000).step_by(7) {
                // As Python makes a number of a date.
                let seconds = second as f64 + f64::from(micros) / 1e6;
                let at = instant(&Sql::Real(seconds)).unwrap();
                assert_eq!(at.timestamp_micros(), second * 1_000_000 + i64::from(micros));
            }
        }
    }

    #[test]
    fn text_and_number_of_an_instant_agree() {
        let at = instant(&text("2023-04-05 06:07:08.123456")).unwrap();
        assert_eq!(at.timestamp_micros(), 1_680_674_828_123_456);
        for other in
            ["2023-04-05T06:07:08.123456", "2023-04-05 06:07:08.123456+00:00", "2023-04-05T08:07:08.123456+02:00"]
        {
            assert_eq!(instant(&text(other)).unwrap(), at, "{other}");
        }
        assert_eq!(instant(&Sql::Real(1_680_674_828.123_456)).unwrap(), at);
        assert_eq!(instant(&text("2023-04-05 06:07:08")).unwrap(), instant(&Sql::Integer(1_680_674_828)).unwrap());
    }

    #[test]
    fn what_is_no_instant_says_what_was_found() {
        let values = [
            Sql::Null,
            text("yesterday"),
            Sql::Real(-1.0),
            Sql::Real(1e300),
            Sql::Integer(i64::MAX),
            Sql::Blob(vec![1]),
        ];
        for value in values {
            let (reason, found) = instant(&value).unwrap_err();
            assert_eq!((reason, found), (Reason::NoTime, shown(&value)));
        }
    }

    #[test]
    fn attributes_are_a_json_object_that_postgresql_can_store() {
        assert_eq!(attributes(&Sql::Null).unwrap(), Map::new());
        assert_eq!(attributes(&text(r#"{"a":[1]}"#)).unwrap()["a"][0], 1);
        for (bad, why) in [
            ("{", "no JSON: "),
            ("[1]", "no JSON object"),
            (r#"{"a":[{"b":"\u0000"}]}"#, "\\u0000"),
            ("{\"a\":NaN}", "no JSON: "),
        ] {
            assert!(attributes(&text(bad)).unwrap_err().starts_with(why), "{bad}");
        }
    }
}
