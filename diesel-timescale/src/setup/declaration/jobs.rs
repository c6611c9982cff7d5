//! Policies and jobs, as they stand in the application and in a file.

use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;
use crate::setup::Length;

/// One of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnstorePolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Length>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Length>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// One of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_after: Option<Length>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_created_before: Option<Length>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReorderPolicy {
    pub index: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshPolicy {
    /// From the beginning, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_offset: Option<Length>,
    pub end_offset: Length,
    pub schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets_per_batch: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batches_per_execution: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_first: Option<bool>,
}

impl RefreshPolicy {
    pub(crate) fn new(start_offset: Option<Length>, end_offset: Length, schedule: Schedule) -> Self {
        let (buckets_per_batch, max_batches_per_execution, newest_first) = Default::default();
        Self { start_offset, end_offset, schedule, buckets_per_batch, max_batches_per_execution, newest_first }
    }
}

/// A procedure that jobs run, with an example of its config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Procedure {
    pub body: String,
    pub config: serde_json::Value,
}

/// A job of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub procedure: String,
    pub schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}
