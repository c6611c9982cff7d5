//! Reading: queries as values, which take any further clause of Diesel's and run on sync and async connections alike.
//!
//! | what | how |
//! |---|---|
//! | a room's events in a range of time | [`SensorEvent::timeline`](crate::SensorEvent::timeline) |
//! | the next page of them | [`older_than`], [`newer_than`] a [key](crate::SensorEventKey) |
//!
//! Every query takes the range of time that it is about, as a Rust range (`from..to`, `from..`). Say both ends where
//! you know them: TimescaleDB then plans only the chunks in between.

mod events;
mod page;
mod range;

pub use events::{SensorEventQuery, SeriesQuery};
pub use page::{NewerThan, NewestFirst, OlderThan, OldestFirst, newer_than, newest_first, older_than, oldest_first};
