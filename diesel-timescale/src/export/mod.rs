//! The rows of any query as record batches of Apache Arrow, and as Parquet, in bounded memory (feature `arrow`).
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use std::sync::Arc;
//!
//! use arrow_schema::{DataType, Field, Schema, TimeUnit};
//! use diesel_timescale::export::record_batches;
//!
//! # fn main() { run(|conn| {
//! # a_reading(conn);
//! let schema = Arc::new(Schema::new(vec![
//!     Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
//!     Field::new_dictionary("sensor", DataType::Int32, DataType::Utf8, false),
//!     Field::new("value", DataType::Float64, true),
//! ]));
//! let query = readings::table
//!     .order(readings::time)
//!     .select((readings::time, readings::sensor, readings::value));
//! for batch in record_batches(query, schema.clone()).load(conn).unwrap() {
//!     println!("{} rows", batch.unwrap().num_rows());
//! }
//! let mut file = Vec::new();
//! assert_eq!(record_batches(query, schema).write_parquet(conn, &mut file).unwrap(), 1);
//! # Ok(()) }) }
//! ```

mod column;
mod error;

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use diesel::PgConnection;
use diesel::connection::LoadConnection;
use diesel::expression::QueryMetadata;
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use self::column::Column;
pub use self::error::ExportError;

/// The rows of a query of Diesel's as record batches with the columns of a schema, in the order in which the query
/// selects them.
///
/// | type of the field | what the query selects |
/// |---|---|
/// | `Int16`, `Int32`, `Int64` | `SmallInt`, `Integer`, `BigInt` |
/// | `Float32`, `Float64` | `Float`, `Double` |
/// | `Boolean` | `Bool` |
/// | `Timestamp(Microsecond, Some("UTC"))` | `Timestamptz` |
/// | `Timestamp(Microsecond, None)` | `Timestamp` |
/// | `Utf8`, `Dictionary(Int32, Utf8)` | `Text`, `Json`, `Jsonb` |
pub fn record_batches<Q: AsQuery>(query: Q, schema: SchemaRef) -> RecordBatches<Q::Query> {
    RecordBatches { query: query.as_query(), schema, rows: 65_536 }
}

/// What [`record_batches`] makes.
#[derive(Debug, Clone)]
#[must_use = "does nothing until it is loaded or written"]
pub struct RecordBatches<Q> {
    query: Q,
    schema: SchemaRef,
    rows: usize,
}

impl<Q> RecordBatches<Q> {
    /// How many rows a batch, and a row group of Parquet, has at most. Default: 65,536. More than one batch is never in
    /// memory.
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = rows.max(1);
        self
    }
}

impl<Q> RecordBatches<Q>
where
    Q: diesel::query_builder::Query + QueryFragment<Pg> + QueryId,
    Pg: QueryMetadata<Q::SqlType>,
{
    /// Runs the query, and gives batch after batch as its rows come from the server.
    ///
    /// # Errors
    /// [`ExportError`]: of the query at once, of a value when its batch is read.
    pub fn load<'conn>(
        self,
        conn: &'conn mut PgConnection,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ExportError>> + use<'conn, Q>, ExportError>
    where
        Q: 'conn,
    {
        let mut columns = column::columns(&self.schema, self.rows)?;
        let mut rows = LoadConnection::<PgRowByRowLoadingMode>::load(conn, self.query)?;
        let mut has_failed = false;
        Ok(std::iter::from_fn(move || {
            if has_failed {
                return None;
            }
            let batch = next_batch(&mut rows, &mut columns, &self.schema, self.rows).transpose();
            has_failed = matches!(batch, Some(Err(_)));
            batch
        }))
    }

    /// Runs the query, and writes its rows as a Parquet file, compressed by Snappy. Gives the number of rows.
    ///
    /// # Errors
    /// [`ExportError`]; what was written by then is no whole file.
    pub fn write_parquet(self, conn: &mut PgConnection, to: impl Write + Send) -> Result<u64, ExportError> {
        let mut writer = ArrowWriter::try_new(to, Arc::clone(&self.schema), Some(self.properties()))?;
        let mut count = 0;
        for batch in self.load(conn)? {
            let batch = batch?;
            count += batch.num_rows() as u64;
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(count)
    }
}

impl<Q> RecordBatches<Q> {
    /// What is a dictionary in Arrow is one in Parquet: for other columns, whose values hardly repeat, making one takes
    /// longer than all else.
    fn properties(&self) -> WriterProperties {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(self.rows));
        let columns = self.schema.fields().iter();
        columns
            .fold(properties, |properties, field| {
                let is_dictionary = matches!(field.data_type(), DataType::Dictionary(..));
                properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), is_dictionary)
            })
            .build()
    }
}

/// The next batch; `None` when there are no rows left.
fn next_batch<'row, R: Row<'row, Pg>>(
    rows: &mut impl Iterator<Item = QueryResult<R>>,
    columns: &mut [Column],
    schema: &SchemaRef,
    at_most: usize,
) -> Result<Option<RecordBatch>, ExportError> {
    let mut count = 0;
    while count < at_most {
        let Some(row) = rows.next() else { break };
        let row = row?;
        if row.field_count() != columns.len() {
            return Err(ExportError::Columns { selected: row.field_count(), fields: columns.len() });
        }
        for (place, column) in columns.iter_mut().enumerate() {
            let field =
                row.get(place).ok_or(ExportError::Columns { selected: place, fields: schema.fields().len() })?;
            match field.value() {
                Some(value) => column.push(value.as_bytes(), value.get_oid().get())?,
                None => column.push_null()?,
            }
        }
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    let arrays: Vec<ArrayRef> = columns.iter_mut().map(Column::finish).collect();
    Ok(Some(RecordBatch::try_new(Arc::clone(schema), arrays)?))
}
