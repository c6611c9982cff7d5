//! TimescaleDB: the server, and hypertables for any table.

mod feature;
mod hypertable;
mod server;

pub use feature::{Feature, Unsupported};
pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
