//! TimescaleDB: the server, and hypertables for any table.

mod hypertable;
mod server;

pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
