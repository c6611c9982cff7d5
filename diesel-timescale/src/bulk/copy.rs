//! Insert through binary COPY, which only libpq's connection has.

use std::io::{self, Write};
use std::marker::PhantomData;

use diesel::pg::{CopyFormat, CopyTarget, Pg, PgConnection};
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::query_source::Table;
use diesel::result::Error;
use diesel::sql_types::SqlType;
use diesel::{ExecuteCopyFromDsl, QueryResult};

use super::batch::Batch;
use super::sql;
use super::values::{ColumnValues, Values};

/// Copies all rows of a batch into the table of its rows.
pub(super) type CopyFn = fn(&Batch, &mut PgConnection) -> QueryResult<usize>;

/// The columns of the rows, as the target of COPY.
struct Target<V, Tab>(PhantomData<fn() -> (V, Tab)>);

impl<V, Tab> CopyTarget for Target<V, Tab>
where
    V: Values<Tab>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    type Table = Tab;
    type SqlType = Tab::SqlType;

    fn walk_target(mut out: AstPass<'_, '_, Pg>) -> QueryResult<()> {
        let mut columns = Vec::new();
        V::Columns::columns(&mut columns);
        out.push_sql(&sql::table_name::<Tab>()?);
        for (at, column) in columns.iter().enumerate() {
            out.push_sql(if at > 0 { ", " } else { " (" });
            out.push_identifier(column.name)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Copies all rows of a batch, in the order in which rows are written.
pub(super) fn copy<V, Tab>(batch: &Batch, conn: &mut PgConnection) -> QueryResult<usize>
where
    V: Values<Tab>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    copy_from::<V, Tab>(|out| write_rows(batch, out).map_err(|error| Error::SerializationError(error.into())), conn)
}

/// Copies what is written, in the binary format.
pub(super) fn copy_from<V, Tab>(
    write: impl Fn(&mut dyn Write) -> QueryResult<()>,
    conn: &mut PgConnection,
) -> QueryResult<usize>
where
    V: Values<Tab>,
    Tab: Table<SqlType: SqlType> + Default,
    Tab::FromClause: QueryFragment<Pg>,
{
    diesel::copy_from(Tab::default())
        .from_raw_data(Target::<V, Tab>(PhantomData), write)
        .with_format(CopyFormat::Binary)
        .execute(conn)
}

/// Rows are handed to libpq in pieces of about this size.
const PIECE: usize = 64 * 1024;

/// Writes the rows in the binary format of COPY.
fn write_rows(batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = start();
    for row in &batch.order {
        write_row(batch, *row as usize, &mut buffer)?;
        if buffer.len() >= PIECE {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    buffer.extend_from_slice(&END);
    out.write_all(&buffer)
}

/// The signature; no flags, no extension of the header.
pub(super) fn start() -> Vec<u8> {
    b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec()
}

/// What stands in the place of a row's number of columns after the last one.
pub(super) const END: [u8; 2] = (-1_i16).to_be_bytes();

/// Appends a row.
pub(super) fn write_row(batch: &Batch, row: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    let count = i16::try_from(batch.columns.len()).map_err(io::Error::other)?;
    buffer.extend_from_slice(&count.to_be_bytes());
    for column in &batch.columns {
        match column.bytes.get(row) {
            Some(value) => {
                let len = i32::try_from(value.len()).map_err(io::Error::other)?;
                buffer.extend_from_slice(&len.to_be_bytes());
                buffer.extend_from_slice(value);
            }
            None => buffer.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
    Ok(())
}
