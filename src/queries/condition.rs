//! Conditions that Diesel's own operators do not write.

use chrono::{DateTime, Utc};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Timestamptz};

/// A condition on columns `C`, for `filter`: what [`within`](super::within), [`before`](super::before) and
/// [`after`](super::after) give.
#[derive(Debug, Clone)]
pub struct Condition<C> {
    columns: C,
    parts: Vec<Part>,
}

/// A part of the SQL of a condition.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Sql(&'static str),
    /// The columns, with commas between them.
    Columns,
    Timestamp(DateTime<Utc>),
    Id(i64),
    Ids(Vec<i64>),
}

impl<C> Condition<C> {
    pub(super) fn new(columns: C, parts: Vec<Part>) -> Self {
        Self { columns, parts }
    }
}

impl<C> Expression for Condition<C> {
    type SqlType = Bool;
}

impl<C: ValidGrouping<G>, G> ValidGrouping<G> for Condition<C> {
    type IsAggregate = C::IsAggregate;
}

impl<C: AppearsOnTable<QS>, QS> AppearsOnTable<QS> for Condition<C> {}

impl<C: SelectableExpression<QS>, QS> SelectableExpression<QS> for Condition<C> {}

// The SQL depends on the parts, so a statement goes by its text.
impl<C> QueryId for Condition<C> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Condition<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for part in &self.parts {
            match part {
                Part::Sql(sql) => out.push_sql(sql),
                Part::Columns => self.columns.walk_ast(out.reborrow())?,
                Part::Timestamp(at) => out.push_bind_param::<Timestamptz, _>(at)?,
                Part::Id(id) => out.push_bind_param::<BigInt, _>(id)?,
                Part::Ids(ids) => out.push_bind_param::<Array<BigInt>, _>(ids)?,
            }
        }
        Ok(())
    }
}
