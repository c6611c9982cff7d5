//! Rows that repeat one another inside a batch.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};

use super::check::{InvalidRow, Problem};

/// What to do with rows of one batch that have the same key.
///
/// PostgreSQL itself refuses them (error 21000), because the result would depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeats {
    /// The last one counts.
    #[default]
    LastWins,
    /// The first one counts.
    FirstWins,
    /// Two rows with the same key are an error.
    Error,
}

impl Repeats {
    /// The rows that count, in the order of their keys' first appearance.
    pub(super) fn resolve<'a, R, K: Eq + Hash>(
        self,
        rows: &'a [R],
        field: &'static str,
        key: impl Fn(&'a R) -> K,
    ) -> Result<Vec<&'a R>, InvalidRow> {
        // For each row that counts: the row, and its index in what was given.
        let mut counting: Vec<(&'a R, usize)> = Vec::with_capacity(rows.len());
        let mut positions = HashMap::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            match positions.entry(key(row)) {
                Entry::Vacant(entry) => {
                    entry.insert(counting.len());
                    counting.push((row, index));
                }
                Entry::Occupied(entry) => match self {
                    Self::LastWins => counting[*entry.get()].0 = row,
                    Self::FirstWins => {}
                    Self::Error => {
                        let problem = Problem::Repeats(counting[*entry.get()].1);
                        return Err(InvalidRow { row: index, field, problem });
                    }
                },
            }
        }
        Ok(counting.into_iter().map(|(row, _)| row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [(char, u8); 5] = [('a', 1), ('b', 2), ('a', 3), ('c', 4), ('a', 5)];

    fn resolve(repeats: Repeats) -> Result<Vec<(char, u8)>, InvalidRow> {
        Ok(repeats.resolve(&ROWS, "letter", |row| row.0)?.into_iter().copied().collect())
    }

    #[test]
    fn the_last_or_the_first_counts_in_the_order_of_the_first() {
        assert_eq!(resolve(Repeats::LastWins).unwrap(), [('a', 5), ('b', 2), ('c', 4)]);
        assert_eq!(resolve(Repeats::FirstWins).unwrap(), [('a', 1), ('b', 2), ('c', 4)]);
    }

    #[test]
    fn an_error_names_both_rows() {
        let error = resolve(Repeats::Error).unwrap_err();
        assert_eq!(error.to_string(), "row 2, letter: repeats row 0");
    }
}
