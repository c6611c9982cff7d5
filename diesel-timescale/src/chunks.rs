//! Chunks: their interval, hash dimensions, listing and dropping them.

mod created;
mod rearrange;
mod skipping;
mod tablespaces;

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Integer, Interval, Nullable, Text, Timestamptz};
use serde::Serialize;

pub use self::created::{add_columnstore_policy_by_creation, add_retention_policy_by_creation, drop_chunks_created};
pub use self::rearrange::{attach_chunk, detach_chunk, merge_chunks, split_chunk};
pub use self::skipping::{chunk_skipping_columns, disable_chunk_skipping, enable_chunk_skipping, use_chunk_skipping};
pub use self::tablespaces::{
    attach_tablespace, detach_tablespace, detach_tablespaces, move_chunk, reorder_chunk, tablespaces,
};
use crate::call::{Call, Relation, relation_name, single, value};
use crate::error::Error;
use crate::function_call;
use crate::mapped::mapped;
use crate::setup::{Declare, Setup};
use crate::time_column::{IntervalOf, TimeColumn, TimeType, ValueOf};
use crate::time_value::{Instant, Length, Moment, Span};
use crate::timestamp::TimestampOrInfinity;

type NullableBigInt = Nullable<BigInt>;
type NullableInterval = Nullable<Interval>;
type NullableTimestamptz = Nullable<Timestamptz>;

/// The time that a length covers, as PostgreSQL has it; what is longer than that is the longest.
pub fn interval(length: TimeDelta) -> PgInterval {
    PgInterval::from_microseconds(length.num_microseconds().unwrap_or(i64::MAX))
}

/// Sets how much time new chunks of a hypertable cover, and gives that. Chunks that are there stay as they are.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs: [`HypertableError::ChunkInterval`](crate::HypertableError).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, set_chunk_interval};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let interval = set_chunk_interval(readings::time, TimeDelta::hours(12)).call(conn)?;
/// assert_eq!(interval, Some(TimeDelta::hours(12)));
/// # Ok(()) }) }
/// ```
///
/// What a chunk covers is a length of time, or a number for a column of integers; anything else does not compile:
///
/// ```compile_fail,E0308
/// diesel::table! {
///     device_readings (measured_ms) { measured_ms -> Int8 }
/// }
/// diesel_timescale::set_chunk_interval(device_readings::measured_ms, chrono::TimeDelta::days(1));
/// ```
pub fn set_chunk_interval<C>(
    time_column: C,
    chunk_interval: IntervalOf<C>,
) -> impl Call<Output = Option<IntervalOf<C>>, Error = Error> + Declare + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let relation = relation_name(&C::Table::default());
    let call = SetChunkInterval { relation, chunk_interval: Length::new::<C::SqlType>(Some(chunk_interval)) };
    mapped(call, |(interval, integer)| C::SqlType::from_span(Span { interval, integer }))
}

function_call! {
    /// The call that [`set_chunk_interval`] makes.
    SetChunkInterval { relation: Relation = Relation, chunk_interval: Length = Length },
    "SELECT chunk_interval, integer_interval FROM diesel_timescale.change_chunk_interval(", ")",
    (NullableInterval, NullableBigInt) => (Option<TimeDelta>, Option<i64>) => (Option<TimeDelta>, Option<i64>), single,
    requires Hypertables,
}

impl Declare for SetChunkInterval {
    fn declare(self, setup: &mut Setup) {
        setup.declare_chunk_interval(&self.relation, self.chunk_interval.declared());
    }
}

/// Spreads the chunks of a hypertable by the hash of a column as well, into this many partitions. Gives `false` if
/// that is so already.
///
/// Every unique index must contain the column, and the hypertable must be empty. Worth it only with several disks:
/// more chunks make planning slower.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs, what the server itself refuses.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_hash_dimension, hypertable};
///
/// diesel::table! {
///     meters (meter_id, read_at) { meter_id -> Int8, read_at -> Timestamptz }
/// }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// conn.batch_execute("CREATE TABLE meters (meter_id BIGINT, read_at TIMESTAMPTZ, PRIMARY KEY (meter_id, read_at))")?;
/// hypertable(meters::read_at).call(conn)?;
/// assert!(add_hash_dimension(meters::meter_id, 4).call(conn)?);
/// assert!(!add_hash_dimension(meters::meter_id, 4).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn add_hash_dimension<C>(column: C, partitions: u16) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    C: Column,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    AddHashDimension { relation: relation_name(&C::Table::default()), column: C::NAME, partitions: partitions.into() }
}

function_call! {
    /// The call that [`add_hash_dimension`] makes.
    AddHashDimension { relation: Relation = Relation, column: &'static str = Text, partitions: i32 = Integer },
    "SELECT diesel_timescale.add_hash_dimension(", ")",
    (Bool,) => (bool,) => bool, value,
    requires Hypertables,
}

impl Declare for AddHashDimension {
    fn declare(self, setup: &mut Setup) {
        setup.declare_dimension(&self.relation, self.column, self.partitions);
    }
}

/// A chunk of a hypertable, of which the time column has values of this type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Chunk<V = DateTime<Utc>> {
    /// Its schema and name, quoted where need be: what `regclass` takes.
    pub name: String,
    /// The first moment that it covers; `None` if it covers every one before its end.
    pub range_start: Option<V>,
    /// The first moment after it; `None` if it covers every one from its start.
    pub range_end: Option<V>,
    /// Whether it is in the columnstore.
    pub is_columnstore: bool,
}

/// The chunks of a hypertable that lie in a range of time whole, oldest first.
///
/// `..` is all of them, `..end` those that end by then, `start..` those that start then or later.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs:
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, chunks};
///
/// # fn main() { run(|conn| {
/// # let time = a_reading(conn);
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// let all = chunks(readings::time, ..).call(conn)?;
/// assert!(all[0].range_start <= Some(time));
/// assert!(chunks(readings::time, ..Utc::now() - TimeDelta::days(365)).call(conn)?.is_empty());
/// # Ok(()) }) }
/// ```
pub fn chunks<C>(
    time_column: C,
    range: impl RangeBounds<ValueOf<C>>,
) -> impl Call<Output = Vec<Chunk<ValueOf<C>>>, Error = Error> + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let call = Chunks {
        relation: relation_name(&C::Table::default()),
        from: bound::<C::SqlType>(range.start_bound()),
        to: bound::<C::SqlType>(range.end_bound()),
    };
    mapped(call, |rows| {
        let chunk = |(name, start, end, integer_start, integer_end, is_columnstore): ChunkRow| Chunk {
            name,
            // Chrono ends before PostgreSQL does: a chunk may start after its last moment.
            range_start: C::SqlType::from_instant(Instant {
                at: start
                    .map(|at| if at == TimestampOrInfinity::Infinity { DateTime::<Utc>::MAX_UTC.into() } else { at }),
                integer: integer_start,
            }),
            range_end: C::SqlType::from_instant(Instant { at: end, integer: integer_end }),
            is_columnstore,
        };
        rows.into_iter().map(chunk).collect()
    })
}

/// The end of a range as an argument: whole chunks lie in it, so that it is in the range or not does not matter.
pub(crate) fn bound<ST: TimeType>(bound: Bound<&ST::Value>) -> Moment {
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => Moment::new::<ST>(Some(value.clone())),
        Bound::Unbounded => Moment::default(),
    }
}

type ChunkRow = (String, Option<TimestampOrInfinity>, Option<TimestampOrInfinity>, Option<i64>, Option<i64>, bool);

function_call! {
    /// The query that [`chunks`] makes.
    Chunks { relation: Relation = Relation, from: Moment = Moment, to: Moment = Moment },
    "SELECT chunk, range_start, range_end, range_start_integer, range_end_integer, is_columnstore \
     FROM diesel_timescale.chunks_within(", ")",
    (Text, NullableTimestamptz, NullableTimestamptz, NullableBigInt, NullableBigInt, Bool)
        => ChunkRow => Vec<ChunkRow>, Ok,
    requires Hypertables,
}

/// Drops the chunks of a hypertable that end by `older_than`, and gives how many.
///
/// Refused where something references the rows: that takes a retention that clears the references, such as
/// [`references::drop_before`](crate::references::drop_before).
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs:
/// [`ReferenceError::LossOfReferencedRows`](crate::ReferenceError::LossOfReferencedRows);
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, drop_chunks};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// # a_reading(conn);
/// let dropped = drop_chunks(readings::time, Utc::now() - TimeDelta::days(365)).call(conn)?;
/// assert_eq!(dropped, 0);
/// # Ok(()) }) }
/// ```
pub fn drop_chunks<C>(time_column: C, older_than: ValueOf<C>) -> impl Call<Output = i64, Error = Error> + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    let older_than = Moment::new::<C::SqlType>(Some(older_than));
    DropChunks { relation: relation_name(&C::Table::default()), older_than }
}

function_call! {
    /// The call that [`drop_chunks`] makes.
    DropChunks { relation: Relation = Relation, older_than: Moment = Moment },
    "SELECT diesel_timescale.drop_chunks_before(", ")",
    (BigInt,) => (i64,) => i64, value,
    requires Hypertables,
}
