//! Makes a table a target of references.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::call::{Call, Relation, done, relation_name, value};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup, TargetDeclaration};
use crate::time_column::TimeColumn;

/// Makes the table of a time column the target of references: rows of other tables can then reference its rows.
///
/// By its primary key, or, with [`by_id`](CreateTarget::by_id), by an id that the database assigns. Creates beside it a
/// registry, `referenced_` and the name of the table unless [`registry`](CreateTarget::registry) names another one, with
/// triggers and functions that keep it. The key of its rows cannot change from then on. Works before and after
/// [`hypertable`](crate::hypertable()), and repeatedly.
///
/// To rename the table, its schema or a column of its key, take the references and the target back
/// ([`remove`](super::remove), [`drop_target`]), and make them anew after it. Without that its rows can neither be referenced
/// nor deleted, which [`verify`](super::verify) reports.
///
/// # Errors
/// [`ReferenceError::Target`](crate::ReferenceError::Target) that names the obstacle and the remedy, before anything has
/// changed.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// diesel::table! {
///     work_orders (id) { id -> Int8, sensor -> Nullable<Text>, time -> Nullable<Timestamptz> }
/// }
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// conn.batch_execute(
///     "CREATE TABLE work_orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT, time TIMESTAMPTZ)",
/// )?;
/// references::add((work_orders::sensor, work_orders::time), readings::table).call(conn)?;
///
/// let time = a_reading(conn);
/// diesel::insert_into(work_orders::table)
///     .values((work_orders::sensor.eq("office.motion"), work_orders::time.eq(time)))
///     .execute(conn)?;
/// diesel::delete(readings::table).execute(conn)?;
/// assert_eq!(work_orders::table.select(work_orders::sensor).load::<Option<String>>(conn)?, [None]);
/// # Ok(()) }) }
/// ```
pub fn create_target<C>(time_column: C) -> CreateTarget
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
{
    let _ = time_column;
    CreateTarget {
        table: relation_name(&C::Table::default()),
        time_column: C::NAME.to_owned(),
        id_column: None,
        registry: None,
    }
}

type OptionalText = Nullable<Text>;

function_call! {
    /// The call that [`create_target`] makes.
    pub CreateTarget {
        table: Relation = Relation,
        time_column: String = Text,
        id_column: Option<String> = OptionalText,
        registry: Option<String> = OptionalText,
    },
    "SELECT diesel_timescale.create_reference_target(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
}

impl CreateTarget {
    /// Lets references go by this column alone: a `bigint` that is `GENERATED ALWAYS AS IDENTITY`, so that it is unique
    /// across all chunks, and the first column of an index, such as that of the primary key. The referencing table then
    /// has one column.
    pub fn by_id<C: Column<SqlType = BigInt>>(mut self, id_column: C) -> Self {
        let _ = id_column;
        self.id_column = Some(C::NAME.to_owned());
        self
    }

    /// The name of the registry. Default: `referenced_` and the name of the table.
    pub fn registry(mut self, name: impl Into<String>) -> Self {
        self.registry = Some(name.into());
        self
    }
}

impl Declare for CreateTarget {
    fn declare(self, setup: &mut Setup) {
        let target = TargetDeclaration { time: self.time_column, id: self.id_column, registry: self.registry };
        setup.declare_target(&self.table, target);
    }
}

/// Takes back [`create_target`]: drops the registry, the triggers and the functions.
///
/// # Errors
/// [`ReferenceError::NotATarget`](crate::ReferenceError::NotATarget); an error of the database while a foreign key goes
/// to the registry: [`remove`](super::remove) first.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// references::drop_target(readings::table).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn drop_target<T>(table: T) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    DropTarget { table: relation_name(&table) }
}

function_call! {
    DropTarget { table: Relation = Relation },
    "SELECT diesel_timescale.drop_reference_target(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
}

impl Declare for DropTarget {
    fn declare(self, setup: &mut Setup) {
        setup.declare_no_target(&self.table);
    }
}

/// Clears the references to rows of a target that are gone, and gives how many rows that were.
///
/// The remedy after something dropped chunks without [`drop_before`](super::drop_before).
///
/// # Errors
/// [`ReferenceError::IsolationTooHigh`](crate::ReferenceError::IsolationTooHigh) above READ COMMITTED;
/// [`RowSecurity`](crate::ReferenceError::RowSecurity) where a policy hides rows from the caller;
/// [`StillReferenced`](crate::ReferenceError::StillReferenced) if a foreign key with `RESTRICT` references such a row;
/// [`NotATarget`](crate::ReferenceError::NotATarget).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// assert_eq!(references::clear_dangling(readings::table).call(conn)?, 0);
/// # Ok(()) }) }
/// ```
pub fn clear_dangling<T>(table: T) -> impl Call<Output = i64, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    ClearDangling { table: relation_name(&table) }
}

function_call! {
    ClearDangling { table: Relation = Relation },
    "SELECT diesel_timescale.clear_dangling_references(", ")",
    (BigInt,) => (i64,) => i64, value,
}
