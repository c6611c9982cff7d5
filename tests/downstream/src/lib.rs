//! How to build on occupancy-models: a service that watches over the energy a home uses.
//!
//! | what | where |
//! |---|---|
//! | tables beside the ones of occupancy-models, in queries together with them | [`schema`] |
//! | a hypertable and a sensor type of one's own | [`energy`] |
//! | a reference to sensor events, and queries across it | [`alert`] |
//! | both sets of migrations, asynchronously | [`setup`] |
//! | an HTTP service with a pool of connections | [`service`] |
#![warn(missing_docs)]

pub mod alert;
pub mod energy;
#[allow(missing_docs, reason = "the comments in the database are its documentation")]
pub mod schema;
pub mod service;
pub mod setup;
