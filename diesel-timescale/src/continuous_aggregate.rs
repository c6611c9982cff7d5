//! Continuous aggregates, from typed definitions.

use diesel::expression::{AppearsOnTable, ValidGrouping, is_aggregate};
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryBuilder, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Text};

use crate::call::{Call, Relation, Statement, push_relation, relation_name, value};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::setup::{AggregateQueries, Declare, Setup};
use crate::sql_text::quoted;
use crate::time_column::{IntervalOf, TimeColumn, TimeType};
use crate::time_value::TimeValue;

/// Describes a continuous aggregate: a view of this name that keeps the aggregates of each bucket of time of a
/// hypertable, or of another continuous aggregate.
///
/// The view has the columns `bucket`, those of [`by`](ContinuousAggregate::by), and the aggregates. It is in the first
/// schema of the connection's `search_path`; [`continuous_aggregate_of`](crate::continuous_aggregate_of) makes one in the
/// schema with which its view is declared. Declare it with `diesel::table!` to query it.
///
/// The buckets are as wide as `width`: a length of time, or a number where the column counts units; then the server must
/// know the present ([`set_integer_now`](crate::set_integer_now)).
///
/// Setting it up takes two steps, and each may be repeated: [`create`](ContinuousAggregate::create), which makes it
/// without data, in a transaction or not; and [`refresh`](crate::refresh()), which fills it, outside of any. A
/// [policy](crate::add_refresh_policy) does the latter by itself from then on. Until it is filled, and for what is newer, it
/// reads the hypertable itself, unless it is [materialized only](ContinuousAggregate::materialized_only).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::dsl::{count_star, max};
/// use diesel_timescale::{Feature, Server, continuous_aggregate, refresh};
///
/// diesel::table! {
///     daily_peaks (bucket, sensor_id) {
///         bucket -> Timestamptz,
///         sensor_id -> Text,
///         readings -> Int8,
///         peak -> Nullable<Float8>,
///     }
/// }
///
/// # fn main() { run(|conn| {
/// # a_reading(conn);
/// let server = Server::query().call(conn)?;
/// let daily_peaks = continuous_aggregate("daily_peaks", TimeDelta::days(1), readings::time)
///     .by(readings::sensor)
///     .aggregate("readings", count_star())
///     .aggregate("peak", max(readings::value))
///     .allow_plain_view();
/// daily_peaks.create().call(conn)?;
/// // Also where it was there already: whoever made it may not have come to fill it.
/// if server.has(Feature::ContinuousAggregates) {
///     refresh(daily_peaks::bucket, ..).call(conn)?;
/// }
/// assert_eq!(daily_peaks::table.select(daily_peaks::readings).load::<i64>(conn)?, [1]);
/// # diesel_timescale::drop_continuous_aggregate("daily_peaks").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn continuous_aggregate<C>(name: &'static str, width: IntervalOf<C>, time: C) -> ContinuousAggregate<C>
where
    C: TimeColumn + QueryFragment<Pg>,
    C::Table: Default + QueryFragment<Pg>,
{
    ContinuousAggregate {
        name,
        width: C::SqlType::interval(width),
        time,
        columns: Vec::new(),
        aggregates: Vec::new(),
        materialized_only: false,
        allow_plain_view: false,
    }
}

/// What [`continuous_aggregate`] describes.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is created"]
pub struct ContinuousAggregate<C> {
    name: &'static str,
    width: TimeValue,
    time: C,
    /// As SQL, each.
    columns: Vec<Rendered>,
    aggregates: Vec<Rendered>,
    materialized_only: bool,
    allow_plain_view: bool,
}

/// An expression as SQL, or why it is none.
type Rendered = Result<String, String>;

impl<C> ContinuousAggregate<C>
where
    C: TimeColumn + QueryFragment<Pg>,
    C::Table: Default + QueryFragment<Pg>,
{
    /// Groups by this column as well; may be called for several columns.
    pub fn by<G: Column<Table = C::Table> + QueryFragment<Pg>>(mut self, column: G) -> Self {
        self.columns.push(render(&column).map(|sql| format!("{sql} AS {}", quoted(G::NAME))));
        self
    }

    /// Keeps an aggregate, under this name: any of Diesel's, such as `count_star()` or
    /// `count(column).aggregate_filter(column.is_not_null())`, that has no values of its own (a view cannot have any).
    pub fn aggregate<A>(mut self, name: &str, aggregate: A) -> Self
    where
        A: Expression
            + QueryFragment<Pg>
            + ValidGrouping<(), IsAggregate = is_aggregate::Yes>
            + AppearsOnTable<C::Table>,
    {
        self.aggregates.push(render(&aggregate).map(|sql| format!("{sql} AS {}", quoted(name))));
        self
    }

    /// Whether it shows only what it has materialized, and not the latest rows as well. Default: `false`.
    pub fn materialized_only(mut self, only: bool) -> Self {
        self.materialized_only = only;
        self
    }

    /// Makes a plain view of the same columns where the server has no continuous aggregates; the outcome then says so.
    /// Default: that is an error.
    pub fn allow_plain_view(mut self) -> Self {
        self.allow_plain_view = true;
        self
    }

    /// Makes it, without data, or finds that it is there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the server has no continuous aggregates and a plain view is not allowed;
    /// [`Error::OtherAggregate`](crate::Error::OtherAggregate) if something else of that name is there;
    /// [`HypertableError::NoIntegerNow`](crate::HypertableError::NoIntegerNow) if the column counts units and the server
    /// does not know the present; and a query
    /// builder error of Diesel's if an aggregate has values of its own.
    pub fn create(&self) -> impl Call<Output = Outcome, Error = Error> + Clone + use<C> {
        self.create_call()
    }

    fn create_call(&self) -> CreateContinuousAggregate {
        CreateContinuousAggregate {
            name: self.name,
            definition: self.definition(|width, time| format!("time_bucket({width}, {time})")),
            plain_definition: self.definition(C::SqlType::plain_bucket),
            allow_plain_view: self.allow_plain_view,
            materialized_only: self.materialized_only,
            source: relation_name(&C::Table::default()),
        }
    }

    /// `SELECT time_bucket(…) AS bucket, …columns, …aggregates FROM … GROUP BY 1, 2, …`
    fn definition(&self, bucket: fn(&str, &str) -> String) -> Rendered {
        let bucket = bucket(&self.width.literal(), &render(&self.time)?);
        let mut selected = vec![format!("{bucket} AS bucket")];
        for part in self.columns.iter().chain(&self.aggregates) {
            selected.push(part.clone()?);
        }
        let groups: Vec<_> = (1..=self.columns.len() + 1).map(|position| position.to_string()).collect();
        let table = render(&C::Table::default())?;
        Ok(format!("SELECT {} FROM {table} GROUP BY {}", selected.join(", "), groups.join(", ")))
    }
}

impl<C> Declare for ContinuousAggregate<C>
where
    C: TimeColumn + QueryFragment<Pg>,
    C::Table: Default + QueryFragment<Pg>,
{
    fn declare(self, setup: &mut Setup) {
        let create = self.create_call();
        let queries = AggregateQueries {
            columns: Ok(Vec::new()),
            definition: create.definition,
            plain_definition: create.allow_plain_view.then_some(create.plain_definition),
            materialized_only: create.materialized_only,
        };
        setup.declare_aggregate(Ok((None, self.name.to_owned())), Some(&relation_name(&C::Table::default())), queries);
    }
}

/// The SQL of something without values of its own.
fn render<T: QueryFragment<Pg>>(fragment: &T) -> Rendered {
    let mut builder = PgQueryBuilder::default();
    fragment.to_sql(&mut builder, &Pg).map_err(|error| error.to_string())?;
    let sql = builder.finish();
    // What is quoted is no value.
    let outside_quotes: String = sql.split('"').step_by(2).collect();
    if outside_quotes.contains('$') {
        return Err(format!("a view cannot have values of its own: {sql}"));
    }
    Ok(sql)
}

/// The call that [`ContinuousAggregate::create`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
struct CreateContinuousAggregate {
    name: &'static str,
    definition: Rendered,
    plain_definition: Rendered,
    allow_plain_view: bool,
    materialized_only: bool,
    source: Relation,
}

impl Statement for CreateContinuousAggregate {
    type SqlType = (Text,);
    type Row = (Outcome,);
    type Output = Outcome;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let sql = |definition: &'b Rendered| {
            definition.as_ref().map_err(|message| diesel::result::Error::QueryBuilderError(message.clone().into()))
        };
        out.push_sql("SELECT diesel_timescale.create_continuous_aggregate(");
        out.push_bind_param::<Text, _>(self.name)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(sql(&self.definition)?)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(sql(&self.plain_definition)?)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.allow_plain_view)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.materialized_only)?;
        out.push_sql(", source => ");
        push_relation(&self.source, &mut out)?;
        out.push_sql(")");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        value(rows)
    }
}
