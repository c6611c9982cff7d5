//! TimescaleDB: the server, and hypertables for any table.

mod feature;
mod hypertable;
pub(crate) mod outside_transaction;
mod server;

pub use feature::{Feature, Unsupported};
pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub use outside_transaction::OutsideTransaction;
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
