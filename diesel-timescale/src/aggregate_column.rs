//! A column more for a continuous aggregate that is there.

use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, Text};

use crate::call::{Call, Statement, value};
use crate::error::Error;
use crate::feature::Feature;
use crate::setup::{Declare, Setup};
use crate::sql_text::{SqlText, ViewName, view_name};

/// Adds an aggregate to a continuous aggregate, under the name of a column of the declared view, without making it
/// anew. Gives `false` if a column of that name is there. The view is in the schema with which it is declared, or else in
/// the first one of the `search_path`.
///
/// What was materialized before has null in it until it is refreshed by force
/// ([`Feature::ForcedRefresh`](crate::Feature::ForcedRefresh)). The server has no way to drop such a column: to take it
/// back, drop the continuous aggregate and make it anew.
///
/// # Errors
/// [`Error::Unsupported`] before 2.28, in the Apache edition and without TimescaleDB; the server's error if there is no
/// such continuous aggregate.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::dsl::{count_star, max};
/// use diesel_timescale::{Feature, Server, add_aggregate_column, bucketed, continuous_aggregate_of};
///
/// diesel::table! {
///     hourly (bucket) {
///         bucket -> Timestamptz,
///         readings -> BigInt,
///         peak -> Nullable<Double>,
///     }
/// }
///
/// # fn main() { run(|conn| {
/// # if !Server::query().call(conn)?.has(Feature::AggregateColumns) { return Ok(()); }
/// # conn.batch_execute("CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS \
/// #     SELECT time_bucket(INTERVAL '1 hour', time) AS bucket, count(*) AS readings FROM readings \
/// #     GROUP BY 1 WITH NO DATA")?;
/// for expected in [true, false] {
///     assert_eq!(add_aggregate_column(hourly::peak, max(readings::value)).call(conn)?, expected);
/// }
/// assert_eq!(hourly::table.select(hourly::peak).load::<Option<f64>>(conn)?, []);
/// # Ok(()) }) }
/// ```
pub fn add_aggregate_column<C, A>(
    column: C,
    aggregate: A,
) -> impl Call<Output = bool, Error = Error> + Declare + Clone + use<C, A>
where
    C: Column,
    C::Table: Default + QueryFragment<Pg>,
    A: Expression<SqlType = C::SqlType> + QueryFragment<Pg> + ValidGrouping<(), IsAggregate = is_aggregate::Yes>,
{
    let _ = column;
    let aggregate = SqlText::of(&aggregate).map(|aggregate| aggregate.sql());
    AddAggregateColumn { view: view_name(&C::Table::default()), column: C::NAME, aggregate }
}

/// The call that [`add_aggregate_column`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
struct AddAggregateColumn {
    view: ViewName,
    column: &'static str,
    aggregate: Result<String, String>,
}

impl Declare for AddAggregateColumn {
    fn declare(self, setup: &mut Setup) {
        setup.declare_aggregate_column(self.view, self.column, self.aggregate);
    }
}

impl Statement for AddAggregateColumn {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = bool;
    type Error = Error;

    const REQUIRES: Option<Feature> = Some(Feature::AggregateColumns);

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let error = |message: &String| diesel::result::Error::QueryBuilderError(message.clone().into());
        let (schema, name) = self.view.as_ref().map_err(error)?;
        out.push_sql("SELECT diesel_timescale.add_aggregate_column(");
        out.push_bind_param::<Text, _>(name)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.column)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.aggregate.as_ref().map_err(error)?)?;
        out.push_sql(", view_schema => coalesce(");
        out.push_bind_param::<Nullable<Text>, _>(schema)?;
        out.push_sql(", current_schema()))");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        value(rows)
    }
}
