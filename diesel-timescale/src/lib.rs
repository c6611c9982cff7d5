//! TimescaleDB for any Diesel table.
#![warn(missing_docs)]

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod bulk;
pub mod call;
pub mod catalog;
pub mod micros;
pub mod migrations;
pub mod references;
pub mod transaction;

mod buckets;
mod chunks;
mod columnstore;
mod continuous_aggregate;
mod error;
mod feature;
mod functions;
mod hypertable;
mod jobs;
mod known_issues;
mod non_transactional;
mod policies;
mod server;
mod size;

pub use buckets::{BucketRow, BucketRowBy, BucketStart, Bucketed, BucketedBy, bucketed};
pub use call::Call;
#[doc(hidden)]
pub use chunks::interval;
pub use chunks::{
    AddHashDimension, Chunk, Chunks, DropChunks, SetChunkInterval, add_hash_dimension, chunks, drop_chunks,
    set_chunk_interval,
};
pub use columnstore::{
    AddColumnstorePolicy, Columnstore, ColumnstoreStats, ConvertChunk, DisableColumnstore, EnableColumnstore,
    QueryColumnstoreStats, RemoveColumnstorePolicy, add_columnstore_policy, columnstore, columnstore_stats,
    disable_columnstore, remove_columnstore_policy, to_columnstore, to_rowstore,
};
pub use continuous_aggregate::{
    AddRefreshPolicy, AggregateOutcome, ContinuousAggregate, CreateContinuousAggregate, DropContinuousAggregate,
    RefreshContinuousAggregate, RemoveRefreshPolicy, SetMaterializedOnly, add_refresh_policy, continuous_aggregate,
    drop_continuous_aggregate, refresh, remove_refresh_policy, set_materialized_only,
};
pub use error::{Error, HypertableError, ReferenceError, Result};
pub use feature::{Feature, Unsupported};
pub use functions::*;
pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub use jobs::{AlterJob, DeleteJob, Job, Jobs, RunJob, alter_job, delete_job, jobs, run_job};
pub use known_issues::{KNOWN_ISSUES, KnownIssue, issues_of, known_issues};
pub use migrations::MIGRATIONS;
pub use non_transactional::OutsideTransaction;
pub use policies::{AddRetentionPolicy, RemoveRetentionPolicy, add_retention_policy, remove_retention_policy};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
pub use size::{
    ApproximateRowCount, ChunkSize, ChunkSizes, HypertableSize, Size, approximate_row_count, chunk_sizes, size,
};
