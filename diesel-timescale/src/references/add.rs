//! Adds and removes the reference of columns to a target.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Bool, Text};
use serde::Serialize;

use crate::bulk::Columns;
use crate::call::{Call, Relation, relation_name, value};
use crate::error::{Error, Result};
use crate::function_call;
use crate::setup::{Declare, Setup};

/// What happens to a referencing row when the row that it references is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDelete {
    /// The reference becomes null.
    SetNull,
    /// The referencing row goes, too.
    Cascade,
    /// The removal is refused. Retention keeps such rows, or is refused: [`keep_referenced`](super::DropBefore::keep_referenced).
    Restrict,
    /// As `Restrict`: a foreign key that was made by hand, without a choice.
    NoAction,
    /// The reference becomes the default of its column: a foreign key that was made by hand.
    SetDefault,
}

impl OnDelete {
    const ALL: [(Self, &'static str); 5] = [
        (Self::SetNull, "SET NULL"),
        (Self::Cascade, "CASCADE"),
        (Self::Restrict, "RESTRICT"),
        (Self::NoAction, "NO ACTION"),
        (Self::SetDefault, "SET DEFAULT"),
    ];

    fn sql(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("SET NULL", |(_, sql)| sql)
    }
}

/// Gives a column, or a tuple of columns, a foreign key to the rows of a [target](super::create_target) that holds through
/// retention.
///
/// Adds the foreign key, the trigger that registers rows with a function of its own, and an index if the columns have
/// none. Rows that are there already are checked, and registered in one statement. Repeatable: what is there stays, such
/// as a foreign key to the registry that was made by hand, whatever it does when a row is removed; the call gives what
/// that is. Run it again after renaming the table or a column, and [`remove`] before dropping the table.
///
/// The columns are those of the target's key, in its order: the id, or the whole primary key. A reference with a null in
/// any of them references nothing.
///
/// Whoever runs it owns the table, has `REFERENCES` and `SELECT` on the registry, `SELECT` on the target, and `EXECUTE`
/// on its functions `register_…`. Whoever writes the table needs no rights on the target.
///
/// # Errors
/// [`ReferenceError::Column`](crate::ReferenceError::Column) if the columns are not of the types of the key, or cannot
/// be null and should become so; [`ReferenceError::NotATarget`](crate::ReferenceError::NotATarget); a foreign key
/// violation if a row references what does not exist.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references::{self, OnDelete};
///
/// diesel::table! {
///     alerts (id) { id -> Int8, sensor -> Text, time -> Timestamptz }
/// }
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// conn.batch_execute(
///     "CREATE TABLE alerts (
///          id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT NOT NULL, time TIMESTAMPTZ NOT NULL
///      )",
/// )?;
/// let action = references::add((alerts::sensor, alerts::time), readings::table)
///     .on_delete(OnDelete::Cascade)
///     .call(conn)?;
/// assert_eq!(action, OnDelete::Cascade);
/// # Ok(()) }) }
/// ```
pub fn add<Kind, C, R>(columns: C, target: R) -> AddReference
where
    C: Columns<Kind, Table: Default + QueryFragment<Pg>>,
    R: Table + QueryFragment<Pg>,
{
    let _ = columns;
    AddReference {
        referencing: relation_name(&C::Table::default()),
        columns: C::names(),
        target: relation_name(&target),
        on_delete: OnDelete::SetNull.sql().to_owned(),
    }
}

type Texts = Array<Text>;

function_call! {
    /// The call that [`add`] makes.
    pub AddReference {
        referencing: Relation = Relation,
        columns: Vec<&'static str> = Texts,
        target: Relation = Relation,
        on_delete: String = Text,
    },
    "SELECT diesel_timescale.add_reference(", ")",
    (Text,) => (String,) => OnDelete, on_delete,
}

impl AddReference {
    /// What happens to a referencing row when the row that it references is removed: `SetNull`, `Cascade` or `Restrict`.
    /// Default: `SetNull`. Another one is refused: [`ReferenceError::OnDelete`](crate::ReferenceError::OnDelete).
    pub fn on_delete(mut self, action: OnDelete) -> Self {
        self.on_delete = action.sql().to_owned();
        self
    }
}

impl Declare for AddReference {
    fn declare(self, setup: &mut Setup) {
        setup.declare_reference(&self.referencing, &self.columns, &self.target, Some(&self.on_delete));
    }
}

fn on_delete(rows: Vec<(String,)>) -> Result<OnDelete> {
    let action = value::<String, Error>(rows)?;
    let known = OnDelete::ALL.iter().find(|(_, sql)| *sql == action).map(|(action, _)| *action);
    known.ok_or_else(|| {
        diesel::result::Error::DeserializationError(format!("an action {action:?} of a foreign key").into()).into()
    })
}

/// Takes back [`add`]: drops the foreign keys of the columns to the target, the trigger and its function. Gives
/// `false` if there was nothing to drop.
///
/// The index and the values stay. Dropping the table without it would leave the function behind.
///
/// # Errors
/// [`ReferenceError::NotATarget`](crate::ReferenceError::NotATarget).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// diesel::table! {
///     alerts (id) { id -> Int8, sensor -> Nullable<Text>, time -> Nullable<Timestamptz> }
/// }
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// conn.batch_execute("CREATE TABLE alerts (id BIGINT PRIMARY KEY, sensor TEXT, time TIMESTAMPTZ)")?;
/// references::add((alerts::sensor, alerts::time), readings::table).call(conn)?;
/// assert!(references::remove((alerts::sensor, alerts::time), readings::table).call(conn)?);
/// # Ok(()) }) }
/// ```
pub fn remove<Kind, C, R>(columns: C, target: R) -> impl Call<Output = bool, Error = Error> + Declare + Clone
where
    C: Columns<Kind, Table: Default + QueryFragment<Pg>>,
    R: Table + QueryFragment<Pg>,
{
    let _ = columns;
    RemoveReference {
        referencing: relation_name(&C::Table::default()),
        columns: C::names(),
        target: relation_name(&target),
    }
}

function_call! {
    RemoveReference {
        referencing: Relation = Relation,
        columns: Vec<&'static str> = Texts,
        target: Relation = Relation,
    },
    "SELECT diesel_timescale.remove_reference(", ")",
    (Bool,) => (bool,) => bool, value,
}

impl Declare for RemoveReference {
    fn declare(self, setup: &mut Setup) {
        setup.declare_reference(&self.referencing, &self.columns, &self.target, None);
    }
}
