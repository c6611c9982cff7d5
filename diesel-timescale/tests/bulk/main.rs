//! Bulk writes of tables that the crate has never seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asynchronous;
mod attacks;
mod calls;
mod columns;
mod columnstore;
mod inserts;
mod json;
mod model;
mod races;
mod readings;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
