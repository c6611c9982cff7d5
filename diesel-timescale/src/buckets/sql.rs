//! Buckets as SQL, and what Diesel is told of it: what they may be selected with and grouped by.

use crate::time_column::TimeColumn;
use diesel::expression::{
    AppearsOnTable, Expression, IsContainedInGroupBy, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Interval, Text, Timestamptz};

use super::{Anchor, Bucket, BucketRow, BucketRowBy, BucketStart, Bucketed, BucketedBy};

impl<C: TimeColumn + QueryFragment<Pg>> QueryFragment<Pg> for Bucket<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // time_bucket($1, "table"."time", $2)
        out.push_sql(self.function);
        out.push_bind_param::<Interval, _>(&self.width)?;
        out.push_sql(", ");
        self.time.walk_ast(out.reborrow())?;
        match &self.anchor {
            None => {}
            Some(Anchor::Zone(zone)) => {
                out.push_sql(", ");
                out.push_bind_param::<Text, _>(zone)?;
            }
            Some(Anchor::Origin(origin)) => {
                out.push_sql(", ");
                out.push_bind_param::<Timestamptz, _>(origin)?;
            }
            Some(Anchor::Offset(offset)) => {
                out.push_sql(", ");
                out.push_bind_param::<Interval, _>(offset)?;
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

impl<C, G: QueryFragment<Pg>> QueryFragment<Pg> for BucketedBy<C, G> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("1, ");
        self.columns.walk_ast(out)
    }
}

impl<C: TimeColumn + QueryFragment<Pg>, A: QueryFragment<Pg>> QueryFragment<Pg> for BucketRow<C, A> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.bucket.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.aggregates.walk_ast(out)
    }
}

impl<C, G, A> QueryFragment<Pg> for BucketRowBy<C, G, A>
where
    C: TimeColumn + QueryFragment<Pg>,
    G: QueryFragment<Pg>,
    A: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.bucket.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.columns.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.aggregates.walk_ast(out)
    }
}

/// Implements what Diesel asks of an expression: its type, where it may appear, and that its SQL depends on its value.
macro_rules! expression {
    ($name:ident<$($part:ident),+>, $sql_type:ty, group by $($grouping:tt)+) => {
        impl<$($part: Expression),+> Expression for $name<$($part),+>
        where
            $sql_type: diesel::expression::TypedExpressionType,
        {
            type SqlType = $sql_type;
        }

        impl<QS, $($part),+> AppearsOnTable<QS> for $name<$($part),+>
        where
            $($part: AppearsOnTable<QS>,)+
            Self: Expression,
        {
        }

        impl<$($part),+> ValidGrouping<$($grouping)+> for $name<$($part),+> {
            type IsAggregate = is_aggregate::Yes;
        }

        // The anchor and gap filling change the SQL.
        impl<$($part),+> QueryId for $name<$($part),+> {
            type QueryId = ();

            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

expression!(BucketStart<C>, Timestamptz, group by Bucketed<C>);
expression!(Bucketed<C>, Timestamptz, group by Bucketed<C>);
expression!(BucketedBy<C, G>, (Timestamptz, G::SqlType), group by BucketedBy<C, G>);
expression!(BucketRow<C, A>, (Timestamptz, A::SqlType), group by Bucketed<C>);
expression!(BucketRowBy<C, G, A>, (Timestamptz, G::SqlType, A::SqlType), group by BucketedBy<C, G>);

/// What may be selected: the rows, and nothing that only names a place in them.
macro_rules! selectable {
    ($name:ident<$($part:ident),+>) => {
        impl<QS, $($part),+> SelectableExpression<QS> for $name<$($part),+>
        where
            $($part: SelectableExpression<QS>,)+
            Self: AppearsOnTable<QS>,
        {
        }
    };
}

selectable!(BucketRow<C, A>);
selectable!(BucketRowBy<C, G, A>);

impl<C, G> ValidGrouping<BucketedBy<C, G>> for BucketStart<C> {
    type IsAggregate = is_aggregate::Yes;
}

// What is grouped by as well may be ordered by.
impl<C, G, Col> IsContainedInGroupBy<Col> for BucketedBy<C, G>
where
    G: IsContainedInGroupBy<Col>,
{
    type Output = G::Output;
}
