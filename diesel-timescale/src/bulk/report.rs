//! What a bulk write did.

use serde::Serialize;
use std::ops::AddAssign;

/// What an upsert did with the rows that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that were stored and have changed.
    pub updated: u64,
    /// Rows that were stored already without a difference, that the call does not update, or that a trigger kept from
    /// being written.
    pub unchanged: u64,
    /// Rows that were left out because another row of the same batch has their key.
    pub deduplicated: u64,
}

impl Report {
    /// The number of rows that were given.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.deduplicated
    }

    pub(super) fn new(rows: usize, deduplicated: usize, (inserted, updated): (i64, i64)) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let (inserted, updated) = (count(inserted), count(updated));
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let deduplicated = u64::try_from(deduplicated).unwrap_or(u64::MAX);
        Self { inserted, updated, unchanged: (rows - deduplicated).saturating_sub(inserted + updated), deduplicated }
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deduplicated += other.deduplicated;
    }
}
