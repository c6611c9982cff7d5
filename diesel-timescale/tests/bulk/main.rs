//! Bulk writes of tables that the crate has never seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod database;
mod model;
mod readings;
mod attacks;
mod calls;
mod compile_fail;
mod races;
mod shapes;
