//! The catalog of TimescaleDB: its `timescaledb_information` views as tables of Diesel, with a model for each.
//!
//! Only what every release from 2.17 has; a view or a column that came later is not here. The views are empty of what
//! an edition cannot have, such as the jobs of the Apache edition. On plain PostgreSQL they do not exist, see
//! [`Server::require`](super::Server::require).
//!
//! Timestamps may be infinite, see [`TimestampOrInfinity`].
//!
//! Numbers of type [`Oid`] name a table, a type or a role, and compare with `'readings'::regclass::oid`.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use diesel_timescale::catalog::{Chunk, chunks};
//!
//! # fn main() { run(|conn| {
//! # if support::server().timescaledb.is_none() { return Ok(()); }
//! # a_reading(conn);
//! let newest: Chunk = Chunk::query()
//!     .filter(chunks::hypertable_name.eq("readings"))
//!     .order(chunks::range_start.desc())
//!     .first(conn)?;
//! assert_eq!(newest.primary_dimension, "time");
//! # Ok(()) }) }
//! ```
//!
//! [`Oid`]: diesel::sql_types::Oid

use diesel::pg::data_types::PgInterval;
use serde_json::Value;

use crate::timestamp::TimestampOrInfinity;

/// Declares a view and its model.
macro_rules! views {
    ($(
        $(#[$doc:meta])*
        $model:ident, $view:ident ($($key:ident),+) { $( $(#[$column_doc:meta])* $column:ident: $rust:ty => $sql:ty, )+ }
    )+) => {
        $(
            diesel::table! {
                use diesel::sql_types::*;

                #[doc = concat!("The view `timescaledb_information.", stringify!($view), "`, read as [`", stringify!($model), "`](crate::catalog::", stringify!($model), ").")]
                #[allow(missing_docs)]
                timescaledb_information.$view ($($key),+) { $( $(#[$column_doc])* $column -> $sql, )+ }
            }

            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, diesel::HasQuery)]
            #[diesel(table_name = $view, check_for_backend(diesel::pg::Pg))]
            #[non_exhaustive]
            pub struct $model { $( $(#[$column_doc])* pub $column: $rust, )+ }
        )+

        diesel::allow_tables_to_appear_in_same_query!($($view),+);
    };
}

views! {
    /// A hypertable.
    Hypertable, hypertables (hypertable_schema, hypertable_name) {
        /// Its schema.
        hypertable_schema: String => Text,
        /// Its name.
        hypertable_name: String => Text,
        /// The role that owns it.
        owner: String => Text,
        /// By how many dimensions it is partitioned; time is the first.
        num_dimensions: i16 => SmallInt,
        /// How many chunks it has.
        num_chunks: i64 => BigInt,
        /// Whether it has a columnstore.
        compression_enabled: bool => Bool,
        /// The tablespaces of its chunks, if they were chosen.
        tablespaces: Option<Vec<String>> => Nullable<Array<Text>>,
    }

    /// A dimension that a hypertable is partitioned by.
    Dimension, dimensions (hypertable_schema, hypertable_name, dimension_number) {
        /// The schema of the hypertable.
        hypertable_schema: String => Text,
        /// The hypertable.
        hypertable_name: String => Text,
        /// Which one, from 1: time.
        dimension_number: i64 => BigInt,
        /// The column.
        column_name: String => Text,
        /// The type of the column.
        column_type: u32 => Oid,
        /// `Time` or `Space`.
        dimension_type: String => Text,
        /// What a chunk spans, for a column of time.
        time_interval: Option<PgInterval> => Nullable<Interval>,
        /// What a chunk spans, for a column of integers.
        integer_interval: Option<i64> => Nullable<BigInt>,
        /// The function that gives the present, for a column of integers.
        integer_now_func: Option<String> => Nullable<Text>,
        /// Into how many parts, for a dimension of space.
        num_partitions: Option<i16> => Nullable<SmallInt>,
    }

    /// A chunk of a hypertable.
    Chunk, chunks (chunk_schema, chunk_name) {
        /// The schema of the hypertable.
        hypertable_schema: String => Text,
        /// The hypertable.
        hypertable_name: String => Text,
        /// The schema of the chunk.
        chunk_schema: String => Text,
        /// The chunk, a table.
        chunk_name: String => Text,
        /// The column of the first dimension.
        primary_dimension: String => Text,
        /// The type of that column.
        primary_dimension_type: u32 => Oid,
        /// The first instant of its range, for a column of time; `-infinity` for the first chunk that there can be.
        range_start: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// The end of its range, not in it.
        range_end: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// The first number of its range, for a column of integers.
        range_start_integer: Option<i64> => Nullable<BigInt>,
        /// The end of its range, not in it.
        range_end_integer: Option<i64> => Nullable<BigInt>,
        /// Whether it is in the columnstore.
        is_compressed: bool => Bool,
        /// Its tablespace, if not the default.
        chunk_tablespace: Option<String> => Nullable<Text>,
        /// When it was made.
        chunk_creation_time: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
    }

    /// A job that TimescaleDB runs in the background: a policy, or a user-defined procedure.
    Job, jobs (job_id) {
        /// Its id.
        job_id: i32 => Integer,
        /// What it is called among the server's processes.
        application_name: String => Text,
        /// From run to run.
        schedule_interval: PgInterval => Interval,
        /// How long a run may take; zero is without end.
        max_runtime: PgInterval => Interval,
        /// How often a failed run is repeated; -1 is without end.
        max_retries: i32 => Integer,
        /// How long to wait before that.
        retry_period: PgInterval => Interval,
        /// The schema of the procedure.
        proc_schema: String => Text,
        /// The procedure.
        proc_name: String => Text,
        /// The role that it runs as.
        owner: u32 => Oid,
        /// Whether it is to run.
        scheduled: bool => Bool,
        /// Whether it starts at fixed times, and not some time after the last run has ended.
        fixed_schedule: bool => Bool,
        /// What the procedure is given.
        config: Option<Value> => Nullable<Jsonb>,
        /// When it runs next, if that is known; `-infinity` while it runs, `infinity` while it is paused.
        next_start: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// When it runs first.
        initial_start: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// The schema of the hypertable that it is about, if any.
        hypertable_schema: Option<String> => Nullable<Text>,
        /// The hypertable that it is about.
        hypertable_name: Option<String> => Nullable<Text>,
        /// The schema of the function that checks what the procedure is given.
        check_schema: Option<String> => Nullable<Text>,
        /// That function.
        check_name: Option<String> => Nullable<Text>,
    }

    /// How a job has run so far.
    JobStats, job_stats (job_id) {
        /// The schema of the hypertable that it is about, if any.
        hypertable_schema: Option<String> => Nullable<Text>,
        /// The hypertable that it is about.
        hypertable_name: Option<String> => Nullable<Text>,
        /// The job.
        job_id: i32 => Integer,
        /// When the last run began; `-infinity` before the first one.
        last_run_started_at: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// When the last run that succeeded ended; `-infinity` if none did.
        last_successful_finish: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// `Success` or `Failed`.
        last_run_status: Option<String> => Nullable<Text>,
        /// `Running`, `Scheduled` or `Paused`.
        job_status: Option<String> => Nullable<Text>,
        /// How long the last run took.
        last_run_duration: Option<PgInterval> => Nullable<Interval>,
        /// When it runs next; `-infinity` while it runs, `infinity` while it is paused.
        next_start: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// How often it ran; `None` before the first run.
        total_runs: Option<i64> => Nullable<BigInt>,
        /// How often it succeeded; `None` before the first run.
        total_successes: Option<i64> => Nullable<BigInt>,
        /// How often it failed; `None` before the first run.
        total_failures: Option<i64> => Nullable<BigInt>,
    }

    /// A run of a job that failed. Who may not see the job does not see this.
    JobError, job_errors (job_id, start_time) {
        /// The job.
        job_id: i32 => Integer,
        /// The schema of the procedure.
        proc_schema: Option<String> => Nullable<Text>,
        /// The procedure.
        proc_name: Option<String> => Nullable<Text>,
        /// The server's process.
        pid: Option<i32> => Nullable<Integer>,
        /// When the run began.
        start_time: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// When it ended.
        finish_time: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// The code of PostgreSQL's error, such as `55000`.
        sqlerrcode: Option<String> => Nullable<Text>,
        /// The message.
        err_message: Option<String> => Nullable<Text>,
    }

    /// A run of a job. The server keeps those that failed, and the others where `timescaledb.enable_job_execution_logging`
    /// is on. Who may not see the job does not see this.
    JobHistory, job_history (id) {
        /// The number of the run.
        id: i64 => BigInt,
        /// The job.
        job_id: i32 => Integer,
        /// Whether it succeeded; `None` while it runs, in some releases.
        succeeded: Option<bool> => Nullable<Bool>,
        /// The schema of the procedure.
        proc_schema: Option<String> => Nullable<Text>,
        /// The procedure.
        proc_name: Option<String> => Nullable<Text>,
        /// The server's process.
        pid: Option<i32> => Nullable<Integer>,
        /// When the run began.
        start_time: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// When it ended.
        finish_time: Option<TimestampOrInfinity> => Nullable<Timestamptz>,
        /// What the procedure was given.
        config: Option<Value> => Nullable<Jsonb>,
        /// The code of PostgreSQL's error, such as `55000`.
        sqlerrcode: Option<String> => Nullable<Text>,
        /// The message.
        err_message: Option<String> => Nullable<Text>,
    }

    /// A continuous aggregate.
    ContinuousAggregate, continuous_aggregates (view_schema, view_name) {
        /// The schema of the hypertable, or of the aggregate, that it reads.
        hypertable_schema: String => Text,
        /// The hypertable, or the aggregate, that it reads.
        hypertable_name: String => Text,
        /// The schema of its view.
        view_schema: String => Text,
        /// Its view: what is queried.
        view_name: String => Text,
        /// The role that owns it.
        view_owner: String => Text,
        /// Whether it leaves out what came after the last refresh.
        materialized_only: bool => Bool,
        /// Whether it has a columnstore.
        compression_enabled: bool => Bool,
        /// The schema of the hypertable that it keeps its rows in.
        materialization_hypertable_schema: String => Text,
        /// The hypertable that it keeps its rows in.
        materialization_hypertable_name: String => Text,
        /// Its query.
        view_definition: Option<String> => Nullable<Text>,
    }

    /// How the columnstore of a hypertable lays out what comes into it.
    HypertableColumnstoreSettings, hypertable_compression_settings (hypertable) {
        /// The hypertable.
        hypertable: u32 => Oid,
        /// The columns that make the segments, as SQL.
        segmentby: Option<String> => Nullable<Text>,
        /// The order within a segment, as SQL.
        orderby: Option<String> => Nullable<Text>,
        /// The interval that smaller chunks are joined to.
        compress_interval_length: Option<String> => Nullable<Text>,
    }

    /// How a chunk in the columnstore is laid out.
    ChunkColumnstoreSettings, chunk_compression_settings (chunk) {
        /// The hypertable.
        hypertable: u32 => Oid,
        /// The chunk.
        chunk: u32 => Oid,
        /// The columns that make the segments, as SQL.
        segmentby: Option<String> => Nullable<Text>,
        /// The order within a segment, as SQL.
        orderby: Option<String> => Nullable<Text>,
    }
}
