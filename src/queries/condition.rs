//! Conditions that Diesel's own operators do not write.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Bool;
use diesel_timescale::subquery::push_parts;

use super::subquery::Part;

/// A condition on columns `C`, for `filter`: what [`within`](super::within), [`before`](super::before) and
/// [`after`](super::after) give.
#[derive(Debug, Clone)]
pub struct Condition<C> {
    columns: C,
    parts: Vec<Part>,
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
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_parts(&self.parts, &self.columns, out)
    }
}
