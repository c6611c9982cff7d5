//! Rows taken apart into columns.

use diesel::Insertable;

use super::bytes::ColumnBytes;
use super::check;
use super::error::BulkError;
use super::oid;
use super::validation::{InvalidRows, Violation, Violations};
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

    pub(super) fn has_defaults(&self) -> bool {
        !self.defaults.is_empty()
    }

    pub(super) fn is_all_default(&self) -> bool {
        self.has_defaults() && self.defaults.iter().all(|is_default| *is_default)
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

/// Checks one row.
pub(super) type ValidateFn<R> = fn(&R, &mut Violations);

impl Batch {
    /// Takes rows apart, and checks them all.
    pub(super) fn collect<R, Tab>(
        rows: impl Iterator<Item = R>,
        validate: Option<ValidateFn<R>>,
    ) -> Result<Self, BulkError>
    where
        R: Insertable<Tab, Values: Values<Tab>>,
    {
        let expected = rows.size_hint().0;
        let mut infos = Vec::new();
        <<R::Values as Values<Tab>>::Columns as ColumnValues<Tab>>::columns(&mut infos);
        // Arrays of a custom type look it up once more, for their header.
        let lookups =
            infos.iter().filter(|info| info.custom.is_some()).map(|info| 1 + usize::from(info.is_array())).sum();
        let mut columns: Vec<_> = infos.into_iter().map(|info| Column::new(info, expected)).collect();
        let mut violations = Violations::default();
        let mut values = RowValues::new();
        let mut count = 0;
        for row in rows {
            violations.row = count;
            if let Some(validate) = validate {
                validate(&row, &mut violations);
            }
            values.clear();
            if let Err(error) = row.values().columns().collect(&mut values) {
                let column = columns.get(values.collector.binds.len()).map_or("", |column| column.info.name);
                violations.push(count, column, Violation::Serialize(error.to_string()));
                values.collector.binds.resize(columns.len(), None);
            } else if values.lookup.calls > lookups {
                return Err(BulkError::UnsupportedType {
                    columns: columns
                        .iter()
                        .filter(|c| c.info.custom.is_some())
                        .map(|c| c.info.name.to_owned())
                        .collect(),
                });
            }
            for (column, value) in columns.iter_mut().zip(&values.collector.binds) {
                column.bytes.push(value.as_deref());
            }
            for (index, column) in columns.iter_mut().enumerate() {
                let Some(times) = &mut column.times else { continue };
                let time = values.times.iter().find(|(of, _)| *of == index);
                times.bytes.push(time.map(|(_, time)| time.as_slice()));
            }
            for index in &values.defaults {
                let defaults = &mut columns[*index].defaults;
                defaults.resize(count, false);
                defaults.push(true);
            }
            count += 1;
        }
        for column in &mut columns {
            if column.has_defaults() {
                column.defaults.resize(count, false);
            }
            check::values(column, &mut violations);
            if let Some(times) = &column.times {
                check::values(times, &mut violations);
            }
        }
        violations.finish()?;
        let Ok(rows) = u32::try_from(count) else {
            return Err(BulkError::TooManyRows { rows: count });
        };
        Ok(Self { columns, rows: count, order: (0..rows).collect() })
    }

    /// The index of a column by its name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.info.name == name)
    }

    /// The column of a key whose range bounds a batch: time, if there is one.
    pub(super) fn range_column(&self, key: &[usize]) -> Option<usize> {
        let has = |oid: u32| key.iter().copied().find(|index| self.columns[*index].info.oid == oid);
        oid::RANGES.into_iter().find_map(has)
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
    pub(super) fn refuse_nulls(&self, column: usize) -> Result<(), InvalidRows> {
        let mut violations = Violations::default();
        let Column { info, bytes, .. } = &self.columns[column];
        for (row, value) in bytes.iter().enumerate() {
            if value.is_none() {
                violations.push(row, info.name, Violation::Null);
            }
        }
        violations.finish()
    }
}
