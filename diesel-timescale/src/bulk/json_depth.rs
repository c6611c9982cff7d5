//! JSON that is nested deeper than `serde_json`, by which Diesel reads it, can read back.

use serde_json::Value;

/// What `serde_json` reads back.
const LEVELS: usize = 127;

/// What the error says of such a value.
pub(super) const TEXT: &str = "is nested deeper than 127 levels, and could not be read back: flatten it";

/// Whether values of a type are read by `serde_json`. (A type of the caller's own may read any depth.)
///
/// By its name, because a type that borrows has no `TypeId`. If the compiler named it otherwise, nothing would be refused.
pub(super) fn is_read_by_serde<T>() -> bool {
    std::any::type_name::<T>().contains("serde_json::value::Value")
}

/// Uses a list of its own, because JSON may be nested deeper than the stack allows.
pub(super) fn is_deep_value(value: &Value) -> bool {
    let is_nested = |value: &&Value| value.is_array() || value.is_object();
    let mut nested = vec![(1, value)];
    while let Some((level, value)) = nested.pop() {
        if level > LEVELS && is_nested(&value) {
            return true;
        }
        match value {
            Value::Array(values) => nested.extend(values.iter().filter(is_nested).map(|value| (level + 1, value))),
            Value::Object(fields) => nested.extend(fields.values().filter(is_nested).map(|value| (level + 1, value))),
            _ => {}
        }
    }
    false
}

/// The same of a text.
pub(super) fn is_deep_text(json: &[u8]) -> bool {
    // Each level has two brackets.
    if json.len() <= 2 * LEVELS {
        return false;
    }
    let (mut level, mut is_in_text) = (0_usize, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_in_text = !is_in_text,
            // What is escaped, such as a quotation mark, ends nothing.
            b'\\' => _ = bytes.next(),
            b'[' | b'{' if !is_in_text => level += 1,
            b']' | b'}' if !is_in_text => level = level.saturating_sub(1),
            _ => {}
        }
        if level > LEVELS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_are_no_levels() {
        let nested = |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
        for (levels, inner, is_deep) in [
            (127, "", false),
            (128, "", true),
            (127, r#""[\"[\\""#, false),
            (127, r#""\\",{}"#, true),
            (1, &"[],".repeat(300), false),
        ] {
            let json = nested(levels, inner);
            assert_eq!(is_deep_text(json.as_bytes()), is_deep, "{levels} {inner}");
        }
        for levels in [127, 128] {
            let value = (1..levels).fold(Value::Array(Vec::new()), |inner, _| Value::Array(vec![Value::Null, inner]));
            assert_eq!(is_deep_value(&value), levels > LEVELS);
            assert_eq!(is_deep_text(value.to_string().as_bytes()), levels > LEVELS);
        }
    }
}
