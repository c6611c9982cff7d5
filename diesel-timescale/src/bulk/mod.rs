//! Bulk writes of any Diesel table.

mod array;
mod batch;
mod binds;
mod bytes;
mod call;
mod check;
mod columns;
#[cfg(feature = "sync")]
mod copy;
mod driver;
mod duplicates;
mod error;
mod facts;
mod look;
mod oid;
mod plan;
mod report;
mod run;
mod settings;
mod sql;
mod statement;
mod stored;
mod upsert;
mod validation;
mod values;
mod write;

pub use columns::Columns;
pub use duplicates::OnDuplicate;
pub use error::{BatchError, BulkError, NoUniqueIndex};
pub use report::Report;
pub use upsert::{Rows, Upsert, upsert};
pub use validation::{InvalidRow, InvalidRows, Problem, Problems, Validate};
