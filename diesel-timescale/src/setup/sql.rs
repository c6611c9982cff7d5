//! Values and names as SQL text, for steps that are shown before they run.

pub(super) use crate::sql_literal::literal;
pub(super) use crate::sql_text::quoted as identifier;

/// An array of texts as SQL.
pub(super) fn array(texts: &[&str], sql_type: &str) -> String {
    let items: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    format!("CAST(ARRAY[{}] AS {sql_type}[])", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_what_it_was() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
