//! The writer: what is promised of it, while the way to the database breaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod buffering;
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other tests")]
#[path = "../support/database.rs"]
mod database;
mod failures;
mod order;
mod proxy;
#[allow(dead_code, reason = "shared with the tests of bulk writes")]
#[path = "../bulk/readings.rs"]
mod readings;
mod rejected;
mod server;
mod tasks;
mod ways;
