//! Bulk writes: any number of rows is stored, each once, and counted right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod any_number;
#[cfg(feature = "async")]
mod asynchronous;
mod bad_rows;
mod batches;
mod by_key;
mod counts;
mod deep;
mod duplicates;
mod edges;
mod fixtures;
mod functions;
mod order;
mod predictions;
mod prepared;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod unchanged;
mod values;
