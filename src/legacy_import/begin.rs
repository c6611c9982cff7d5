//! Beginning an adoption.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, Bool, Nullable, Text};

use crate::call::Statement;
use crate::error::Result;

/// What becomes of old events of the same sensor at the same instant, of which this crate's key allows one.
///
/// What does not come over as it was is noted in the table `changes` of the old schema, with its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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

/// Begins to adopt the tables in the schema `legacy`: notes the choices, and moves the sequences of the new tables past
/// every id that the old ones have handed out.
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
/// let error = legacy_import::begin().schema("nowhere").on_duplicate(OnDuplicate::KeepLast).call(conn).unwrap_err();
/// assert!(matches!(error, Error::LegacyImport(LegacyImportError::NothingToImport { .. })));
/// # Ok(()) }) }
/// ```
pub fn begin() -> Begin {
    Begin { schema: "legacy".to_owned(), on_duplicate: OnDuplicate::Fail, time_zone: None, leave_columns: Vec::new() }
}

/// The call that [`begin`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct Begin {
    schema: String,
    on_duplicate: OnDuplicate,
    time_zone: Option<String>,
    leave_columns: Vec<String>,
}

impl Begin {
    /// The schema that the old tables are in. Default: `legacy`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// What becomes of events of one sensor at one instant. Default: [`OnDuplicate::Fail`].
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.on_duplicate = on_duplicate;
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

impl Statement for Begin {
    type SqlType = (Bool,);
    type Row = (bool,);
    type Output = ();
    type Error = crate::error::Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // `void` has no type in Diesel.
        out.push_sql("SELECT begin_legacy_import(CAST(");
        out.push_bind_param::<Text, _>(&self.schema)?;
        out.push_sql(" AS name), ");
        out.push_bind_param::<Text, _>(self.on_duplicate.as_str())?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.time_zone)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.leave_columns)?;
        out.push_sql(") IS NOT NULL");
        Ok(())
    }

    fn output(_: Vec<Self::Row>) -> Result<()> {
        Ok(())
    }
}
