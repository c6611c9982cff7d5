//! The call.

use std::fmt;
use std::marker::PhantomData;

use diesel::Insertable;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

use super::batch::{Batch, ValidateFn};
use super::columns::{Among, Columns};
use super::driver::Driver;
use super::duplicates::OnDuplicate;
use super::error::BulkError;
use super::report::Report;
use super::run::{Target, Upserting};
use super::settings::{Settings, Updated};
use super::sql;
use super::validation::Validate;
use super::values::{ListOf, Values};

/// Rows to upsert; [`on_conflict`](Self::on_conflict) says what makes two of them the same.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is called"]
pub struct Rows<I>(I);

/// Inserts rows, and updates those that are stored already.
///
/// `rows` are `&[T]`, `&Vec<T>`, `Vec<T>` or an iterator of `T` or `&T`, where `T` derives
/// [`Insertable`](diesel::Insertable).
pub fn upsert<I: IntoIterator>(rows: I) -> Rows<I::IntoIter> {
    Rows(rows.into_iter())
}

/// What `Insertable` makes of a row.
type ValuesOf<R, Tab> = <R as Insertable<Tab>>::Values;

impl<I: Iterator> Rows<I> {
    /// The columns that make two rows the same: those of a unique index of the table, which are fields of the rows too.
    pub fn on_conflict<C, Kind, Index>(self, _: C) -> Upsert<I, C::Table>
    where
        C: Columns<Kind>,
        I::Item: Insertable<C::Table>,
        ValuesOf<I::Item, C::Table>: Values<C::Table>,
        C: Among<ListOf<ValuesOf<I::Item, C::Table>, C::Table>, Index>,
    {
        Upsert {
            rows: self.0,
            settings: Settings { key: C::names(), ..Settings::default() },
            validate: None,
            table: PhantomData,
        }
    }
}

/// Inserts rows, and updates those that are stored already: a call.
#[must_use = "does nothing until it is called"]
pub struct Upsert<I: Iterator, Tab> {
    pub(super) rows: I,
    pub(super) settings: Settings,
    pub(super) validate: Option<ValidateFn<I::Item>>,
    table: PhantomData<fn() -> Tab>,
}

impl<I, Tab> Upsert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
{
    /// Updates only these columns of a row that is stored already. Default: all that the rows write, but for the key.
    pub fn update<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<I::Item, Tab>, Tab>, Index>,
    {
        self.settings.update.columns = Updated::These(C::names());
        self
    }

    /// Leaves rows that are stored already as they are.
    pub fn update_nothing(mut self) -> Self {
        self.settings.update.columns = Updated::Nothing;
        self
    }

    /// A null in a new row does not clear what is stored in these columns.
    pub fn keep_if_null<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<I::Item, Tab>, Tab>, Index>,
    {
        self.settings.update.keep_if_null = C::names();
        self
    }

    /// What to do with rows of the batch that have the same key. Default: [`OnDuplicate::KeepLast`].
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.settings.on_duplicate = on_duplicate;
        self
    }

    /// Runs the checks of the row type first: [`Validate`].
    pub fn validate(mut self) -> Self
    where
        I::Item: Validate,
    {
        self.validate = Some(|row, problems| row.validate(problems));
        self
    }
}

impl<I, Tab> Upsert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    pub(super) fn target() -> Result<Target, BulkError> {
        Ok(Target {
            table: sql::table_name::<Tab>()?,
            #[cfg(feature = "sync")]
            copy: super::copy::copy::<ValuesOf<I::Item, Tab>, Tab>,
        })
    }

    /// Takes the rows apart, so that nothing of theirs is kept.
    pub(super) fn collect(self) -> Result<(Target, Settings, Batch), BulkError> {
        Ok((Self::target()?, self.settings, Batch::collect(self.rows, self.validate)?))
    }
}

/// Runs an upsert whose rows have been taken apart.
pub(super) async fn run<D: Driver>(
    mut driver: D,
    collected: Result<(Target, Settings, Batch), BulkError>,
) -> Result<Report, BulkError> {
    let (target, settings, batch) = collected?;
    Upserting::new(target, &settings, batch).write(&mut driver).await
}

impl<I: Iterator, Tab> fmt::Debug for Upsert<I, Tab> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upsert").field("settings", &self.settings).finish_non_exhaustive()
    }
}
