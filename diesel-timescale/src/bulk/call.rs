//! Running the calls, on either driver.

use diesel::Insertable;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

use super::driver::{self, Blocking};
use super::error::BulkError;
use super::report::Report;
use super::upsert::{self, Upsert};
use super::values::Values;

impl<I, Tab> Upsert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Runs the call.
    ///
    /// # Errors
    /// [`BulkError`].
    pub fn call<C>(self, conn: &mut C) -> Result<Report, BulkError>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        driver::run(upsert::run(Blocking(conn), self.collect()))
    }

    /// Runs the call on an asynchronous connection.
    ///
    /// # Errors
    /// [`BulkError`].
    #[cfg(feature = "async")]
    pub fn call_async<C>(self, conn: &mut C) -> impl Future<Output = Result<Report, BulkError>> + Send
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
    {
        let collected = self.collect();
        upsert::run(driver::Asynchronous(conn), collected)
    }
}
