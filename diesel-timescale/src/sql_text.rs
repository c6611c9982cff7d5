//! A query as text and values, for statements that cannot have parameters.

use diesel::pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata};
use diesel::prelude::*;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{AstPass, QueryBuilder, QueryFragment};
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Date, Double, Float, Integer, Interval, Json, Jsonb, Numeric, SmallInt, Text, Time,
    Timestamp, Timestamptz, Uuid,
};
use std::io::Write;

/// Text and values alternate; text comes first and last.
#[derive(Debug, Clone)]
pub(crate) struct SqlText {
    texts: Vec<String>,
    values: Vec<(u32, Raw)>,
}

/// A value in PostgreSQL's binary format.
#[derive(Debug, Clone)]
struct Raw(Option<Vec<u8>>);

impl<ST> ToSql<ST, Pg> for Raw {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.write_all(bytes)?;
        Ok(IsNull::No)
    }
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
        let values: Vec<_> = oids.zip(collector.binds.into_iter().map(Raw)).collect();
        if texts.len() == values.len() + 1 {
            Ok(Self { texts, values })
        } else {
            Err(format!("a query of {} values has {} places for them", values.len(), texts.len() - 1))
        }
    }

    pub(crate) fn contains(&self, what: &str) -> bool {
        self.texts.iter().any(|text| text.contains(what))
    }

    /// Pushes an SQL expression that gives the query as a text with its values in it.
    pub(crate) fn push_as_text<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut values = self.values.iter();
        out.push_sql("(''");
        for text in &self.texts {
            out.push_sql(" || ");
            out.push_bind_param::<Text, _>(text)?;
            if let Some((oid, value)) = values.next() {
                out.push_sql(" || diesel_timescale.literal(");
                push_value(*oid, value, out.reborrow())?;
                out.push_sql(")");
            }
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Pushes a value by the OID of its type.
fn push_value<'b>(oid: u32, value: &'b Raw, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    macro_rules! push {
        ($($oid:literal $sql_type:ty,)+) => {
            match oid {
                $($oid => out.push_bind_param::<$sql_type, _>(value),)+
                _ => Err(diesel::result::Error::QueryBuilderError(
                    "a view takes values of PostgreSQL's own types: write others with diesel::dsl::sql".into(),
                )),
            }
        };
    }
    push! {
        16 Bool, 17 Binary, 20 BigInt, 21 SmallInt, 23 Integer, 25 Text, 114 Json, 700 Float, 701 Double, 1043 Text,
        1082 Date, 1083 Time, 1114 Timestamp, 1184 Timestamptz, 1186 Interval, 1700 Numeric, 2950 Uuid, 3802 Jsonb,
        1005 Array<SmallInt>, 1007 Array<Integer>, 1009 Array<Text>, 1016 Array<BigInt>, 1021 Array<Float>,
        1022 Array<Double>, 1185 Array<Timestamptz>, 2951 Array<Uuid>,
    }
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

/// The name of a table, without its schema and quotes.
pub(crate) fn identifier<T: QueryFragment<Pg>>(table: &T) -> Result<String, String> {
    last_identifier(&render(table)?)
}

/// The names of the columns of a table.
pub(crate) fn column_names<T, C>(table: &T, columns: &C) -> Result<Vec<String>, String>
where
    T: QueryFragment<Pg>,
    C: QueryFragment<Pg>,
{
    let prefix = format!("{}.", render(table)?);
    render(columns)?.split(&format!(", {prefix}")).map(last_identifier).collect()
}

/// `"a"."b ""c"""` is `b "c"`.
fn last_identifier(sql: &str) -> Result<String, String> {
    let quoted = sql.strip_suffix('"').ok_or_else(|| format!("{sql} is no identifier"))?;
    // Quotes inside come in pairs.
    let start = quoted.rfind(".\"").map_or(1, |dot| dot + 2);
    Ok(quoted[start..].replace("\"\"", "\""))
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
    fn identifiers_lose_schema_and_quotes() {
        assert_eq!(last_identifier(r#""readings""#).unwrap(), "readings");
        assert_eq!(last_identifier(r#""home"."odd ""name""""#).unwrap(), r#"odd "name""#);
        assert!(last_identifier("readings").is_err());
    }
}
