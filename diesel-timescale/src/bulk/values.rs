//! What `#[derive(Insertable)]` makes of a row, read as columns: names, SQL types and the bytes of each value.
//!
//! Diesel keeps these types behind its third-party-backend feature. The alternative is a derive of our own beside
//! `Insertable`, which every user would have to add to every struct.

use diesel::QueryResult;
use diesel::expression::Expression;
use diesel::insertable::{ColumnInsertValue, DefaultableColumnInsertValue};
use diesel::internal::derives::as_expression::Bound;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{AstPass, QueryFragment, ValuesClause};
use diesel::query_source::Column;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType};

use super::array::{Binding, TypeName};
use super::columns::Concat;
use super::json_depth;

/// OIDs that no type has, for types that are looked up when the statement runs.
const UNRESOLVED: (u32, u32) = (u32::MAX - 1, u32::MAX - 2);

/// Stands in for the connection while rows are taken apart, and remembers the type that was asked for.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    pub(super) calls: usize,
    name: Option<TypeName>,
}

impl PgMetadataLookup for Unresolved {
    fn lookup_type(&mut self, name: &str, schema: Option<&str>) -> PgTypeMetadata {
        self.calls += 1;
        self.name.get_or_insert_with(|| TypeName { name: name.to_owned(), schema: schema.map(str::to_owned) });
        PgTypeMetadata::new(UNRESOLVED.0, UNRESOLVED.1)
    }
}

/// A column of the rows.
#[derive(Debug, Clone)]
pub(crate) struct ColumnInfo {
    pub(super) name: &'static str,
    pub(super) oid: u32,
    pub(super) array_oid: u32,
    /// The name of a type that has to be looked up.
    pub(super) custom: Option<TypeName>,
    pub(super) bind: BindFn,
    /// Whether its values are JSON that `serde_json` reads.
    pub(super) is_serde_json: bool,
    /// The type of the time that comes with an id of a referenced row.
    pub(super) time: Option<Box<ColumnInfo>>,
}

type BindFn = for<'b> fn(Binding<'b>, AstPass<'_, 'b, Pg>) -> QueryResult<()>;

impl ColumnInfo {
    /// The column of values of a type.
    pub(super) fn of<C, ST, U>() -> Self
    where
        C: Column,
        ST: 'static,
        Pg: HasSqlType<ST>,
    {
        let mut lookup = Unresolved::default();
        let metadata = <Pg as HasSqlType<ST>>::metadata(&mut lookup);
        Self {
            name: C::NAME,
            oid: metadata.oid().unwrap_or(0),
            array_oid: metadata.array_oid().unwrap_or(0),
            custom: lookup.name,
            bind: bind::<ST>,
            is_serde_json: json_depth::is_read_by_serde::<U>(),
            time: None,
        }
    }

    /// Whether its values are arrays: PostgreSQL has no array of arrays, so Diesel knows no OID of one.
    pub(super) fn is_array(&self) -> bool {
        self.array_oid == 0
    }
}

/// Pushes a bind with the SQL type of a column, or an array of it.
fn bind<'b, ST>(value: Binding<'b>, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()>
where
    ST: 'static,
    Pg: HasSqlType<ST>,
{
    match value {
        Binding::Array(array) => out.push_bind_param::<Array<ST>, _>(array),
        Binding::Elements(elements) => out.push_bind_param::<ST, _>(elements),
        Binding::Single(single) => out.push_bind_param::<ST, _>(single),
    }
}

/// Receives the values of one row.
#[derive(Debug)]
pub(crate) struct RowValues {
    pub(super) collector: RawBytesBindCollector<Pg>,
    pub(super) lookup: Unresolved,
    /// The columns that the row leaves to the database.
    pub(super) defaults: Vec<usize>,
    /// The times of referenced rows, with the column that has their id.
    pub(super) times: Vec<(usize, Vec<u8>)>,
}

impl RowValues {
    pub(super) fn new() -> Self {
        Self {
            collector: RawBytesBindCollector::new(),
            lookup: Unresolved::default(),
            defaults: Vec::new(),
            times: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.collector.binds.clear();
        self.collector.metadata.clear();
        self.lookup.calls = 0;
        self.defaults.clear();
        self.times.clear();
    }
}

/// Values of one or several columns of a row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plain value of a column",
    label = "the rows have something else than plain values",
    note = "bulk writes send the values of a column as an array: SQL expressions have no place there"
)]
pub(crate) trait ColumnValues<Tab> {
    /// The columns, as a list of types.
    type List: Concat<()> + 'static;

    fn columns(out: &mut Vec<ColumnInfo>);

    /// Pushes one bind for each column.
    fn collect(&self, out: &mut RowValues) -> QueryResult<()>;
}

impl<C, ST, U, Tab> ColumnValues<Tab> for ColumnInsertValue<C, Bound<ST, U>>
where
    C: Column<Table = Tab> + Expression<SqlType = ST> + 'static,
    Pg: HasSqlType<ST>,
    ST: 'static,
    U: ToSql<ST, Pg>,
{
    type List = (C, ());

    fn columns(out: &mut Vec<ColumnInfo>) {
        out.push(ColumnInfo::of::<C, ST, U>());
    }

    #[inline]
    fn collect(&self, out: &mut RowValues) -> QueryResult<()> {
        QueryFragment::<Pg>::collect_binds(self, &mut out.collector, &mut out.lookup, &Pg)
    }
}

impl<C, ST, U, Tab> ColumnValues<Tab> for ColumnInsertValue<C, &Bound<ST, U>>
where
    C: Column<Table = Tab> + Expression<SqlType = ST> + 'static,
    Pg: HasSqlType<ST>,
    ST: 'static,
    U: ToSql<ST, Pg>,
{
    type List = (C, ());

    fn columns(out: &mut Vec<ColumnInfo>) {
        out.push(ColumnInfo::of::<C, ST, U>());
    }

    #[inline]
    fn collect(&self, out: &mut RowValues) -> QueryResult<()> {
        QueryFragment::<Pg>::collect_binds(self, &mut out.collector, &mut out.lookup, &Pg)
    }
}

impl<V, Tab> ColumnValues<Tab> for DefaultableColumnInsertValue<V>
where
    V: ColumnValues<Tab>,
{
    type List = V::List;

    fn columns(out: &mut Vec<ColumnInfo>) {
        V::columns(out);
    }

    #[inline]
    fn collect(&self, out: &mut RowValues) -> QueryResult<()> {
        match self {
            Self::Expression(value) => value.collect(out),
            Self::Default => {
                out.defaults.push(out.collector.binds.len());
                out.collector.binds.push(None);
                Ok(())
            }
        }
    }
}

/// The lists of the parts of a row put together.
pub(crate) trait Joined<Tab> {
    type List: 'static;
}

macro_rules! joined {
    ($Last:ident) => {
        impl<Tab, $Last: ColumnValues<Tab>> Joined<Tab> for ($Last,) {
            type List = $Last::List;
        }
    };
    ($First:ident $($T:ident)+) => {
        impl<Tab, $First: ColumnValues<Tab>, $($T: ColumnValues<Tab>),+> Joined<Tab> for ($First, $($T,)+)
        where
            ($($T,)+): Joined<Tab>,
            $First::List: Concat<<($($T,)+) as Joined<Tab>>::List>,
        {
            type List = <$First::List as Concat<<($($T,)+) as Joined<Tab>>::List>>::Output;
        }
    };
}

macro_rules! tuple_of_values {
    ($($T:ident $index:tt),+) => {
        impl<Tab, $($T: ColumnValues<Tab>),+> ColumnValues<Tab> for ($($T,)+)
        where
            ($($T,)+): Joined<Tab>,
            <($($T,)+) as Joined<Tab>>::List: Concat<()>,
        {
            type List = <($($T,)+) as Joined<Tab>>::List;

            fn columns(out: &mut Vec<ColumnInfo>) {
                $($T::columns(out);)+
            }

            #[inline]
            fn collect(&self, out: &mut RowValues) -> QueryResult<()> {
                $(self.$index.collect(out)?;)+
                Ok(())
            }
        }
        joined!($($T)+);
    };
}

macro_rules! tuples_of_values {
    (($($done_T:ident $done_i:tt),*);) => {};
    (($($done_T:ident $done_i:tt),*); $T:ident $i:tt $(, $rest_T:ident $rest_i:tt)*) => {
        tuple_of_values!($($done_T $done_i,)* $T $i);
        tuples_of_values!(($($done_T $done_i,)* $T $i); $($rest_T $rest_i),*);
    };
}

tuples_of_values!((); A0 0, A1 1, A2 2, A3 3, A4 4, A5 5, A6 6, A7 7, A8 8, A9 9, A10 10, A11 11, A12 12, A13 13,
    A14 14, A15 15, A16 16, A17 17, A18 18, A19 19, A20 20, A21 21, A22 22, A23 23, A24 24, A25 25, A26 26, A27 27,
    A28 28, A29 29, A30 30, A31 31);

#[cfg(feature = "64-column-tables")]
tuples_of_values!((A0 0, A1 1, A2 2, A3 3, A4 4, A5 5, A6 6, A7 7, A8 8, A9 9, A10 10, A11 11, A12 12, A13 13,
    A14 14, A15 15, A16 16, A17 17, A18 18, A19 19, A20 20, A21 21, A22 22, A23 23, A24 24, A25 25, A26 26, A27 27,
    A28 28, A29 29, A30 30, A31 31); A32 32, A33 33, A34 34, A35 35, A36 36, A37 37, A38 38, A39 39, A40 40, A41 41,
    A42 42, A43 43, A44 44, A45 45, A46 46, A47 47, A48 48, A49 49, A50 50, A51 51, A52 52, A53 53, A54 54, A55 55,
    A56 56, A57 57, A58 58, A59 59, A60 60, A61 61, A62 62, A63 63);

/// What `Insertable::values` gives of one row.
pub(crate) trait Values<Tab> {
    type Columns: ColumnValues<Tab>;

    fn columns(&self) -> &Self::Columns;
}

impl<V: ColumnValues<Tab>, Tab> Values<Tab> for ValuesClause<V, Tab> {
    type Columns = V;

    fn columns(&self) -> &V {
        &self.values
    }
}

/// What `Insertable` makes of a row.
pub(crate) type ValuesOf<R, Tab> = <R as diesel::Insertable<Tab>>::Values;

/// The columns that rows write, as a list of types.
pub(crate) type ListOf<V, Tab> = <<V as Values<Tab>>::Columns as ColumnValues<Tab>>::List;
