//! What a set-up declares, as it stands in the application and in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::length::Length;
use super::wanted::Wanted;
use crate::parse_error::ParseError;
use crate::server::TimescaleVersion;

/// Names of relations are SQL: quoted where need be, with a schema where the `search_path` does not find them.
pub(super) type Relations<T> = BTreeMap<String, T>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Extension {
    /// The oldest release that will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The schema of its functions, where it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Whether a server without it will do.
    pub allow_plain_postgres: bool,
}

impl Extension {
    /// The oldest release that will do; `2.19` is `2.19.0`.
    pub(super) fn release(&self) -> Result<Option<TimescaleVersion>, ParseError> {
        let Some(text) = &self.version else { return Ok(None) };
        let is_short = text.matches('.').count() == 1;
        text.parse().or_else(|error| if is_short { format!("{text}.0").parse() } else { Err(error) }).map(Some)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnType>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypertable: Option<Hypertable>,
    /// Of a hypertable that is set up elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_interval: Option<Length>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<Dimension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columnstore: Option<Wanted<Columnstore>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columnstore_policy: Option<Wanted<ColumnstorePolicy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policy: Option<Wanted<RetentionPolicy>>,
}

/// The type of a column, by its name or its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ColumnType {
    Name(String),
    Full {
        #[serde(rename = "type")]
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nullable: Option<bool>,
    },
}

impl ColumnType {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Full { name, .. } => name,
        }
    }

    pub(super) fn nullable(&self) -> Option<bool> {
        match self {
            Self::Name(_) => None,
            Self::Full { nullable, .. } => *nullable,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// Its name; what PostgreSQL chooses otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Names of columns, with `DESC` behind them for a descending order.
    pub columns: Vec<String>,
    #[serde(default)]
    pub unique: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hypertable {
    pub time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_interval: Option<Length>,
    #[serde(default)]
    pub migrate_data: bool,
    #[serde(default = "yes")]
    pub default_indexes: bool,
    #[serde(default)]
    pub allow_plain_table: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dimension {
    pub column: String,
    pub partitions: i32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Columnstore {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segment_by: Vec<String>,
    /// Names of columns, with `DESC` behind them for a descending order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnstorePolicy {
    pub after: Length,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Length>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionPolicy {
    pub drop_after: Length,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Length>,
}

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
    fn a_column_has_an_order() {
        assert_eq!(ordered("time DESC"), ("time", true));
        assert_eq!(ordered(" time asc "), ("time", false));
        assert_eq!(ordered("desc"), ("desc", false));
        assert_eq!(ordered("é"), ("é", false));
    }
}
