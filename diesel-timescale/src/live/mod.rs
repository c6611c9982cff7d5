//! New rows of a table, as they are stored: PostgreSQL's `LISTEN` and `NOTIFY`, switched on for a table by one call.
//!
//! [`notify_inserts`] switches it on: from then on each statement that inserts rows, whatever it is, tells the oldest
//! and the newest instant of its rows and their groups, such as the rooms, in one small notification at its commit.
//! What the rows are is read by whoever listens. [`inserted`] gives the notifications on a connection of its own;
//! `inserted_stream` does on diesel-async. Both connect again when the connection is lost, and say so:
//! [`Inserted::missed`](field@Inserted::missed).
//!
//! Works on hypertables, with and without the columnstore, and on plain tables. Listening needs a session of its own:
//! not behind PgBouncer in transaction mode, and not on a replica. A server that takes one connection at a time
//! notifies only that one.
//!
//! ```no_run
//! use chrono::Utc;
//! use diesel::prelude::*;
//! use diesel_timescale::Call;
//! use diesel_timescale::live::{inserted, notify_inserts};
//!
//! diesel::table! {
//!     readings (sensor, time) { sensor -> Text, time -> Timestamptz, room -> Text, value -> Nullable<Double> }
//! }
//!
//! let connect = || PgConnection::establish("postgres://localhost/home");
//! let mut conn = connect().unwrap();
//! notify_inserts(readings::time, readings::room).call(&mut conn).unwrap();
//!
//! let mut newest = Utc::now();
//! for news in inserted(readings::table, connect) {
//!     let news = news.unwrap();
//!     // After a connection was made, whatever has come since; else the rows of the statements.
//!     let from = if news.missed { newest } else { news.oldest.unwrap_or(newest) };
//!     let newer = readings::table.filter(readings::time.ge(from)).select((readings::sensor, readings::value));
//!     let rows: Vec<(String, Option<f64>)> = newer.load(&mut conn).unwrap();
//!     newest = news.newest.unwrap_or(newest).max(newest);
//!     println!("{} rows in {:?}", rows.len(), news.groups);
//! }
//! ```

#[cfg(feature = "sync")]
mod iterator;
#[cfg(any(feature = "sync", feature = "async"))]
mod lost;
#[cfg(any(feature = "sync", feature = "async"))]
mod news;
#[cfg(feature = "async")]
mod stream;
mod switch;

#[cfg(feature = "sync")]
pub use iterator::inserted;
#[cfg(any(feature = "sync", feature = "async"))]
pub use news::Inserted;
#[cfg(feature = "async")]
pub use stream::inserted_stream;
pub use switch::{notify_inserts, stop_notifying};
