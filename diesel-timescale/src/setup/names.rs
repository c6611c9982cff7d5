//! Names of columns and relations as they stand in a declaration.

pub(super) use crate::sql_text::name_parts;

/// A column and whether it is in descending order, of `"column"` or `"column DESC"`.
pub(super) fn ordered(text: &str) -> (&str, bool) {
    let text = text.trim();
    let ends_with = |word: &str| {
        let start = text.len().checked_sub(word.len())?;
        (text.get(start..)?.eq_ignore_ascii_case(word)).then(|| text[..start].trim_end())
    };
    match (ends_with(" desc"), ends_with(" asc")) {
        (Some(column), _) => (column, true),
        (None, Some(column)) => (column, false),
        (None, None) => (text, false),
    }
}

/// The name of a relation without quotes that it does not need, so that `"readings"` is `readings`.
pub(super) fn plain_name(name: &str) -> String {
    let plain = |part: &str| {
        let inner = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'))?;
        let simple = inner.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && inner.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        simple.then(|| inner.to_owned())
    };
    // Only a name without dots inside of quotes can be split at dots.
    let parts: Option<Vec<_>> = name.split('.').map(plain).collect();
    parts.map_or_else(|| name.to_owned(), |parts| parts.join("."))
}

/// Whether SQL has the name of a relation among its words, whatever its schema.
pub(super) fn is_named_in(name: &str, sql: &str) -> bool {
    let (name, sql) = (name_parts(name).1.to_lowercase(), sql.to_lowercase());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(&name)
        .any(|(start, found)| !sql[..start].ends_with(is_word) && !sql[start + found.len()..].starts_with(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_where_they_mean_nothing() {
        for (name, expected) in [
            ("\"readings\"", "readings"),
            ("\"house\".\"readings_2\"", "house.readings_2"),
            ("\"Readings\"", "\"Readings\""),
            ("\"a.b\"", "\"a.b\""),
            ("readings", "readings"),
            ("\"2\"", "\"2\""),
        ] {
            assert_eq!(plain_name(name), expected);
        }
    }

    #[test]
    fn a_name_is_found_among_the_words_of_a_query() {
        let sql = "SELECT count(*) FROM house.\"Readings\" JOIN rooms_2 USING (room)";
        assert!(is_named_in("readings", sql) && is_named_in("house.readings", sql) && is_named_in("rooms_2", sql));
        assert!(!is_named_in("rooms", sql) && !is_named_in("reading", sql));
    }

    #[test]
    fn a_column_has_an_order() {
        assert_eq!(ordered("time DESC"), ("time", true));
        assert_eq!(ordered(" time asc "), ("time", false));
        assert_eq!(ordered("desc"), ("desc", false));
        assert_eq!(ordered("é"), ("é", false));
    }
}
