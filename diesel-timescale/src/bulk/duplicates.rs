//! Rows of one batch with the same key, and the order in which rows are written.

use std::cmp::Ordering;

use foldhash::HashMap;
use serde::Serialize;

use super::batch::Batch;
use super::bytes::ColumnBytes;
use super::error::BulkError;
use super::validation::{Violation, Violations};

/// What to do with rows of one batch that have the same key. (PostgreSQL refuses to write a row twice in one statement.)
///
/// Whether two keys are the same is what the unique index says, also where it calls values equal that are not
/// identical, such as `citext`. A key with a null is never the same as another one, unless the index is
/// `NULLS NOT DISTINCT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDuplicate {
    /// The last one counts, as if the rows were written one after the other.
    #[default]
    KeepLast,
    /// The first one counts.
    KeepFirst,
    /// Nothing is written, and the error lists all repeats: [`Violation::Repeats`].
    Fail,
}

impl OnDuplicate {
    /// The name as `Serialize` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepLast => "keep_last",
            Self::KeepFirst => "keep_first",
            Self::Fail => "fail",
        }
    }
}

/// Sorts the rows of the batch by columns, and leaves each row: of rows that are the same in these columns, those that
/// come first stay first.
pub(super) fn sort(batch: &mut Batch, columns: &[usize]) {
    let columns: Vec<&ColumnBytes> = columns.iter().map(|index| &batch.columns[*index].bytes).collect();
    let mut order = std::mem::take(&mut batch.order);
    order.sort_by(|a, b| compare(&columns, *a, *b));
    batch.order = order;
}

/// Sorts the rows of the batch by key, and leaves each key once. Two keys are the same if their bytes are.
///
/// `order` has the columns of the key in the order in which they count.
pub(super) fn resolve(
    batch: &mut Batch,
    key: &[usize],
    order: &[usize],
    nulls_distinct: bool,
    policy: OnDuplicate,
) -> Result<(), BulkError> {
    let columns: Vec<&ColumnBytes> = order.iter().map(|index| &batch.columns[*index].bytes).collect();
    let mut order = std::mem::take(&mut batch.order);
    let kept = match codes(&columns, batch.rows) {
        Some(codes) => {
            let code = |row: u32| codes[row as usize];
            if !order.is_sorted_by(|a, b| code(*a) < code(*b)) {
                let mut coded: Vec<_> = order.iter().map(|row| (code(*row), *row)).collect();
                coded.sort_unstable();
                order = coded.into_iter().map(|(_, row)| row).collect();
            }
            keep(order, |a, b| code(a) == code(b), policy, || names(batch, key))?
        }
        None => {
            let is_null = |row: u32| nulls_distinct && batch.is_null_in(key, row);
            // Stable: of rows with the same key, the first one comes first.
            order.sort_by(|a, b| compare(&columns, *a, *b));
            keep(order, |a, b| compare(&columns, a, b).is_eq() && !is_null(a), policy, || names(batch, key))?
        }
    };
    batch.order = kept;
    Ok(())
}

/// As [`resolve`], by what the database says: for each row, the rank of its key.
pub(super) fn resolve_by_rank(
    batch: &mut Batch,
    key: &[usize],
    nulls_distinct: bool,
    ranks: &[i64],
    policy: OnDuplicate,
) -> Result<(), BulkError> {
    let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or_default();
    let mut order = std::mem::take(&mut batch.order);
    order.sort_by_key(|row| rank(*row));
    let is_same = |a: u32, b: u32| rank(a) == rank(b) && !(nulls_distinct && batch.is_null_in(key, a));
    let kept = keep(order, is_same, policy, || names(batch, key))?;
    batch.order = kept;
    Ok(())
}

/// Compares two rows by their bytes, column by column; nulls come first.
fn compare(columns: &[&ColumnBytes], a: u32, b: u32) -> Ordering {
    let mut orders = columns.iter().map(|column| column.get(a as usize).cmp(&column.get(b as usize)));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
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
) -> Result<Vec<u32>, BulkError> {
    let mut kept: Vec<u32> = Vec::with_capacity(order.len());
    let mut violations = Violations::default();
    for row in order {
        match kept.last_mut() {
            Some(last) if is_same(*last, row) => match policy {
                OnDuplicate::KeepLast => *last = row,
                OnDuplicate::KeepFirst => {}
                OnDuplicate::Fail => violations.push(row as usize, names(), Violation::Repeats(*last as usize)),
            },
            _ => kept.push(row),
        }
    }
    violations.finish()?;
    Ok(kept)
}

/// A number for the key of each row that compares as its bytes do; `None` if that takes more than 16 bytes, or does not
/// pay off.
fn codes(columns: &[&ColumnBytes], rows: usize) -> Option<Vec<u128>> {
    if columns.len() > 2 || columns.iter().any(|column| column.has_nulls()) {
        return None;
    }
    let mut codes = vec![0; rows];
    for column in columns {
        if column.is_fixed() && column.all().len() <= 8 * rows {
            for (code, value) in codes.iter_mut().zip(column.iter().flatten()) {
                let value = value.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
                *code = *code << 64 | u128::from(value);
            }
        } else {
            let ranks = ranks(column, rows)?;
            for (code, rank) in codes.iter_mut().zip(ranks) {
                *code = *code << 64 | u128::from(rank);
            }
        }
    }
    Some(codes)
}

/// The rank of each value among the different ones, if most values are there several times.
fn ranks(column: &ColumnBytes, rows: usize) -> Option<Vec<u64>> {
    let mut places: HashMap<&[u8], usize> = HashMap::default();
    let mut of_rows = Vec::with_capacity(rows);
    for value in column.iter().flatten() {
        let place = places.len();
        of_rows.push(*places.entry(value).or_insert(place));
        if places.len() > rows / 4 + 16 {
            return None;
        }
    }
    let mut values: Vec<_> = places.into_iter().collect();
    values.sort_unstable();
    let mut ranks = vec![0; values.len()];
    for (rank, (_, place)) in (0..).zip(values) {
        ranks[place] = rank;
    }
    Some(of_rows.into_iter().map(|place| ranks[place]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&[u8]]) -> ColumnBytes {
        let mut column = ColumnBytes::with_capacity(values.len());
        values.iter().for_each(|value| column.push(Some(value)));
        column
    }

    /// Whatever the way, the order is that of the bytes, column by column: writers must agree on it.
    #[test]
    fn codes_compare_as_the_bytes_do() {
        let texts = column(&[b"b", b"ab", b"a", b"", b"a\xff", b"ab", b"a\0", b"b"]);
        let numbers = column(&[&[0, 9], &[0, 1], &[9, 0], &[1, 1], &[0, 0], &[0, 2], &[255, 0], &[0, 9]]);
        for columns in [vec![&texts], vec![&numbers], vec![&texts, &numbers], vec![&numbers, &texts]] {
            let codes = codes(&columns, 8).unwrap();
            let bytes = |row: usize| columns.iter().map(|column| column.get(row)).collect::<Vec<_>>();
            for (a, b) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))) {
                assert_eq!(codes[a].cmp(&codes[b]), bytes(a).cmp(&bytes(b)), "{a} {b}");
            }
        }
    }
}
