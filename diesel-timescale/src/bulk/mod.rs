//! Bulk writes of any Diesel table: upserts and inserts at the speed of COPY, from the struct that derives
//! [`Insertable`](diesel::Insertable) and nothing else. Nothing is installed in the database.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
//! # fn main() { run(|conn| {
//! use diesel_timescale::bulk;
//! use readings::{device_id, measured_at};
//!
//! let readings = [reading("attic", 1), reading("attic", 2), reading("cellar", 1)];
//! let report = bulk::upsert(&readings).on_conflict((device_id, measured_at)).call(conn)?;
//! assert_eq!(report.inserted, 3);
//!
//! // Safe to repeat: rows that would not change are not written.
//! let report = bulk::upsert(&readings).on_conflict((device_id, measured_at)).call(conn)?;
//! assert_eq!(report.unchanged, 3);
//! # Ok(()) }) }
//! ```
//!
//! | call | what it does |
//! |---|---|
//! | [`upsert`] | inserts rows, and updates those that are stored already |
//! | [`Upsert::returning`] | the same, and gives columns of the stored rows |
//! | [`insert_into`] | inserts rows that are known to be new |
//! | [`Upsert::in_batches`], `upsert_stream` | any number of rows of an iterator or a stream, batch by batch |
//! | [`writer()`] | live data: rows of many senders, in batches, again for as long as the database is away |
//!
//! # Rows
//! Whatever derives `Insertable`: borrowed or owned fields, `Option`, custom SQL types and enums, JSON, arrays, `embed`,
//! `column_name`, `skip_insertion`, and tuples of `column.eq(value)`; up to 32 columns, 64 with the feature
//! `64-column-tables`. Rows with `serialize_as` are given by value (`Vec<T>`, or an iterator of `T`).
//!
//! Without `#[diesel(treat_none_as_default_value = false)]`, `None` means the column's default, as it does for Diesel:
//! NULL where the column has none, and what the default computes where it has one, on insert and on update. The catalogs
//! are asked for it, so with the attribute small batches save a round trip.
//!
//! # What is the same, and what has changed
//! The conflict target is the columns of a unique index: checked at compile time to be fields of the rows, and checked
//! against the database before anything is written ([`BulkError::NoUniqueIndex`] names the indexes that there are). Which keys are the
//! same is what that index says, also for types, collations and operator classes that call values equal which are not
//! identical, and for `NULLS NOT DISTINCT`. Values have changed if any of their bits have: `1.0` and `1.00`, `0.0` and `-0.0` are two.
//!
//! The role needs the rights to INSERT, UPDATE and SELECT.
//!
//! # Writers side by side
//! Rows are written in the order of their keys, whatever the order of the batch, so that several writers do not deadlock.
//! An upsert of up to 499 rows is one statement. A larger one looks first at what is stored: a batch of new rows is
//! inserted plainly (through COPY where the connection is libpq's), in a savepoint if there is a transaction, and by
//! `ON CONFLICT` if another writer has inserted one of them meanwhile; rows that are stored already without a
//! difference are only read; the others go through `ON CONFLICT`. Only one of these steps writes, so each batch is
//! atomic without a transaction.
//! On diesel-async there is no COPY, and new rows go through `INSERT … SELECT`: `AsyncPgConnection` (0.9) takes its
//! `tokio_postgres::Client` by value and gives it to nobody, so COPY would need a connection, and a transaction, of its own.
//! Each statement is prepared once, for any number of rows, and uses no state of the session, so it runs through
//! PgBouncer in transaction mode.
//!
//! # Returning
//! [`Upsert::returning`] reads the stored rows by their keys, in one transaction with the write. A row that a trigger has
//! moved to another key, or that a row-security policy hides, is not found: [`BulkError::NotFound`].
//!
//! # Diesel's release
//! This module reads the types that `#[derive(Insertable)]` produces, so that no second derive is needed. Diesel opens
//! them under its feature `i-implement-a-third-party-backend-and-opt-into-breaking-changes`, and may change them with each
//! minor release: this crate requires `diesel = "~2.3"`, as diesel-async does.

mod alike;
mod array;
mod batch;
mod batches;
mod before;
mod binds;
mod bytes;
mod call;
mod check;
mod collector;
mod columns;
#[cfg(feature = "sync")]
mod copy;
mod driver;
mod duplicates;
mod error;
mod facts;
mod insert;
#[cfg(feature = "sync")]
mod insert_copy;
mod json_depth;
mod look_sql;
mod oid;
mod operators;
mod plan;
mod referenced;
mod report;
mod returning;
mod row;
mod run;
mod settings;
mod source;
mod sql;
mod statement;
mod stored_sql;
mod upsert;
mod validation;
mod values;
mod work;
mod write_sql;
mod writer;

pub use batches::Batches;
pub(crate) use columns::Columns;
pub use duplicates::OnDuplicate;
pub use error::BulkError;
pub use insert::{Insert, insert_into};
pub use report::Report;
pub use row::Row;
#[cfg(feature = "async")]
#[doc(hidden)]
pub use source::Streamed;
#[cfg(feature = "async")]
pub use upsert::upsert_stream;
pub use upsert::{Upsert, upsert};
pub use validation::{InvalidRow, Validate, Violation, Violations};
#[cfg(feature = "async")]
#[doc(hidden)]
pub use writer::AsyncWriter;
pub use writer::{Confirmation, Sent, Writer, WriterStatus, writer};
