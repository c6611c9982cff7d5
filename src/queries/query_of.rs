//! Queries of whole rows, which other queries start from.

use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::expression::Expression;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{Query, QueryFragment};

/// A query of whole rows of a model, with any clauses: of [`SensorEvent`](crate::SensorEvent)s or
/// [`Prediction`](crate::Prediction)s, as [`in_room`](crate::SensorEvent::in_room) and its like give them.
///
/// Some queries start from one that can be cloned, which a boxed query cannot.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no query of whole rows of `{M}`",
    note = "start with `in_room`, `within` or `query()` of the model, and leave out `select`"
)]
pub trait QueryOf<M>: Query<SqlType = SqlTypeOf<AsSelect<M, Pg>>> + QueryFragment<Pg>
where
    M: Selectable<Pg>,
    AsSelect<M, Pg>: Expression,
{
}

impl<Q, M> QueryOf<M> for Q
where
    M: Selectable<Pg>,
    AsSelect<M, Pg>: Expression,
    Q: Query<SqlType = SqlTypeOf<AsSelect<M, Pg>>> + QueryFragment<Pg>,
{
}
