//! Keys of a batch that differ in their bytes, but may be equal to the unique index.

use foldhash::HashMap;

use super::batch::Batch;
use super::oid;

/// Whether two keys of the batch differ in nothing but what a collation may ignore (case, accents, punctuation, blanks,
/// leading zeros), or a precision may round away (less than a second).
///
/// A batch of few rows is written without asking the catalogs, unless this finds something to ask them for.
pub(super) fn has_keys_alike(batch: &Batch, key: &[usize]) -> bool {
    if batch.rows < 2 {
        return false;
    }
    let mut seen: HashMap<Vec<u8>, Vec<u8>> = HashMap::default();
    (0..batch.rows).any(|row| {
        let mut exact = Vec::new();
        // Two ways of rounding: values that are close are the same by one of them.
        let mut rounded = [vec![0], vec![1]];
        for index in key {
            let column = &batch.columns[*index];
            let value = column.bytes.get(row).unwrap_or_default();
            append(&mut exact, value);
            for (way, rounded) in (0..).zip(&mut rounded) {
                match column.info.oid {
                    oid::TEXT | oid::VARCHAR | oid::NAME => match letters_and_digits(value) {
                        Some(text) => append(rounded, &text),
                        None => return true,
                    },
                    oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME => append(rounded, &seconds(value, way)),
                    _ => append(rounded, value),
                }
            }
        }
        rounded.into_iter().any(|rounded| seen.insert(rounded, exact.clone()).is_some_and(|other| other != exact))
    })
}

/// Appends a value so that no other sequence of values gives the same bytes.
fn append(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&value.len().to_ne_bytes());
    out.extend_from_slice(value);
}

/// What collations tell apart: letters without case, and numbers. `None` if there is more than ASCII.
fn letters_and_digits(value: &[u8]) -> Option<Vec<u8>> {
    if !value.is_ascii() {
        return None;
    }
    let mut text: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        let after_digit = text.last().is_some_and(u8::is_ascii_digit);
        if *byte != b'0' || after_digit {
            text.push(byte.to_ascii_lowercase());
        }
    }
    Some(text)
}

/// Two seconds, from an even or an odd one on.
fn seconds(value: &[u8], way: i64) -> [u8; 8] {
    let micros = value.try_into().map_or(0, i64::from_be_bytes);
    micros.saturating_add(way * 1_000_000).div_euclid(2_000_000).to_ne_bytes()
}
