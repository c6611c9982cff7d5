//! Bulk writes of tables that the crate has never seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asynchronous;
mod attacks;
mod calls;
mod columns;
mod columnstore;
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other tests")]
#[path = "../support/database.rs"]
mod database;
mod model;
mod races;
mod readings;
mod shapes;
