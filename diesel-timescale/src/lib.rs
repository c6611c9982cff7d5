//! TimescaleDB for any Diesel table.
#![warn(missing_docs)]

pub mod bulk;
