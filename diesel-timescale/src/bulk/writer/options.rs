//! What the caller has chosen for a writer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bulk::error::BulkError;
use crate::bulk::source::Source;
use crate::bulk::upsert::Upsert;

/// Rows that are sent to a writer, one by one.
pub struct Sent<R> {
    pub(super) options: Options<R>,
}

impl<R> Source for Sent<R> {
    type Row = R;

    async fn next_rows(&mut self, _: usize) -> Vec<R> {
        Vec::new()
    }
}

impl<R> fmt::Debug for Sent<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

pub(super) type OnRejected<R> = Arc<dyn Fn(R, &BulkError) + Send + Sync>;

pub(super) struct Options<R> {
    /// A batch goes when it has so many rows, or when its first row has waited for so long.
    pub(super) batch_rows: usize,
    pub(super) batch_after: Duration,
    pub(super) connections: usize,
    /// What may wait, with what is being written.
    pub(super) max_rows: usize,
    pub(super) max_bytes: usize,
    pub(super) drops_oldest: bool,
    pub(super) give_up_after: Option<Duration>,
    pub(super) on_rejected: Option<OnRejected<R>>,
}

impl<R> Default for Options<R> {
    fn default() -> Self {
        Self {
            batch_rows: 5_000,
            batch_after: Duration::from_millis(200),
            connections: 1,
            max_rows: 100_000,
            max_bytes: 64 << 20,
            drops_oldest: false,
            give_up_after: None,
            on_rejected: None,
        }
    }
}

impl<R> fmt::Debug for Options<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("batch_rows", &self.batch_rows)
            .field("batch_after", &self.batch_after)
            .field("connections", &self.connections)
            .field("max_rows", &self.max_rows)
            .field("max_bytes", &self.max_bytes)
            .field("drops_oldest", &self.drops_oldest)
            .field("give_up_after", &self.give_up_after)
            .finish_non_exhaustive()
    }
}

/// What a writer does beside what an upsert does: see [`writer`](super::writer).
impl<R, Tab> Upsert<Sent<R>, Tab> {
    fn options(&mut self) -> &mut Options<R> {
        &mut self.0.source.options
    }

    /// A batch is written when it has this many rows, at least one, or when its first row has waited for this long.
    /// Default: 5,000 rows, 200 ms.
    ///
    /// A batch also goes when it has 16 MiB, when the writer is full, and when it finishes. While one batch of a
    /// connection is written, the next one grows.
    pub fn batch_of(mut self, rows: usize, after: Duration) -> Self {
        self.options().batch_rows = rows.max(1);
        self.options().batch_after = after;
        self
    }

    /// How many connections write at the same time, at least one. Default: one.
    ///
    /// All rows of one key go through the same connection, so that the last one sent is the one that is stored. The
    /// connection is chosen by a hash of the columns of the key, without the time if there are others: all rows of a
    /// device go through one connection. Columns that the database does not compare by their bytes (`citext`,
    /// `numeric`, floats, `bpchar`, a precision, a collation that is not deterministic) are not hashed; if the key has
    /// only such columns, one connection writes.
    pub fn connections(mut self, connections: usize) -> Self {
        self.options().connections = connections.max(1);
        self
    }

    /// How much the writer holds at most, with what is being written: rows, and bytes of them. Default: 100,000 rows,
    /// 64 MiB.
    ///
    /// A row counts with its size in memory and twice what is sent for it: as it is sent, and as the row itself, which is
    /// kept to be given back if it cannot be stored. (A single row that is larger is taken when nothing else waits.) The
    /// statement of a batch that is being written takes about the memory of the batch once more.
    ///
    /// Batches are at most half of what all connections may hold.
    pub fn holding(mut self, rows: usize, bytes: usize) -> Self {
        self.options().max_rows = rows.max(1);
        self.options().max_bytes = bytes;
        self
    }

    /// When the writer is full, the row that has waited the longest makes room, and is counted as
    /// [`dropped`](super::WriterStatus::dropped). Default: [`send`](super::Writer::send) waits for room.
    ///
    /// Rows that are being written are not dropped. If nothing else is there, the new row is.
    pub fn drop_oldest(mut self) -> Self {
        self.options().drops_oldest = true;
        self
    }

    /// For how long a batch that fails with a transient error is tried again. After that its rows are rejected with
    /// [`BulkError::NotInTime`]. Default: without limit.
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.options().give_up_after = Some(limit);
        self
    }

    /// Receives each row that can never be stored, with its error: one that names the row as row 0. Default: such rows
    /// are counted, and `finish` fails with the error of the first.
    ///
    /// Where PostgreSQL does not say which row of a batch it refuses, the writer halves the batch until it finds the
    /// row, and stores the others. The closure runs in the caller of `send`, or in the thread or task that writes,
    /// which waits for it. A panic in it is caught.
    ///
    /// A row can never be stored if its error is not transient: a value or a constraint, or a table, a column, an index
    /// or a right that is missing.
    pub fn on_rejected(mut self, on_rejected: impl Fn(R, &BulkError) + Send + Sync + 'static) -> Self {
        self.options().on_rejected = Some(Arc::new(on_rejected));
        self
    }
}
