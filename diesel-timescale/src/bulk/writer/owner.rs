//! What all rows are given to, until it is dropped.

use std::fmt;
use std::sync::Arc;

use super::shared::Shared;
use super::trace;

/// Ends the writer when it is dropped.
pub(super) struct Owner<R>(pub(super) Arc<Shared<R>>);

impl<R> Drop for Owner<R> {
    fn drop(&mut self) {
        let waiting = self.0.close();
        trace::ended(&self.0.kind.target.table, waiting, &self.0.status());
        if cfg!(debug_assertions) && waiting > 0 {
            eprintln!("diesel-timescale: a Writer was dropped while {waiting} rows waited: call finish() before");
        }
    }
}

impl<R> fmt::Debug for Owner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
