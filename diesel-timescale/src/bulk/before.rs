//! What is done before a batch is written, in its transaction: the check of the caller's, and references.

use super::array::ArrayBody;
use super::driver::Driver;
use super::error::BulkError;
use super::run::Writing;
use super::sql;
use super::statement::{Bind, Statement};

impl Writing {
    /// Whether something is done before the write that must stand or fall with it.
    pub(super) fn needs_transaction(&self) -> bool {
        let mut times = self.batch.columns.iter().flat_map(|column| &column.times);
        self.settings.check.is_some() || times.any(|times| !times.bytes.is_all_null())
    }

    /// Checks the batch, and registers the rows that it references.
    pub(super) async fn before_write<D: Driver>(&self, driver: &mut D) -> Result<(), BulkError> {
        self.check(driver).await?;
        self.register(driver).await
    }

    /// Calls the function that checks the batch.
    async fn check<D: Driver>(&self, driver: &mut D) -> Result<(), BulkError> {
        let Some(check) = &self.settings.check else { return Ok(()) };
        let binds: Vec<_> = check
            .columns
            .iter()
            .filter_map(|name| self.batch.index(name))
            .map(|index| Bind::Array(self.batch.columns[index].info.clone(), self.batch.array(index)))
            .collect();
        let mut text = vec![", ".to_owned(); binds.len()];
        text[0] = format!("SELECT FROM {}(", sql::quote(check.function));
        text.push(")".to_owned());
        driver.execute(Statement::<()>::new(text, binds)).await?;
        Ok(())
    }

    /// Registers the rows that are referenced by an id with its time, in one pass.
    async fn register<D: Driver>(&self, driver: &mut D) -> Result<(), BulkError> {
        for (index, column) in self.batch.columns.iter().enumerate() {
            let Some(times) = column.times.as_ref().filter(|times| !times.bytes.is_all_null()) else { continue };
            let values = self.batch.order.iter().map(|row| times.bytes.get(*row as usize));
            let text = [
                "SELECT FROM diesel_timescale.register_referenced_ids(pg_catalog.to_regclass(",
                "), ",
                ", ",
                ", ",
                ")",
            ];
            let binds = vec![
                Bind::Text(self.target.table.clone()),
                Bind::Text(column.info.name.to_owned()),
                Bind::Array(column.info.clone(), self.batch.array(index)),
                Bind::Array(times.info.clone(), ArrayBody::of(values, 12 * self.batch.len())),
            ];
            driver.execute(Statement::<()>::new(text.map(str::to_owned).to_vec(), binds)).await?;
        }
        Ok(())
    }
}
