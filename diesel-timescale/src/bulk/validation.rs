//! Invalid rows: the error lists all of a batch, each with its row, column and value.

use serde::Serialize;

use super::error::BulkError;
use super::json_depth;

/// Checks of a row type, for what its SQL types allow and its meaning does not.
///
/// [`Upsert::validate`](super::Upsert::validate) runs them for every row before anything is sent, and reports all
/// violations of all rows. Without it, or without an implementation, rows are checked for what PostgreSQL would refuse,
/// such as NUL characters and timestamps out of range, and for a `serde_json::Value` that could not be read back as it is
/// nested too deep. (What is so deep that it overflows the stack when it is serialized needs
/// [`Violations::refuse_deep_json`].)
///
/// ```
/// use diesel_timescale::bulk::{Violations, Validate};
///
/// struct Reading {
///     device_id: String,
///     humidity: f64,
/// }
///
/// impl Validate for Reading {
///     fn validate(&self, violations: &mut Violations) {
///         if self.device_id.is_empty() {
///             violations.add("device_id", "is empty: name the device");
///         }
///         if !(0.0..=100.0).contains(&self.humidity) {
///             violations.add("humidity", format!("{} is not a percentage from 0 to 100", self.humidity));
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no checks of its own",
    label = "needs `impl Validate for` the row type",
    note = "without `.validate()`, rows are checked for what PostgreSQL would refuse"
)]
pub trait Validate {
    /// Adds what is wrong with this row. Default: nothing is.
    fn validate(&self, violations: &mut Violations) {
        let _ = violations;
    }
}

impl<T: Validate + ?Sized> Validate for &T {
    fn validate(&self, violations: &mut Violations) {
        T::validate(self, violations);
    }
}

/// Receives what is wrong with the rows of a batch.
#[derive(Debug, Default)]
pub struct Violations {
    pub(super) row: usize,
    found: Vec<InvalidRow>,
    /// The last row that must not be serialized.
    refused: Option<usize>,
}

impl Violations {
    /// Adds a violation of the row that is being checked: its column, and a text that names the value and the remedy.
    pub fn add(&mut self, column: impl Into<String>, text: impl Into<String>) {
        self.push(self.row, column, Violation::Invalid(text.into()));
    }

    /// Adds a violation of a row that must not even be serialized, such as of JSON that is nested deeper than the stack is.
    /// Nothing else of the row is looked at.
    pub fn refuse(&mut self, column: impl Into<String>, text: impl Into<String>) {
        self.add(column, text);
        self.refused = Some(self.row);
    }

    /// Adds JSON that is nested deeper than the 127 levels that `serde_json`, and so Diesel, reads back. The row is not
    /// serialized, for which the stack may be too small.
    ///
    /// ```
    /// use diesel_timescale::bulk::{Validate, Violations};
    ///
    /// struct Document {
    ///     content: serde_json::Value,
    /// }
    ///
    /// impl Validate for Document {
    ///     fn validate(&self, violations: &mut Violations) {
    ///         violations.refuse_deep_json("content", &self.content);
    ///     }
    /// }
    /// ```
    pub fn refuse_deep_json(&mut self, column: impl Into<String>, json: &serde_json::Value) {
        if json_depth::is_deep_value(json) {
            self.refuse(column, json_depth::TEXT);
        }
    }

    /// Whether the row that is being checked must not be serialized.
    pub(super) fn is_refused(&self) -> bool {
        self.refused == Some(self.row)
    }

    pub(super) fn push(&mut self, row: usize, column: impl Into<String>, violation: Violation) {
        self.found.push(InvalidRow { row, column: column.into(), violation });
    }

    #[cfg(feature = "sync")]
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn finish(mut self) -> Result<(), BulkError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|found| found.row);
        Err(BulkError::InvalidRows(self.found))
    }
}

/// Counts the rows from the first row of all, not of the batch.
pub(super) fn shifted(mut rows: Vec<InvalidRow>, first_row: usize) -> Vec<InvalidRow> {
    for row in &mut rows {
        row.row += first_row;
        if let Violation::Repeats(other) = &mut row.violation {
            *other += first_row;
        }
    }
    rows
}

/// How many violations the text of the error has; the value has all.
const SHOWN: usize = 10;

/// The text of the error.
pub(super) fn text(rows: &[InvalidRow]) -> String {
    let shown: Vec<_> = rows.iter().take(SHOWN).map(InvalidRow::to_string).collect();
    match rows.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("row {row}, {column}: {violation}")]
#[non_exhaustive]
pub struct InvalidRow {
    /// The index of the row in what was given, from 0.
    pub row: usize,
    /// The column; the columns of the key, where the row repeats another one.
    pub column: String,
    /// What is wrong with its value.
    pub violation: Violation,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Violation {
    /// What [`Validate`] said.
    #[error("{0}")]
    Invalid(String),
    /// A NUL character, which PostgreSQL cannot store in a text.
    #[error("{0:?} has a NUL character, which PostgreSQL cannot store: remove it")]
    Nul(String),
    /// `\u0000` in a text of a `jsonb` value, which PostgreSQL refuses.
    #[error("the JSON has \\u0000 in a text, which PostgreSQL cannot store: remove it from {0}")]
    JsonNul(String),
    /// Half of a surrogate pair as an escape in a text of a `jsonb` value, which PostgreSQL refuses.
    #[error(
        "the JSON has half of a surrogate pair (\\ud800 to \\udfff) in a text, which PostgreSQL cannot store: remove it from {0}"
    )]
    JsonSurrogate(String),
    /// A date or timestamp that PostgreSQL has no place for: before 4714-11-24 BC or after 294276 (dates: 5874897).
    #[error("{0} is not from 4714-11-24 BC to 294276 (dates: 5874897), which PostgreSQL can store: correct it")]
    OutOfRange(String),
    /// No value, and the column is `NOT NULL`.
    #[error("has no value, and the column is NOT NULL")]
    Null,
    /// Diesel could not serialize the value.
    #[error("cannot be serialized: {0}")]
    Serialize(String),
    /// An array of more than one dimension.
    #[error("is an array of more than one dimension, which bulk writes do not support")]
    Dimensions,
    /// Has the key of another row, and [`OnDuplicate::Fail`](super::OnDuplicate::Fail) was chosen.
    #[error("repeats row {0}")]
    Repeats(usize),
}
