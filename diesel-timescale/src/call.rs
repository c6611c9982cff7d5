//! Calls of the functions that the migrations install.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::query_builder::Query;
use diesel::query_dsl::RunQueryDsl;
use diesel::query_dsl::methods::LoadQuery;

use crate::error::Error;

type Result<T, E = Error> = std::result::Result<T, E>;

/// A call of one of this crate's SQL functions: a query value with a typed result and typed errors.
///
/// The value is an ordinary Diesel query as well: `load` and `get_result` run it on any connection, with Diesel's
/// own error; [`Error::from`](crate::Error) gives that the type.
pub trait Call: Query + Sized {
    /// One row of what the function returns.
    type Row;
    /// What the call gives.
    type Output;
    /// What can go wrong.
    type Error: From<diesel::result::Error>;

    /// Makes the output of the rows.
    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Self::Error>;

    /// Runs the call.
    ///
    /// # Errors
    /// What the function refuses comes typed ([`Error::Hypertable`](crate::Error::Hypertable),
    /// [`Error::Reference`](crate::Error::Reference)), everything else as [`Error::Database`](crate::Error::Database).
    fn call<'query, C>(self, conn: &mut C) -> Result<Self::Output, Self::Error>
    where
        C: LoadConnection<Backend = Pg>,
        Self: RunQueryDsl<C> + LoadQuery<'query, C, Self::Row>,
    {
        Self::output(self.load(conn)?)
    }
}

/// The only row of a call that returns exactly one.
pub fn single<T, E: From<diesel::result::Error>>(rows: Vec<T>) -> Result<T, E> {
    Ok(rows.into_iter().next().ok_or(diesel::result::Error::NotFound)?)
}

/// The name of a table as SQL, quoted and with its schema if it has one; goes into a bind that is cast to `regclass`.
pub fn relation_name<T>(table: &T) -> std::result::Result<String, String>
where
    T: diesel::query_builder::QueryFragment<Pg>,
{
    use diesel::query_builder::QueryBuilder;

    let mut builder = diesel::pg::PgQueryBuilder::default();
    table.to_sql(&mut builder, &Pg).map_err(|error| error.to_string())?;
    Ok(builder.finish())
}

/// Pushes a relation, named by [`relation_name`].
pub fn push_relation<'b>(
    relation: &'b std::result::Result<String, String>,
    out: &mut diesel::query_builder::AstPass<'_, 'b, Pg>,
) -> diesel::QueryResult<()> {
    let name = relation.as_ref().map_err(|message| diesel::result::Error::QueryBuilderError(message.clone().into()))?;
    out.push_sql("CAST(");
    out.push_bind_param::<diesel::sql_types::Text, _>(name)?;
    out.push_sql(" AS regclass)");
    Ok(())
}

/// Pushes one argument of a function, by the name of its type; `Relation` is one named by [`relation_name`].
#[doc(hidden)]
#[macro_export]
macro_rules! push_argument {
    ($out:ident, $value:expr, Relation) => {
        $crate::call::push_relation($value, &mut $out)?
    };
    ($out:ident, $value:expr, $sql_type:ident) => {
        $out.push_bind_param::<$sql_type, _>($value)?
    };
}

/// Declares the call of one SQL function: a struct with a field for each argument, in order, and its SQL before and
/// after the arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! function_call {
    (
        $(#[$meta:meta])*
        $call:ident { $($field:ident: $type:ty = $sql_type:ident),* $(,)? },
        $before:literal, $after:literal,
        $columns:ty => $row:ty => $output:ty, $finish:expr $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, ::diesel::query_builder::QueryId)]
        #[must_use = "a call does nothing until it runs"]
        pub struct $call {
            $($field: $type,)*
        }

        impl diesel::query_builder::Query for $call {
            type SqlType = $columns;
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $call {
            #[allow(unused_assignments, unused_mut, unused_variables, reason = "a function may have no arguments")]
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                let mut separator = "";
                out.push_sql($before);
                $(
                    out.push_sql(separator);
                    separator = ", ";
                    $crate::push_argument!(out, &self.$field, $sql_type);
                )*
                out.push_sql($after);
                Ok(())
            }
        }

        impl<C> diesel::query_dsl::RunQueryDsl<C> for $call {}

        impl $crate::call::Call for $call {
            type Row = $row;
            type Output = $output;
            type Error = $crate::Error;

            fn output(rows: Vec<Self::Row>) -> $crate::Result<Self::Output> {
                let finish: fn(Vec<$row>) -> $crate::Result<$output> = $finish;
                finish(rows)
            }
        }
    };
}

/// A table, as an argument of a function; the error is kept until the call runs.
pub type Relation = std::result::Result<String, String>;

/// The only value of the only row.
pub fn value<T, E: From<diesel::result::Error>>(rows: Vec<(T,)>) -> Result<T, E> {
    Ok(single(rows)?.0)
}

/// Nothing: what a function that returns `void` gives.
pub fn done<E>(_: Vec<(bool,)>) -> Result<(), E> {
    Ok(())
}
