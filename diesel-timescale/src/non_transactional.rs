//! Statements that cannot run inside a transaction.

use diesel::connection::{Connection, TransactionManager};
use diesel::pg::Pg;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::query_dsl::methods::ExecuteDsl;

use crate::error::{Error, Result};

/// A statement that commits on its own way, and so cannot run inside a transaction.
///
/// [`run`](Self::run), and not `execute`, runs it, because that looks first whether the connection is in a
/// transaction. On diesel-async it is
/// [`asynchronous::OutsideTransaction`](https://docs.rs/diesel-timescale/latest/diesel_timescale/asynchronous/trait.OutsideTransaction.html).
pub trait OutsideTransaction: QueryFragment<Pg> + QueryId + Sized {
    /// What the statement is, for the error.
    const NAME: &'static str;

    /// Runs the statement.
    ///
    /// # Errors
    /// [`Error::InsideTransaction`] if the connection is in a transaction of Diesel's; nothing was sent then.
    /// [`Error::Database`].
    fn run<C>(self, conn: &mut C) -> Result<()>
    where
        C: Connection<Backend = Pg>,
        Statement<Self>: RunQueryDsl<C> + ExecuteDsl<C>,
    {
        let depth = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?;
        refuse_inside_transaction(Self::NAME, depth.is_some())?;
        Statement(self).execute(conn)?;
        Ok(())
    }
}

pub(crate) fn refuse_inside_transaction(statement: &'static str, is_inside: bool) -> Result<()> {
    if is_inside { Err(Error::InsideTransaction { statement }) } else { Ok(()) }
}

/// What runs: the statement itself cannot be executed by Diesel, so that nobody does so inside a transaction.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Statement<T>(pub(crate) T);

impl<T: QueryId> QueryId for Statement<T> {
    type QueryId = Statement<T::QueryId>;

    const HAS_STATIC_QUERY_ID: bool = T::HAS_STATIC_QUERY_ID;
}

impl<T: QueryFragment<Pg>> QueryFragment<Pg> for Statement<T> {
    fn walk_ast<'b>(&'b self, out: diesel::query_builder::AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<T, C> RunQueryDsl<C> for Statement<T> {}
