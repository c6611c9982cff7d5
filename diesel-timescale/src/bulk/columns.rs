//! Columns as a list of types, in which the compiler finds the columns of a conflict target.
//!
//! A list is `()`, or a column and the rest of the list, `(Head, Tail)`. The place of a column in a list is a type as
//! well, which the compiler infers: `()` for the first one, `(Index,)` for the place `Index` in the rest.

use diesel::query_source::{Column, Table};

/// Two lists, one after the other.
pub(crate) trait Concat<List> {
    type Output: 'static;
}

impl<List: 'static> Concat<List> for () {
    type Output = List;
}

impl<Head: 'static, Tail: Concat<List>, List> Concat<List> for (Head, Tail) {
    type Output = (Head, Tail::Output);
}

/// A list that contains the column.
#[diagnostic::on_unimplemented(
    message = "the rows have no field for the column `{C}`",
    label = "not a column that the rows write",
    note = "a conflict target, and the columns that an update writes, are fields of the `#[derive(Insertable)]` struct"
)]
pub(crate) trait Has<C, Index> {}

impl<C, Tail> Has<C, ()> for (C, Tail) {}
impl<C, Head, Tail: Has<C, Index>, Index> Has<C, (Index,)> for (Head, Tail) {}

/// A column, or a tuple of up to 16 columns, of one table: what `on_conflict`, `update` and `keep_if_null` take.
///
/// The compiler infers `Kind`: `()` for a column, `((),)` for a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column, nor a tuple of up to 16 columns of one table",
    label = "expected a column, or a tuple of columns of one table"
)]
pub(crate) trait Columns<Kind> {
    /// The table that all of the columns belong to.
    type Table: Table;

    /// The names of the columns in the database.
    fn names() -> Vec<&'static str>;
}

/// Columns that are among those that the rows write.
#[diagnostic::on_unimplemented(
    message = "the rows have no field for one of the columns `{Self}`",
    label = "one of these is not a column that the rows write",
    note = "a conflict target, and the columns that an update writes, are fields of the `#[derive(Insertable)]` struct"
)]
pub(crate) trait Among<List, Index> {}

impl<C: Column + 'static> Columns<()> for C {
    type Table = C::Table;

    fn names() -> Vec<&'static str> {
        vec![C::NAME]
    }
}

impl<C: Column, List: Has<C, Index>, Index> Among<List, [Index; 1]> for C {}

macro_rules! tuple_of_columns {
    ($First:ident $first:ident $(, $C:ident $index:ident)*) => {
        impl<$First: Column + 'static, $($C: Column<Table = $First::Table> + 'static),*> Columns<((),)>
            for ($First, $($C,)*)
        {
            type Table = $First::Table;

            fn names() -> Vec<&'static str> {
                vec![$First::NAME, $($C::NAME),*]
            }
        }

        #[allow(non_camel_case_types, reason = "the macro has one name for each type and its index")]
        impl<List, $First, $first $(, $C, $index)*> Among<List, ($first, $($index,)*)> for ($First, $($C,)*)
        where
            List: Has<$First, $first> $(+ Has<$C, $index>)*,
        {
        }
    };
}

macro_rules! tuples_of_columns {
    (($($done_C:ident $done_index:ident),*);) => {};
    (($($done_C:ident $done_index:ident),*); $C:ident $index:ident $(, $rest_C:ident $rest_index:ident)*) => {
        tuple_of_columns!($($done_C $done_index,)* $C $index);
        tuples_of_columns!(($($done_C $done_index,)* $C $index); $($rest_C $rest_index),*);
    };
}

tuples_of_columns!((); A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o, P p);
