//! What a set-up needs of a connection, so that its steps are written once for both drivers.

use diesel::connection::{LoadConnection, TransactionManager};
use diesel::pg::Pg;

use super::facts::{Facts, QueryFacts};
use crate::call::Call;
use crate::error::Result;

/// A connection of either driver. The futures of the synchronous one are ready at once.
pub(super) trait Driver: Send {
    fn is_in_transaction(&mut self) -> Result<bool>;
    fn facts(&mut self, query: QueryFacts) -> impl Future<Output = Result<Facts>> + Send;
    fn execute(&mut self, sql: &str) -> impl Future<Output = Result<()>> + Send;
    fn begin(&mut self) -> impl Future<Output = Result<()>> + Send;
    fn commit(&mut self) -> impl Future<Output = Result<()>> + Send;
    fn rollback(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A connection of Diesel's own.
pub(super) struct Blocking<'conn, C>(pub &'conn mut C);

impl<C> Driver for Blocking<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn is_in_transaction(&mut self) -> Result<bool> {
        Ok(C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()?.is_some())
    }

    async fn facts(&mut self, query: QueryFacts) -> Result<Facts> {
        query.call(self.0)
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        Ok(self.0.batch_execute(sql)?)
    }

    async fn begin(&mut self) -> Result<()> {
        Ok(C::TransactionManager::begin_transaction(self.0)?)
    }

    async fn commit(&mut self) -> Result<()> {
        Ok(C::TransactionManager::commit_transaction(self.0)?)
    }

    async fn rollback(&mut self) -> Result<()> {
        Ok(C::TransactionManager::rollback_transaction(self.0)?)
    }
}

#[cfg(feature = "async")]
pub(super) use asynchronous::Asynchronous;

#[cfg(feature = "async")]
mod asynchronous {
    use diesel::pg::Pg;
    use diesel_async::{AsyncConnection, TransactionManager};

    use super::super::facts::{Facts, QueryFacts};
    use super::Driver;
    use crate::call::Call;
    use crate::error::Result;

    /// A connection of diesel-async.
    pub(in super::super) struct Asynchronous<'conn, C>(pub &'conn mut C);

    impl<C> Driver for Asynchronous<'_, C>
    where
        C: AsyncConnection<Backend = Pg>,
    {
        fn is_in_transaction(&mut self) -> Result<bool> {
            Ok(C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()?.is_some())
        }

        async fn facts(&mut self, query: QueryFacts) -> Result<Facts> {
            query.call_async(self.0).await
        }

        async fn execute(&mut self, sql: &str) -> Result<()> {
            Ok(self.0.batch_execute(sql).await?)
        }

        async fn begin(&mut self) -> Result<()> {
            Ok(C::TransactionManager::begin_transaction(self.0).await?)
        }

        async fn commit(&mut self) -> Result<()> {
            Ok(C::TransactionManager::commit_transaction(self.0).await?)
        }

        async fn rollback(&mut self) -> Result<()> {
            Ok(C::TransactionManager::rollback_transaction(self.0).await?)
        }
    }
}
