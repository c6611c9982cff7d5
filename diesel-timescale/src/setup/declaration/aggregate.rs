//! Continuous aggregates, as they stand in the application and in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{RefreshPolicy, RetentionPolicy};
use crate::setup::Length;
use crate::setup::wanted::Wanted;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Aggregate {
    /// The hypertable or the aggregate that it reads; otherwise those that its definition names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its query; none of an aggregate that is set up elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// What a plain view in its place has; none otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_definition: Option<String>,
    /// The names of its columns, in order; none: those of the definition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Aggregates that were added to it later, as SQL, by the names of their columns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub added_columns: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialized_only: Option<bool>,
    /// Whether it refreshes only the values that have changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub granular_refresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_policy: Option<Wanted<RefreshPolicy>>,
    /// Beside that one, over other windows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_refresh_policies: Vec<RefreshPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policy: Option<Wanted<RetentionPolicy>>,
}

/// The column of a hypertable by which changes are noted, in rows that are between these ages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GranularRefresh {
    pub column: String,
    pub start_offset: Length,
    pub end_offset: Length,
}
