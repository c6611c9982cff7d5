//! What facts are asked about.

use serde::Serialize;

/// A relation, with what is declared of it and changes what is asked.
#[derive(Debug, Serialize)]
pub(in super::super) struct RelationRequest<'a> {
    pub name: &'a str,
    pub time_column: Option<&'a str>,
    pub registry: Option<&'a str>,
    /// Whether its rows should go into the columnstore directly.
    pub direct_compress: bool,
    pub is_tier: bool,
    /// How long a tier keeps its rows.
    pub kept_for: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct ReferenceRequest<'a> {
    pub name: &'a str,
    pub columns: &'a [String],
    pub target: &'a str,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct ProcedureRequest {
    pub name: String,
    pub schema: Option<String>,
}
