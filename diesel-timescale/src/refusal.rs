//! Refusals: errors that the functions of this crate raise by `diesel_timescale.refuse`.

use diesel::result::DatabaseErrorInformation;

/// The fields of such an error.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) remedy: String,
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) details: String,
}

impl Refusal {
    pub(crate) fn new(information: &dyn DatabaseErrorInformation) -> Self {
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        Self {
            message: information.message().to_owned(),
            remedy: text(information.hint()),
            table: text(information.table_name()),
            column: text(information.column_name()),
            details: text(information.details()),
        }
    }
}
