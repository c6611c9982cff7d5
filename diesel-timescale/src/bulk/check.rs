//! Values that PostgreSQL refuses, found before the batch is sent, with their rows.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::batch::Column;
use super::json_depth;
use super::oid;
use super::validation::{Violation, Violations};

/// The first timestamp of PostgreSQL, 4714-11-24 BC, and the first one after the last, in microseconds from 2000.
const TIMESTAMPS: (i64, i64) = (-211_813_488_000_000_000, 9_223_371_331_200_000_000);
/// The same in days.
const DATES: (i32, i32) = (-2_451_545, 2_145_031_949);

/// Adds the values of a column that PostgreSQL cannot store.
pub(super) fn values(column: &Column, violations: &mut Violations) {
    let name = column.info.name;
    let mut each = |find: &dyn Fn(&[u8]) -> Option<Violation>| {
        for (row, value) in column.bytes.iter().enumerate() {
            if let Some(violation) = value.and_then(find) {
                violations.push(row, name, violation);
            }
        }
    };
    if column.info.is_serde_json && !column.info.is_array() {
        each(&|value| json_depth::is_deep_text(value).then(too_deep));
    }
    // One look at all values together: hardly any batch has such a value.
    let has = |byte: u8| column.bytes.all().contains(&byte);
    match column.info.oid {
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON if has(0) => each(&text),
        oid::JSONB if has(b'\\') || has(0) => each(&jsonb),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => each(&|value| {
            let at = i64::from_be_bytes(value.try_into().ok()?);
            let is_infinite = at == i64::MIN || at == i64::MAX;
            (!is_infinite && !(TIMESTAMPS.0..TIMESTAMPS.1).contains(&at))
                .then(|| out_of_range(TimeDelta::microseconds(at)))
        }),
        oid::DATE => each(&|value| {
            let at = i32::from_be_bytes(value.try_into().ok()?);
            let is_infinite = at == i32::MIN || at == i32::MAX;
            (!is_infinite && !(DATES.0..DATES.1).contains(&at)).then(|| out_of_range(TimeDelta::days(at.into())))
        }),
        _ if column.info.is_array() => each(&|value| array(value, column.info.is_serde_json)),
        _ => {}
    }
}

/// A moment that is so far from 2000.
fn out_of_range(since: TimeDelta) -> Violation {
    let start = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    let told = |at: NaiveDateTime| at.to_string();
    Violation::OutOfRange(start.checked_add_signed(since).map_or_else(|| format!("2000-01-01 and {since}"), told))
}

fn too_deep() -> Violation {
    Violation::Invalid(json_depth::TEXT.to_owned())
}

fn text(value: &[u8]) -> Option<Violation> {
    value.contains(&0).then(|| Violation::Nul(String::from_utf8_lossy(value).into_owned()))
}

/// The first byte is the version of the format. What is no JSON is for the server to refuse.
fn jsonb(value: &[u8]) -> Option<Violation> {
    let json = value.get(1..).unwrap_or_default();
    let told = || String::from_utf8_lossy(json).into_owned();
    let mut at = 0;
    while let Some(found) = json[at..].iter().position(|byte| matches!(byte, 0 | b'\\')) {
        at += found;
        let escape = &json[at..];
        at += match (escape, code_unit(escape)) {
            ([0, ..], _) | (_, Some(0)) => return Some(Violation::JsonNul(told())),
            (_, Some(0xd800..0xdc00)) if matches!(code_unit(&escape[6..]), Some(0xdc00..0xe000)) => 12,
            (_, Some(0xd800..0xe000)) => return Some(Violation::JsonSurrogate(told())),
            (_, Some(_)) => 6,
            // What is escaped, such as a second backslash, starts nothing.
            _ => 2.min(escape.len()),
        };
    }
    None
}

/// The code unit of an escape such as `\u00e4` at the start of a text.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?))
}

/// Arrays of one dimension at most; texts in them without NUL.
fn array(value: &[u8], is_serde_json: bool) -> Option<Violation> {
    let dimensions = int(value, 0)?;
    if dimensions > 1 {
        return Some(Violation::Dimensions);
    }
    let element = u32::try_from(int(value, 8)?).ok()?;
    if !matches!(element, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::JSON | oid::JSONB) || dimensions == 0 {
        return None;
    }
    let mut rest = value.get(20..)?;
    while !rest.is_empty() {
        let len = usize::try_from(int(rest, 0)?).unwrap_or(0);
        let value = rest.get(4..4 + len)?;
        let violation = if element == oid::JSONB { jsonb(value) } else { text(value) };
        if violation.is_some() {
            return violation;
        }
        if is_serde_json && json_depth::is_deep_text(value) {
            return Some(too_deep());
        }
        rest = &rest[4 + len..];
    }
    None
}

fn int(value: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_escape_that_is_not_escaped_itself_is_a_nul() {
        let is_nul = |json: &str| jsonb(&[b"\x01", json.as_bytes()].concat()).is_some();
        assert!(is_nul(r#"{"a":"\u0000"}"#));
        assert!(is_nul(r#""\\\u0000""#));
        assert!(!is_nul(r#""\\u0000""#));
        assert!(!is_nul(r#""\u0001\n""#));
    }
}
