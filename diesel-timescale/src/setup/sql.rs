//! Values and names as SQL text, for steps that are shown before they run.

use diesel::pg::PgQueryBuilder;
use diesel::query_builder::QueryBuilder;

pub(super) use crate::sql_literal::literal;

/// A name, quoted.
pub(super) fn identifier(name: &str) -> String {
    let mut builder = PgQueryBuilder::default();
    // Writing to a text cannot fail.
    let _ = builder.push_identifier(name);
    builder.finish()
}

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
