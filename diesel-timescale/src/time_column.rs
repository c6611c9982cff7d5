//! The columns that a hypertable can be partitioned on.

use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

/// A column that a hypertable can be partitioned on: a `timestamptz` that is not null.
///
/// Every column of such a [type](TimeType) is one.
pub trait TimeColumn: Column<SqlType: TimeType> + sealed::Column {}

impl<C: Column<SqlType: TimeType>> TimeColumn for C {}

/// The type of a column that a hypertable can be partitioned on.
#[diagnostic::on_unimplemented(
    message = "a hypertable cannot be partitioned on a column of the type `{Self}`",
    label = "the type of this column is `{Self}`",
    note = "declare the column `Timestamptz`, and not nullable"
)]
pub trait TimeType: sealed::Type {}

impl TimeType for Timestamptz {}

mod sealed {
    pub trait Column {}
    impl<C: diesel::Column<SqlType: super::TimeType>> Column for C {}

    pub trait Type {}
    impl Type for diesel::sql_types::Timestamptz {}
}
