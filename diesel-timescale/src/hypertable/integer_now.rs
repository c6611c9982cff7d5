//! The present of a hypertable whose time column counts units.

use chrono::TimeDelta;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::call::{Call, Relation, done, relation_name};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup, Unit};
use crate::time_column::{IntegerTimeType, TimeColumn};

type NullableBigInt = Nullable<BigInt>;
type NullableText = Nullable<Text>;

/// Makes the function that tells the present of a column of integers that counts units of this length since 1970-01-01 00:00 UTC,
/// and lets the policies of its hypertable go by it.
///
/// The function is `TABLE_now()`, in the schema of the table, and belongs to the owner of the table. Repeatable: another
/// unit replaces it. TimescaleDB has no way back; drop the function after the table.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs:
/// [`HypertableError::IntegerNow`](crate::HypertableError::IntegerNow) if the present in this unit does not fit into the
/// column, or another function of that name is there;
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, hypertable, set_integer_now};
///
/// diesel::table! {
///     device_readings (measured_ms) { measured_ms -> Int8 }
/// }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// conn.batch_execute("CREATE TABLE device_readings (measured_ms BIGINT PRIMARY KEY)")?;
/// hypertable(device_readings::measured_ms).chunk_interval(24 * 60 * 60 * 1000).call(conn)?;
/// set_integer_now(device_readings::measured_ms, TimeDelta::milliseconds(1)).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_integer_now<C>(time_column: C, unit: TimeDelta) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    C: TimeColumn<SqlType: IntegerTimeType>,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    SetIntegerNow { relation: relation_name(&C::Table::default()), unit: Some(nanoseconds(unit)), function: None }
}

/// Lets the policies of a hypertable go by a function of your own, which tells the present of its column: `STABLE`, without
/// arguments, of the type of the column. Name it as SQL does, with its schema, such as `clock.ticks`.
///
/// # Errors
/// [`Error::Unsupported`] without TimescaleDB. When it runs: the server's error if there is no such function;
/// [`HypertableError::NotAHypertable`](crate::HypertableError::NotAHypertable). For an example see [`set_integer_now`].
pub fn set_integer_now_func<C>(
    time_column: C,
    function: impl Into<String>,
) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    C: TimeColumn<SqlType: IntegerTimeType>,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    SetIntegerNow { relation: relation_name(&C::Table::default()), unit: None, function: Some(function.into()) }
}

function_call! {
    /// The call that [`set_integer_now`] and [`set_integer_now_func`] make.
    SetIntegerNow {
        relation: Relation = Relation,
        unit: Option<i64> = NullableBigInt,
        function: Option<String> = NullableText,
    },
    "SELECT diesel_timescale.set_integer_now(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires Hypertables,
}

impl Declare for SetIntegerNow {
    fn declare(self, setup: &mut Setup) {
        setup.declare_integer_now(&self.relation, self.unit.map(Unit), self.function);
    }
}

/// A unit as the function takes it. What is too long is the longest, and refused.
pub(super) fn nanoseconds(unit: TimeDelta) -> i64 {
    unit.num_nanoseconds().unwrap_or(i64::MAX)
}
