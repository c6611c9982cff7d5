//! What bulk writes need of a connection, so that their steps are written once for both drivers.

use diesel::QueryResult;
use diesel::connection::{LoadConnection, TransactionManager};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::pg::Pg;
use diesel::query_dsl::{CompatibleType, RunQueryDsl};

use super::error::BulkError;
use super::statement::{Selection, Statement};

/// A connection of either driver. The futures of the synchronous one are ready at once.
pub(super) trait Driver: Send {
    /// Whether the connection is in a transaction.
    fn is_in_transaction(&mut self) -> QueryResult<bool>;

    /// Loads the rows of a statement.
    fn load<ST, S, U>(&mut self, statement: Statement<ST, S>) -> impl Future<Output = QueryResult<Vec<U>>> + Send
    where
        ST: CompatibleType<U, Pg, SqlType: 'static> + 'static,
        S: Selection + Send + 'static,
        U: FromSqlRow<ST::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<ST>;

    /// Runs a statement, and gives the number of its rows.
    fn execute(&mut self, statement: Statement<()>) -> impl Future<Output = QueryResult<usize>> + Send;

    /// Begins a transaction, or sets a savepoint in the one that is open.
    fn begin(&mut self) -> impl Future<Output = QueryResult<()>> + Send;

    /// Commits the transaction, or releases the savepoint.
    fn commit(&mut self) -> impl Future<Output = QueryResult<()>> + Send;

    /// Rolls back the transaction, or to the savepoint.
    fn rollback(&mut self) -> impl Future<Output = QueryResult<()>> + Send;

    /// The connection of libpq, which alone has COPY, if it is one.
    #[cfg(feature = "sync")]
    fn libpq(&mut self) -> Option<&mut diesel::pg::PgConnection>;
}

/// Commits what has gone well, and rolls back what has not.
pub(super) async fn finish<D: Driver, T>(driver: &mut D, result: Result<T, BulkError>) -> Result<T, BulkError> {
    match result {
        Ok(output) => {
            driver.commit().await?;
            Ok(output)
        }
        Err(error) => {
            // What went wrong first is what the caller wants to know.
            let _ = driver.rollback().await;
            Err(error)
        }
    }
}

/// A connection of Diesel's own.
pub(super) struct Blocking<'conn, C>(pub(super) &'conn mut C);

#[cfg(feature = "r2d2")]
type Pooled = diesel::r2d2::PooledConnection<diesel::r2d2::ConnectionManager<diesel::pg::PgConnection>>;

impl<C> Driver for Blocking<'_, C>
where
    C: LoadConnection<Backend = Pg> + 'static,
{
    fn is_in_transaction(&mut self) -> QueryResult<bool> {
        Ok(C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()?.is_some())
    }

    async fn load<ST, S, U>(&mut self, statement: Statement<ST, S>) -> QueryResult<Vec<U>>
    where
        ST: CompatibleType<U, Pg, SqlType: 'static> + 'static,
        S: Selection + Send + 'static,
        U: FromSqlRow<ST::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<ST>,
    {
        RunQueryDsl::load(statement, self.0)
    }

    async fn execute(&mut self, statement: Statement<()>) -> QueryResult<usize> {
        RunQueryDsl::execute(statement, self.0)
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

    #[cfg(feature = "sync")]
    fn libpq(&mut self) -> Option<&mut diesel::pg::PgConnection> {
        let conn: &mut dyn std::any::Any = self.0;
        #[cfg(feature = "r2d2")]
        if conn.is::<Pooled>() {
            return conn.downcast_mut::<Pooled>().map(|pooled| &mut **pooled);
        }
        conn.downcast_mut()
    }
}

#[cfg(feature = "async")]
mod asynchronous {
    use diesel::QueryResult;
    use diesel::deserialize::FromSqlRow;
    use diesel::expression::QueryMetadata;
    use diesel::pg::Pg;
    use diesel::query_dsl::CompatibleType;
    use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};

    use super::super::statement::{Selection, Statement};
    use super::Driver;

    /// A connection of diesel-async.
    pub(in super::super) struct Asynchronous<'conn, C>(pub(in super::super) &'conn mut C);

    impl<C> Driver for Asynchronous<'_, C>
    where
        C: AsyncConnection<Backend = Pg>,
    {
        fn is_in_transaction(&mut self) -> QueryResult<bool> {
            Ok(C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()?.is_some())
        }

        fn load<ST, S, U>(&mut self, statement: Statement<ST, S>) -> impl Future<Output = QueryResult<Vec<U>>> + Send
        where
            ST: CompatibleType<U, Pg, SqlType: 'static> + 'static,
            S: Selection + Send + 'static,
            U: FromSqlRow<ST::SqlType, Pg> + Send + 'static,
            Pg: QueryMetadata<ST>,
        {
            RunQueryDsl::load(statement, self.0)
        }

        fn execute(&mut self, statement: Statement<()>) -> impl Future<Output = QueryResult<usize>> + Send {
            RunQueryDsl::execute(statement, self.0)
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

        #[cfg(feature = "sync")]
        fn libpq(&mut self) -> Option<&mut diesel::pg::PgConnection> {
            None
        }
    }
}
#[cfg(feature = "async")]
pub(super) use asynchronous::Asynchronous;
