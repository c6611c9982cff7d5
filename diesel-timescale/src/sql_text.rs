//! A query as text, for statements that cannot have parameters.

use diesel::pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{QueryBuilder, QueryFragment};

use crate::sql_literal::value_literal;

/// Text and values, as literals, alternate; text comes first and last.
#[derive(Debug, Clone)]
pub(crate) struct SqlText {
    texts: Vec<String>,
    values: Vec<String>,
}

/// No connection is there to ask for the OIDs of types that are not PostgreSQL's own.
struct NoLookup;

impl PgMetadataLookup for NoLookup {
    fn lookup_type(&mut self, _: &str, _: Option<&str>) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl SqlText {
    /// The text and the values of a query.
    pub(crate) fn of<Q: QueryFragment<Pg>>(query: &Q) -> Result<Self, String> {
        let texts = split_at_parameters(&render(query)?);
        let mut collector = RawBytesBindCollector::new();
        query.collect_binds(&mut collector, &mut NoLookup, &Pg).map_err(|error| error.to_string())?;
        let oids = collector.metadata.iter().map(|metadata| metadata.oid().unwrap_or(0));
        let values = oids.zip(&collector.binds).map(|(oid, value)| value_literal(oid, value.as_deref()));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        if texts.len() == values.len() + 1 {
            Ok(Self { texts, values })
        } else {
            Err(format!("a query of {} values has {} places for them", values.len(), texts.len() - 1))
        }
    }

    /// The query with its values in it.
    pub(crate) fn sql(&self) -> String {
        self.with_texts(str::to_owned)
    }

    /// The same with other words, which its values keep.
    pub(crate) fn replace(&self, from: &str, to: &str) -> String {
        self.with_texts(|text| text.replace(from, to))
    }

    fn with_texts(&self, text: impl Fn(&str) -> String) -> String {
        let values = self.values.iter().map(String::as_str).chain([""]);
        self.texts.iter().zip(values).map(|(before, value)| text(before) + value).collect()
    }
}

/// Whether a query has window functions.
pub(crate) fn has_windows(sql: &str) -> bool {
    // What is quoted is at the odd places.
    let words: String = sql.split(['"', '\'']).step_by(2).collect::<Vec<_>>().join("x");
    let words = words.to_ascii_lowercase();
    words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "over")
}

fn render<Q: QueryFragment<Pg>>(fragment: &Q) -> Result<String, String> {
    let mut builder = PgQueryBuilder::default();
    fragment.to_sql(&mut builder, &Pg).map_err(|error| error.to_string())?;
    Ok(builder.finish())
}
/// What stands before, between and after `$1`, `$2`, …; those inside of quotes are none.
fn split_at_parameters(sql: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut quote = None;
    let mut chars = sql.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), _) if open == char => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            (None, '$') if chars.peek().is_some_and(char::is_ascii_digit) => {
                while chars.next_if(char::is_ascii_digit).is_some() {}
                texts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(text) = texts.last_mut() {
            text.push(char);
        }
    }
    texts
}

/// The schema of a view, where it is declared with one, and its name; without quotes.
pub(crate) type ViewName = Result<(Option<String>, String), String>;

/// The name of a view as it is declared.
pub(crate) fn view_name<T: QueryFragment<Pg>>(view: &T) -> ViewName {
    Ok(name_parts(&render(view)?))
}

/// The schema, if there is one, and the name of a relation or a procedure, without quotes.
pub(crate) fn name_parts(name: &str) -> (Option<String>, String) {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let last = parts.last_mut();
        match (c, last) {
            ('"', Some(last)) if is_quoted && characters.next_if_eq(&'"').is_some() => last.push('"'),
            ('"', _) => is_quoted = !is_quoted,
            ('.', _) if !is_quoted => parts.push(String::new()),
            (c, Some(last)) if is_quoted => last.push(c),
            (c, Some(last)) => last.extend(c.to_lowercase()),
            (_, None) => {}
        }
    }
    let name = parts.pop().unwrap_or_default();
    (parts.pop(), name)
}

/// A name, quoted.
pub(crate) fn quoted(name: &str) -> String {
    let mut builder = PgQueryBuilder::default();
    // Writing to a text cannot fail.
    let _ = builder.push_identifier(name);
    builder.finish()
}

/// The names of the columns of a table.
pub(crate) fn column_names<T, C>(table: &T, columns: &C) -> Result<Vec<String>, String>
where
    T: QueryFragment<Pg>,
    C: QueryFragment<Pg>,
{
    let prefix = format!("{}.", render(table)?);
    Ok(render(columns)?.split(&format!(", {prefix}")).map(|column| name_parts(column).1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_outside_of_quotes() {
        assert_eq!(
            split_at_parameters(r#"a = $1 AND "$2" > '$3' OR b < $12"#),
            ["a = ", r#" AND "$2" > '$3' OR b < "#, ""]
        );
        assert_eq!(split_at_parameters("none"), ["none"]);
    }

    #[test]
    fn values_stand_in_the_text_of_a_query() {
        use chrono::{DateTime, NaiveDate, Utc};
        use diesel::dsl::sql;
        use diesel::pg::data_types::{PgInterval, PgNumeric};
        use diesel::sql_types::{
            Array, BigInt, Binary, Bool, Date, Double, Float, Interval, Json, Jsonb, Nullable, Numeric, Text,
            Timestamptz,
        };

        let at: DateTime<Utc> = "2026-03-28T01:59:30.5Z".parse().unwrap();
        let positive = |weight, scale, digits| PgNumeric::Positive { weight, scale, digits };
        let texts = vec![Some("it's".to_owned()), None];
        macro_rules! text {
            ($sql_type:ty, $value:expr) => {
                SqlText::of(&sql::<Bool>("").bind::<$sql_type, _>($value)).map(|text| text.sql())
            };
        }
        let written = [
            (text!(Bool, true), "'true'::boolean"),
            (text!(BigInt, -7), "'-7'::bigint"),
            (text!(Float, 0.1), "'0.1'::real"),
            (text!(Double, f64::NAN), "'NaN'::double precision"),
            (text!(Text, "it's $1 \\"), r"E'it''s $1 \\'::text"),
            (text!(Binary, &[1_u8, 255][..]), r"E'\\x01ff'::bytea"),
            (text!(Date, NaiveDate::from_ymd_opt(-1, 2, 3).unwrap()), "'0002-02-03 BC'::date"),
            (text!(Timestamptz, at), "'2026-03-28 01:59:30.500+00'::timestamptz"),
            (text!(Interval, PgInterval::new(5, -2, 14)), "'14 months -2 days 5 microseconds'::interval"),
            (text!(Numeric, positive(1, 2, vec![12, 345, 6700])), "'120345.67'::numeric"),
            (text!(Numeric, positive(-1, 3, vec![120])), "'0.012'::numeric"),
            (text!(Numeric, PgNumeric::Negative { weight: 2, scale: 0, digits: vec![5] }), "'-500000000'::numeric"),
            (text!(Numeric, PgNumeric::NaN), "'NaN'::numeric"),
            (text!(Json, serde_json::json!({ "a": 1 })), r#"'{"a":1}'::json"#),
            (text!(Jsonb, serde_json::json!(["a"])), r#"'["a"]'::jsonb"#),
            (text!(Nullable<Text>, None::<String>), "NULL::text"),
            (text!(Array<BigInt>, Vec::<i64>::new()), "ARRAY[]::bigint[]"),
            (text!(Array<Nullable<Text>>, texts), "ARRAY['it''s', NULL]::text[]"),
            (text!(Array<Timestamptz>, vec![at]), "ARRAY['2026-03-28 01:59:30.500+00']::timestamptz[]"),
        ];
        for (text, expected) in written {
            assert_eq!(text.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn window_functions_are_found_outside_of_quotes() {
        assert!(has_windows("SELECT sum(v) over (ORDER BY t)") && has_windows("rank() OVER w"));
        assert!(!has_windows("SELECT 'a OVER b', \"over\", overs FROM t"));
    }

    #[test]
    fn views_have_the_names_that_they_are_declared_with() {
        diesel::table! { hourly (bucket) { bucket -> Timestamptz } }
        diesel::table! { #[sql_name = "odd.\"name\""] Home.odd (bucket) { bucket -> Timestamptz } }

        assert_eq!(view_name(&hourly::table), Ok((None, "hourly".to_owned())));
        assert_eq!(view_name(&odd::table), Ok((Some("Home".to_owned()), "odd.\"name\"".to_owned())));
    }

    #[test]
    fn a_name_has_parts() {
        assert_eq!(name_parts("Readings"), (None, "readings".to_owned()));
        assert_eq!(name_parts("house.\"a \"\"b\"\".c\""), (Some("house".to_owned()), "a \"b\".c".to_owned()));
    }
}
