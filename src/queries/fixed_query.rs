//! Queries that take no further clause.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A query that is whole as it is: it runs with `load`, `get_results` or `first`, and takes no further clause.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a query does nothing until it runs"]
pub struct FixedQuery<Q>(pub(super) Q);

impl<Q: Query> Query for FixedQuery<Q> {
    type SqlType = Q::SqlType;
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for FixedQuery<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<Q, C> RunQueryDsl<C> for FixedQuery<Q> {}
