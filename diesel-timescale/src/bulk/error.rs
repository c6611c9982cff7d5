//! What can go wrong in bulk writes.

use std::sync::Arc;

use diesel::result::Error as DieselError;

use super::report::Report;
use super::validation::{self, InvalidRow};

/// Why a bulk write was refused, or what the database said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// Rows that [`Validate`](super::Validate) or the database would refuse, all of them: the violations by row, where a
    /// row with several violations is there several times. Nothing was written.
    #[error("{}", validation::text(.0))]
    InvalidRows(Vec<InvalidRow>),
    /// The conflict target has no unique index that `ON CONFLICT` could use. Nothing was written.
    #[error(
        "{table} has no unique index on ({0}), which on_conflict needs. {1}. Fix: name the columns of one of them, or \
         CREATE UNIQUE INDEX ON {table} ({0})",
        target.join(", "), indexes(unique_indexes)
    )]
    NoUniqueIndex {
        /// The table.
        table: String,
        /// The columns of the conflict target.
        target: Vec<String>,
        /// The unique indexes that the table has, as `name (columns)`, with what makes one unfit for `ON CONFLICT`.
        unique_indexes: Vec<String>,
    },
    /// The relation cannot be written in bulk. Nothing was written.
    #[error("{table} is {kind}: write into the table itself")]
    NotATable {
        /// The relation.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// There is no table of that name, or the role may not see it. Nothing was written.
    #[error("there is no table {table}: check the schema in table! and the search_path")]
    NoTable {
        /// The table.
        table: String,
    },
    /// The table lacks columns that the rows write. Nothing was written.
    #[error("{table} has no column {}: check table! against the database", columns.join(", "))]
    NoColumn {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// The rows write columns that the database computes itself. Nothing was written.
    #[error(
        "{table} computes {} itself (GENERATED ALWAYS): leave the field out, with #[diesel(skip_insertion)]",
        columns.join(", ")
    )]
    GeneratedColumn {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// A value has OIDs of custom types in it, such as a composite type of enums. Nothing was written.
    #[error("bulk writes cannot send composite types that contain custom types: {}", columns.join(", "))]
    UnsupportedType {
        /// The columns of custom types.
        columns: Vec<String>,
    },
    /// More than 4,294,967,295 rows in one call. Nothing was written.
    #[error("{rows} rows are too many for one statement: use in_batches")]
    TooManyRows {
        /// How many there are.
        rows: usize,
    },
    /// After it was written, a row was not found under its key: a trigger changed the key, a row-security policy hides
    /// the row, or another transaction deleted it again and again. Nothing was written.
    #[error("row {row} is not found under its key after it was written: see RETURNING in the documentation of bulk")]
    NotFound {
        /// The index of the first such row in what was given, from 0.
        row: usize,
    },
    /// A trigger or a rule kept some rows from being inserted, so the returned rows cannot be matched with those that
    /// were given. Nothing was written.
    #[error("a trigger or rule of the table kept {rows} rows from being inserted: leave out `returning`")]
    Skipped {
        /// How many rows that were.
        rows: usize,
    },
    /// A key has a null, which equals no other null, so the stored row cannot be found by it. Nothing was written.
    #[error(
        "row {row} has a null in its key, so the stored row cannot be found: leave out `returning`, or make the index \
         NULLS NOT DISTINCT"
    )]
    NullKey {
        /// The index of the first such row in what was given, from 0.
        row: usize,
    },
    /// A row that was sent to a writer was not stored within the time that was given. If the answer of the server was
    /// lost, it is stored all the same: sending it again is safe.
    #[error("not stored in time{}", last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default())]
    NotInTime {
        /// What went wrong last, if anything did.
        last_error: Option<String>,
    },
    /// A writer could not start what writes: a thread, or a task outside of a runtime of tokio. Nothing was taken.
    #[error("the writer cannot be started: {0}")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The writer takes no rows any more: `finish` was called, or the writer was dropped; or what writes has ended, by a
    /// panic or with tokio's runtime.
    #[error("the writer takes no rows any more, or has ended")]
    WriterClosed,
    /// The writer was full, and the row made room for a later one.
    #[error("the writer was full, and the row made room for a later one")]
    Dropped,
    /// A row that was sent to a writer can never be stored, or was not in time.
    #[error("the row was rejected: {0}")]
    Rejected(#[source] Arc<BulkError>),
    /// A batch of many failed. It has left nothing, and the batches before it stay: the rows from `first_row` on are what
    /// there is left to do.
    #[error("the batch from row {first_row} on: {source}")]
    Batch {
        /// What the batches before did.
        done: Report,
        /// The index of the first row of the batch in all that was given, from 0.
        first_row: usize,
        /// What went wrong. A row that it names is an index in all that was given, too.
        source: Box<BulkError>,
    },
    /// The database, or the way to it.
    #[error(transparent)]
    Database(#[from] DieselError),
}

fn indexes(unique_indexes: &[String]) -> String {
    match unique_indexes {
        [] => "It has no unique index at all".to_owned(),
        indexes => format!("It has {}", indexes.join("; ")),
    }
}

impl BulkError {
    /// The error of a batch, with its rows counted from the first row of all.
    pub(super) fn shifted(self, first_row: usize) -> Self {
        match self {
            Self::InvalidRows(rows) => Self::InvalidRows(validation::shifted(rows, first_row)),
            Self::NotFound { row } => Self::NotFound { row: row + first_row },
            Self::NullKey { row } => Self::NullKey { row: row + first_row },
            error => error,
        }
    }
}
