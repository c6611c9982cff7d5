//! Adoption: a plain pair of tables `sensor_events` and `predictions`, with `id` alone as their key, becomes this
//! crate's, in the same database, with its data, its ids and its references.
//!
//! The old tables move to a schema of their own; [`copy_batch()`] then copies them, a transaction each, into the hypertable,
//! while the application works on the new tables already. An interruption at any point leaves nothing half done, and
//! the next call goes on. `MIGRATING.md` is the walk through it, for Rust and for psql.

mod begin;
mod copy_batch;
mod validate;
mod verify;

pub use begin::{Begin, OnDuplicate, begin};
pub use copy_batch::{Phase, Progress, copy_batch};
pub use validate::{Severity, Validate, Violation, validate};
pub use verify::{RowViolation, verify};

/// Moves the tables `sensor_events` and `predictions` to the schema `legacy`, out of the way of this crate's
/// migrations, and does nothing if that was done already. For `batch_execute`.
///
/// Takes no time, but waits for whoever uses the tables. Indexes, sequences, foreign keys and triggers go along. Runs
/// in the transaction that also runs the migrations, so that there are never no tables.
pub const MOVE_ASIDE: &str = include_str!("move_aside.sql");
