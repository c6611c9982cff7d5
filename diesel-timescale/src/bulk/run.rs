//! The steps of an upsert, for both drivers.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Bool};

use super::alike;
use super::batch::Batch;
use super::binds::SAMPLE;
use super::driver::{self, Driver};
use super::duplicates;
use super::error::BulkError;
use super::facts::{self, Facts};
use super::look_sql::Look;
use super::oid;
use super::plan::Plan;
use super::report::Report;
use super::settings::Settings;
use super::sql::Sql;

/// Batches of fewer rows go through one statement.
pub(super) const FEW: usize = 500;

/// What knows the table of the rows.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its name, quoted.
    pub(super) table: String,
    #[cfg(feature = "sync")]
    pub(super) copy: super::copy::CopyFn,
}

/// One batch, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) target: Target,
    pub(super) settings: Settings,
    pub(super) batch: Batch,
    pub(super) key: Vec<usize>,
    /// The columns by which rows are written in order.
    order: Vec<usize>,
}

type Counts = (i64, i64);

impl Writing {
    pub(super) fn new(target: Target, settings: Settings, batch: Batch) -> Self {
        // The compiler has found each of them among the columns of the rows.
        let indexes = |names: &[&str]| -> Vec<usize> { names.iter().filter_map(|name| batch.index(name)).collect() };
        let key = indexes(&settings.key);
        let mut order = indexes(&settings.order);
        if order.is_empty() {
            // Time first: a transaction that creates a chunk makes all others that create one wait until it ends. When it
            // gets there, it should have written most of the rows that the waiting ones may hold locks on.
            let range = batch.range_column(&key);
            order = range.into_iter().chain(key.iter().copied().filter(|index| Some(*index) != range)).collect();
        }
        Self { target, settings, batch, key, order }
    }

    /// Writes the batch.
    pub(super) async fn write<D: Driver>(&mut self, driver: &mut D) -> Result<Report, BulkError> {
        if self.batch.rows == 0 {
            return Ok(Report::default());
        }
        self.batch.order = (0..u32::try_from(self.batch.rows).unwrap_or(u32::MAX)).collect();
        // An error aborts the transaction of the caller, so the catalogs are read before.
        let counts = if self.key.is_empty() {
            if self.needs_transaction() {
                driver.begin().await?;
                let inserted = self.insert_all(driver).await;
                driver::finish(driver, inserted).await?
            } else {
                self.insert_all(driver).await?
            }
        } else if self.needs_transaction() {
            let facts = self.facts(driver).await?;
            driver.begin().await?;
            let written = self.upsert_knowing(driver, &facts).await;
            driver::finish(driver, written).await?
        } else if self.needs_facts() || driver.is_in_transaction()? {
            let facts = self.facts(driver).await?;
            self.upsert_knowing(driver, &facts).await?
        } else {
            self.upsert_at_once(driver).await?
        };
        Ok(Report::new(self.batch.rows, self.batch.deduplicated(), counts))
    }

    pub(super) async fn facts<D: Driver>(&self, driver: &mut D) -> Result<Facts, BulkError> {
        facts::read(driver, &self.target.table, &self.batch, &self.key, &self.settings).await
    }

    /// Whether one statement is not enough, or cannot be made of the rows alone.
    fn needs_facts(&self) -> bool {
        let is_exact = |index: &usize| oid::is_exact(self.batch.columns[*index].info.oid);
        self.batch.rows >= FEW
            || self.batch.columns.iter().any(super::batch::Column::has_defaults)
            || !self.key.iter().all(is_exact)
            || self.key.iter().any(|index| self.batch.columns[*index].bytes.has_nulls())
            || alike::has_keys_alike(&self.batch, &self.key)
    }

    /// Puts rows in order, and leaves each key once.
    fn resolve(&mut self, nulls_distinct: bool) -> Result<(), BulkError> {
        let Self { batch, key, order, .. } = self;
        let policy = self.settings.on_duplicate;
        if order.len() == key.len() && order.iter().all(|index| key.contains(index)) {
            return duplicates::resolve(batch, key, order, nulls_distinct, policy);
        }
        duplicates::resolve(batch, key, key, nulls_distinct, policy)?;
        duplicates::sort(batch, order);
        Ok(())
    }

    /// Rows that are new, as the caller knows.
    async fn insert_all<D: Driver>(&mut self, driver: &mut D) -> Result<Counts, BulkError> {
        let facts = self.insert_facts(driver).await?;
        let plan = self.plan(facts.as_ref());
        let rows = match facts.and_then(|facts| self.copied(driver, &plan, &facts)) {
            Some(result) => result,
            None => driver.execute(self.batch.statement(&plan, plan.insert())).await,
        };
        let rows = rows.map_err(|error| self.told(error))?;
        Ok((i64::try_from(rows).unwrap_or(i64::MAX), 0))
    }

    /// Puts rows that are new in order, and asks the catalogs if that is needed.
    pub(super) async fn insert_facts<D: Driver>(&mut self, driver: &mut D) -> Result<Option<Facts>, BulkError> {
        if !self.order.is_empty() {
            duplicates::sort(&mut self.batch, &self.order);
        }
        self.before_write(driver).await?;
        if self.needs_facts() { self.facts(driver).await.map(Some) } else { Ok(None) }
    }

    pub(super) fn plan(&self, facts: Option<&Facts>) -> Plan {
        Plan::new(self.target.table.clone(), &self.batch, &self.key, &self.settings, facts)
    }

    /// One statement; the catalogs are asked only if it fails.
    async fn upsert_at_once<D: Driver>(&mut self, driver: &mut D) -> Result<Counts, BulkError> {
        self.resolve(true)?;
        let plan = self.plan(None);
        match self.upsert_few(driver, &plan).await {
            Err(error) if is_unknown(&error) => {
                let facts = self.facts(driver).await?;
                if facts.key.is_exact && !facts.table.is_partitioned {
                    return Err(error);
                }
                // Keys of the batch that the index calls the same, or partitions.
                self.upsert_knowing(driver, &facts).await
            }
            result => result,
        }
    }

    pub(super) async fn upsert_knowing<D: Driver>(
        &mut self,
        driver: &mut D,
        facts: &Facts,
    ) -> Result<Counts, BulkError> {
        self.batch.order = (0..u32::try_from(self.batch.rows).unwrap_or(u32::MAX)).collect();
        let plan = self.plan(Some(facts));
        if facts.key.is_exact {
            self.resolve(facts.key.nulls_distinct)?;
        } else {
            let ranks: Vec<(i64,)> = driver.load(self.batch.statement::<(BigInt,)>(&plan, plan.ranks(facts))).await?;
            let ranks: Vec<_> = ranks.into_iter().map(|(rank,)| rank).collect();
            let (key, policy) = (&self.key, self.settings.on_duplicate);
            duplicates::resolve_by_rank(&mut self.batch, key, facts.key.nulls_distinct, &ranks, policy)?;
            if !self.settings.order.is_empty() {
                duplicates::sort(&mut self.batch, &self.order);
            }
        }
        self.before_write(driver).await?;
        let table = &facts.table;
        if self.batch.len() < FEW {
            return self.upsert_few(driver, &plan).await;
        }
        // A look and a plain insert are only for tables where they have the same effect as ON CONFLICT.
        if !facts.key.is_exact || table.has_rules || table.is_inherited {
            return self.counts(driver, &plan, plan.upsert()).await;
        }
        let probe = self.batch.statement::<(Bool, BigInt, Bool)>(&plan, plan.probe(&self.batch));
        let found: Vec<(bool, i64, bool)> = driver.load(probe).await?;
        let (is_fresh, stored, is_dense) = found.into_iter().next().unwrap_or_default();
        if is_fresh {
            if let Some(inserted) = self.insert(driver, &plan, facts).await? {
                return Ok((inserted, 0));
            }
        }
        let is_mostly_stored = usize::try_from(stored).is_ok_and(|stored| stored >= SAMPLE / 4);
        let sql = if is_mostly_stored && plan.is_comparable() && !table.has_triggers {
            plan.upsert_rest(if is_dense { Look::ByRange } else { Look::ByKey })
        } else {
            plan.upsert()
        };
        self.counts(driver, &plan, sql).await
    }

    async fn upsert_few<D: Driver>(&self, driver: &mut D, plan: &Plan) -> Result<Counts, BulkError> {
        let statement = self.batch.statement::<(Bool,)>(plan, plan.upsert_few(self.batch.len()));
        let written: Vec<(bool,)> = driver.load(statement).await.map_err(|error| self.told(error))?;
        let inserted = written.iter().filter(|(is_new,)| *is_new).count();
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        Ok((count(inserted), count(written.len() - inserted)))
    }

    async fn counts<D: Driver>(&self, driver: &mut D, plan: &Plan, sql: Sql) -> Result<Counts, BulkError> {
        let statement = self.batch.statement::<(BigInt, BigInt)>(plan, sql);
        let counts: Vec<Counts> = driver.load(statement).await.map_err(|error| self.told(error))?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// Tells which rows have no value in a column that needs one; PostgreSQL names only the column.
    pub(super) fn told(&self, error: DieselError) -> BulkError {
        if let DieselError::DatabaseError(DatabaseErrorKind::NotNullViolation, information) = &error {
            let column = information.column_name().and_then(|name| self.batch.index(name));
            if let Some(Err(rows)) = column.map(|column| self.batch.refuse_nulls(column)) {
                return rows;
            }
        }
        error.into()
    }

    /// Inserts rows that are not stored yet; `None` if another transaction has inserted one of them meanwhile.
    async fn insert<D: Driver>(&self, driver: &mut D, plan: &Plan, facts: &Facts) -> Result<Option<i64>, BulkError> {
        let has_savepoint = driver.is_in_transaction()?;
        if has_savepoint {
            driver.begin().await?;
        }
        let result = match self.copied(driver, plan, facts) {
            Some(result) => result,
            None => driver.execute(self.batch.statement(plan, plan.insert())).await,
        };
        match result {
            Ok(rows) => {
                if has_savepoint {
                    driver.commit().await?;
                }
                Ok(Some(i64::try_from(rows).unwrap_or(i64::MAX)))
            }
            Err(error) => {
                if has_savepoint {
                    driver.rollback().await?;
                }
                match error {
                    DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Ok(None),
                    error => Err(self.told(error)),
                }
            }
        }
    }

    /// Copies the rows; `None` where the connection has no COPY, or COPY would not do the same as INSERT.
    #[cfg(feature = "sync")]
    pub(super) fn copied<D: Driver>(
        &self,
        driver: &mut D,
        plan: &Plan,
        facts: &Facts,
    ) -> Option<diesel::QueryResult<usize>> {
        if !facts.allows_copy(&self.batch) || !plan.is_comparable() {
            return None;
        }
        Some((self.target.copy)(&self.batch, driver.libpq()?))
    }

    #[cfg(not(feature = "sync"))]
    pub(super) fn copied<D: Driver>(&self, _: &mut D, _: &Plan, _: &Facts) -> Option<diesel::QueryResult<usize>> {
        None
    }
}

fn is_unknown(error: &BulkError) -> bool {
    matches!(error, BulkError::Database(DieselError::DatabaseError(DatabaseErrorKind::Unknown, _)))
}
