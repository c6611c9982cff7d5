//! Rows that can be written in bulk, for functions that take rows of any type.

use diesel::Insertable;

use super::values::{ColumnValues, Values, ValuesOf};

/// A row that bulk writes take for the table `Tab`: whatever derives [`Insertable`], owned or borrowed.
///
/// It is for functions that make ready calls for a table, and take each type of row that writes the same columns:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
/// use diesel_timescale::bulk::{self, Row, Upsert};
///
/// fn upsert_readings<I>(rows: I) -> Upsert<I::IntoIter, readings::table>
/// where
///     I: IntoIterator<Item: Row<readings::table, Columns = <Reading as Row<readings::table>>::Columns>>,
/// {
///     bulk::upsert(rows).on_conflict((readings::device_id, readings::measured_at)).keep_if_null(readings::humidity)
/// }
///
/// # fn main() { run(|conn| {
/// assert_eq!(upsert_readings(&[reading("attic", 1)]).call(conn)?.inserted, 1);
/// assert_eq!(upsert_readings(vec![reading("attic", 1)]).call(conn)?.unchanged, 1);
/// # Ok(()) }) }
/// ```
pub trait Row<Tab>:
    Insertable<Tab, Values: Values<Tab, Columns: ColumnValues<Tab, List = <Self as Row<Tab>>::Columns>>>
{
    /// The columns that the row writes, as a list of types.
    type Columns;
}

impl<R, Tab, List> Row<Tab> for R
where
    R: Insertable<Tab>,
    ValuesOf<R, Tab>: Values<Tab, Columns: ColumnValues<Tab, List = List>>,
{
    type Columns = List;
}
