//! The writer: what is promised of it, while the way to the database breaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod buffering;
mod failures;
mod order;
mod proxy;
#[allow(dead_code, reason = "shared with the tests of bulk writes")]
#[path = "../bulk/readings.rs"]
mod readings;
mod rejected;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
mod ways;
