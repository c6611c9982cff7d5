//! Calls: values that write or administer, run by `.call(conn)`, with a typed result and typed errors.
//!
//! Reads are Diesel queries, and take Diesel's verbs. A call is no query of Diesel's: it may consist of several
//! statements, or refuse to run inside a transaction.

use std::any::type_name;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use diesel::QueryResult;
use diesel::connection::{LoadConnection, TransactionManager};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::{CompatibleType, RunQueryDsl};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Bool, Text};

use crate::error::Error;
use crate::feature::Feature;
use crate::trace::Run;

/// What writes or administers, and has not run yet.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::Call;
///
/// # fn main() { run(|conn| {
/// let server = diesel_timescale::Server::query().call(conn)?;
/// println!("{server}");
/// # Ok(()) }) }
/// ```
///
/// On diesel-async import `asynchronous::Call` in its place. The values that are called are the same.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a call",
    label = "this has no `.call(conn)`",
    note = "what writes or administers is a call; reads are Diesel queries: `load`, `get_result` or `first` runs them"
)]
pub trait Call: Sized {
    /// What the call gives.
    type Output;
    /// What can go wrong.
    type Error: From<DieselError>;

    /// Runs the call.
    ///
    /// # Errors
    /// What the server or this crate's functions refuse comes typed, everything else as the error of Diesel that it is.
    fn call<C>(self, conn: &mut C) -> Result<Self::Output, Self::Error>
    where
        C: LoadConnection<Backend = Pg> + 'static;

    /// Runs the call on an asynchronous connection.
    #[cfg(feature = "async")]
    #[doc(hidden)]
    fn call_async<C>(self, conn: &mut C) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send;
}

/// Runs steps that are written once for both drivers, on a connection whose futures are ready at once.
#[doc(hidden)]
pub fn run_ready<T>(steps: impl Future<Output = T>) -> T {
    let mut steps = pin!(steps);
    loop {
        if let Poll::Ready(output) = steps.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// A call that is one statement.
///
/// For crates that have functions of their own in the database; [`function_call!`](crate::function_call) writes it.
#[doc(hidden)]
pub trait Statement: QueryId + Sized {
    /// The SQL types of the columns that come back.
    type SqlType;
    /// A row of what comes back.
    type Row;
    /// What the call gives.
    type Output;
    /// What can go wrong.
    type Error: From<DieselError> + From<Error>;

    /// What the server must have, where the statement does not ask for that by itself.
    const REQUIRES: Option<Feature> = None;
    /// What the statement is called, if it manages its own transactions, and so cannot run inside one.
    const NON_TRANSACTIONAL: Option<&'static str> = None;

    /// Writes the SQL.
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;

    /// Makes the output of the rows.
    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Self::Error>;
}

/// A statement as a query of Diesel's: only this crate runs it, so that nobody does so with a verb that means less.
#[derive(Debug)]
struct Sql<S>(S);

impl<S: QueryId> QueryId for Sql<S> {
    type QueryId = Sql<S::QueryId>;

    const HAS_STATIC_QUERY_ID: bool = S::HAS_STATIC_QUERY_ID;
}

impl<S: Statement> Query for Sql<S> {
    type SqlType = S::SqlType;
}

impl<S: Statement> QueryFragment<Pg> for Sql<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<S, C> RunQueryDsl<C> for Sql<S> {}

#[diagnostic::do_not_recommend]
impl<S, ST> Call for S
where
    S: Statement,
    S::SqlType: CompatibleType<S::Row, Pg, SqlType = ST>,
    S::Row: FromSqlRow<ST, Pg> + Send + 'static,
    ST: 'static,
    Pg: QueryMetadata<S::SqlType>,
{
    type Output = S::Output;
    type Error = S::Error;

    fn call<C>(self, conn: &mut C) -> Result<Self::Output, Self::Error>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        if S::NON_TRANSACTIONAL.is_some() {
            let depth = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?;
            refuse_inside_transaction::<S>(depth.is_some())?;
        }
        if let Some(feature) = S::REQUIRES {
            let _: Vec<(bool,)> = Sql(RequireFeature { feature }).load(conn)?;
        }
        let run = Run::call(type_name::<S>());
        let rows = run.scope(|| Sql(self).load(conn));
        run.end(&rows);
        S::output(rows?)
    }

    #[cfg(feature = "async")]
    async fn call_async<C>(self, conn: &mut C) -> Result<Self::Output, Self::Error>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send,
    {
        use diesel_async::TransactionManager;

        if S::NON_TRANSACTIONAL.is_some() {
            let depth = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?;
            refuse_inside_transaction::<S>(depth.is_some())?;
        }
        if let Some(feature) = S::REQUIRES {
            let _: Vec<(bool,)> = diesel_async::RunQueryDsl::load(Sql(RequireFeature { feature }), conn).await?;
        }
        let run = Run::call(type_name::<S>());
        let rows = run.of(diesel_async::RunQueryDsl::load(Sql(self), conn)).await;
        run.end(&rows);
        S::output(rows?)
    }
}

fn refuse_inside_transaction<S: Statement>(is_inside: bool) -> Result<(), Error> {
    match S::NON_TRANSACTIONAL {
        Some(statement) if is_inside => Err(Error::InsideTransaction { statement }),
        _ => Ok(()),
    }
}

/// Makes sure that the server has a feature.
#[derive(QueryId)]
struct RequireFeature {
    feature: Feature,
}

impl Statement for RequireFeature {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT diesel_timescale.require_feature(");
        out.push_bind_param::<Text, _>(self.feature.sql_name())?;
        out.push_sql(") IS NOT NULL");
        Ok(())
    }

    fn output(_: Vec<Self::Row>) -> Result<Self::Output, Self::Error> {
        Ok(())
    }
}

/// A table, as an argument of a function; the error is kept until the call runs.
pub(crate) type Relation = Result<String, String>;

/// The name of a table as SQL, quoted and with its schema if it has one; goes into a bind that is cast to `regclass`.
#[doc(hidden)]
pub fn relation_name<T: QueryFragment<Pg>>(table: &T) -> Result<String, String> {
    use diesel::query_builder::QueryBuilder;

    let mut builder = diesel::pg::PgQueryBuilder::default();
    table.to_sql(&mut builder, &Pg).map_err(|error| error.to_string())?;
    Ok(builder.finish())
}

/// Pushes a relation, named by [`relation_name`].
///
/// # Errors
/// Diesel's, if the relation has no name.
#[doc(hidden)]
pub fn push_relation<'b>(relation: &'b Result<String, String>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    let name = relation.as_ref().map_err(|message| DieselError::QueryBuilderError(message.clone().into()))?;
    out.push_sql("CAST(");
    out.push_bind_param::<Text, _>(name)?;
    out.push_sql(" AS regclass)");
    Ok(())
}

/// The only row of a call that returns exactly one.
///
/// # Errors
/// `NotFound`, if there is none.
#[doc(hidden)]
pub fn single<T, E: From<DieselError>>(rows: Vec<T>) -> Result<T, E> {
    Ok(rows.into_iter().next().ok_or(DieselError::NotFound)?)
}

/// The only value of the only row.
///
/// # Errors
/// As [`single`].
#[doc(hidden)]
pub fn value<T, E: From<DieselError>>(rows: Vec<(T,)>) -> Result<T, E> {
    Ok(single::<_, E>(rows)?.0)
}

/// Nothing: what a function that returns `void` gives.
///
/// # Errors
/// None.
#[doc(hidden)]
pub fn done<E>(_: Vec<(bool,)>) -> Result<(), E> {
    Ok(())
}
