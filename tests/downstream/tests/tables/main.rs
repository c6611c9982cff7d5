//! Tables of one's own beside those of occupancy-models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod alerts;
mod battery;
mod energy;
mod migrations;
mod power;
#[path = "../support/mod.rs"]
mod support;
mod work_orders;
