//! Verification: what would break a promise of this schema, found before it does.

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, Text};

use crate::call::Call;
use crate::error::Result;
use crate::timescale::{TimescaleVersion, issues_of};

/// Looks for faults: in the hypertable and its dimension, keys, triggers, foreign keys, references and ids.
///
/// Gives one [`Fault`] for each, with its remedy; none if all is well. Best run while nothing removes events: a chunk
/// that retention drops while verification waits for it looks as if its references dangled, until the next look.
///
/// # Errors
/// Only what the database itself reports; a fault is not an error.
///
/// ```
/// # include!("doctest_setup.rs");
/// # fn main() { run(|conn| {
/// let faults = verify().plain_table_will_do(true).call(conn)?;
/// for fault in &faults {
///     eprintln!("{fault}");
/// }
/// assert!(faults.is_empty());
/// # Ok(()) }) }
/// ```
pub fn verify() -> Verify {
    Verify { plain_table_will_do: false, scan_events: true }
}

/// The call that [`verify()`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct Verify {
    plain_table_will_do: bool,
    scan_events: bool,
}

impl Verify {
    /// Whether a plain table is as good as a hypertable. `false` unless told.
    pub fn plain_table_will_do(mut self, will_do: bool) -> Self {
        self.plain_table_will_do = will_do;
        self
    }

    /// Whether to look for duplicate ids, which reads every event. `true` unless told.
    pub fn scan_events(mut self, scan: bool) -> Self {
        self.scan_events = scan;
        self
    }
}

/// What is wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The object that has it: a table, column, trigger, constraint, job or id.
    pub object: String,
    /// What is wrong.
    pub detail: String,
    /// How to mend it, as SQL where that is possible.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} Mend: {}", self.object, self.detail, self.remedy)
    }
}

/// Declares the kinds of fault with the names that the SQL function gives them.
macro_rules! fault_kinds {
    ($( $(#[$doc:meta])* $kind:ident = $name:literal, )+) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow)]
        #[non_exhaustive]
        pub enum FaultKind {
            $( $(#[$doc])* $kind, )+
        }

        impl FaultKind {
            /// The name that the SQL function gives it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$kind => $name, )+
                }
            }
        }

        impl FromSql<Text, Pg> for FaultKind {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                match std::str::from_utf8(value.as_bytes())? {
                    $( $name => Ok(Self::$kind), )+
                    other => Err(format!("verify_sensor_events() reports {other:?}, which this release does not know").into()),
                }
            }
        }
    };
}

fault_kinds! {
    /// `sensor_events` is no hypertable.
    NotAHypertable = "not_a_hypertable",
    /// The hypertable is partitioned on another column.
    WrongDimension = "wrong_dimension",
    /// A retention policy of the server's own drops chunks without clearing references.
    ForeignRetentionPolicy = "foreign_retention_policy",
    /// The primary key or the unique key of `sensor_events` is missing.
    MissingKey = "missing_key",
    /// Ids are not `GENERATED ALWAYS`.
    IdNotGenerated = "id_not_generated",
    /// A trigger is missing.
    MissingTrigger = "missing_trigger",
    /// A trigger is disabled.
    DisabledTrigger = "disabled_trigger",
    /// A column that refers to sensor events has lost its foreign key.
    MissingForeignKey = "missing_foreign_key",
    /// A foreign key to sensor events is not `ON DELETE SET NULL`, or not validated.
    WrongForeignKey = "wrong_foreign_key",
    /// A foreign key references the hypertable itself. The detail says what the release that was found makes of that,
    /// by its [known issues](crate::timescale::KNOWN_ISSUES).
    NativeForeignKey = "native_foreign_key",
    /// References to events that are gone.
    DanglingReference = "dangling_reference",
    /// Several events have the same id.
    DuplicateId = "duplicate_id",
    /// The sequence of the ids will hand out ids that are there already.
    SequenceBehind = "sequence_behind",
}

/// Adds what the server that was found is known to do.
fn with_known_issues(mut fault: Fault, version: Option<TimescaleVersion>) -> Fault {
    if fault.kind == FaultKind::NativeForeignKey {
        for issue in issues_of(version) {
            fault.detail.push_str(&format!(" Known issue {}: {issue}.", issue.id));
        }
    }
    fault
}

impl Query for Verify {
    type SqlType = ((Text, Text, Text, Text), Nullable<Text>);
}

impl QueryFragment<Pg> for Verify {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT fault, object, detail, remedy, (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') \
             FROM verify_sensor_events(",
        );
        out.push_bind_param::<Bool, _>(&self.plain_table_will_do)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(&self.scan_events)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for Verify {}

impl Call for Verify {
    type Row = (Fault, Option<TimescaleVersion>);
    type Output = Vec<Fault>;
    type Error = crate::error::Error;

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(rows.into_iter().map(|(fault, version)| with_known_issues(fault, version)).collect())
    }
}
