//! TimescaleDB: the server, and hypertables for any table.

mod bucketed;
pub mod catalog;
mod chunk;
mod columnstore;
mod continuous_aggregate;
mod extension;
mod feature;
mod function;
mod gapfill;
mod hypertable;
mod job;
mod known_issues;
pub(crate) mod outside_transaction;
mod retention_policy;
mod server;
mod size;
mod timestamp;

pub use bucketed::{BucketRow, BucketRowBy, BucketStart, Bucketed, BucketedBy, bucketed};
pub use chunk::{
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
pub use extension::{CreateExtension, ExtensionOutcome, ExtensionReport, create_extension};
pub use feature::{Feature, Unsupported};
pub use function::*;
pub use gapfill::{Interpolate, InterpolatedType, Locf, NoLookup, interpolate, locf};
pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub use job::{AlterJob, DeleteJob, Job, Jobs, RunJob, alter_job, delete_job, jobs, run_job};
pub(crate) use known_issues::issues_of;
pub use known_issues::{IssueSubject, KNOWN_ISSUES, KnownIssue, known_issues};
pub use outside_transaction::OutsideTransaction;
pub use retention_policy::{
    AddRetentionPolicy, AddSensorEventsRetention, RemoveRetentionPolicy, RemoveSensorEventsRetention,
    add_retention_policy, add_sensor_events_retention, remove_retention_policy, remove_sensor_events_retention,
};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
pub use size::{
    ApproximateRowCount, ChunkSize, ChunkSizes, HypertableSize, Size, approximate_row_count, chunk_sizes, size,
};
pub use timestamp::TimestampOrInfinity;
