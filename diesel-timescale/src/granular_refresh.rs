//! Granular refresh: only the values of a column of which rows have changed.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Text};

use crate::call::{Call, Relation, done, relation_name};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup};
use crate::time_column::{IntervalOf, TimeColumn};
use crate::time_value::Length;

/// Keeps note of which values of a column, devices say, rows of a hypertable change that are between `start_offset` and
/// `end_offset` old. Aggregates with [`enable_granular_refresh`] refresh those values alone.
///
/// Neither the column nor the offsets can be changed later. Of the aggregates of a hypertable, one refreshes so; it must
/// group by the column, which is a text, an integer, a date or a UUID.
///
/// # Errors
/// [`Error::Unsupported`] before 2.30, in the Apache edition and without TimescaleDB. When it runs:
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable), and what the server refuses.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, enable_granular_refresh, set_granular_refresh};
///
/// diesel::table! { hourly (bucket) { bucket -> Timestamptz, sensor -> Text } }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::GranularRefresh) { return Ok(()); }
/// # conn.batch_execute("CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS \
/// #     SELECT time_bucket(INTERVAL '1 hour', time) AS bucket, sensor, count(*) FROM readings \
/// #     GROUP BY 1, 2 WITH NO DATA")?;
/// let (month, hour) = (TimeDelta::days(30), TimeDelta::hours(1));
/// set_granular_refresh(readings::time, readings::sensor, month, hour).call(conn)?;
/// enable_granular_refresh(hourly::table).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_granular_refresh<C, G>(
    time_column: C,
    column: G,
    start_offset: IntervalOf<C>,
    end_offset: IntervalOf<C>,
) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
    G: Column<Table = C::Table>,
{
    let _ = (time_column, column);
    SetGranularRefresh {
        relation: relation_name(&C::Table::default()),
        column: G::NAME,
        start_offset: Length::new::<C::SqlType>(Some(start_offset)),
        end_offset: Length::new::<C::SqlType>(Some(end_offset)),
    }
}

function_call! {
    /// The call that [`set_granular_refresh`] makes.
    SetGranularRefresh {
        relation: Relation = Relation,
        column: &'static str = Text,
        start_offset: Length = Length,
        end_offset: Length = Length,
    },
    "SELECT diesel_timescale.set_granular_refresh(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires GranularRefresh,
}

impl Declare for SetGranularRefresh {
    fn declare(self, setup: &mut Setup) {
        let offsets = self.start_offset.declared().zip(self.end_offset.declared());
        setup.declare_granular_refresh(&self.relation, self.column, offsets);
    }
}

/// Lets a continuous aggregate refresh only the values of which rows have changed. TimescaleDB has no way back but to
/// create it again.
///
/// # Errors
/// As [`set_granular_refresh`], which must come before and has an example.
pub fn enable_granular_refresh<T>(view: T) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    EnableGranularRefresh { relation: relation_name(&view) }
}

function_call! {
    /// The call that [`enable_granular_refresh`] makes.
    EnableGranularRefresh { relation: Relation = Relation },
    "SELECT diesel_timescale.enable_granular_refresh(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires GranularRefresh,
}

impl Declare for EnableGranularRefresh {
    fn declare(self, setup: &mut Setup) {
        setup.declare_aggregate_granular_refresh(&self.relation);
    }
}
