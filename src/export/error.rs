//! What can go wrong with a file.

use diesel::result::Error as DieselError;

use crate::error::Error;

/// Why a file could not be read, stored or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A value of a row is none that the field can have.
    #[error("row {row}, field {field}: {value:?} is not {expected}")]
    Value {
        /// Which row of the data, from 1.
        row: u64,
        /// The field.
        field: &'static str,
        /// What it has.
        value: String,
        /// What it can have.
        expected: &'static str,
    },
    /// A field that a row must have has no value.
    #[error("row {row}, field {field}: there is no value. Give it one")]
    Missing {
        /// Which row of the data, from 1.
        row: u64,
        /// The field.
        field: &'static str,
    },
    /// A field that all rows must have is not in the file.
    #[error("the file has no field {field}. Its fields are: {found}")]
    NoField {
        /// The field.
        field: &'static str,
        /// Those that it has.
        found: String,
    },
    /// A field that events do not have.
    #[error("events have no field {field:?}. Leave it out, or rename it to one of: {known}")]
    UnknownField {
        /// The field.
        field: String,
        /// Those that events have.
        known: String,
    },
    /// A field of another type than it can have.
    #[error("the field {field} is {data_type}, and not {expected}. Convert it")]
    Type {
        /// The field.
        field: &'static str,
        /// Its type.
        data_type: String,
        /// What it can be.
        expected: &'static str,
    },
    /// The rows could not be stored. What came before the row that it names is stored.
    #[error(transparent)]
    Store(Error),
    /// Not Parquet, or not whole.
    #[cfg(feature = "arrow")]
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A batch could not be read.
    #[cfg(feature = "arrow")]
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Not CSV, or the file could not be read or written.
    #[cfg(feature = "csv")]
    #[error(transparent)]
    Csv(#[from] ::csv::Error),
    /// The file could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<Error> for FileError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<DieselError> for FileError {
    fn from(error: DieselError) -> Self {
        Self::Store(error.into())
    }
}
