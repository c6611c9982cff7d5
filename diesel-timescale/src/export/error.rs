//! What can go wrong with an export.

use arrow_schema::{ArrowError, DataType};
use parquet::errors::ParquetError;

/// Why rows could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The query, or the connection.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// A column of the query has another type than the field of the schema.
    #[error(
        "the query gives the type with the OID {oid} for the field {field:?}, which is {data_type}. Change one of them"
    )]
    Type {
        /// The field.
        field: String,
        /// Its type.
        data_type: DataType,
        /// What the server gives.
        oid: u32,
    },
    /// A type that there is no conversion to.
    #[error(
        "the field {field:?} is {data_type}, which rows are not exported as: see `record_batches` for those that are"
    )]
    UnsupportedType {
        /// The field.
        field: String,
        /// Its type.
        data_type: DataType,
    },
    /// The query selects another number of columns.
    #[error("the query selects {selected} columns, and the schema has {fields} fields. Select as many")]
    Columns {
        /// By the query.
        selected: usize,
        /// Of the schema.
        fields: usize,
    },
    /// A null where the schema allows none.
    #[error("the field {field:?} has a null, and the schema allows none. Make the field nullable")]
    Null {
        /// The field.
        field: String,
    },
    /// A value that the field cannot have, such as an infinite timestamp.
    #[error("the field {field:?} cannot have {what}. Leave such rows out")]
    Value {
        /// The field.
        field: String,
        /// What it is.
        what: &'static str,
    },
    /// The file could not be written.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// The batch could not be made.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}
