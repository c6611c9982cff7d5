//! Inserts.

use diesel::Insertable;
use diesel::query_source::Table;

use super::batches::Batches;
use super::columns::{Among, Columns};
use super::settings::Settings;
use super::source::Source;
use super::validation::Validate;
use super::values::{ListOf, Values, ValuesOf};
use super::work::Work;

/// Inserts rows that are known to be new: through binary COPY, where the connection is libpq's.
///
/// Outside a transaction, 500 rows or more are copied while they are taken from the iterator, so that client and server
/// work at the same time. If a row is invalid, all are looked at all the same, the error lists all invalid ones, and
/// nothing is stored.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// use diesel_timescale::bulk;
///
/// let rows = [reading("attic", 1), reading("cellar", 1)];
/// assert_eq!(bulk::insert_into(readings::table).values(&rows).call(conn)?.inserted, 2);
/// # Ok(()) }) }
/// ```
pub fn insert_into<Tab: Table>(_: Tab) -> Insert<NoRows, Tab> {
    Insert(Work::new(std::iter::empty(), Settings::default()))
}

/// Inserts rows that are known to be new; a row that is stored already fails the batch.
///
/// [`values`](Self::values) comes first: it says which rows.
#[derive(Debug)]
#[must_use = "does nothing until it is called"]
pub struct Insert<Src: Source, Tab>(pub(super) Work<Src, Tab>);

/// The rows of an insert that was given none: there can be no such row.
type NoRows = std::iter::Empty<std::convert::Infallible>;

impl<Tab> Insert<NoRows, Tab> {
    /// The rows: `&[T]`, `&Vec<T>`, `Vec<T>` or an iterator of `T` or `&T`, where `T` derives
    /// [`Insertable`](diesel::Insertable).
    pub fn values<I>(self, rows: I) -> Insert<I::IntoIter, Tab>
    where
        I: IntoIterator<Item: Insertable<Tab, Values: Values<Tab>>>,
    {
        Insert(Work::new(rows.into_iter(), Settings::default()))
    }

    /// The rows of a stream, on an asynchronous connection.
    #[cfg(feature = "async")]
    pub fn values_stream<S>(self, rows: S) -> Insert<super::source::Streamed<S>, Tab>
    where
        S: futures_core::Stream<Item: Insertable<Tab, Values: Values<Tab>>>,
    {
        Insert(Work::new(super::source::Streamed(Box::pin(rows)), Settings::default()))
    }
}

impl<Src, Tab> Insert<Src, Tab>
where
    Src: Source<Row: Insertable<Tab, Values: Values<Tab>>>,
{
    /// The columns by which the rows of a batch are put in order before they are written, as
    /// [`Upsert::order_by`](super::Upsert::order_by). Default: the order in which they are given.
    pub fn order_by<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.order = C::names();
        self
    }

    /// Stores the values that the rows have for a column that is `GENERATED ALWAYS AS IDENTITY`, as
    /// [`Upsert::overriding_system_value`](super::Upsert::overriding_system_value) does.
    pub fn overriding_system_value(mut self) -> Self {
        self.0.settings.overriding_system_value = true;
        self
    }

    /// Runs the checks of the row type before anything is sent: [`Validate`].
    pub fn validate(mut self) -> Self
    where
        Src::Row: Validate,
    {
        self.0.validate = Some(|row, violations| row.validate(violations));
        self
    }

    /// Inserts the rows in batches of this many, as [`Upsert::in_batches`](super::Upsert::in_batches) does.
    pub fn in_batches<'p>(self, rows: usize) -> Batches<'p, Src, Tab> {
        Batches::new(self.0, rows)
    }
}
