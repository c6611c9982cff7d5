//! SQL text with the places where pieces of a batch are bound.

use diesel::QueryResult;
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::query_source::Table;

/// What is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A column as an array.
    Column(usize),
    /// The rows that leave a column to the database.
    Defaults(usize),
    /// The different values of a column.
    Dictionary(usize),
    /// The position of each row's value among them.
    Positions(usize),
    /// All elements of a column of arrays.
    Elements(usize),
    /// The row of each element.
    ElementRows(usize),
    /// The rows that have no array.
    ElementNulls(usize),
    /// The lowest value of the range column.
    Low,
    /// The highest value of the range column.
    High,
    /// The different combinations of the other key columns: one column of them.
    Group(usize),
    /// The lowest value of the range column in each of them.
    GroupLow,
    /// The highest value of the range column in each of them.
    GroupHigh,
    /// The first rows of a column.
    Head(usize),
    /// The first row's value of a column.
    First(usize),
    /// How many rows are written.
    Count,
    /// A column of all rows that were given, in their order.
    Given(usize),
    /// How many rows were given.
    GivenCount,
    /// How many stored rows of one combination make its whole range worth reading.
    Dense,
}

/// Text and binds alternate; it starts with text.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    pub(super) text: Vec<String>,
    pub(super) binds: Vec<Piece>,
}

impl Sql {
    pub(super) fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.last().push_str(text.as_ref());
        self
    }

    pub(super) fn bind(&mut self, piece: Piece) -> &mut Self {
        self.last();
        self.binds.push(piece);
        self
    }

    /// Pushes one thing for each item, with commas between them.
    pub(super) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, push: impl Fn(&mut Self, T)) -> &mut Self {
        self.joined(items, ", ", push)
    }

    pub(super) fn joined<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        separator: &str,
        push: impl Fn(&mut Self, T),
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.push(separator);
            }
            push(self, item);
        }
        self
    }

    fn last(&mut self) -> &mut String {
        while self.text.len() <= self.binds.len() {
            self.text.push(String::new());
        }
        let last = self.text.len() - 1;
        &mut self.text[last]
    }
}

/// A name, quoted.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table, quoted, with its schema if `table!` has one.
pub(super) fn table_name<Tab>() -> QueryResult<String>
where
    Tab: Table + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    let mut builder = PgQueryBuilder::default();
    Tab::default().from_clause().to_sql(&mut builder, &Pg)?;
    Ok(builder.finish())
}
