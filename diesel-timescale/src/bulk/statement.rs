//! A statement over a batch: its text, and what is bound to it.

use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::sql_types::{Array, Bool, Integer, Text};

use super::array::{ArrayBody, Binding, Elements, Single};
use super::values::ColumnInfo;

/// A value that is bound; those of columns have the column's type.
#[derive(Debug)]
pub(super) enum Bind {
    Array(ColumnInfo, ArrayBody),
    Elements(ColumnInfo, Elements),
    Single(ColumnInfo, Single),
    Integers(ArrayBody),
    Booleans(ArrayBody),
    Integer(i32),
    Text(String),
    Texts(Vec<&'static str>),
}

/// A statement that Diesel prepares once for each text; the text is the same for any number of rows.
///
/// Text and binds alternate, after the selection.
#[derive(Debug)]
pub(super) struct Statement<ST, S = NoSelection> {
    selection: S,
    text: Vec<String>,
    binds: Vec<Bind>,
    sql_type: PhantomData<fn() -> ST>,
}

impl<ST> Statement<ST> {
    pub(super) fn new(text: Vec<String>, binds: Vec<Bind>) -> Self {
        Self { selection: NoSelection, text, binds, sql_type: PhantomData }
    }

    /// Puts `SELECT` with something of Diesel's before the text.
    pub(super) fn selecting<S, Selected>(self, selection: S) -> Statement<Selected, Select<S>> {
        Statement { selection: Select(selection), text: self.text, binds: self.binds, sql_type: PhantomData }
    }

    /// Puts `RETURNING` with something of Diesel's after the text.
    pub(super) fn returning<S, Selected>(self, selection: S) -> Statement<Selected, Return<S>> {
        Statement { selection: Return(selection), text: self.text, binds: self.binds, sql_type: PhantomData }
    }
}

/// What of Diesel's a statement starts or ends with.
pub(super) trait Selection {
    fn push_before<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }

    fn push_after<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }
}

/// Nothing: the text is the whole statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoSelection;

impl Selection for NoSelection {}

/// `SELECT` with something of Diesel's, such as columns of the table.
#[derive(Debug, Clone)]
pub(super) struct Select<S>(S);

impl<S: QueryFragment<Pg>> Selection for Select<S> {
    fn push_before<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        self.0.walk_ast(out)
    }
}

/// `RETURNING` with something of Diesel's, such as columns of the table.
#[derive(Debug, Clone)]
pub(super) struct Return<S>(S);

impl<S: QueryFragment<Pg>> Selection for Return<S> {
    fn push_after<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" RETURNING ");
        self.0.walk_ast(out)
    }
}

// No static id: Diesel finds the prepared statement by its text.
impl<ST, S> QueryId for Statement<ST, S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST, S> Query for Statement<ST, S> {
    type SqlType = ST;
}

impl<ST, S, C> RunQueryDsl<C> for Statement<ST, S> {}

impl<ST, S: Selection> QueryFragment<Pg> for Statement<ST, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.selection.push_before(out.reborrow())?;
        for (at, text) in self.text.iter().enumerate() {
            out.push_sql(text);
            match self.binds.get(at) {
                Some(Bind::Array(info, array)) => (info.bind)(Binding::Array(array), out.reborrow())?,
                Some(Bind::Elements(info, elements)) => (info.bind)(Binding::Elements(elements), out.reborrow())?,
                Some(Bind::Single(info, single)) => (info.bind)(Binding::Single(single), out.reborrow())?,
                Some(Bind::Integers(array)) => out.push_bind_param::<Array<Integer>, _>(array)?,
                Some(Bind::Booleans(array)) => out.push_bind_param::<Array<Bool>, _>(array)?,
                Some(Bind::Integer(n)) => out.push_bind_param::<Integer, _>(n)?,
                Some(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                Some(Bind::Texts(texts)) => out.push_bind_param::<Array<Text>, _>(texts)?,
                None => {}
            }
        }
        self.selection.push_after(out)
    }
}
