//! Rows that are being taken apart.

use std::marker::PhantomData;

use diesel::Insertable;

use super::batch::{Batch, Layout};
use super::error::BulkError;
use super::validation::Violations;
use super::values::{RowValues, Values};

/// Checks one row.
pub(super) type ValidateFn<R> = fn(&R, &mut Violations);

/// Takes rows apart, and checks them all.
pub(super) struct Collector<I: Iterator, Tab> {
    rows: I,
    validate: Option<ValidateFn<I::Item>>,
    layout: Layout,
    values: RowValues,
    violations: Violations,
    batch: Batch,
    is_done: bool,
    table: PhantomData<fn() -> Tab>,
}

impl<I, Tab> Collector<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
{
    pub(super) fn new(rows: I, validate: Option<ValidateFn<I::Item>>) -> Self {
        let layout = Layout::of::<I::Item, Tab>();
        let batch = Batch::empty(&layout, rows.size_hint().0);
        let (values, violations) = (RowValues::new(), Violations::default());
        Self { rows, validate, layout, values, violations, batch, is_done: false, table: PhantomData }
    }

    /// Takes up to so many more rows apart.
    pub(super) fn take(&mut self, most: usize) -> Result<(), BulkError> {
        for _ in 0..most {
            let Some(row) = self.rows.next() else {
                self.is_done = true;
                break;
            };
            self.violations.row = self.batch.rows;
            if let Some(validate) = self.validate {
                validate(&row, &mut self.violations);
            }
            self.layout.read::<I::Item, Tab>(row, &mut self.values, &mut self.violations)?;
            self.batch.push(&self.values);
        }
        Ok(())
    }

    /// Takes all rows that are left apart, and checks all values.
    pub(super) fn all(mut self) -> Result<Batch, BulkError> {
        self.take(usize::MAX)?;
        self.check()?;
        Ok(self.batch)
    }

    /// After the last row: checks all values.
    pub(super) fn check(&mut self) -> Result<(), BulkError> {
        self.batch.finish(std::mem::take(&mut self.violations))
    }

    /// Whether it has come to the last row.
    #[cfg(feature = "sync")]
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether nothing is wrong so far. (The values of columns are checked at the end.)
    #[cfg(feature = "sync")]
    pub(super) fn is_valid(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many rows there are at least.
    #[cfg(feature = "sync")]
    pub(super) fn expected(&self) -> usize {
        self.batch.rows + self.rows.size_hint().0
    }

    /// The rows so far.
    #[cfg(feature = "sync")]
    pub(super) fn so_far(&self) -> &Batch {
        &self.batch
    }
}
