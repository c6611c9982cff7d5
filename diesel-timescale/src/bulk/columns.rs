//! Columns as a list of types, in which the compiler finds the columns of a conflict target.

use std::marker::PhantomData;

use diesel::query_source::{Column, Table};

#[doc(hidden)]
#[derive(Debug)]
pub struct Nil;

#[doc(hidden)]
#[derive(Debug)]
pub struct Cons<Head, Tail>(PhantomData<(Head, Tail)>);

#[doc(hidden)]
pub trait Concat<List> {
    type Output: 'static;
}

impl<List: 'static> Concat<List> for Nil {
    type Output = List;
}

impl<Head: 'static, Tail: Concat<List>, List> Concat<List> for Cons<Head, Tail> {
    type Output = Cons<Head, Tail::Output>;
}

/// The column is the first of the list.
#[doc(hidden)]
#[derive(Debug)]
pub struct Here;

/// The column is in the rest of the list.
#[doc(hidden)]
#[derive(Debug)]
pub struct There<Index>(PhantomData<Index>);

/// A list that contains the column.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the rows have no field for the column `{C}`",
    label = "not a column that the rows write",
    note = "a conflict target, and the columns that an update writes, are fields of the `#[derive(Insertable)]` struct"
)]
pub trait Has<C, Index> {}

impl<C, Tail> Has<C, Here> for Cons<C, Tail> {}
impl<C, Head, Tail: Has<C, Index>, Index> Has<C, There<Index>> for Cons<Head, Tail> {}

/// A column, or a tuple of up to 16 columns, of one table: what `on_conflict`, `update` and `keep_if_null` take.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column, nor a tuple of up to 16 columns of one table",
    label = "expected a column, or a tuple of columns of one table"
)]
pub trait Columns<Kind> {
    /// The table that all of the columns belong to.
    type Table: Table;

    /// The names of the columns in the database.
    fn names() -> Vec<&'static str>;
}

/// Columns that are among those that the rows write.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the rows have no field for one of the columns `{Self}`",
    label = "one of these is not a column that the rows write",
    note = "a conflict target, and the columns that an update writes, are fields of the `#[derive(Insertable)]` struct"
)]
pub trait Among<List, Index> {}

/// One column, not in a tuple.
#[doc(hidden)]
#[derive(Debug)]
pub struct One;

/// A tuple of columns.
#[doc(hidden)]
#[derive(Debug)]
pub struct Many;

#[doc(hidden)]
#[derive(Debug)]
pub struct At<Index>(PhantomData<Index>);

impl<C: Column + 'static> Columns<One> for C {
    type Table = C::Table;

    fn names() -> Vec<&'static str> {
        vec![C::NAME]
    }
}

impl<C: Column, List: Has<C, Index>, Index> Among<List, At<Index>> for C {}

macro_rules! tuple_of_columns {
    ($First:ident $first:ident $(, $C:ident $index:ident)*) => {
        impl<$First: Column + 'static, $($C: Column<Table = $First::Table> + 'static),*> Columns<Many>
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
