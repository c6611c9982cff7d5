//! Notifications of a table, on and off.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz};

use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;

/// Notifies whoever listens of each statement that inserts rows into a table: the oldest and the newest instant of the
/// rows, by a column of the table, and their groups, by another, such as the room. Takes the place of notifications
/// that are there.
///
/// Rows that an upsert only updates are not told. Locks the table against writes for a moment.
///
/// # Errors
/// The server's, if the role does not own the table.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::live::{notify_inserts, stop_notifying};
///
/// # fn main() { run(|conn| {
/// notify_inserts(readings::time, readings::room).call(conn)?;
/// # a_reading(conn);
/// assert!(stop_notifying(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn notify_inserts<C, G>(time: C, group: G) -> impl Call<Output = (), Error = Error> + Clone
where
    C: Column<SqlType = Timestamptz>,
    C::Table: Default + QueryFragment<Pg>,
    G: Column<Table = C::Table>,
{
    let _ = (time, group);
    NotifyInserts {
        relation: relation_name(&C::Table::default()),
        time: C::NAME.to_owned(),
        group: Some(G::NAME.to_owned()),
    }
}

function_call! {
    /// The call that [`notify_inserts`] makes.
    NotifyInserts { relation: Relation = Relation, time: String = Text, group: Option<String> = NullableText },
    "SELECT diesel_timescale.notify_inserts(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), crate::call::done,
}

/// Ends the notifications of a table. Gives `false` if there are none. For an example see [`notify_inserts`].
///
/// # Errors
/// As [`notify_inserts`].
pub fn stop_notifying<T>(table: T) -> impl Call<Output = bool, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    StopNotifying { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`stop_notifying`] makes.
    StopNotifying { relation: Relation = Relation },
    "SELECT diesel_timescale.stop_notifying(", ")",
    (Bool,) => (bool,) => bool, value,
}

type NullableText = Nullable<Text>;
