//! Begins an import: records the choices.

use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel_timescale::call::done;
use diesel_timescale::function_call;
use serde::{Deserialize, Serialize};

use crate::error::Error;

type NullableText = Nullable<Text>;
type Texts = Array<Text>;

/// What becomes of old events of the same sensor at the same instant, of which this crate's key allows one.
///
/// Rows that are not copied unchanged are recorded in the table `changes` of the old schema, with their originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDuplicate {
    /// Nothing is copied while there are any.
    #[default]
    Fail,
    /// The one with the smallest id stays; references to the others go to it.
    KeepFirst,
    /// The one with the largest id stays; references to the others go to it.
    KeepLast,
    /// All stay, in the order of their ids, each a microsecond after the one before.
    Shift,
}

impl OnDuplicate {
    /// The name that the SQL functions give it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::KeepFirst => "keep_first",
            Self::KeepLast => "keep_last",
            Self::Shift => "shift",
        }
    }
}

/// Begins the import of the tables in this schema, `legacy` by convention: records the choices, and moves the sequences of
/// the new tables past every id that the old ones have assigned.
///
/// Takes no time. Repeatable; the choices can be changed until [`copy_batch`](super::copy_batch()) begins to copy.
///
/// # Errors
/// [`LegacyImportError`](crate::LegacyImportError) if there are no such tables, or the copy has begun with other choices.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::legacy_import::{self, OnDuplicate};
///
/// # fn main() { run(|conn| {
/// let error = legacy_import::begin("nowhere").on_duplicate(OnDuplicate::KeepLast).call(conn).unwrap_err();
/// assert!(matches!(error, Error::LegacyImport(LegacyImportError::NothingToImport { .. })));
/// # Ok(()) }) }
/// ```
pub fn begin(schema: impl Into<String>) -> Begin {
    Begin {
        schema: schema.into(),
        on_duplicate: OnDuplicate::Fail.as_str(),
        time_zone: None,
        leave_columns: Vec::new(),
    }
}

function_call! {
    /// The call that [`begin`] makes.
    pub Begin {
        schema: String = Text,
        on_duplicate: &'static str = Text,
        time_zone: Option<String> = NullableText,
        leave_columns: Vec<String> = Texts,
    },
    "SELECT begin_legacy_import(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    error Error,
}

impl Begin {
    /// What becomes of events of one sensor at one instant. Default: [`OnDuplicate::Fail`].
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.on_duplicate = on_duplicate.as_str();
        self
    }

    /// The time zone, by a name that PostgreSQL knows, of old columns that have none (`timestamp without time zone`).
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = Some(time_zone.into());
        self
    }

    /// An old column without a counterpart that may be left behind, such as `sensor_events.battery`.
    pub fn leave_column(mut self, column: impl Into<String>) -> Self {
        self.leave_columns.push(column.into());
        self
    }
}
