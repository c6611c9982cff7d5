//! Buckets as SQL, and the traits by which Diesel checks what they are selected with and grouped by.

use crate::time_column::{TimeColumn, TimeType};
use diesel::expression::{
    AppearsOnTable, Expression, IsContainedInGroupBy, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;

use super::{Anchor, Bucket, BucketRow, Bucketed};

impl<C: TimeColumn + QueryFragment<Pg>> QueryFragment<Pg> for Bucket<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // time_bucket($1, "table"."time", $2)
        out.push_sql(self.function);
        self.width.push(&mut out)?;
        out.push_sql(", ");
        self.time.walk_ast(out.reborrow())?;
        match &self.anchor {
            None => {}
            Some(Anchor::Zone(zone)) => {
                out.push_sql(", ");
                out.push_bind_param::<Text, _>(zone)?;
            }
            Some(Anchor::Value(value)) => {
                out.push_sql(", ");
                value.push(&mut out)?;
            }
        }
        out.push_sql(")");
        Ok(())
    }
}

// Two `$1` that hold the same are not the same to PostgreSQL, so what is grouped and ordered by is named by where it
// stands in the row: first.
impl<C> QueryFragment<Pg> for Bucketed<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("1");
        Ok(())
    }
}

impl<C, G: QueryFragment<Pg>> QueryFragment<Pg> for Bucketed<C, (G,)> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("1, ");
        self.columns.0.walk_ast(out)
    }
}

impl<C: TimeColumn + QueryFragment<Pg>, A: QueryFragment<Pg>> QueryFragment<Pg> for BucketRow<C, (), A> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.buckets.bucket.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.aggregates.walk_ast(out)
    }
}

impl<C, G, A> QueryFragment<Pg> for BucketRow<C, (G,), A>
where
    C: TimeColumn + QueryFragment<Pg>,
    G: QueryFragment<Pg>,
    A: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.buckets.bucket.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.buckets.columns.0.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.aggregates.walk_ast(out)
    }
}

/// Implements what Diesel asks of an expression: its type, where it may appear, and that its SQL depends on its value.
macro_rules! expression {
    ([C $(, $part:ident)*] $name:ty, $sql_type:ty, group by $grouping:ty) => {
        impl<C: TimeColumn $(, $part: Expression)*> Expression for $name
        where
            $sql_type: diesel::expression::TypedExpressionType,
        {
            type SqlType = $sql_type;
        }

        impl<QS, C $(, $part)*> AppearsOnTable<QS> for $name
        where
            C: AppearsOnTable<QS>,
            $($part: AppearsOnTable<QS>,)*
            Self: Expression,
        {
        }

        impl<C $(, $part)*> ValidGrouping<$grouping> for $name {
            type IsAggregate = is_aggregate::Yes;
        }
    };
}

/// The type of the start of a bucket.
type Start<C> = <<C as Expression>::SqlType as TimeType>::Bucket;

expression!([C] Bucketed<C>, Start<C>, group by Bucketed<C>);
expression!([C, G] Bucketed<C, (G,)>, (Start<C>, G::SqlType), group by Bucketed<C, (G,)>);
expression!([C, A] BucketRow<C, (), A>, (Start<C>, A::SqlType), group by Bucketed<C>);
expression!([C, G, A] BucketRow<C, (G,), A>, (Start<C>, G::SqlType, A::SqlType), group by Bucketed<C, (G,)>);

impl<C, G> ValidGrouping<Bucketed<C, (G,)>> for Bucketed<C> {
    type IsAggregate = is_aggregate::Yes;
}

/// The anchor and gap filling change the SQL.
macro_rules! uncached {
    ($($name:ident<$($part:ident),+>),+) => {$(
        impl<$($part),+> QueryId for $name<$($part),+> {
            type QueryId = ();

            const HAS_STATIC_QUERY_ID: bool = false;
        }
    )+};
}

uncached!(Bucketed<C, G>, BucketRow<C, G, A>);

// What may be selected: the rows, and nothing that only names a place in them.
impl<QS, C, A> SelectableExpression<QS> for BucketRow<C, (), A>
where
    C: SelectableExpression<QS>,
    A: SelectableExpression<QS>,
    Self: AppearsOnTable<QS>,
{
}

impl<QS, C, G, A> SelectableExpression<QS> for BucketRow<C, (G,), A>
where
    C: SelectableExpression<QS>,
    G: SelectableExpression<QS>,
    A: SelectableExpression<QS>,
    Self: AppearsOnTable<QS>,
{
}

// What is grouped by as well may be ordered by.
impl<C, G, Col> IsContainedInGroupBy<Col> for Bucketed<C, (G,)>
where
    G: IsContainedInGroupBy<Col>,
{
    type Output = G::Output;
}
