//! Queries over the rows of another query. They take further clauses, as a table does.

use chrono::{DateTime, Utc};
use diesel::expression::ValidGrouping;
use diesel::internal::table_macro::{FromClause, SelectStatement};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AsQuery, AstPass, QueryFragment, QueryId};
use diesel::query_source::QuerySource;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};

/// A query over the rows of another query, in the `FROM` clause. Takes `filter`, `order`, `limit`, `select` and the like,
/// as a table does, and runs with Diesel's verbs.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until it runs"]
pub struct Subquery<T, Q> {
    table: T,
    rows: Q,
    parts: Vec<Part>,
}

/// A part of the SQL of a [`Subquery`].
#[derive(Debug, Clone)]
pub enum Part {
    /// SQL.
    Sql(&'static str),
    /// What is inside: the query of a [`Subquery`], the columns of a condition.
    Rows,
    /// A bind.
    BigInt(i64),
    /// A bind.
    BigInts(Vec<i64>),
    /// A bind.
    Text(String),
    /// A bind.
    Timestamptz(DateTime<Utc>),
}

/// Pushes parts, with this inside.
///
/// # Errors
/// Diesel's, if a value cannot be serialized.
pub fn push_parts<'b>(
    parts: &'b [Part],
    rows: &'b impl QueryFragment<Pg>,
    mut out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    for part in parts {
        match part {
            Part::Sql(sql) => out.push_sql(sql),
            Part::Rows => rows.walk_ast(out.reborrow())?,
            Part::BigInt(number) => out.push_bind_param::<BigInt, _>(number)?,
            Part::BigInts(numbers) => out.push_bind_param::<Array<BigInt>, _>(numbers)?,
            Part::Text(text) => out.push_bind_param::<Text, _>(text)?,
            Part::Timestamptz(at) => out.push_bind_param::<Timestamptz, _>(at)?,
        }
    }
    Ok(())
}

/// The query of these parts over these rows. `table` names the columns that it gives.
pub fn subquery<T, Q>(table: T, rows: Q, parts: impl Into<Vec<Part>>) -> Subquery<T, Q> {
    Subquery { table, rows, parts: parts.into() }
}

// The SQL depends on the parts, so a statement goes by its text.
impl<T, Q> QueryId for Subquery<T, Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T, Q> QueryFragment<Pg> for Subquery<T, Q>
where
    T: QueryFragment<Pg>,
    Q: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        push_parts(&self.parts, &self.rows, out.reborrow())?;
        out.push_sql(") AS ");
        self.table.walk_ast(out)
    }
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

impl<T, Q> AsQuery for Subquery<T, Q>
where
    T: Table + Clone,
    T::AllColumns: SelectableExpression<Self> + ValidGrouping<()>,
    Q: Clone,
{
    type SqlType = <T::AllColumns as Expression>::SqlType;
    type Query = SelectStatement<FromClause<Self>>;

    fn as_query(self) -> Self::Query {
        SelectStatement::simple(self)
    }
}

// What gives it Diesel's clauses and verbs.
impl<T, Q> Table for Subquery<T, Q>
where
    T: Table + Clone,
    T::PrimaryKey: SelectableExpression<Self> + ValidGrouping<()>,
    T::AllColumns: SelectableExpression<Self> + ValidGrouping<()>,
    Q: Clone,
{
    type PrimaryKey = T::PrimaryKey;
    type AllColumns = T::AllColumns;

    fn primary_key(&self) -> Self::PrimaryKey {
        self.table.primary_key()
    }

    fn all_columns() -> Self::AllColumns {
        T::all_columns()
    }
}

/// Lets the columns of a table stand for those of a subquery.
#[doc(hidden)]
#[macro_export]
macro_rules! usable_in_subquery {
    ($table:ident { $($column:ident),+ $(,)? }) => {
        impl<Q> diesel::query_source::AppearsInFromClause<$table::table> for $crate::subquery::Subquery<$table::table, Q> {
            type Count = diesel::query_source::Once;
        }
        $(
            impl<Q> diesel::SelectableExpression<$crate::subquery::Subquery<$table::table, Q>> for $table::$column {}
        )+
    };
}

/// Declares what a subquery gives: a struct for a row, and a module with its columns. The table is private, since there
/// is no relation of that name.
#[doc(hidden)]
#[macro_export]
macro_rules! subquery_columns {
    (
        $(#[$doc:meta])*
        $row:ident, $columns:ident, $table:ident ($($key:ident),+) { $( $(#[$column_doc:meta])* $column:ident: $rust:ty => $sql:ty, )+ }
    ) => {
        diesel::table! {
            use diesel::sql_types::*;

            #[sql_name = "found"]
            #[allow(missing_docs)]
            $table ($($key),+) { $( $(#[$column_doc])* $column -> $sql, )+ }
        }

        $crate::usable_in_subquery!($table { $($column),+ });

        #[doc = concat!("The columns of [`", stringify!($row), "`](super::", stringify!($row), "), for further clauses.")]
        pub mod $columns {
            #[doc(no_inline)]
            pub use super::$table::{$($column),+};
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, diesel::Queryable, diesel::Selectable)]
        #[diesel(table_name = $table, check_for_backend(diesel::pg::Pg))]
        #[non_exhaustive]
        pub struct $row { $( $(#[$column_doc])* pub $column: $rust, )+ }
    };
}
