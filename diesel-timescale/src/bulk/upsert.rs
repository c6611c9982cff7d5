//! Upserts.

use diesel::Insertable;

use super::batches::Batches;
use super::columns::{Among, Columns};
use super::duplicates::OnDuplicate;
use super::settings::{Settings, Updated};
use super::source::{Iter, Source};
use super::validation::Validate;
use super::values::{ListOf, Values};
use super::work::{ValuesOf, Work};

/// Rows to upsert; [`on_conflict`](Self::on_conflict) says what makes two of them the same.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is called"]
pub struct Rows<Src>(Src);

/// Inserts rows, and updates those that are stored already.
///
/// `rows` are `&[T]`, `&Vec<T>`, `Vec<T>` or an iterator of `T` or `&T`, where `T` derives
/// [`Insertable`](diesel::Insertable).
pub fn upsert<I: IntoIterator>(rows: I) -> Rows<Iter<I::IntoIter>> {
    Rows(Iter(rows.into_iter()))
}

/// As [`upsert`], for the rows of a stream, on an asynchronous connection.
///
/// The stream is asked for the rows of the next batch when the one before is stored.
#[cfg(feature = "async")]
pub fn upsert_stream<S: futures_core::Stream>(rows: S) -> Rows<super::source::Streamed<S>> {
    Rows(super::source::Streamed(Box::pin(rows)))
}

impl<Src: Source> Rows<Src> {
    /// The columns that make two rows the same: those of a unique index of the table, which are fields of the rows too.
    pub fn on_conflict<C, Kind, Index>(self, _: C) -> Upsert<Src, C::Table>
    where
        C: Columns<Kind>,
        Src::Row: Insertable<C::Table>,
        ValuesOf<Src::Row, C::Table>: Values<C::Table>,
        C: Among<ListOf<ValuesOf<Src::Row, C::Table>, C::Table>, Index>,
    {
        Upsert(Work::new(self.0, Settings { key: C::names(), ..Settings::default() }))
    }
}

/// Inserts rows, and updates those that are stored already.
#[derive(Debug)]
#[must_use = "does nothing until it is called"]
pub struct Upsert<Src: Source, Tab>(pub(super) Work<Src, Tab>);

impl<Src, Tab> Upsert<Src, Tab>
where
    Src: Source<Row: Insertable<Tab, Values: Values<Tab>>>,
{
    /// Updates only these columns of a row that is stored already. Default: all that the rows write, but for the key.
    pub fn update<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.update.columns = Updated::These(C::names());
        self
    }

    /// Leaves rows that are stored already as they are.
    pub fn update_nothing(mut self) -> Self {
        self.0.settings.update.columns = Updated::Nothing;
        self
    }

    /// A null in a new row does not clear what is stored in these columns.
    pub fn keep_if_null<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.update.keep_if_null = C::names();
        self
    }

    /// What to do with rows of one batch that have the same key. Default: [`OnDuplicate::KeepLast`].
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.0.settings.on_duplicate = on_duplicate;
        self
    }

    /// Runs the checks of the row type before anything is sent: [`Validate`].
    pub fn validate(mut self) -> Self
    where
        Src::Row: Validate,
    {
        self.0.validate = Some(|row, problems| row.validate(problems));
        self
    }

    /// Writes the rows in batches of this many, at least one: no more than one batch is in memory. About 5,000 do well.
    ///
    /// Each batch is atomic by itself. If one fails, it leaves nothing, those before it stay, and the
    /// [error](super::BatchError) says how far it went. For all or nothing, put the call into a transaction. A repeat
    /// in a later batch is an update of what the earlier one stored.
    pub fn in_batches<'p>(self, rows: usize) -> Batches<'p, Src, Tab> {
        Batches::new(self.0, rows)
    }
}
