//! What a writer knows of its rows.

use diesel::Insertable;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::lane::Taken;
use super::options::{Options, Sent};
use crate::bulk::batch::{Batch, Layout};
use crate::bulk::collector::ValidateFn;
use crate::bulk::error::BulkError;
use crate::bulk::oid;
use crate::bulk::run::Target;
use crate::bulk::settings::Settings;
use crate::bulk::validation::Violations;
use crate::bulk::values::{RowValues, Values};
use crate::bulk::work::Work;

type ReadFn<R> = fn(&Layout, R, &mut RowValues, &mut Violations) -> Result<(), BulkError>;

/// Takes rows apart, and chooses the way of each.
pub(super) struct Kind<R> {
    pub(super) layout: Layout,
    pub(super) target: Target,
    pub(super) settings: Settings,
    key: Vec<usize>,
    read: ReadFn<R>,
    validate: Option<ValidateFn<R>>,
    hasher: RandomState,
}

impl<R> Kind<R> {
    /// Takes apart what the caller has chosen.
    pub(super) fn of<Tab>(work: Work<Sent<R>, Tab>) -> Result<(Options<R>, Self), BulkError>
    where
        R: Insertable<Tab, Values: Values<Tab>>,
        Tab: Table<SqlType: SqlType> + Default,
        Tab::FromClause: QueryFragment<Pg>,
    {
        let layout = Layout::of::<R, Tab>();
        let kind = Self {
            key: layout.indexes(&work.settings.key),
            layout,
            target: Work::<Sent<R>, Tab>::target()?,
            settings: work.settings,
            read: Layout::read::<R, Tab>,
            validate: work.validate,
            hasher: RandomState::default(),
        };
        Ok((work.source.options, kind))
    }

    /// Takes a row apart, after it was checked.
    pub(super) fn read(&self, row: &R) -> Result<RowValues, BulkError>
    where
        R: Clone,
    {
        let mut violations = Violations::default();
        if let Some(validate) = self.validate {
            validate(row, &mut violations);
        }
        let mut values = RowValues::new();
        if !violations.is_refused() {
            (self.read)(&self.layout, row.clone(), &mut values, &mut violations)?;
        }
        violations.finish()?;
        Ok(values)
    }

    /// How much a row counts: its size, twice what is sent, and what is kept for each column.
    pub(super) fn bytes(values: &RowValues) -> usize {
        let sent: usize = values.collector.binds.iter().flatten().map(Vec::len).sum();
        size_of::<Taken<R>>() + 2 * sent + values.collector.binds.len() * (size_of::<usize>() + size_of::<bool>())
    }

    /// The columns that choose the way, by what the database says of each column of the key.
    ///
    /// Time does not, if there are others: batches of new rows are written faster if no other connection writes into the
    /// same range of the same device.
    pub(super) fn route(&self, exact: &[bool]) -> Vec<usize> {
        let exact = self.key.iter().zip(exact).filter(|(_, exact)| **exact).map(|(index, _)| *index);
        let exact: Vec<_> = exact.collect();
        let range = oid::range(&self.key, |index| self.layout.infos[index].oid);
        let others: Vec<_> = exact.iter().copied().filter(|index| Some(*index) != range).collect();
        if others.is_empty() { exact } else { others }
    }

    /// A number that is the same for rows with the same values in these columns.
    pub(super) fn hash(&self, columns: &[usize], values: &RowValues) -> u64 {
        self.hash_of(columns.iter().map(|index| values.collector.binds.get(*index)?.as_deref()))
    }

    /// The same of a row of a batch.
    pub(super) fn hash_in(&self, columns: &[usize], batch: &Batch, row: usize) -> u64 {
        self.hash_of(columns.iter().map(|index| batch.columns[*index].bytes.get(row)))
    }

    fn hash_of<'v>(&self, values: impl Iterator<Item = Option<&'v [u8]>>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for value in values {
            hasher.write_usize(value.map_or(usize::MAX, <[u8]>::len));
            hasher.write(value.unwrap_or_default());
        }
        hasher.finish()
    }
}
