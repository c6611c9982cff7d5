//! Inserts of many rows on libpq's connection: COPY goes on while rows are being taken apart, so that client and server
//! work at the same time.

use std::any::Any;
use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use diesel::connection::LoadConnection;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::result::Error as DieselError;
use diesel::sql_types::SqlType;
use diesel::{Insertable, QueryResult};

use super::batch::{Batch, Column};
use super::collector::Collector;
use super::copy;
use super::driver::{Blocking, Driver};
use super::error::BulkError;
use super::facts;
use super::report::Report;
use super::run::{FEW, Target, Writing};
use super::settings::Settings;
use super::values::{Values, ValuesOf};
use super::work::{self, Work};
use crate::call::run_ready;
use crate::trace::Run;

/// Rows are taken apart so many at a time.
const PIECE: usize = 500;

/// Why COPY was ended before the last row.
enum Stop {
    /// A row is invalid, or leaves a column to the database.
    Row,
    /// The server takes no more.
    Unsent,
    Error(BulkError),
    /// Taking a row apart has panicked. The connection must not be left in the middle of COPY.
    Panic(Box<dyn Any + Send>),
}

/// Inserts rows.
pub(super) fn insert<I, Tab, Conn>(work: Work<I, Tab>, conn: &mut Conn) -> Result<Report, BulkError>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
    Conn: LoadConnection<Backend = Pg> + 'static,
{
    let target = Work::<I, Tab>::target()?;
    let settings = work.settings;
    let mut rows = Collector::new(work.source, work.validate);
    rows.take(FEW)?;
    let mut driver = Blocking(conn);
    // A COPY that is ended before the last row aborts a transaction.
    if !rows.is_done() && !is_more_than_copy(&settings, rows.so_far()) && !driver.is_in_transaction()? {
        let run = Run::bulk(&target.table, rows.expected());
        if let Some(copied) = run.scope(|| copied(&mut rows, &target, &settings, &mut driver)).transpose() {
            let result = match copied {
                Ok(Ok(count)) => Ok(Report::new(rows.so_far().rows, 0, (i64::try_from(count).unwrap_or(i64::MAX), 0))),
                Ok(Err(error)) => rows.all().and_then(|batch| Err(Writing::new(target, settings, batch).told(error))),
                Err(error) => Err(error),
            };
            work::end(&run, &result, Report::rows);
            return result;
        }
    }
    let writing = Writing::new(target, settings, rows.all()?);
    run_ready(work::write(driver, Ok(writing)))
}

/// Whether something is done besides, or rows are to be sorted.
fn is_more_than_copy(settings: &Settings, batch: &Batch) -> bool {
    !settings.order.is_empty() || settings.check.is_some() || batch.columns.iter().any(|column| column.times.is_some())
}

/// Copies the rows; `None`, and nothing is written, where COPY would not do the same as INSERT.
fn copied<I, Tab, Conn>(
    rows: &mut Collector<I, Tab>,
    target: &Target,
    settings: &Settings,
    driver: &mut Blocking<'_, Conn>,
) -> Result<Option<QueryResult<usize>>, BulkError>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
    Conn: LoadConnection<Backend = Pg> + 'static,
{
    if driver.libpq().is_none() {
        return Ok(None);
    }
    let facts = run_ready(facts::read(driver, &target.table, rows.so_far(), &[], settings))?;
    let Some(conn) = driver.libpq().filter(|_| facts.allows_copy(rows.so_far())) else { return Ok(None) };
    let (copied, stop) = copy(rows, conn);
    match stop {
        None | Some(Stop::Unsent) => Ok(Some(copied)),
        Some(Stop::Row) => Ok(None),
        Some(Stop::Error(error)) => Err(error),
        Some(Stop::Panic(panic)) => resume_unwind(panic),
    }
}

fn copy<I, Tab>(rows: &mut Collector<I, Tab>, conn: &mut PgConnection) -> (QueryResult<usize>, Option<Stop>)
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    let (rows, stopped) = (RefCell::new(rows), RefCell::new(None));
    let write = |out: &mut dyn Write| {
        write_rows(*rows.borrow_mut(), out).map_err(|stop| {
            *stopped.borrow_mut() = Some(stop);
            DieselError::SerializationError("not all rows are copied".into())
        })
    };
    let copied = copy::copy_from::<ValuesOf<I::Item, Tab>, Tab>(write, conn);
    (copied, stopped.into_inner())
}

/// Writes rows in the binary format of COPY as they are taken apart.
fn write_rows<I, Tab>(rows: &mut Collector<I, Tab>, out: &mut dyn Write) -> Result<(), Stop>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
{
    let mut buffer = copy::start();
    let mut next = 0;
    loop {
        let batch = rows.so_far();
        if !rows.is_valid() || batch.columns.iter().any(Column::has_defaults) {
            return Err(Stop::Row);
        }
        (next..batch.rows).try_for_each(|row| copy::write_row(batch, row, &mut buffer)).map_err(|_| Stop::Unsent)?;
        next = batch.rows;
        if rows.is_done() {
            break;
        }
        out.write_all(&buffer).map_err(|_| Stop::Unsent)?;
        buffer.clear();
        match catch_unwind(AssertUnwindSafe(|| rows.take(PIECE))) {
            Ok(taken) => taken.map_err(Stop::Error)?,
            Err(panic) => return Err(Stop::Panic(panic)),
        }
    }
    rows.check().map_err(Stop::Error)?;
    buffer.extend_from_slice(&copy::END);
    out.write_all(&buffer).map_err(|_| Stop::Unsent)
}
