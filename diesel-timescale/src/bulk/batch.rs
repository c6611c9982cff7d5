//! Rows taken apart into columns.

use diesel::Insertable;

use super::bytes::ColumnBytes;
use super::check;
use super::error::BulkError;
use super::oid;
use super::validation::{Violation, Violations};
use super::values::{ColumnInfo, ColumnValues, RowValues, Values};

/// A column of a batch.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) info: ColumnInfo,
    pub(super) bytes: ColumnBytes,
    /// The rows that leave it to the database; empty if none does.
    pub(super) defaults: Vec<bool>,
    /// The times of the rows that it references, as a column: no column of the table.
    pub(super) times: Option<Box<Column>>,
}

impl Column {
    fn new(info: ColumnInfo, rows: usize) -> Self {
        let times = info.time.as_deref().map(|time| Box::new(Self::new(time.clone(), rows)));
        Self { info, bytes: ColumnBytes::with_capacity(rows), defaults: Vec::new(), times }
    }

    /// Adds the value that another column has in a row, as the row after so many.
    fn push_from(&mut self, other: &Self, row: usize, rows: usize) {
        self.bytes.push(other.bytes.get(row));
        if other.defaults.get(row).copied().unwrap_or(false) {
            self.defaults.resize(rows, false);
            self.defaults.push(true);
        }
        if let (Some(times), Some(from)) = (&mut self.times, &other.times) {
            times.push_from(from, row, rows);
        }
    }

    /// After the last row: checks all values.
    fn finish(&mut self, rows: usize, violations: &mut Violations) {
        if self.has_defaults() {
            self.defaults.resize(rows, false);
        }
        check::values(self, violations);
        if let Some(times) = &mut self.times {
            times.finish(rows, violations);
        }
    }

    pub(super) fn has_defaults(&self) -> bool {
        !self.defaults.is_empty()
    }

    pub(super) fn is_all_default(&self) -> bool {
        self.has_defaults() && self.defaults.iter().all(|is_default| *is_default)
    }
}

/// The columns of a row type, and how its rows are taken apart.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) infos: Vec<ColumnInfo>,
    /// How often a row asks for a custom type.
    lookups: usize,
}

impl Layout {
    pub(super) fn of<R, Tab>() -> Self
    where
        R: Insertable<Tab, Values: Values<Tab>>,
    {
        let mut infos = Vec::new();
        <<R::Values as Values<Tab>>::Columns as ColumnValues<Tab>>::columns(&mut infos);
        // Arrays of a custom type look it up once more, for their header.
        let lookups =
            infos.iter().filter(|info| info.custom.is_some()).map(|info| 1 + usize::from(info.is_array())).sum();
        Self { infos, lookups }
    }

    /// Takes a row apart; a value that cannot be serialized is a problem of the row.
    #[inline]
    pub(super) fn read<R, Tab>(
        &self,
        row: R,
        values: &mut RowValues,
        violations: &mut Violations,
    ) -> Result<(), BulkError>
    where
        R: Insertable<Tab, Values: Values<Tab>>,
    {
        values.clear();
        if violations.is_refused() {
            values.collector.binds.resize(self.infos.len(), None);
            return Ok(());
        }
        if let Err(error) = row.values().columns().collect(values) {
            let column = self.infos.get(values.collector.binds.len()).map_or("", |info| info.name);
            violations.push(violations.row, column, Violation::Serialize(error.to_string()));
            values.collector.binds.resize(self.infos.len(), None);
        } else if values.lookup.calls > self.lookups {
            let custom = self.infos.iter().filter(|info| info.custom.is_some());
            return Err(BulkError::UnsupportedType { columns: custom.map(|info| info.name.to_owned()).collect() });
        }
        Ok(())
    }

    /// The indexes of these columns.
    pub(super) fn indexes(&self, names: &[&str]) -> Vec<usize> {
        let index = |name: &&str| self.infos.iter().position(|info| info.name == *name);
        names.iter().filter_map(index).collect()
    }
}

/// The rows of one call.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) columns: Vec<Column>,
    /// How many rows were given.
    pub(super) rows: usize,
    /// The rows that are written, in the order in which they are.
    pub(super) order: Vec<u32>,
}

impl Batch {
    /// No rows yet, with room for as many as are expected.
    pub(super) fn empty(layout: &Layout, expected: usize) -> Self {
        let columns = layout.infos.iter().map(|info| Column::new(info.clone(), expected)).collect();
        Self { columns, rows: 0, order: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, values: &RowValues) {
        for (column, value) in self.columns.iter_mut().zip(&values.collector.binds) {
            column.bytes.push(value.as_deref());
            if let Some(times) = &mut column.times {
                times.bytes.push(None);
            }
        }
        for (index, time) in &values.times {
            if let Some(times) = &mut self.columns[*index].times {
                times.bytes.replace_last(Some(time));
            }
        }
        for index in &values.defaults {
            let defaults = &mut self.columns[*index].defaults;
            defaults.resize(self.rows, false);
            defaults.push(true);
        }
        self.rows += 1;
    }

    /// After the last row: checks all values, and tells these violations with the others.
    pub(super) fn finish(&mut self, mut violations: Violations) -> Result<(), BulkError> {
        for column in &mut self.columns {
            column.finish(self.rows, &mut violations);
        }
        violations.finish()?;
        let Ok(rows) = u32::try_from(self.rows) else {
            return Err(BulkError::TooManyRows { rows: self.rows });
        };
        self.order = (0..rows).collect();
        Ok(())
    }

    /// Adds a row of another batch of the same layout.
    pub(super) fn push_from(&mut self, other: &Self, row: usize) {
        for (column, from) in self.columns.iter_mut().zip(&other.columns) {
            column.push_from(from, row, self.rows);
        }
        self.rows += 1;
    }

    /// These rows in a batch of their own.
    pub(super) fn picked(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| Column::new(column.info.clone(), rows.len())).collect();
        let order = (0..u32::try_from(rows.len()).unwrap_or(u32::MAX)).collect();
        let mut picked = Self { columns, rows: 0, order };
        rows.iter().for_each(|row| picked.push_from(self, *row));
        for column in picked.columns.iter_mut().filter(|column| column.has_defaults()) {
            column.defaults.resize(rows.len(), false);
        }
        picked
    }

    /// The index of a column by its name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.info.name == name)
    }

    /// The column of a key whose range bounds a batch: time, if there is one.
    pub(super) fn range_column(&self, key: &[usize]) -> Option<usize> {
        oid::range(key, |index| self.columns[index].info.oid)
    }

    /// How many rows are written.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn deduplicated(&self) -> usize {
        self.rows - self.order.len()
    }

    /// Whether a row has no value in one of these columns.
    pub(super) fn is_null_in(&self, columns: &[usize], row: u32) -> bool {
        columns.iter().any(|column| self.columns[*column].bytes.get(row as usize).is_none())
    }

    /// The values of a column, in the order in which they are written.
    pub(super) fn values(&self, column: usize) -> impl Iterator<Item = Option<&[u8]>> + Clone {
        let bytes = &self.columns[column].bytes;
        self.order.iter().map(move |row| bytes.get(*row as usize))
    }

    /// Refuses all rows without a value in a column.
    pub(super) fn refuse_nulls(&self, column: usize) -> Result<(), BulkError> {
        let mut violations = Violations::default();
        let Column { info, bytes, defaults, .. } = &self.columns[column];
        let is_default = |row: usize| defaults.get(row).copied().unwrap_or(false);
        let nulls = || bytes.iter().enumerate().filter(|(_, value)| value.is_none()).map(|(row, _)| row);
        // What is left to the database has no value only if there is nothing else.
        let has_explicit = nulls().any(|row| !is_default(row));
        for row in nulls().filter(|row| !has_explicit || !is_default(*row)) {
            violations.push(row, info.name, Violation::Null);
        }
        violations.finish()
    }
}
