//! Import of legacy tables: a plain pair of tables `sensor_events` and `predictions`, with `id` alone as their primary key, is
//! copied into this crate's tables in the same database, with its data, ids and references.
//!
//! The old tables move to a schema of their own; [`copy_batch()`] then copies them in batches, each in a transaction of its
//! own, while the application already uses the new tables. An interrupted import continues with the next call.
//! `MIGRATING.md` shows all steps, for Rust and for psql.

mod begin;
mod choices;
mod copy_batch;
mod validate;
mod verify;

pub use begin::{Begin, begin};
pub use copy_batch::{Progress, copy_batch};
pub use validate::{Severity, Validate, Violation, validate};
pub use verify::verify;

/// Moves the tables `sensor_events` and `predictions` to the schema `legacy`, out of the way of this crate's
/// migrations, and does nothing if that was done already. For `batch_execute`.
///
/// Takes little time, but waits for transactions that use the tables. Indexes, sequences, foreign keys and triggers move with
/// them. Run it in the same transaction as the migrations, so that other sessions always find tables.
pub const MOVE_ASIDE: &str = include_str!("move_aside.sql");
