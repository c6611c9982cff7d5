//! References to sensor events: foreign keys that go on holding through retention and compression.
//!
//! A foreign key to an event goes to `referenced_events`, a plain table with one row for each event that something
//! references. A trigger on the referring column registers the event; events that are removed, by whatever
//! way this crate knows, take their row along, and the foreign key's `ON DELETE SET NULL` does the rest.
//! `predictions.triggering_event_id` has that from the migrations; [`attach`] gives it to any other column.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::{Deserialize, Serialize};

use crate::call::{Statement, relation_name, single};
use crate::error::Result;
use crate::schema::referenced_events;
use crate::sensor_event::SensorEventKey;

/// A row of `referenced_events`: an event that something references. Kept by triggers, not written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, HasQuery, Identifiable)]
#[diesel(table_name = referenced_events, check_for_backend(Pg))]
pub struct ReferencedEvent {
    /// The id of the event.
    pub id: i64,
    /// The timestamp of the event.
    pub timestamp: DateTime<Utc>,
}

impl ReferencedEvent {
    /// The key of the event.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.timestamp)
    }
}

/// A column that can refer to sensor events: a nullable `bigint`.
///
/// Nullable, because the reference is cleared when the event is gone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot refer to sensor events",
    label = "not a nullable `BigInt` column",
    note = "a reference holds the id of an event and is cleared when the event is gone: declare it `Nullable<Int8>`"
)]
pub trait ReferenceColumn: Column {}

impl<C> ReferenceColumn for C where C: Column + Expression<SqlType = Nullable<BigInt>> {}

/// Makes a column of any table a foreign key to sensor events, with `ON DELETE SET NULL`, that holds through
/// retention and compression.
///
/// Adds the foreign key, the trigger that registers events, and an index if the column has none. Rows that are
/// there already are checked. Repeatable: what is there stays. In a migration the same is
/// `SELECT reference_sensor_events('alerts', 'sensor_event_id')`. To join the table with this crate's, see
/// [`allow_in_same_query!`](crate::allow_in_same_query).
///
/// # Errors
/// [`ReferenceError::Column`](crate::timescale::ReferenceError::Column) if the table in the database is not as its Diesel
/// declaration says; a foreign key violation if a row refers to an event that does not exist.
///
/// ```
/// # include!("doctest_setup.rs");
/// use occupancy_models::reference;
///
/// diesel::table! {
///     alerts (id) { id -> Int8, sensor_event_id -> Nullable<Int8> }
/// }
/// # fn main() { run(|conn| {
/// # let event = an_event(conn);
/// conn.batch_execute(
///     "CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor_event_id BIGINT)",
/// )?;
/// reference::attach(alerts::sensor_event_id).call(conn)?;
///
/// diesel::insert_into(alerts::table).values(alerts::sensor_event_id.eq(event.id)).execute(conn)?;
/// diesel::delete(&event).execute(conn)?;
/// assert_eq!(alerts::table.select(alerts::sensor_event_id).first::<Option<i64>>(conn)?, None);
/// # Ok(()) }) }
/// ```
pub fn attach<C>(column: C) -> Attach
where
    C: ReferenceColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = column;
    Attach { relation: relation_name(&C::Table::default()), column: C::NAME }
}

/// The call that [`attach`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct Attach {
    relation: Result<String, String>,
    column: &'static str,
}

impl Statement for Attach {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // `void` has no type in Diesel.
        out.push_sql("SELECT reference_sensor_events(");
        crate::call::push_relation(&self.relation, &mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.column)?;
        out.push_sql(") IS NOT NULL");
        Ok(())
    }

    fn output(_: Vec<Self::Row>) -> Result<()> {
        Ok(())
    }
}

/// Clears the references to events that are gone, and gives how many events that were.
///
/// The remedy after something dropped chunks without [`drop_sensor_events_before`](crate::drop_sensor_events_before).
///
/// # Errors
/// [`ReferenceError::IsolationTooHigh`](crate::timescale::ReferenceError::IsolationTooHigh) above READ COMMITTED.
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// assert_eq!(occupancy_models::reference::release_missing().call(conn)?, 0);
/// # Ok(()) }) }
/// ```
pub fn release_missing() -> ReleaseMissing {
    ReleaseMissing
}

/// The call that [`release_missing`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct ReleaseMissing;

impl Statement for ReleaseMissing {
    type SqlType = (BigInt,);
    type Row = (i64,);
    type Output = i64;
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT release_missing_events()");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<i64> {
        Ok(single(rows)?.0)
    }
}
