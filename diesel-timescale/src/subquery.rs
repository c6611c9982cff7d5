//! Queries over the rows of another query, that take further clauses like a table does.

use diesel::internal::table_macro::{FromClause, SelectStatement};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_source::QuerySource;

/// A query in the `FROM` clause, under the name of the table `T` whose columns it has.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Subquery<T, Q> {
    table: T,
    query: Q,
}

/// A query over the rows of another one: takes `filter`, `order`, `limit`, `select` and the like.
pub type SubqueryStatement<T, Q> = SelectStatement<FromClause<Subquery<T, Q>>>;

/// The query over these rows.
pub fn subquery<T, Q>(table: T, query: Q) -> SubqueryStatement<T, Q>
where
    Subquery<T, Q>: QuerySource,
{
    SelectStatement::simple(Subquery { table, query })
}

impl<T, Q> QuerySource for Subquery<T, Q>
where
    T: Table + Clone,
    T::AllColumns: SelectableExpression<Self>,
    Q: Clone,
{
    type FromClause = Self;
    type DefaultSelection = T::AllColumns;

    fn from_clause(&self) -> Self {
        self.clone()
    }

    fn default_selection(&self) -> Self::DefaultSelection {
        T::all_columns()
    }
}

impl<T, Q> QueryFragment<Pg> for Subquery<T, Q>
where
    T: QueryFragment<Pg>,
    Q: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(") AS ");
        self.table.walk_ast(out)
    }
}

/// Lets the columns of a table stand for those of a subquery.
#[doc(hidden)]
#[macro_export]
macro_rules! usable_as_subquery {
    ($table:ident { $($column:ident),+ $(,)? }) => {
        impl<Q> diesel::query_source::AppearsInFromClause<$table::table> for $crate::subquery::Subquery<$table::table, Q> {
            type Count = diesel::query_source::Once;
        }
        $(
            impl<Q> diesel::SelectableExpression<$crate::subquery::Subquery<$table::table, Q>> for $table::$column {}
        )+
    };
}

/// Declares the columns of a subquery, a row of it, and what makes the query.
#[doc(hidden)]
#[macro_export]
macro_rules! subquery_table {
    (
        $(#[$doc:meta])*
        $row:ident, $table:ident ($key:ident) { $( $(#[$column_doc:meta])* $column:ident: $rust:ty => $sql:ty, )+ }
    ) => {
        diesel::table! {
            use diesel::sql_types::*;

            #[allow(missing_docs)]
            #[doc = concat!("The columns of [`", stringify!($row), "`](super::", stringify!($row), "), for further clauses.")]
            $table ($key) { $( $(#[$column_doc])* $column -> $sql, )+ }
        }

        $crate::usable_as_subquery!($table { $($column),+ });

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, diesel::Queryable, diesel::Selectable)]
        #[diesel(table_name = $table, check_for_backend(diesel::pg::Pg))]
        #[non_exhaustive]
        pub struct $row { $( $(#[$column_doc])* pub $column: $rust, )+ }
    };
}
