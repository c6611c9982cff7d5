//! Rows of one batch with the same key, and the order in which rows are written.

use std::cmp::Ordering;

use super::batch::Batch;
use super::bytes::ColumnBytes;
use super::validation::{InvalidRows, Problem, Problems};

/// What to do with rows of one batch that have the same key. (PostgreSQL refuses to write a row twice in one statement.)
///
/// Whether two keys are the same is what the unique index says, also where it calls values equal that are not
/// identical, such as `citext`. A key with a null is never the same as another one, unless the index is
/// `NULLS NOT DISTINCT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// The last one counts, as if the rows were written one after the other.
    #[default]
    KeepLast,
    /// The first one counts.
    KeepFirst,
    /// Nothing is written, and all repeats are told: [`Problem::Repeats`].
    Fail,
}

/// Sorts the rows of the batch by key, and leaves each key once. Two keys are the same if their bytes are.
pub(super) fn resolve(
    batch: &mut Batch,
    key: &[usize],
    nulls_distinct: bool,
    policy: OnDuplicate,
) -> Result<(), InvalidRows> {
    let columns: Vec<&ColumnBytes> = key.iter().map(|index| &batch.columns[*index].bytes).collect();
    let compare = |a: u32, b: u32| {
        let mut orders = columns.iter().map(|column| column.get(a as usize).cmp(&column.get(b as usize)));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let is_null = |row: u32| nulls_distinct && columns.iter().any(|column| column.get(row as usize).is_none());
    let mut order = std::mem::take(&mut batch.order);
    if !order.windows(2).all(|pair| compare(pair[0], pair[1]).is_lt()) {
        // Stable: of rows with the same key, the first one comes first.
        match SortKeys::new(&columns, batch.rows) {
            Some(keys) => order.sort_by(|a, b| keys.get(*a).cmp(keys.get(*b))),
            None => order.sort_by(|a, b| compare(*a, *b)),
        }
    }
    batch.order = keep(order, |a, b| compare(a, b).is_eq() && !is_null(a), policy, || names(batch, key))?;
    Ok(())
}

/// As [`resolve`], by what the database says: for each row, the rank of its key.
pub(super) fn resolve_by_rank(
    batch: &mut Batch,
    key: &[usize],
    nulls_distinct: bool,
    ranks: &[i64],
    policy: OnDuplicate,
) -> Result<(), InvalidRows> {
    let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or_default();
    let mut order = std::mem::take(&mut batch.order);
    order.sort_by_key(|row| rank(*row));
    let is_same = |a: u32, b: u32| rank(a) == rank(b) && !(nulls_distinct && batch.is_null_in(key, a));
    let kept = keep(order, is_same, policy, || names(batch, key))?;
    batch.order = kept;
    Ok(())
}

fn names(batch: &Batch, key: &[usize]) -> String {
    key.iter().map(|index| batch.columns[*index].info.name).collect::<Vec<_>>().join(", ")
}

/// Leaves one row of each run of rows that are the same.
fn keep(
    order: Vec<u32>,
    is_same: impl Fn(u32, u32) -> bool,
    policy: OnDuplicate,
    names: impl Fn() -> String,
) -> Result<Vec<u32>, InvalidRows> {
    let mut kept: Vec<u32> = Vec::with_capacity(order.len());
    let mut problems = Problems::default();
    for row in order {
        match kept.last_mut() {
            Some(last) if is_same(*last, row) => match policy {
                OnDuplicate::KeepLast => *last = row,
                OnDuplicate::KeepFirst => {}
                OnDuplicate::Fail => problems.push(row as usize, names(), Problem::Repeats(*last as usize)),
            },
            _ => kept.push(row),
        }
    }
    problems.finish()?;
    Ok(kept)
}

/// The key of each row as one string of bytes that sorts as its columns do.
struct SortKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SortKeys {
    /// `None` where it could not be told where a value ends.
    fn new(columns: &[&ColumnBytes], rows: usize) -> Option<Self> {
        let fixed: Vec<bool> = columns.iter().map(|column| column.is_fixed()).collect();
        let capacity = columns.iter().map(|column| column.all().len() + rows).sum();
        let mut keys = Self { bytes: Vec::with_capacity(capacity), ends: Vec::with_capacity(rows) };
        for row in 0..rows {
            for (column, fixed) in columns.iter().zip(&fixed) {
                let value = column.get(row)?;
                keys.bytes.extend_from_slice(value);
                if !fixed {
                    if value.contains(&0) {
                        return None;
                    }
                    keys.bytes.push(0);
                }
            }
            keys.ends.push(keys.bytes.len());
        }
        Some(keys)
    }

    #[inline]
    fn get(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}
