//! Notifications of a table, on and off.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Bool, Nullable, Text};

use crate::call::{Call, Relation, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, NotificationsDeclaration, Setup};
use crate::time_column::TimeColumn;

/// Notifies whoever listens of each statement that inserts rows into the table of a time column: how many rows, the
/// oldest and the newest moment. [`notify_inserts_by`] tells their groups as well. Takes the place of notifications of
/// the table that are there, unless they are the same; can be declared in a [`Setup`].
///
/// Locks the table against writes for a moment. Run it again after renaming the table or a column: until then inserts
/// fail, or listeners are [told so](Error::Notifications). Dropping the table without [`stop_notifying`] leaves a
/// function `notify_inserts_into_…` behind.
///
/// # Errors
/// [`Error::Notifications`] if the columns are not there; [`Error::Unsupported`] if the table is a hypertable and the
/// server [cannot notify of its rows](crate::Feature::InsertNotifications); the server's, if the role does not own the
/// table, or a trigger `notify_inserts` of the application's own is there.
pub fn notify_inserts<C>(time: C) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time;
    let (relation, time) = (relation_name(&C::Table::default()), C::NAME.to_owned());
    NotifyInserts { relation, time, group: None }
}

/// As [`notify_inserts`], with the groups of the rows, by another column, such as the room.
///
/// # Errors
/// As [`notify_inserts`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::live::{notify_inserts_by, stop_notifying};
///
/// # fn main() { run(|conn| {
/// notify_inserts_by(readings::time, readings::room).call(conn)?;
/// # a_reading(conn);
/// assert!(stop_notifying(readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn notify_inserts_by<C, G>(time: C, group: G) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
    G: Column<Table = C::Table>,
{
    let _ = (time, group);
    let (relation, time) = (relation_name(&C::Table::default()), C::NAME.to_owned());
    NotifyInserts { relation, time, group: Some(G::NAME.to_owned()) }
}

type OptionalText = Nullable<Text>;

function_call! {
    /// The call that [`notify_inserts`] makes.
    NotifyInserts { relation: Relation = Relation, time: String = Text, group: Option<String> = OptionalText },
    "SELECT diesel_timescale.notify_inserts(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), crate::call::done,
}

impl Declare for NotifyInserts {
    fn declare(self, setup: &mut Setup) {
        let declared = NotificationsDeclaration { time: self.time, group: self.group };
        setup.declare_notifications(&self.relation, Some(declared));
    }
}

/// Ends the notifications of a table. Gives `false` if there are none. For an example see [`notify_inserts_by`].
///
/// # Errors
/// The server's, if the role does not own the table.
pub fn stop_notifying<T>(table: T) -> impl Call<Output = bool, Error = Error> + Declare + Clone
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

impl Declare for StopNotifying {
    fn declare(self, setup: &mut Setup) {
        setup.declare_notifications(&self.relation, None);
    }
}
