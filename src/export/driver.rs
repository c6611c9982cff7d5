//! What an import needs of a connection, so that its steps are written once for both drivers.

use diesel::QueryResult;
use diesel::connection::{LoadConnection, TransactionManager};
use diesel::pg::Pg;

use crate::Call;

/// A connection of either driver. The futures of the synchronous one are ready at once.
pub(super) trait Driver: Send {
    fn run<T: Call + Send>(&mut self, call: T) -> impl Future<Output = Result<T::Output, T::Error>> + Send;
    /// Begins a transaction, or sets a savepoint in the one that is open.
    fn begin(&mut self) -> impl Future<Output = QueryResult<()>> + Send;
    fn commit(&mut self) -> impl Future<Output = QueryResult<()>> + Send;
    fn rollback(&mut self) -> impl Future<Output = QueryResult<()>> + Send;
}

/// A connection of Diesel's own.
pub(super) struct Blocking<'conn, C>(pub &'conn mut C);

impl<C> Driver for Blocking<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    async fn run<T: Call + Send>(&mut self, call: T) -> Result<T::Output, T::Error> {
        call.call(self.0)
    }

    async fn begin(&mut self) -> QueryResult<()> {
        C::TransactionManager::begin_transaction(self.0)
    }

    async fn commit(&mut self) -> QueryResult<()> {
        C::TransactionManager::commit_transaction(self.0)
    }

    async fn rollback(&mut self) -> QueryResult<()> {
        C::TransactionManager::rollback_transaction(self.0)
    }
}

#[cfg(feature = "async")]
pub(super) use asynchronous::Asynchronous;

#[cfg(feature = "async")]
mod asynchronous {
    use diesel::QueryResult;
    use diesel::pg::Pg;
    use diesel_async::{AsyncConnection, TransactionManager};

    use super::Driver;
    use crate::Call;

    /// A connection of diesel-async.
    pub(in super::super) struct Asynchronous<'conn, C>(pub &'conn mut C);

    impl<C> Driver for Asynchronous<'_, C>
    where
        C: AsyncConnection<Backend = Pg>,
    {
        fn run<T: Call + Send>(&mut self, call: T) -> impl Future<Output = Result<T::Output, T::Error>> + Send {
            call.call_async(self.0)
        }

        fn begin(&mut self) -> impl Future<Output = QueryResult<()>> + Send {
            C::TransactionManager::begin_transaction(self.0)
        }

        fn commit(&mut self) -> impl Future<Output = QueryResult<()>> + Send {
            C::TransactionManager::commit_transaction(self.0)
        }

        fn rollback(&mut self) -> impl Future<Output = QueryResult<()>> + Send {
            C::TransactionManager::rollback_transaction(self.0)
        }
    }
}
