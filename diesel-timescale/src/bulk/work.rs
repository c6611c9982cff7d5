//! Rows, and what is to be done with them.

use std::fmt;
use std::marker::PhantomData;

use diesel::Insertable;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

use super::collector::{Collector, ValidateFn};
use super::driver::Driver;
use super::error::BulkError;
use super::report::Report;
use super::run::{Target, Writing};
use super::settings::Settings;
use super::source::Source;
use super::sql;
use super::values::Values;
#[cfg(feature = "sync")]
use super::values::ValuesOf;
use super::writer::condition;
use crate::trace::Run;

/// Rows for a table, with what the caller has chosen.
pub(super) struct Work<Src: Source, Tab> {
    pub(super) source: Src,
    pub(super) settings: Settings,
    pub(super) validate: Option<ValidateFn<Src::Row>>,
    table: PhantomData<fn() -> Tab>,
}

impl<Src: Source, Tab> Work<Src, Tab> {
    pub(super) fn new(source: Src, settings: Settings) -> Self {
        Self { source, settings, validate: None, table: PhantomData }
    }
}

impl<Src, Tab> Work<Src, Tab>
where
    Src: Source<Row: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    pub(super) fn target() -> Result<Target, BulkError> {
        Ok(Target {
            table: sql::table_name::<Tab>()?,
            #[cfg(feature = "sync")]
            copy: super::copy::copy::<ValuesOf<Src::Row, Tab>, Tab>,
        })
    }

    /// Takes rows apart.
    pub(super) fn batch(&self, rows: impl Iterator<Item = Src::Row>) -> Result<Writing, BulkError> {
        let batch = Collector::<_, Tab>::new(rows, self.validate).all()?;
        Ok(Writing::new(Self::target()?, self.settings.clone(), batch))
    }
}

impl<I, Tab> Work<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Takes all rows apart, so that nothing of theirs is kept.
    pub(super) fn batch_of_all(self) -> Result<Writing, BulkError> {
        let batch = Collector::<_, Tab>::new(self.source, self.validate).all()?;
        Ok(Writing::new(Self::target()?, self.settings, batch))
    }
}

/// Says how a bulk write has ended.
pub(super) fn end<T>(run: &Run, result: &Result<T, BulkError>, rows: impl FnOnce(&T) -> u64) {
    match result {
        Ok(output) => run.done(usize::try_from(rows(output)).unwrap_or(usize::MAX)),
        Err(error) => run.failed(&condition(error)),
    }
}

/// Writes one batch.
pub(super) async fn write<D: Driver>(mut driver: D, writing: Result<Writing, BulkError>) -> Result<Report, BulkError> {
    write_on(&mut driver, writing?).await
}

/// Writes one batch, of several.
pub(super) async fn write_on<D: Driver>(driver: &mut D, mut writing: Writing) -> Result<Report, BulkError> {
    let run = Run::bulk(&writing.target.table, writing.batch.rows);
    let result = run.of(writing.write(driver)).await;
    end(&run, &result, Report::rows);
    result
}

impl<Src: Source, Tab> fmt::Debug for Work<Src, Tab> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
