#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod bulk;
pub mod call;
pub mod catalog;
pub mod micros;
pub mod migrations;
pub mod prelude;
pub mod references;
pub mod transaction;

mod buckets;
mod chunks;
mod columnstore;
mod continuous_aggregate;
mod error;
mod extension;
mod feature;
mod functions;
mod gapfill;
mod hypertable;
mod jobs;
mod known_issues;
mod mapped;
mod policies;
mod refresh;
mod server;
mod size;
mod time_column;
#[doc(hidden)]
pub mod time_value;
mod timestamp;

pub use buckets::{BucketRow, BucketRowBy, BucketStart, Bucketed, BucketedBy, bucketed};
pub use call::Call;
#[doc(hidden)]
pub use chunks::interval;
pub use chunks::{Chunk, add_hash_dimension, chunks, drop_chunks, set_chunk_interval};
pub use columnstore::{
    Columnstore, ColumnstoreStats, add_columnstore_policy, columnstore, columnstore_stats, disable_columnstore,
    remove_columnstore_policy, to_columnstore, to_rowstore,
};
pub use continuous_aggregate::{AggregateOutcome, ContinuousAggregate, continuous_aggregate};
pub use error::{Error, HypertableError, ReferenceError, Result};
pub use extension::{CreateExtension, ExtensionOutcome, ExtensionReport, create_extension};
pub use feature::{Feature, Unsupported};
pub use functions::*;
pub use gapfill::{Interpolate, InterpolatedType, Locf, NoLookup, interpolate, locf};
pub use hypertable::{
    HypertableOutcome, HypertableReport, HypertableSetup, hypertable, set_integer_now, set_integer_now_func,
};
pub use jobs::{AlterJob, Job, alter_job, delete_job, jobs, run_job};
pub use known_issues::{IssueSubject, KNOWN_ISSUES, KnownIssue, issues_of, known_issues};
pub use migrations::MIGRATIONS;
pub use policies::{add_retention_policy, remove_retention_policy};
pub use refresh::{
    add_refresh_policy, drop_continuous_aggregate, refresh, remove_refresh_policy, set_materialized_only,
};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
pub use size::{ChunkSize, Size, approximate_row_count, chunk_sizes, size};
pub use time_column::{IntegerTimeType, TimeColumn, TimeType};
pub use timestamp::TimestampOrInfinity;
