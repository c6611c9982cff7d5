//! A declared set-up: one value says what should be; a plan lists the steps to it, `apply` takes them, `check` fails
//! where there are any.
//!
//! The calls of this crate do one thing each. A [`Setup`] takes the same values as declarations, or reads them from a
//! file, and compares all of them with the database at once. What it does not mention is left alone.
//!
//! Every step says what differs, how much it takes, and its SQL. [`apply`](Setup::apply) takes them up to a class that
//! the caller allows, each in a transaction of its own where it can run in one, and can be run again: another
//! [`plan`](Setup::plan) is empty then. What cannot be done is a step as well, with the reason.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use diesel_timescale::setup::{Setup, StepClass};
//!
//! # fn main() { run(|conn| {
//! let setup = Setup::new()
//!     .with(hypertable(readings::time).chunk_interval(TimeDelta::hours(12)).allow_plain_table())
//!     .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time))
//!     .allow_unsupported();
//!
//! println!("{}", setup.plan().call(conn)?);
//! let applied = setup.apply(StepClass::Locks).call(conn)?;
//! assert!(applied.is_empty());
//! // In CI, and when the application starts:
//! setup.check().call(conn)?;
//! # Ok(()) }) }
//! ```
#![doc = include_str!("setup/file.md")]

mod apply;
mod columns;
mod compare;
mod create_table;
mod declaration;
mod declare;
mod declare_jobs;
mod driver;
mod expand;
mod facts;
mod length;
mod names;
mod plan;
mod sql;
mod tiers;
mod validate;
mod wanted;

pub(crate) use length::Length;

use serde::{Deserialize, Serialize};

use self::declaration::{Aggregate, Extension, Job, Procedure, Relations, Table};
pub(crate) use self::declaration::{
    Columnstore as ColumnstoreDeclaration, Hypertable as HypertableDeclaration,
    Notifications as NotificationsDeclaration, Procedure as ProcedureDeclaration,
    RefreshPolicy as RefreshPolicyDeclaration, Target as TargetDeclaration, Unit,
};
pub(crate) use self::declare::AggregateQueries;
pub use self::declare::Declare;
pub use self::plan::{Plan, Step, StepClass};
pub use self::tiers::{Tiers, tiers};
use self::wanted::Wanted;

/// What should be in a database.
///
/// Made by [`with`](Setup::with) from the values of the calls, or read from a file by serde.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Setup {
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<Extension>,
    allow_unsupported: bool,
    #[serde(skip_serializing_if = "Relations::is_empty")]
    tables: Relations<Table>,
    #[serde(skip_serializing_if = "Relations::is_empty")]
    aggregates: Relations<Wanted<Aggregate>>,
    /// By their names, as SQL.
    #[serde(skip_serializing_if = "Relations::is_empty")]
    procedures: Relations<Wanted<Procedure>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    jobs: Vec<Job>,
    /// A name that is no name.
    #[serde(skip)]
    error: Option<String>,
}

impl Setup {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares what a call would do: the value of the call itself.
    ///
    /// The calls that take something away, such as [`remove_retention_policy`](crate::remove_retention_policy), declare
    /// that it is not there. A later declaration of the same thing takes the place of an earlier one.
    pub fn with(mut self, declaration: impl Declare) -> Self {
        declaration.declare(&mut self);
        self
    }

    /// Leaves out what the release or the edition of the server does not have; the plan then says so. Default: a step
    /// that cannot be done.
    pub fn allow_unsupported(mut self) -> Self {
        self.allow_unsupported = true;
        self
    }
}
