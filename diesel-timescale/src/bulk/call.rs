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
use super::driver::{self, Blocking};
use super::error::BulkError;
use super::insert::Insert;
use super::report::Report;
use super::returning::{self, Returning};
use super::source::Iter;
#[cfg(feature = "async")]
use super::source::Streamed;
use super::upsert::Upsert;
use super::values::Values;
use super::work;

/// Implements the verb for a call, by its steps on a driver.
macro_rules! call {
    (
        [$($generics:tt)*] $call:ty => $output:ty
        where [$($bounds:tt)*] send [$($send:tt)*]
        { |$this:ident, $driver:ident| $steps:expr }
    ) => {
        impl<$($generics)*> $call
        where
            $($bounds)*
            Tab: Table<SqlType: SqlType> + Default,
            Tab::FromClause: QueryFragment<Pg>,
        {
            /// Runs the call.
            ///
            /// # Errors
            /// [`BulkError`].
            pub fn call<Conn>(self, conn: &mut Conn) -> Result<$output, BulkError>
            where
                Conn: LoadConnection<Backend = Pg> + 'static,
            {
                let ($this, $driver) = (self, Blocking(conn));
                driver::run($steps)
            }

            call!(@asynchronous $output, [$($send)*], |$this, $driver| $steps);
        }
    };
    (@asynchronous $output:ty, [$($send:tt)*], |$this:ident, $driver:ident| $steps:expr) => {
        /// Runs the call on an asynchronous connection.
        ///
        /// # Errors
        /// [`BulkError`].
        #[cfg(feature = "async")]
        pub fn call_async<Conn>(self, conn: &mut Conn) -> impl Future<Output = Result<$output, BulkError>> + Send
        where
            Conn: diesel_async::AsyncConnection<Backend = Pg>,
            $($send)*
        {
            let ($this, $driver) = (self, driver::Asynchronous(conn));
            $steps
        }
    };
}

call! {
    [I, Tab] Upsert<Iter<I>, Tab> => Report
    where [I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,] send []
    { |this, driver| {
        let writing = this.0.batch_of_all();
        work::write(driver, writing)
    } }
}

call! {
    [I, Tab] Insert<Iter<I>, Tab> => Report
    where [I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,] send []
    { |this, driver| {
        let writing = this.0.batch_of_all();
        work::write(driver, writing)
    } }
}

call! {
    [I, Tab, S, Out] Returning<Iter<I>, Tab, S, Out> => (Report, Vec<Out>)
    where [
        I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,
        S: Expression<SqlType: CompatibleType<Out, Pg, SqlType: 'static> + 'static>,
        S: QueryFragment<Pg> + Clone + Send + 'static,
        Out: FromSqlRow<<S::SqlType as CompatibleType<Out, Pg>>::SqlType, Pg> + Send + 'static,
        Pg: QueryMetadata<S::SqlType>,
    ] send []
    { |this, driver| {
        let Returning { work, selection, .. } = this;
        let writing = work.batch_of_all();
        returning::write(driver, writing, selection)
    } }
}

call! {
    [I, Tab] Batches<'_, Iter<I>, Tab> => Report
    where [I: Iterator<Item: Insertable<Tab, Values: Values<Tab>>>,] send [I: Send, I::Item: Send,]
    { |this, driver| batches::write(driver, this) }
}

#[cfg(feature = "async")]
impl<S, Tab> Batches<'_, Streamed<S>, Tab>
where
    S: futures_core::Stream<Item: Insertable<Tab, Values: Values<Tab>>>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    call!(@asynchronous Report, [S: Send, S::Item: Send,], |this, driver| batches::write(driver, this));
}
