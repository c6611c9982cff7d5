//! References to the rows of any hypertable: foreign keys that go on holding through deletes, `TRUNCATE`, the
//! columnstore and retention.
//!
//! A native foreign key to a hypertable and retention exclude each other. So a foreign key goes to a plain table beside
//! the hypertable, its *registry*, with one row for each row that something references. [`create_target`] makes a table the
//! target of references, by its primary key or by an id that the database assigns; [`add`] gives the columns of
//! another table a foreign key to it, and a trigger that registers the row first; [`drop_before`] is retention, and
//! [`add_retention`] the same as a job; [`verify`] finds what keeps references from holding.
//!
//! References and removals wait for each other only where they mean the same row. Under any isolation level nothing
//! dangles; above READ COMMITTED a transaction may have to be [run again](crate::transaction).

mod add;
mod error;
mod referenced_id;
mod retention;
mod retention_job;
mod target;

pub use crate::verify::verify_target as verify;
pub use add::{AddReference, OnDelete, add, remove};
pub use error::ReferenceError;
pub use referenced_id::ReferencedId;
pub use retention::{DropBefore, RetentionReport, drop_before};
pub use retention_job::{AddRetention, add_retention, remove_retention};
pub use target::{CreateTarget, clear_dangling, create_target, drop_target};
