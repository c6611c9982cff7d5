//! Running the calls, on either driver.

use diesel::Insertable;
use diesel::connection::LoadConnection;
use diesel::deserialize::FromSqlRow;
use diesel::expression::{Expression, QueryMetadata};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_dsl::CompatibleType;
use diesel::query_source::Table;
use diesel::sql_types::SqlType;

use super::batches::{self, Batches};
#[cfg(feature = "async")]
use super::driver::Asynchronous;
use super::driver::Blocking;
use super::error::BulkError;
use super::insert::Insert;
use super::report::Report;
use super::returning::{self, Returning};
#[cfg(feature = "async")]
use super::source::Streamed;
use super::upsert::Upsert;
use super::values::Values;
use super::work;
use crate::call::{Call, run_ready};

/// Implements [`Call`] for a type, by its steps on a driver.
macro_rules! call {
    (
        [$($generics:tt)*] $call:ty => $output:ty
        where [$($bounds:tt)*]
        |$this:ident, $driver:ident| $steps:expr
    ) => {
        impl<$($generics)*> Call for $call
        where
            $($bounds)*
            Tab: Table<SqlType: SqlType> + Default,
            Tab::FromClause: QueryFragment<Pg>,
        {
            type Output = $output;
            type Error = BulkError;

            fn call<Conn>(self, conn: &mut Conn) -> Result<$output, BulkError>
            where
                Conn: LoadConnection<Backend = Pg> + 'static,
            {
                let ($this, $driver) = (self, Blocking(conn));
                run_ready($steps)
            }

            #[cfg(feature = "async")]
            fn call_async<Conn>(self, conn: &mut Conn) -> impl Future<Output = Result<$output, BulkError>> + Send
            where
                Conn: diesel_async::AsyncConnection<Backend = Pg>,
                Self: Send,
            {
                let ($this, $driver) = (self, Asynchronous(conn));
                $steps
            }
        }
    };
}

call! {
    [I, Tab] Upsert<I, Tab> => Report
    where [I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,]
    |this, driver| {
        let writing = this.0.batch_of_all();
        work::write(driver, writing)
    }
}

impl<I, Tab> Call for Insert<I, Tab>
where
    I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    type Output = Report;
    type Error = BulkError;

    #[cfg(feature = "sync")]
    fn call<Conn>(self, conn: &mut Conn) -> Result<Report, BulkError>
    where
        Conn: LoadConnection<Backend = Pg> + 'static,
    {
        super::insert_copy::insert(self.0, conn)
    }

    #[cfg(not(feature = "sync"))]
    fn call<Conn>(self, conn: &mut Conn) -> Result<Report, BulkError>
    where
        Conn: LoadConnection<Backend = Pg> + 'static,
    {
        run_ready(work::write(Blocking(conn), self.0.batch_of_all()))
    }

    #[cfg(feature = "async")]
    fn call_async<Conn>(self, conn: &mut Conn) -> impl Future<Output = Result<Report, BulkError>> + Send
    where
        Conn: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send,
    {
        work::write(Asynchronous(conn), self.0.batch_of_all())
    }
}

call! {
    [I, Tab, S, Out] Returning<I, Tab, S, Out> => (Report, Vec<Out>)
    where [
        I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
        S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
        S: QueryFragment<Pg> + Clone + Send + 'static,
        Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<S::SqlType>,
    ]
    |this, driver| {
        let Returning { work, selection, .. } = this;
        let writing = work.batch_of_all();
        returning::write(driver, writing, selection)
    }
}

call! {
    ['p, I, Tab] Batches<'p, I, Tab> => Report
    where [I: Iterator<Item: Insertable<Tab, Values: Values<Tab>> + Send> + Send,]
    |this, driver| batches::write(driver, this.work, this.size, this.progress)
}

#[cfg(feature = "async")]
impl<S, Tab> Batches<'_, Streamed<S>, Tab>
where
    S: futures_core::Stream<Item: Insertable<Tab, Values: Values<Tab>> + Send> + Send,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    /// Runs the call. (It is no [`Call`]: a stream cannot be waited for on a synchronous connection.)
    ///
    /// # Errors
    /// [`BulkError::Batch`].
    pub fn call<Conn>(self, conn: &mut Conn) -> impl Future<Output = Result<Report, BulkError>> + Send
    where
        Conn: diesel_async::AsyncConnection<Backend = Pg>,
    {
        batches::write(Asynchronous(conn), self.work, self.size, self.progress)
    }
}
