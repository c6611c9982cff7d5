//! Many rows, batch by batch.

use std::fmt;

use diesel::Insertable;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

use super::driver::Driver;
use super::error::BulkError;
use super::report::Report;
use super::source::Source;
use super::values::Values;
use super::work::{self, Work};

/// Writes rows in batches.
#[must_use = "does nothing until it is called"]
pub struct Batches<'p, Src: Source, Tab> {
    pub(super) work: Work<Src, Tab>,
    pub(super) size: usize,
    pub(super) progress: Option<Progress<'p>>,
}

pub(super) type Progress<'p> = Box<dyn FnMut(&Report) + Send + 'p>;

impl<'p, Src: Source, Tab> Batches<'p, Src, Tab> {
    pub(super) fn new(work: Work<Src, Tab>, size: usize) -> Self {
        Self { work, size: size.max(1), progress: None }
    }

    /// Calls this after each batch, with what was done so far.
    pub fn with_progress(mut self, progress: impl FnMut(&Report) + Send + 'p) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// Writes batch after batch.
///
/// Takes [`Batches`] apart: with its lifetime, the compiler cannot prove that the future is `Send`.
pub(super) async fn write<D, Src, Tab>(
    mut driver: D,
    mut work: Work<Src, Tab>,
    size: usize,
    mut progress: Option<Progress<'_>>,
) -> Result<Report, BulkError>
where
    D: Driver,
    Src: Source<Row: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    let mut done = Report::default();
    let mut first_row = 0;
    loop {
        let rows = work.source.next_rows(size).await;
        let count = rows.len();
        if count > 0 {
            let result = match work.batch(rows.into_iter()) {
                Ok(writing) => work::write_on(&mut driver, writing).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(report) => done += report,
                Err(error) => {
                    return Err(BulkError::Batch { done, first_row, source: Box::new(error.shifted(first_row)) });
                }
            }
            first_row += count;
            if let Some(progress) = &mut progress {
                progress(&done);
            }
        }
        if count < size {
            return Ok(done);
        }
    }
}

impl<Src: Source, Tab> fmt::Debug for Batches<'_, Src, Tab> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("size", &self.size).field("of", &self.work).finish_non_exhaustive()
    }
}
