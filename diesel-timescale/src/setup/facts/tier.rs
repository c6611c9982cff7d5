//! What is asked of tiers, and lengths of time as the server tells them.

use serde::Deserialize;

use crate::setup::length::Length;

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

/// A length as the server tells it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(in super::super) enum LengthFact {
    Integer(i64),
    Interval { months: i32, microseconds: i64 },
}

impl From<LengthFact> for Length {
    fn from(fact: LengthFact) -> Self {
        match fact {
            LengthFact::Integer(units) => Self::Integer(units),
            LengthFact::Interval { months, microseconds } => Self::Interval { months, microseconds },
        }
    }
}
