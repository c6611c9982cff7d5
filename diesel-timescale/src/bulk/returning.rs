//! Columns of the stored rows.

use std::fmt;
use std::marker::PhantomData;

use diesel::deserialize::FromSqlRow;
use diesel::expression::{Expression, NonAggregate, QueryMetadata, SelectableExpression};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_dsl::CompatibleType;
use diesel::query_source::Table;
use diesel::sql_types::{Integer, SqlType};
use diesel::{Insertable, QueryResult};

use super::driver::{self, Driver};
use super::error::BulkError;
use super::facts::Facts;
use super::insert::Insert;
use super::report::Report;
use super::run::Writing;
use super::statement::Statement;
use super::upsert::Upsert;
use super::values::Values;
use super::work::{self, Work};
use crate::call::Call;
use crate::trace::Run;

/// An upsert or insert that gives columns of the stored rows.
pub(super) struct Returning<I: Iterator, Tab, S, Out> {
    pub(super) work: Work<I, Tab>,
    pub(super) selection: S,
    row: PhantomData<fn() -> Out>,
}

impl<I, Tab> Upsert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Gives the report, and columns of the stored rows: one row for each that was given, in the order of the input,
    /// also for rows that were stored as they are, and for repeats.
    ///
    /// `selection` is what [`select`](diesel::QueryDsl::select) takes: columns, or `T::as_select()`. The stored rows are
    /// found by their keys, in the same transaction; a row that is not found is [`BulkError::NotFound`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk::{self, Report};
    ///
    /// let rows = [reading("cellar", 1), reading("attic", 1), reading("attic", 1)];
    /// let call = bulk::upsert(&rows).on_conflict((readings::device_id, readings::measured_at));
    /// let (report, devices): (Report, Vec<String>) = call.returning(readings::device_id).call(conn)?;
    /// assert_eq!(report.deduplicated, 1);
    /// assert_eq!(devices, ["cellar", "attic", "attic"]);
    /// # Ok(()) }) }
    /// ```
    pub fn returning<S, Out>(self, selection: S) -> impl Call<Output = (Report, Vec<Out>), Error = BulkError>
    where
        S: SelectableExpression<Tab, SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
        S: NonAggregate + QueryFragment<Pg> + Clone + Send + 'static,
        Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<S::SqlType>,
    {
        Returning { work: self.0, selection, row: PhantomData }
    }
}

impl<I, Tab> Insert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Gives the report, and columns of the rows as they were inserted: one for each that was given, in the order of the
    /// input. Goes by `INSERT … RETURNING`, as COPY returns nothing.
    ///
    /// `selection` is columns, or `T::as_returning()`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk::{self, Report};
    ///
    /// let rows = [reading("cellar", 1), reading("attic", 1)];
    /// let call = bulk::insert_into(readings::table).values(&rows).returning(readings::device_id);
    /// let (report, devices): (Report, Vec<String>) = call.call(conn)?;
    /// assert_eq!((report.inserted, devices), (2, vec!["cellar".to_owned(), "attic".to_owned()]));
    /// # Ok(()) }) }
    /// ```
    pub fn returning<S, Out>(self, selection: S) -> impl Call<Output = (Report, Vec<Out>), Error = BulkError>
    where
        S: SelectableExpression<Tab, SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
        S: NonAggregate + QueryFragment<Pg> + Clone + Send + 'static,
        Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<S::SqlType>,
    {
        Returning { work: self.0, selection, row: PhantomData }
    }
}

/// How often a row that another transaction has deleted is written again.
const ATTEMPTS: usize = 3;

/// Writes one batch, and reads it.
pub(super) async fn write<D, S, Out>(
    mut driver: D,
    writing: Result<Writing, BulkError>,
    selection: S,
) -> Result<(Report, Vec<Out>), BulkError>
where
    D: Driver,
    S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
    S: QueryFragment<Pg> + Clone + Send + 'static,
    Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
    Pg: QueryMetadata<S::SqlType>,
{
    let mut writing = writing?;
    let run = Run::bulk(&writing.target.table, writing.batch.rows);
    let result = run.of(write_on(&mut driver, &mut writing, selection)).await;
    work::end(&run, &result, |(report, _)| report.rows());
    result
}

async fn write_on<D, S, Out>(
    driver: &mut D,
    writing: &mut Writing,
    selection: S,
) -> Result<(Report, Vec<Out>), BulkError>
where
    D: Driver,
    S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
    S: QueryFragment<Pg> + Clone + Send + 'static,
    Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
    Pg: QueryMetadata<S::SqlType>,
{
    if writing.batch.rows == 0 {
        return Ok((Report::default(), Vec::new()));
    }
    if writing.key.is_empty() {
        driver.begin().await?;
        let inserted = inserted(driver, writing, selection).await;
        return driver::finish(driver, inserted).await;
    }
    let facts = writing.facts(driver).await?;
    if facts.key.nulls_distinct {
        let mut rows = 0..u32::try_from(writing.batch.rows).unwrap_or(u32::MAX);
        if let Some(row) = rows.find(|row| writing.batch.is_null_in(&writing.key, *row)) {
            return Err(BulkError::NullKey { row: row as usize });
        }
    }
    driver.begin().await?;
    let returned = attempts(driver, writing, &facts, selection).await;
    driver::finish(driver, returned).await
}

/// Inserts one batch, and gives what was inserted in the order of the input.
async fn inserted<D, S, Out>(
    driver: &mut D,
    writing: &mut Writing,
    selection: S,
) -> Result<(Report, Vec<Out>), BulkError>
where
    D: Driver,
    S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
    S: QueryFragment<Pg> + Clone + Send + 'static,
    Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
    Pg: QueryMetadata<S::SqlType>,
{
    let facts = writing.insert_facts(driver).await?;
    let (batch, plan) = (&writing.batch, writing.plan(facts.as_ref()));
    let statement = batch.statement::<()>(&plan, plan.insert()).returning::<_, S::SqlType>(selection);
    let rows: Vec<Out> = driver.load(statement).await.map_err(|error| writing.told(error))?;
    if rows.len() != batch.rows {
        return Err(BulkError::Skipped { rows: batch.rows.saturating_sub(rows.len()) });
    }
    let mut placed: Vec<_> = batch.order.iter().zip(rows).collect();
    placed.sort_unstable_by_key(|(row, _)| **row);
    let inserted = i64::try_from(batch.rows).unwrap_or(i64::MAX);
    Ok((Report::new(batch.rows, 0, (inserted, 0)), placed.into_iter().map(|(_, row)| row).collect()))
}

async fn attempts<D, S, Out>(
    driver: &mut D,
    writing: &mut Writing,
    facts: &Facts,
    selection: S,
) -> Result<(Report, Vec<Out>), BulkError>
where
    D: Driver,
    S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
    S: QueryFragment<Pg> + Clone + Send + 'static,
    Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
    Pg: QueryMetadata<S::SqlType>,
{
    let has_nulls = writing.key.iter().any(|index| writing.batch.columns[*index].bytes.has_nulls());
    let (mut inserted, mut updated) = (0, 0);
    let mut missing = 0;
    for _ in 0..ATTEMPTS {
        let counts = writing.upsert_knowing(driver, facts).await?;
        inserted += counts.0;
        updated += counts.1;
        let (batch, plan) = (&writing.batch, writing.plan(Some(facts)));
        let statement = batch.statement::<()>(&plan, plan.stored_rows(facts, has_nulls));
        let rows: Vec<Out> = driver.load(statement.selecting::<_, S::SqlType>(selection.clone())).await?;
        if rows.len() == batch.rows && facts.key.is_exact {
            return Ok((Report::new(batch.rows, batch.deduplicated(), (inserted, updated)), rows));
        }
        let places = places(driver, batch.statement(&plan, plan.stored_places(facts, has_nulls))).await?;
        let first = (0..).zip(1..).find(|(at, place)| *at >= batch.rows || places.get(*at) != Some(place));
        missing = first.map_or(0, |(at, _)| at);
        if missing == batch.rows && rows.len() == batch.rows {
            return Ok((Report::new(batch.rows, batch.deduplicated(), (inserted, updated)), rows));
        }
    }
    Err(BulkError::NotFound { row: missing })
}

/// The places of the rows that are stored, from 1.
async fn places<D: Driver>(driver: &mut D, statement: Statement<(Integer,)>) -> QueryResult<Vec<i32>> {
    let places: Vec<(i32,)> = driver.load(statement).await?;
    Ok(places.into_iter().map(|(place,)| place).collect())
}

impl<I: Iterator, Tab, S, Out> fmt::Debug for Returning<I, Tab, S, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returning").field("of", &self.work).finish_non_exhaustive()
    }
}
