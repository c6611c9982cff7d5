//! What is asked of tiers.

use serde::Deserialize;

use crate::setup::length::LengthFact;

/// A hypertable or a continuous aggregate that is a tier.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Tier {
    /// The refresh policies of what reads it.
    pub readers: Vec<Reader>,
    /// How many chunks are older than rows are kept.
    pub expired_chunks: i64,
}

/// A refresh policy.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Reader {
    /// The continuous aggregate, with its schema, quoted.
    pub view: String,
    pub job: i32,
    /// From the beginning, if there is none.
    pub start_offset: Option<LengthFact>,
    pub end_offset: Option<LengthFact>,
    pub bucket: Option<LengthFact>,
    pub schedule: LengthFact,
    pub scheduled: bool,
}

/// The job that drops the rows of a target of references.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TargetRetention {
    pub id: i32,
    pub drop_after: Option<LengthFact>,
}
