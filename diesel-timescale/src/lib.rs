#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, unreachable_pub)]

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod bulk;
pub mod call;
pub mod catalog;
#[cfg(feature = "arrow")]
pub mod export;
pub mod live;
pub mod microseconds;
pub mod migrations;
pub mod prelude;
pub mod references;
pub mod replication;
pub mod setup;
pub mod states;
#[doc(hidden)]
pub mod subquery;
#[cfg(all(feature = "testing", any(feature = "sync", feature = "async")))]
pub mod testing;
pub mod tour;
pub mod transaction;

mod add_job;
mod aggregate_column;
mod aggregate_query;
mod buckets;
mod chunks;
mod columnstore;
mod columnstore_chunks;
mod continuous_aggregate;
mod direct_compress;
mod error;
mod extension;
mod feature;
mod function_call;
mod functions;
mod gapfill;
mod granular_refresh;
mod hypertable;
mod hypertable_error;
mod job_health;
#[doc(hidden)]
pub mod job_procedure;
mod jobs;
mod known_issues;
mod mapped;
mod outcome;
mod parse_error;
mod policies;
mod refresh;
mod refresh_all;
mod refresh_batches;
mod refusal;
mod reorder;
mod require_feature;
mod schedule;
mod server;
mod several_policies;
mod size;
mod sql_literal;
mod sql_text;
mod time_column;
mod time_value;
mod timestamp;
pub mod toolkit;
mod trace;
mod uuid_functions;
#[doc(hidden)]
pub mod verify;

pub use add_job::AddJob;
pub use aggregate_column::add_aggregate_column;
pub use aggregate_query::{AggregateQuery, continuous_aggregate_of};
pub use buckets::{Bucketed, bucketed, bucketed_months};
pub use call::Call;
#[doc(hidden)]
pub use chunks::interval;
pub use chunks::{
    Chunk, add_columnstore_policy_by_creation, add_hash_dimension, add_retention_policy_by_creation, attach_chunk,
    attach_tablespace, chunk_skipping_columns, chunks, detach_chunk, detach_tablespace, detach_tablespaces,
    disable_chunk_skipping, drop_chunks, drop_chunks_created, enable_chunk_skipping, merge_chunks, move_chunk,
    reorder_chunk, set_chunk_interval, split_chunk, tablespaces, use_chunk_skipping,
};
pub use columnstore::{
    Columnstore, ColumnstoreStats, add_columnstore_policy, columnstore, columnstore_stats, disable_columnstore,
    remove_columnstore_policy, to_columnstore, to_rowstore,
};
pub use columnstore_chunks::{ColumnstoreChunk, columnstore_chunks, recompress};
pub use continuous_aggregate::{ContinuousAggregate, continuous_aggregate};
pub use direct_compress::{compress_directly, set_direct_compress};
pub use error::Error;
pub use extension::{CreateExtension, ExtensionReport, create_extension};
pub use feature::Feature;
pub use functions::*;
pub use gapfill::{Interpolate, Locf, interpolate, locf};
pub use granular_refresh::{enable_granular_refresh, set_granular_refresh};
pub use hypertable::{HypertableReport, HypertableSetup, hypertable, set_integer_now, set_integer_now_func};
pub use hypertable_error::HypertableError;
pub use job_health::JobHealth;
#[doc(inline)]
pub use job_procedure::{JobProcedure, job_procedure};
pub use jobs::{Job, alter_job, delete_job, jobs, run_job, set_job_config};
pub use known_issues::{KNOWN_ISSUES, KnownIssue, issues_of, known_issues};
pub use migrations::MIGRATIONS;
pub use outcome::Outcome;
pub use parse_error::ParseError;
pub use policies::{add_retention_policy, remove_retention_policy};
pub use references::ReferenceError;
pub use refresh::{
    add_refresh_policy, drop_continuous_aggregate, refresh, remove_refresh_policy, set_materialized_only,
};
pub use refresh_all::{refresh_by_force, refresh_in_batches};
pub use refresh_batches::{RefreshBatches, refresh_batches};
pub use reorder::{add_reorder_policy, remove_reorder_policy};
pub use schedule::Schedule;
pub use server::{Edition, Server, TimescaleVersion};
pub use setup::{Tiers, tiers};
pub use several_policies::add_another_refresh_policy;
pub use size::{Size, approximate_row_count, approximate_size, chunk_sizes, index_size, size, tier_sizes};
pub use time_column::{TimeColumn, TimeType};
pub use timestamp::TimestampOrInfinity;
pub use uuid_functions::*;
pub use verify::{Violation, ViolationKind, verify};
