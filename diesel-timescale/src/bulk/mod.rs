//! Bulk writes of any Diesel table.

mod array;
mod batch;
mod batches;
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
mod insert;
mod look;
mod oid;
mod plan;
mod report;
mod returning;
mod run;
mod settings;
mod source;
mod sql;
mod statement;
mod stored;
mod upsert;
mod validation;
mod values;
mod work;
mod write;

pub use batches::Batches;
pub use columns::Columns;
pub use duplicates::OnDuplicate;
pub use error::{BatchError, BulkError, NoUniqueIndex};
pub use insert::{Insert, Into, insert_into};
pub use report::Report;
pub use returning::Returning;
pub use source::Iter;
#[cfg(feature = "async")]
pub use source::Streamed;
#[cfg(feature = "async")]
pub use upsert::upsert_stream;
pub use upsert::{Rows, Upsert, upsert};
pub use validation::{InvalidRow, InvalidRows, Problem, Problems, Validate};
