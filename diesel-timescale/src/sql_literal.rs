//! Values as literals of SQL, for statements that cannot have parameters.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// A text as a literal of SQL, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A value as `'text'::type`, from its binary format; `None` is null.
pub(crate) fn value_literal(oid: u32, value: Option<&[u8]>) -> Result<String, String> {
    let scalar = SCALARS.iter().find(|(scalar, ..)| *scalar == oid);
    let array = ARRAYS.iter().find(|(array, _)| *array == oid);
    let element = array.and_then(|(_, element)| SCALARS.iter().find(|(scalar, ..)| scalar == element));
    let (text, sql_type) = match (scalar, element) {
        (Some((_, name, read)), _) => (value.map(|value| read(value).map(|text| literal(&text))), (*name).to_owned()),
        (None, Some(element)) => (value.map(|value| array_text(value, element)), format!("{}[]", element.1)),
        (None, None) => {
            return Err("a view takes values of PostgreSQL's own types: write others with diesel::dsl::sql".to_owned());
        }
    };
    let text = text.unwrap_or_else(|| Some("NULL".to_owned()));
    let text = text.ok_or_else(|| format!("a value of the type {sql_type} cannot be written as a text"))?;
    Ok(format!("{text}::{sql_type}"))
}

/// The text of a value, from its binary format.
type Read = fn(&[u8]) -> Option<String>;

/// A type: its OID, its name, and the text of its values.
type Scalar = (u32, &'static str, Read);

const SCALARS: &[Scalar] = &[
    (16, "boolean", |value| Some((*value.first()? != 0).to_string())),
    (17, "bytea", |value| Some(format!("\\x{}", hexadecimal(value)))),
    (20, "bigint", |value| Some(i64::from_be_bytes(value.try_into().ok()?).to_string())),
    (21, "smallint", |value| Some(i16::from_be_bytes(value.try_into().ok()?).to_string())),
    (23, "integer", |value| Some(i32::from_be_bytes(value.try_into().ok()?).to_string())),
    (25, "text", text),
    (114, "json", text),
    (700, "real", |value| Some(f32::from_be_bytes(value.try_into().ok()?).to_string())),
    (701, "double precision", |value| Some(f64::from_be_bytes(value.try_into().ok()?).to_string())),
    (1043, "text", text),
    (1082, "date", date),
    (1083, "time", |value| Some(time(i64::from_be_bytes(value.try_into().ok()?))?.to_string())),
    (1114, "timestamp", |value| timestamp(value, "")),
    (1184, "timestamptz", |value| timestamp(value, "+00")),
    (1186, "interval", interval),
    (1700, "numeric", numeric),
    (2950, "uuid", |value| Some(hexadecimal(value))),
    // After its version.
    (3802, "jsonb", |value| text(value.get(1..)?)),
];

/// The OIDs of arrays and of what is in them.
const ARRAYS: &[(u32, u32)] = &[
    (1000, 16),
    (1005, 21),
    (1007, 23),
    (1009, 25),
    (1015, 1043),
    (1016, 20),
    (1021, 700),
    (1022, 701),
    (1115, 1114),
    (1182, 1082),
    (1185, 1184),
    (1231, 1700),
    (2951, 2950),
];

fn text(value: &[u8]) -> Option<String> {
    String::from_utf8(value.to_vec()).ok()
}

fn hexadecimal(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Days, or microseconds, count from here.
fn epoch() -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2000, 1, 1)
}

fn date(value: &[u8]) -> Option<String> {
    match i32::from_be_bytes(value.try_into().ok()?) {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        days => {
            let (day, era) = day_and_era(epoch()?.checked_add_signed(TimeDelta::days(days.into()))?);
            Some(format!("{day}{era}"))
        }
    }
}

fn timestamp(value: &[u8], zone: &str) -> Option<String> {
    match i64::from_be_bytes(value.try_into().ok()?) {
        i64::MAX => Some("infinity".to_owned()),
        i64::MIN => Some("-infinity".to_owned()),
        microseconds => {
            let at = NaiveDateTime::from(epoch()?).checked_add_signed(TimeDelta::microseconds(microseconds))?;
            let (day, era) = day_and_era(at.date());
            Some(format!("{day} {}{zone}{era}", at.time()))
        }
    }
}

/// PostgreSQL has no year 0, and counts those before from 1.
fn day_and_era(date: NaiveDate) -> (String, &'static str) {
    let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") };
    (format!("{year:04}-{:02}-{:02}", date.month(), date.day()), era)
}

fn time(microseconds: i64) -> Option<NaiveTime> {
    let (seconds, rest) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).ok()?, u32::try_from(rest).ok()? * 1000)
}

fn interval(value: &[u8]) -> Option<String> {
    let microseconds = i64::from_be_bytes(value.get(..8)?.try_into().ok()?);
    let days = i32::from_be_bytes(value.get(8..12)?.try_into().ok()?);
    let months = i32::from_be_bytes(value.get(12..)?.try_into().ok()?);
    let months = if months == 0 { String::new() } else { format!("{months} months ") };
    let days = if days == 0 { String::new() } else { format!("{days} days ") };
    Some(format!("{months}{days}{microseconds} microseconds"))
}

/// Digits of 10,000; the weight is that of the first one.
fn numeric(value: &[u8]) -> Option<String> {
    let words: Vec<_> = value.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
    let (&[_, weight, sign, scale], digits) = words.split_first_chunk()?;
    // As unsigned numbers these are 0xC000, 0xD000, 0xF000 and 0x4000.
    let sign = match sign {
        -0x4000 => return Some("NaN".to_owned()),
        -0x3000 => return Some("Infinity".to_owned()),
        -0x1000 => return Some("-Infinity".to_owned()),
        0x4000 => "-",
        _ => "",
    };
    let digit = |place: i32| {
        let position = usize::try_from(i32::from(weight) - place).ok();
        position.and_then(|position| digits.get(position)).copied().unwrap_or(0)
    };
    let whole: String = (0..=i32::from(weight).max(0)).rev().map(|place| format!("{:04}", digit(place))).collect();
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction: String = (1..=(i32::from(scale) + 3) / 4).map(|place| format!("{:04}", digit(-place))).collect();
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{}", fraction.get(..usize::try_from(scale).ok()?)?))
}

/// `ARRAY['1', NULL]`, of one dimension.
fn array_text(value: &[u8], (_, _, read): &Scalar) -> Option<String> {
    let number = |at: usize| Some(i32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?));
    let mut items = Vec::new();
    if number(0)? > 0 {
        // After the dimensions, whether there are nulls, the OID, and the length and the start of the dimension.
        let mut at = 20;
        for _ in 0..number(12)? {
            let length = number(at)?;
            at += 4;
            let Ok(length) = usize::try_from(length) else {
                items.push("NULL".to_owned());
                continue;
            };
            items.push(literal(&read(value.get(at..at + length)?)?));
            at += length;
        }
    }
    Some(format!("ARRAY[{}]", items.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_what_it_was() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn what_is_no_value_of_its_type_is_refused() {
        for (oid, value) in [(16, &[][..]), (20, &[1]), (25, &[0xff]), (1184, &[0x7f, 0xff, 0xff, 0, 0, 0, 0, 0])] {
            assert!(value_literal(oid, Some(value)).unwrap_err().contains("cannot be written"), "{oid}");
        }
        assert!(value_literal(99_999, Some(&[])).unwrap_err().contains("own types"));
        assert_eq!(value_literal(25, None).unwrap(), "NULL::text");
    }
}
