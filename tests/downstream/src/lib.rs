//! How to build on occupancy-models: a service that watches over the energy a home uses.
//!
//! | what | where |
//! |---|---|
//! | tables beside the ones of occupancy-models, in queries together with them | [`schema`] |
//! | a hypertable and a sensor type of one's own | [`energy`] |
//! | a hypertable whose time is a count of milliseconds | [`power`] |
//! | a reference to sensor events, and queries across it | [`alert`] |
//! | a reference to a hypertable of one's own, by its whole key | [`work_order`] |
//! | a column of one's own on a table of occupancy-models | [`battery`] |
//! | both sets of migrations, asynchronously | [`setup`] |
//! | an HTTP service with a pool of connections | [`service`] |
//! | tests, each with a database of its own | `tests/` |
#![warn(missing_docs)]

pub mod alert;
pub mod battery;
pub mod energy;
pub mod power;
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;
pub mod service;
pub mod setup;
pub mod work_order;
