//! Filling all of a continuous aggregate: by force, or in batches.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Integer};

use crate::call::{Call, Relation, Statement, done, push_relation, relation_name};
use crate::error::Error;
use crate::feature::Feature;
use crate::function_call;

/// Fills all of a continuous aggregate, what has not changed since the last refresh as well: after
/// [`add_aggregate_column`](crate::add_aggregate_column), say.
///
/// # Errors
/// [`Error::Unsupported`] before 2.18, in the Apache edition and without TimescaleDB; [`Error::InsideTransaction`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, refresh_by_force, refresh_in_batches};
///
/// diesel::table! { hourly (bucket) { bucket -> Timestamptz, readings -> BigInt } }
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::ForcedRefresh) { return Ok(()); }
/// # conn.batch_execute("CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS \
/// #     SELECT time_bucket(INTERVAL '1 hour', time) AS bucket, count(*) AS readings FROM readings \
/// #     GROUP BY 1 WITH NO DATA")?;
/// refresh_by_force(hourly::table).call(conn)?;
/// if server.has(Feature::RefreshInBatches) {
///     refresh_in_batches(hourly::table, 24, true).call(conn)?;
/// }
/// # Ok(()) }) }
/// ```
pub fn refresh_by_force<T>(view: T) -> impl Call<Output = (), Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RefreshByForce { relation: relation_name(&view) }
}

function_call! {
    /// The statement that [`refresh_by_force`] makes.
    RefreshByForce { relation: Relation = Relation },
    "CALL refresh_continuous_aggregate(", ", NULL, NULL, force => true)",
    (Bool,) => (bool,) => (), done,
    requires ForcedRefresh, non_transactional "refresh_continuous_aggregate",
}

/// Fills all of a continuous aggregate in batches of that many buckets, a transaction each, the newest or the oldest
/// first.
///
/// # Errors
/// [`Error::Unsupported`] before 2.28, in the Apache edition and without TimescaleDB; [`Error::InsideTransaction`]. For
/// an example see [`refresh_by_force`].
pub fn refresh_in_batches<T>(
    view: T,
    buckets_per_batch: i32,
    newest_first: bool,
) -> impl Call<Output = (), Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    RefreshInBatches { relation: relation_name(&view), buckets_per_batch, newest_first }
}

/// The statement that [`refresh_in_batches`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a statement does nothing until it runs"]
struct RefreshInBatches {
    relation: Relation,
    buckets_per_batch: i32,
    newest_first: bool,
}

impl Statement for RefreshInBatches {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = Error;

    const REQUIRES: Option<Feature> = Some(Feature::RefreshInBatches);
    const NON_TRANSACTIONAL: Option<&'static str> = Some("refresh_continuous_aggregate");

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("CALL refresh_continuous_aggregate(");
        push_relation(&self.relation, &mut out)?;
        out.push_sql(", NULL, NULL, options => jsonb_build_object('buckets_per_batch', ");
        out.push_bind_param::<Integer, _>(&self.buckets_per_batch)?;
        out.push_sql(", 'refresh_newest_first', ");
        out.push_bind_param::<Bool, _>(&self.newest_first)?;
        out.push_sql("))");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output, Error> {
        done(rows)
    }
}
