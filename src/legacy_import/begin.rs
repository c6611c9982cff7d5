//! Begins an import: records the choices.

use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel_timescale::call::done;
use diesel_timescale::function_call;

use super::choices::choices;
use crate::bulk::OnDuplicate;
use crate::error::Error;

type NullableText = Nullable<Text>;
type Texts = Array<Text>;

/// Begins the import of the tables in this schema, `legacy` by convention: records the choices, and moves the sequences of
/// the new tables past every id that the old ones have assigned.
///
/// Takes no time. Repeatable; the choices can be changed until [`copy_batch`](super::copy_batch()) begins to copy.
///
/// # Errors
/// [`Error::NothingToImport`] if there are no such tables; [`Error::ImportChoice`] if the copy has begun with other
/// choices.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::bulk::OnDuplicate;
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// let error = legacy_import::begin("nowhere").on_duplicate(OnDuplicate::KeepLast).call(conn).unwrap_err();
/// assert!(matches!(error, Error::NothingToImport { .. }));
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

choices!(Begin);
