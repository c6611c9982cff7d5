//! What is the same for all statements over a batch: the table, its columns, and how each is sent.

use std::sync::OnceLock;

use super::batch::Batch;
use super::binds::Groups;
use super::facts::Facts;
use super::oid;
use super::settings::Settings;
use super::sql::{Piece, quote};
use super::write_sql::is_new;

/// How the values of a column are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As an array.
    Plain,
    /// Different values once, and the position of each row's: JSON costs more to read than all other columns together.
    Dictionary,
    /// Its values are arrays, and PostgreSQL has no array of arrays: all elements, with the row of each.
    Elements,
}

/// A column that is written.
#[derive(Debug, Clone)]
pub(super) struct PlannedColumn {
    /// Its index in the batch.
    pub(super) index: usize,
    /// Its name, quoted.
    pub(super) name: String,
    pub(super) encoding: Encoding,
    /// Its type in the table, if that is known.
    pub(super) cast: Option<String>,
    /// What computes the value for the rows that leave it to the database, if some do and others do not.
    pub(super) default: Option<String>,
}

/// A column that a conflict updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set {
    /// Its index in the batch.
    pub(super) index: usize,
    /// Whether a null leaves what is stored.
    pub(super) keep_if_null: bool,
}

/// What the statements over a batch have in common.
#[derive(Debug)]
pub(super) struct Plan {
    /// The table, quoted.
    pub(super) table: String,
    pub(super) columns: Vec<PlannedColumn>,
    /// All columns of the batch by name, quoted; also those that are left to the database.
    pub(super) names: Vec<String>,
    pub(super) key: Vec<usize>,
    pub(super) set: Vec<Set>,
    /// The column of the key that bounds a look at the table.
    pub(super) range: Option<usize>,
    pub(super) overriding_system_value: bool,
    /// That a row that was written is new, as SQL.
    pub(super) is_new: String,
    /// The different combinations of the other columns of the key, once a statement needs them.
    groups: OnceLock<Groups>,
}

/// Dictionaries are short, as an array finds an element by walking to it.
const LONGEST_DICTIONARY: usize = 256;

impl Plan {
    pub(super) fn new(table: String, batch: &Batch, key: &[usize], settings: &Settings, facts: Option<&Facts>) -> Self {
        let names: Vec<_> = batch.columns.iter().map(|column| quote(column.info.name)).collect();
        let mut columns = Vec::with_capacity(names.len());
        for (index, column) in batch.columns.iter().enumerate() {
            let default = facts.and_then(|facts| facts.defaults[index].clone());
            if default.is_some() && column.is_all_default() {
                continue;
            }
            let encoding = match column.info.oid {
                _ if column.info.is_array() => Encoding::Elements,
                oid::JSON | oid::JSONB if batch.has_few_values(index, LONGEST_DICTIONARY) => Encoding::Dictionary,
                _ => Encoding::Plain,
            };
            columns.push(PlannedColumn {
                index,
                name: names[index].clone(),
                encoding,
                cast: facts.map(|facts| facts.types[index].clone()),
                default: default.filter(|_| column.has_defaults()),
            });
        }
        let update = &settings.update;
        let keep = |index: usize| update.keep_if_null.contains(&batch.columns[index].info.name);
        let set = (0..batch.columns.len())
            .filter(|index| update.is_updated(batch.columns[*index].info.name, key.contains(index)))
            .map(|index| Set { index, keep_if_null: keep(index) })
            .collect();
        let range = batch.range_column(key);
        let overriding_system_value = settings.overriding_system_value;
        let is_new = is_new(&table, key.iter().map(|index| names[*index].as_str()), facts);
        Self {
            table,
            columns,
            names,
            key: key.to_vec(),
            set,
            range,
            overriding_system_value,
            is_new,
            groups: OnceLock::new(),
        }
    }

    /// The columns of the key that do not bound a look.
    pub(super) fn others(&self) -> Vec<usize> {
        self.key.iter().copied().filter(|index| Some(*index) != self.range).collect()
    }

    /// The different combinations of these columns in the batch that the plan is of, and the range of each.
    pub(super) fn groups(&self, batch: &Batch) -> &Groups {
        self.groups.get_or_init(|| batch.groups(&self.others(), self.range))
    }

    pub(super) fn column(&self, index: usize) -> Option<&PlannedColumn> {
        self.columns.iter().find(|column| column.index == index)
    }

    /// Whether it is the first column that is written.
    pub(super) fn is_first(&self, index: usize) -> bool {
        self.columns.first().is_some_and(|column| column.index == index)
    }

    /// `c3`, as the type that the column has in the table.
    pub(super) fn value(&self, alias: &str, index: usize) -> String {
        self.cast(format!("{alias}.c{index}"), index)
    }

    /// What was sent for a column, as the type that the column has in the table.
    pub(super) fn cast(&self, sent: String, index: usize) -> String {
        match self.column(index).and_then(|column| column.cast.as_deref()) {
            Some(cast) => format!("{sent}::{cast}"),
            None => sent,
        }
    }

    /// Whether rows can be compared with stored ones: not if the database computes values of their own.
    pub(super) fn is_comparable(&self) -> bool {
        self.columns.len() == self.names.len() && self.columns.iter().all(|column| column.default.is_none())
    }

    /// What is bound for a column among the rows of a batch.
    pub(super) fn piece(column: &PlannedColumn) -> Piece {
        match column.encoding {
            Encoding::Plain => Piece::Column(column.index),
            Encoding::Dictionary => Piece::Positions(column.index),
            Encoding::Elements => Piece::ElementNulls(column.index),
        }
    }
}
