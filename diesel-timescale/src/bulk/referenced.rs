//! Ids of referenced rows, which may come with the time of the row.

use diesel::QueryResult;
use diesel::expression::{Expression, TypedExpressionType};
use diesel::insertable::ColumnInsertValue;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::query_source::Column;
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;

use super::values::{ColumnInfo, ColumnValues, RowValues};
use crate::references::ReferencedId;

/// The same for a value and for a reference to one: Diesel has either, by the type of the column.
macro_rules! column_values {
    ($($value:ty),+) => {$(
impl<C, T, ST, Id, Tab> ColumnValues<Tab> for ColumnInsertValue<C, $value>
where
    C: Column<Table = Tab> + Expression<SqlType = Id> + 'static,
    Pg: HasSqlType<Id> + HasSqlType<ST>,
    ST: 'static,
    Id: TypedExpressionType + 'static,
    T: ToSql<ST, Pg>,
{
    type List = (C, ());

    fn columns(out: &mut Vec<ColumnInfo>) {
        out.push(ColumnInfo { time: Some(Box::new(ColumnInfo::of::<C, ST, Id>())), ..ColumnInfo::of::<C, Id, Id>() });
    }

    #[inline]
    fn collect(&self, out: &mut RowValues) -> QueryResult<()> {
        let column = out.collector.binds.len();
        QueryFragment::<Pg>::collect_binds(self, &mut out.collector, &mut out.lookup, &Pg)?;
        // The id, and the time where there is one.
        if out.collector.binds.len() > column + 1 {
            out.collector.metadata.pop();
            out.times.extend(out.collector.binds.pop().flatten().map(|time| (column, time)));
        }
        Ok(())
    }
}
    )+};
}

column_values!(ReferencedId<T, ST, Id>, &ReferencedId<T, ST, Id>);
