//! TimescaleDB: the server, and hypertables for any table.

mod hypertable;
mod known_issues;
mod server;

pub use hypertable::{HypertableOutcome, HypertableReport, HypertableSetup, TimeColumn, hypertable};
pub(crate) use known_issues::issues_of;
pub use known_issues::{KNOWN_ISSUES, KnownIssue, known_issues};
pub use server::{Edition, Server, ServerQuery, TimescaleVersion, UnknownVersion};
