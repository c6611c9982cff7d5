//! What code that calls this crate imports, beside Diesel's own prelude; `asynchronous::prelude` on diesel-async.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use diesel::prelude::*;
//! use diesel_timescale::prelude::*;
//!
//! # fn main() { run(|conn| {
//! let report = hypertable(readings::time).allow_plain_table().call(conn)?;
//! println!("{report}");
//! # Ok(()) }) }
//! ```

pub use crate::add_job::AddJob;
pub use crate::call::Call;
pub use crate::feature::Feature;
pub use crate::hypertable::hypertable;
pub use crate::schedule::Schedule;
pub use crate::server::Server;
pub use crate::transaction::{Retry, Transient};
