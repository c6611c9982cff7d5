//! Sparse indexes: what the columnstore keeps of each batch of rows, so that a query need not read it.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;

use super::Columnstore;

impl<T> Columnstore<T>
where
    T: Table + QueryFragment<Pg>,
{
    /// Keeps a bloom filter of this column for each batch of rows, so that a query for one value reads only the batches
    /// that may have it; may be called for several columns. TimescaleDB 2.22 and later.
    ///
    /// Where no sparse index is named, TimescaleDB chooses some by itself.
    pub fn bloom<C: Column<Table = T>>(mut self, column: C) -> Self {
        let _ = column;
        self.bloom.push(C::NAME);
        self
    }

    /// Keeps the smallest and the largest value of this column for each batch of rows, so that a query for a range reads
    /// only the batches that overlap it; may be called for several columns. TimescaleDB 2.22 and later. The columns of
    /// the order have it without asking.
    pub fn minmax<C: Column<Table = T>>(mut self, column: C) -> Self {
        let _ = column;
        self.minmax.push(C::NAME);
        self
    }
}
