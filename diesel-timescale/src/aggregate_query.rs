//! Continuous aggregates of queries of Diesel's: with joins, filters, `HAVING` and window functions.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Nullable, Text};

use crate::call::{Call, Statement, value};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::setup::{AggregateQueries, Declare, Setup};
use crate::sql_text::{SqlText, ViewName, column_names, has_windows, view_name};

/// Describes a continuous aggregate that is a query of Diesel's, grouped by [buckets](crate::bucketed()), under the
/// name and with the columns of a view that `diesel::table!` declares: in the schema that is declared, or else in the first
/// one of the connection's `search_path`.
///
/// Where [`continuous_aggregate`](crate::continuous_aggregate()) has columns of one table, this takes what the server
/// takes: joins, filters with values, `HAVING`, buckets of months or in a time zone, window functions (from 2.20 on).
/// Its values become part of the view. What is selected comes in the order of the view's columns; its types are what
/// the query gives.
///
/// Filling it, policies and dropping it are those of [`continuous_aggregate`](crate::continuous_aggregate()).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::dsl::{avg, count_star};
/// use diesel_timescale::{bucketed, continuous_aggregate_of};
///
/// diesel::table! {
///     warm_days (bucket, room) {
///         bucket -> Timestamptz,
///         room -> Text,
///         readings -> BigInt,
///         mean -> Nullable<Double>,
///     }
/// }
///
/// # fn main() { run(|conn| {
/// let daily = bucketed(TimeDelta::days(1), readings::time).in_time_zone("Europe/Berlin").by(readings::room);
/// let warm_days = readings::table
///     .filter(readings::value.gt(20.0))
///     .group_by(daily.clone())
///     .having(count_star().gt(3))
///     .select(daily.row((count_star(), avg(readings::value))));
/// continuous_aggregate_of(warm_days::table, warm_days).allow_plain_view().create().call(conn)?;
/// assert_eq!(warm_days::table.count().get_result::<i64>(conn)?, 0);
/// # diesel_timescale::drop_continuous_aggregate("warm_days").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn continuous_aggregate_of<V, Q>(view: V, query: Q) -> AggregateQuery
where
    V: Table + QueryFragment<Pg>,
    V::AllColumns: QueryFragment<Pg>,
    Q: QueryFragment<Pg>,
{
    let query = SqlText::of(&query);
    AggregateQuery {
        name: view_name(&view),
        columns: column_names(&view, &V::all_columns()),
        // On plain PostgreSQL, buckets come from this crate.
        plain_definition: query
            .as_ref()
            .map(|query| query.replace("time_bucket(", "diesel_timescale.time_bucket("))
            .map_err(String::clone),
        definition: query.map(|query| query.sql()),
        allow_plain_view: false,
        materialized_only: false,
    }
}

/// What [`continuous_aggregate_of`] describes.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is created"]
pub struct AggregateQuery {
    name: ViewName,
    columns: Result<Vec<String>, String>,
    definition: Result<String, String>,
    plain_definition: Result<String, String>,
    allow_plain_view: bool,
    materialized_only: bool,
}

impl AggregateQuery {
    /// Another name than that of the declared view, in its schema, for one that is known only when the program runs.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = self.name.map(|(schema, _)| (schema, name.into()));
        self
    }

    /// Whether it shows only what it has materialized, and not the latest rows as well. Default: `false`.
    pub fn materialized_only(mut self, only: bool) -> Self {
        self.materialized_only = only;
        self
    }

    /// Makes a plain view of the same query where the server has no continuous aggregates; the outcome then says so.
    /// Its buckets must be of a `timestamptz`. Default: that is an error.
    pub fn allow_plain_view(mut self) -> Self {
        self.allow_plain_view = true;
        self
    }

    /// Makes it, without data, or finds that it is there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the server has no continuous aggregates, or no window functions in them, and a
    /// plain view is not allowed; [`Error::OtherAggregate`] if something else of that name is there; a query builder
    /// error of Diesel's for a value of a type that is not PostgreSQL's own; and the server's error for what it does
    /// not take in a continuous aggregate.
    pub fn create(&self) -> impl Call<Output = Outcome, Error = Error> + Clone + use<> {
        let has_windows = self.definition.as_ref().is_ok_and(|definition| has_windows(definition));
        CreateAggregateOfQuery { aggregate: self.clone(), has_windows }
    }
}

impl Declare for AggregateQuery {
    fn declare(self, setup: &mut Setup) {
        let queries = AggregateQueries {
            columns: self.columns,
            definition: self.definition,
            plain_definition: self.allow_plain_view.then_some(self.plain_definition),
            materialized_only: self.materialized_only,
        };
        setup.declare_aggregate(self.name, None, queries);
    }
}

/// The call that [`AggregateQuery::create`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
struct CreateAggregateOfQuery {
    aggregate: AggregateQuery,
    has_windows: bool,
}

impl Statement for CreateAggregateOfQuery {
    type SqlType = (Text,);
    type Row = (Outcome,);
    type Output = Outcome;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { aggregate, has_windows } = self;
        let error = |message: &String| diesel::result::Error::QueryBuilderError(message.clone().into());
        let definition = aggregate.definition.as_ref().map_err(error)?;
        let (schema, name) = aggregate.name.as_ref().map_err(error)?;
        out.push_sql("SELECT diesel_timescale.create_continuous_aggregate(");
        out.push_bind_param::<Text, _>(name)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(definition)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(aggregate.plain_definition.as_ref().map_err(error)?)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&aggregate.allow_plain_view)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&aggregate.materialized_only)?;
        out.push_sql(", view_schema => coalesce(");
        out.push_bind_param::<Nullable<Text>, _>(schema)?;
        out.push_sql(", current_schema()), columns => ");
        out.push_bind_param::<Array<Text>, _>(aggregate.columns.as_ref().map_err(error)?)?;
        out.push_sql(", has_windows => ");
        out.push_bind_param::<Bool, _>(has_windows)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        value(rows)
    }
}
