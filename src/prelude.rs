//! What code that works with sensor events and predictions imports, beside Diesel's own prelude;
//! `asynchronous::prelude` on diesel-async.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use diesel::prelude::*;
//! use occupancy_models::prelude::*;
//!
//! # fn main() { run(|conn| {
//! let event = NewSensorEvent::new(Utc::now(), "office", "office.motion", SensorType::MOTION, "on");
//! diesel::insert_into(sensor_events::table).values(event).execute(conn)?;
//! assert!(verify().allow_plain_table().call(conn)?.is_empty());
//! # Ok(()) }) }
//! ```

pub use diesel_timescale::prelude::*;

pub use crate::models_prelude::*;
