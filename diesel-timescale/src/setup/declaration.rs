//! What a set-up declares, as it stands in the application and in a file.

mod aggregate;
mod jobs;
mod tiers;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::aggregate::{Aggregate, GranularRefresh};
pub(crate) use self::jobs::{ColumnstorePolicy, Job, Procedure, RefreshPolicy, ReorderPolicy, RetentionPolicy};
pub(crate) use self::tiers::{AggregateTier, Tiers};
use super::length::Length;
use super::wanted::Wanted;
use crate::parse_error::ParseError;
use crate::server::TimescaleVersion;

/// Names of relations are SQL: quoted where need be, with a schema where the `search_path` does not find them.
pub(super) type Relations<T> = BTreeMap<String, T>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Extension {
    /// The oldest release that is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The schema of its functions, where it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Whether a server without it is accepted.
    pub allow_plain_postgres: bool,
}

impl Extension {
    /// The oldest release that is accepted; `2.19` is `2.19.0`.
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
    pub reorder_policy: Option<Wanted<ReorderPolicy>>,
    /// Whether inserted rows go there directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_compress: Option<bool>,
    /// What aggregates that refresh single values go by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granular_refresh: Option<GranularRefresh>,
    /// Columns, and whether chunks are left out by them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub chunk_skipping: BTreeMap<String, bool>,
    /// All of them; none: that there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tablespaces: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integer_now: Option<IntegerNow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policy: Option<Wanted<RetentionPolicy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Tiers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Wanted<Target>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_inserts: Option<Wanted<Notifications>>,
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
    /// The unit that the time column counts, for the function that tells the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integer_now: Option<Unit>,
    #[serde(default)]
    pub migrate_data: bool,
    #[serde(default = "yes")]
    pub default_indexes: bool,
    #[serde(default)]
    pub allow_plain_table: bool,
}

/// A length of time that a column of integers counts, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit(pub i64);

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.collect_str(&Length::Interval { months: 0, microseconds: self.0 / 1000 })
        } else {
            serializer.collect_str(&format_args!("{} nanoseconds", self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let text = String::deserialize(deserializer)?;
        let nanoseconds = text.strip_suffix("nanoseconds").or_else(|| text.strip_suffix("nanosecond"));
        if let Some(nanoseconds) = nanoseconds {
            return nanoseconds.trim().parse().map(Self).map_err(D::Error::custom);
        }
        match Length::parse(&text).map_err(D::Error::custom)? {
            Length::Interval { months: 0, microseconds } => {
                microseconds.checked_mul(1000).map(Self).ok_or_else(|| D::Error::custom("the unit is too long"))
            }
            Length::Interval { .. } | Length::Integer(_) => {
                Err(D::Error::custom(format!("{text:?} has no fixed length")))
            }
        }
    }
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
    /// The columns of sparse indexes; the server's choice otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bloom: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minmax: Vec<String>,
}

/// What tells the present of a hypertable that is set up elsewhere: one of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntegerNow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// A function, as SQL names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

/// What makes a table the target of references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub time: String,
    /// The column that references go by; the primary key otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
}

/// Notifications of new rows: the columns that they tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notifications {
    pub time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub columns: Vec<String>,
    /// The target.
    pub to: String,
    #[serde(default)]
    pub on_delete: Action,
    /// Whether it must not be there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
}

/// What happens to a referencing row when the row that it references is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    #[default]
    SetNull,
    Cascade,
    Restrict,
}

impl Action {
    pub(super) fn from_sql(sql: &str) -> Option<Self> {
        [Self::SetNull, Self::Cascade, Self::Restrict].into_iter().find(|action| action.sql().0 == sql)
    }

    /// As SQL, and as in `pg_constraint`.
    pub(super) fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::SetNull => ("SET NULL", "n"),
            Self::Cascade => ("CASCADE", "c"),
            Self::Restrict => ("RESTRICT", "r"),
        }
    }
}
