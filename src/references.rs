//! References to sensor events: foreign keys that stay valid through retention and compression.
//!
//! A foreign key to an event goes to `referenced_events`, a plain table with one row for each event that something
//! references. A trigger on the referring column registers the event; events that are removed, by whatever
//! way this crate knows, take their row along, and the foreign key's `ON DELETE SET NULL` does the rest.
//! `predictions.triggering_event_id` has that from the migrations; [`add`] gives it to any other column.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_timescale::call::{done, relation_name, value};
use diesel_timescale::{Call, function_call};

use crate::error::Error;

/// A column that can refer to sensor events: a nullable `bigint`.
///
/// Nullable, because the reference is cleared when the event is gone. (For a `NOT NULL` column whose foreign key is made
/// by hand, call the SQL function `add_sensor_event_reference`.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot refer to sensor events",
    label = "not a nullable `BigInt` column",
    note = "a reference holds the id of an event and is cleared when the event is gone: declare it `Nullable<Int8>`"
)]
trait ReferenceColumn: Column {}

impl<C> ReferenceColumn for C where C: Column + Expression<SqlType = Nullable<BigInt>> {}

/// Makes a nullable `bigint` column of any table a foreign key to sensor events, with `ON DELETE SET NULL`, that holds through
/// retention and compression.
///
/// Adds the foreign key, the trigger that registers events with a function of its own, and an index if the column has
/// none. Rows that are there already are checked. Repeatable: what is there stays, such as a foreign key made by hand
/// (`REFERENCES referenced_events ON DELETE CASCADE`; the column may be `NOT NULL` then). In a migration the same is
/// `SELECT add_sensor_event_reference('alerts', 'sensor_event_id')`. Run it again after renaming the table or the column,
/// and [`remove`] before dropping the table. To join the table with this crate's, see
/// [`allow_in_same_query!`](crate::allow_in_same_query).
///
/// The table is locked against writes meanwhile, and the events that its rows refer to against deletion.
///
/// Whoever runs it owns the table, and has `REFERENCES` and `SELECT` on `referenced_events` and `sensor_events`, and
/// `EXECUTE` on `register_sensor_events(bigint)` and `register_sensor_events(bigint[], timestamptz[])`. Whoever writes the
/// table needs no rights on events.
///
/// # Errors
/// [`ReferenceError::Column`](crate::timescale::ReferenceError::Column) if the table in the database is not as its Diesel
/// declaration says; a foreign key violation if a row refers to an event that does not exist.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::references;
///
/// diesel::table! {
///     alerts (id) { id -> Int8, sensor_event_id -> Nullable<Int8> }
/// }
/// # fn main() { run(|conn| {
/// # let event = an_event(conn);
/// conn.batch_execute(
///     "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor_event_id BIGINT)",
/// )?;
/// references::add(alerts::sensor_event_id).call(conn)?;
///
/// diesel::insert_into(alerts::table).values(alerts::sensor_event_id.eq(event.id)).execute(conn)?;
/// diesel::delete(&event).execute(conn)?;
/// assert_eq!(alerts::table.select(alerts::sensor_event_id).first::<Option<i64>>(conn)?, None);
/// # Ok(()) }) }
/// ```
pub fn add<C>(column: C) -> impl Call<Output = (), Error = Error> + Clone
where
    C: ReferenceColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    AddReference { relation: relation_name(&C::Table::default()), column: C::NAME }
}

function_call! {
    AddReference { relation: Result<String, String> = Relation, column: &'static str = Text },
    "SELECT add_sensor_event_reference(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    error Error,
}

/// Takes back [`add`]: drops the foreign keys of the column to sensor events, the trigger and its function. Gives
/// `false` if there was nothing to drop.
///
/// The index and the values stay. Dropping the table without it would leave the function behind.
///
/// # Errors
/// [`Error::Database`] if the caller does not own the table.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::references;
///
/// diesel::table! {
///     alerts (id) { id -> Int8, sensor_event_id -> Nullable<Int8> }
/// }
/// # fn main() { run(|conn| {
/// conn.batch_execute(
///     "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor_event_id BIGINT)",
/// )?;
/// references::add(alerts::sensor_event_id).call(conn)?;
/// assert!(references::remove(alerts::sensor_event_id).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn remove<C>(column: C) -> impl Call<Output = bool, Error = Error> + Clone
where
    C: ReferenceColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    RemoveReference { relation: relation_name(&C::Table::default()), column: C::NAME }
}

function_call! {
    RemoveReference { relation: Result<String, String> = Relation, column: &'static str = Text },
    "SELECT remove_sensor_event_reference(", ")",
    (Bool,) => (bool,) => bool, value,
    error Error,
}

/// Clears the references to events that are gone, and gives how many events that were.
///
/// The remedy after something dropped chunks without [`drop_sensor_events_before`](crate::drop_sensor_events_before).
///
/// # Errors
/// [`ReferenceError::IsolationTooHigh`](crate::timescale::ReferenceError::IsolationTooHigh) above READ COMMITTED;
/// [`ReferenceError::RowSecurity`](crate::timescale::ReferenceError::RowSecurity) where a policy hides events from the caller.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// assert_eq!(occupancy_models::references::clear_dangling().call(conn)?, 0);
/// # Ok(()) }) }
/// ```
pub fn clear_dangling() -> impl Call<Output = i64, Error = Error> + Clone {
    ClearDangling {}
}

function_call! {
    ClearDangling {},
    "SELECT clear_dangling_event_references(", ")",
    (BigInt,) => (i64,) => i64, value,
    error Error,
}
