//! The attributes of a row: JSON as Python writes it.

use serde_json::{Map, Value};

use crate::recorder::Field;

/// Attributes that can be stored.
#[derive(Debug, Default, PartialEq)]
pub struct Attributes {
    pub values: Map<String, Value>,
    /// How many numbers were `NaN` or infinite, which JSON has no words for: they are null.
    pub nulled: usize,
}

/// The attributes; none are `{}`.
///
/// # Errors
/// What is wrong, if they are no JSON object or PostgreSQL cannot store them.
pub fn parse(value: &Field) -> Result<Attributes, String> {
    let text = match value {
        Field::Null => return Ok(Attributes::default()),
        Field::Text(text) => text,
        Field::TooLong(..) => return Err(value.to_string()),
        other => return Err(format!("no JSON: {other}")),
    };
    let (parsed, nulled) = match serde_json::from_str(text) {
        // Python's json module wrote such numbers until Home Assistant 2022; since then it writes null.
        Err(error) => match without_nan(text) {
            Some((text, nulled)) => (serde_json::from_str(&text), nulled),
            None => (Err(error), 0),
        },
        parsed => (parsed, 0),
    };
    match parsed {
        Ok(Value::Object(values)) if values.iter().any(|(key, value)| key.contains('\0') || has_nul(value)) => {
            Err("\\u0000 in a text".to_owned())
        }
        Ok(Value::Object(values)) => Ok(Attributes { values, nulled }),
        Ok(_) => Err("no JSON object".to_owned()),
        Err(error) => Err(format!("no JSON: {error}")),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// The text with null in place of the words for numbers that JSON has not, and how many there were; `None` if none.
fn without_nan(text: &str) -> Option<(String, usize)> {
    let (mut clean, mut nulled) = (String::with_capacity(text.len()), 0);
    let mut rest = text;
    let (mut is_string, mut is_escaped) = (false, false);
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !is_string && rest.starts_with(word));
        if let Some(word) = word {
            clean.push_str("null");
            nulled += 1;
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_string,
            '"' => is_string = !is_string,
            _ => {}
        }
        clean.push(c);
        rest = &rest[c.len_utf8()..];
    }
    (nulled > 0).then_some((clean, nulled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Field {
        Field::Text(text.to_owned())
    }

    #[test]
    fn attributes_are_a_json_object_that_postgresql_can_store() {
        assert_eq!(parse(&Field::Null).unwrap(), Attributes::default());
        assert_eq!(parse(&text(r#"{"a":[1]}"#)).unwrap().values["a"][0], 1);
        for (bad, why) in [
            ("{", "no JSON: "),
            ("[1]", "no JSON object"),
            ("[NaN]", "no JSON object"),
            (r#"{"a":[{"b":"\u0000"}]}"#, "\\u0000"),
            (r#"{"a":[{"b\u0000":1}]}"#, "\\u0000"),
            ("{\"a\":NaNa}", "no JSON: "),
        ] {
            assert!(parse(&text(bad)).unwrap_err().starts_with(why), "{bad}");
        }
        assert_eq!(parse(&Field::TooLong(9, 8)).unwrap_err(), "9 bytes, and 8 are the most that is read");
        assert_eq!(parse(&Field::Bytes(9)).unwrap_err(), "no JSON: 9 bytes that are no text");
    }

    #[test]
    fn numbers_that_json_has_not_are_null_and_texts_stay() {
        let Attributes { values, nulled } =
            parse(&text(r#"{"a":NaN,"b":[-Infinity, Infinity],"c":"NaN \"Infinity\" é","NaN":1}"#)).unwrap();
        assert_eq!(nulled, 3);
        let expected = r#"{"a":null,"b":[null,null],"c":"NaN \"Infinity\" é","NaN":1}"#;
        assert_eq!(Value::Object(values), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        // One that serde_json reads wrongly by default.
        let number = "0.11909343724707233";
        assert_eq!(parse(&text(&format!("{{\"a\":{number}}}"))).unwrap().values["a"].to_string(), number);
    }
}
