//! What the analyses give is what a naive computation on the same rows gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod agreement;
#[cfg(feature = "async")]
mod asynchronous;
mod daily;
mod intervals;
mod matrix;
mod priors;
mod readings;
mod reference;
mod scores;
#[path = "../support/mod.rs"]
mod support;
mod time_in_state;
