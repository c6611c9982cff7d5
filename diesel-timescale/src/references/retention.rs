//! Retention of a target of references.

use std::marker::PhantomData;

use chrono::TimeDelta;
use diesel::deserialize::Queryable;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Interval, Nullable, Timestamptz};
use serde::Serialize;

use crate::call::{Relation, Statement, push_relation, relation_name, single};
use crate::error::{Error, Result};
use crate::time_column::{TimeColumn, TimeType, ValueOf};
use crate::time_value::{Instant, Moment};
use crate::timestamp::TimestampOrInfinity;

/// Drops the chunks of a [target](super::create_target) that end by `cutoff` and clears every reference to their rows, in one
/// transaction.
///
/// A chunk that `cutoff` falls into stays whole. On a plain table the rows before `cutoff` are deleted. What references
/// them becomes null or goes, as it was [attached](super::add). A plain `drop_chunks`, or the server's own retention
/// policy, would leave references to rows that are gone.
///
/// Chunks that others read or write cannot be dropped. Waiting for them would hold up every read that does not leave
/// these chunks out, so the call does all in a moment or nothing: an attempt that waits for more than a fraction of a
/// second gives back what it has locked, and another one follows, until [`lock_timeout`](DropBefore::lock_timeout). Runs
/// under READ COMMITTED only; best in a transaction of its own, since whatever the transaction did before stays locked
/// while the call waits.
///
/// # Errors
/// [`ReferenceError::StillReferenced`](crate::ReferenceError::StillReferenced) if a foreign key with `RESTRICT` references
/// such a row, unless [`keep_referenced`](DropBefore::keep_referenced);
/// [`LockTimeout`](crate::ReferenceError::LockTimeout), which is [transient](crate::transaction::Transient), if long
/// transactions were in the way all the time; [`IsolationTooHigh`](crate::ReferenceError::IsolationTooHigh) above READ
/// COMMITTED; [`RowSecurity`](crate::ReferenceError::RowSecurity) where a policy hides rows from the caller;
/// [`NotATarget`](crate::ReferenceError::NotATarget). Nothing has changed then.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// # a_reading(conn);
/// let report = references::drop_before(readings::time, Utc::now() - TimeDelta::days(730)).call(conn)?;
/// assert_eq!((report.chunks_dropped, report.rows_deleted), (0, 0));
/// # Ok(()) }) }
/// ```
pub fn drop_before<C>(time_column: C, cutoff: ValueOf<C>) -> DropBefore<C::SqlType>
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    DropBefore {
        table: relation_name(&C::Table::default()),
        cutoff: Moment::new::<C::SqlType>(Some(cutoff)),
        lock_timeout: PgInterval::from_microseconds(30_000_000),
        keep_referenced: false,
        time_type: PhantomData,
    }
}

/// The call that [`drop_before`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct DropBefore<ST> {
    table: Relation,
    cutoff: Moment,
    lock_timeout: PgInterval,
    keep_referenced: bool,
    time_type: PhantomData<ST>,
}

impl<ST> DropBefore<ST> {
    /// How long to go on trying while others have locked what is to be dropped. Default: 30 seconds. Zero tries once.
    pub fn lock_timeout(mut self, lock_timeout: TimeDelta) -> Self {
        self.lock_timeout = PgInterval::from_microseconds(lock_timeout.num_microseconds().unwrap_or(i64::MAX));
        self
    }

    /// Whether chunks stay that have a row which a foreign key with `RESTRICT` references; on a plain table only such
    /// rows stay. Default: `false`, which refuses to drop anything then.
    pub fn keep_referenced(mut self, keep: bool) -> Self {
        self.keep_referenced = keep;
        self
    }
}

/// What retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Serialize)]
#[non_exhaustive]
pub struct RetentionReport<V> {
    /// How many chunks were dropped.
    pub chunks_dropped: i64,
    /// How many rows were deleted from a table that is no hypertable. Rows in dropped chunks are not counted.
    pub rows_deleted: i64,
    /// How many of the rows that are gone were referenced.
    pub rows_released: i64,
    /// No row before this is left, but for those that were kept; `None` if no chunk was dropped.
    pub dropped_before: Option<V>,
}

impl<ST: TimeType> Statement for DropBefore<ST> {
    type SqlType = (BigInt, BigInt, BigInt, Nullable<Timestamptz>, Nullable<BigInt>);
    type Row = (i64, i64, i64, Option<TimestampOrInfinity>, Option<i64>);
    type Output = RetentionReport<ST::Value>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT chunks_dropped, rows_deleted, rows_released, dropped_before, dropped_before_integer \
             FROM diesel_timescale.drop_referenced_rows_before(",
        );
        push_relation(&self.table, &mut out)?;
        out.push_sql(", ");
        self.cutoff.push(&mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Interval, _>(&self.lock_timeout)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.keep_referenced)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        let (chunks_dropped, rows_deleted, rows_released, at, integer) = single::<_, Error>(rows)?;
        let dropped_before = ST::from_instant(Instant { at, integer });
        Ok(RetentionReport { chunks_dropped, rows_deleted, rows_released, dropped_before })
    }
}
