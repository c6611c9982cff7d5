//! Hypertables and continuous aggregates, as the server tells them.

use serde::Deserialize;
use serde_json::Value;

use super::LengthFact;

#[derive(Debug, Deserialize)]
pub(in super::super) struct Hypertable {
    pub chunks: i64,
    pub columnstore: bool,
    pub chunk_skipping: Vec<String>,
    /// Whether the sessions of the database leave out chunks by it.
    pub uses_chunk_skipping: bool,
    pub tablespaces: Vec<String>,
    pub direct_compress: bool,
    pub granular_refresh: Option<GranularRefresh>,
    pub segment_by: Option<String>,
    pub order_by: Option<String>,
    pub sparse_indexes: Option<Vec<SparseIndex>>,
    pub dimensions: Vec<Dimension>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct SparseIndex {
    #[serde(rename = "type")]
    pub kind: String,
    pub column: Value,
    /// `config`, if it was chosen.
    pub source: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Dimension {
    pub column: String,
    pub interval: Option<LengthFact>,
    pub partitions: Option<i32>,
    /// The comment of the function that tells the present.
    pub integer_now: Option<String>,
    /// That function.
    pub integer_now_func: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct GranularRefresh {
    pub column: String,
    pub start_offset: Option<LengthFact>,
    pub end_offset: Option<LengthFact>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Aggregate {
    pub materialized_only: bool,
    /// Of the hypertable that it keeps its rows in.
    pub schema: String,
    pub name: String,
    /// What it reads, with its schema, quoted.
    pub source: String,
    pub bucket: Option<LengthFact>,
    pub has_chunks: bool,
    pub granular_refresh: Option<bool>,
}
