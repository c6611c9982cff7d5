//! New rows of a table, as they are stored: PostgreSQL's `LISTEN` and `NOTIFY`, switched on for a table by one call.
//!
//! [`notify_inserts_by`] switches it on: from then on each statement that inserts rows, whatever it is, tells how many
//! there are, their oldest and newest moment and their groups, such as the rooms, in one small notification at its
//! commit. What the rows are is read by whoever listens. [`inserted`] gives the notifications on a connection of its
//! own; `inserted_stream` does on diesel-async. Both connect again when the connection is lost, and read from the table
//! what they have missed.
//!
//! ```no_run
//! use chrono::TimeDelta;
//! use diesel::prelude::*;
//! use diesel_timescale::Call;
//! use diesel_timescale::live::{inserted, notify_inserts_by};
//!
//! diesel::table! {
//!     readings (sensor, time) { sensor -> Text, time -> Timestamptz, room -> Text, value -> Nullable<Double> }
//! }
//!
//! let connect = || PgConnection::establish("postgres://localhost/home");
//! let mut conn = connect().unwrap();
//! notify_inserts_by(readings::time, readings::room).call(&mut conn).unwrap();
//!
//! // Sensors send no later than ten minutes, and no transaction that inserts is longer.
//! for news in inserted(readings::time, None, TimeDelta::minutes(10), connect) {
//!     let news = news.unwrap();
//!     let Some(oldest) = news.oldest else { continue };
//!     let newer = readings::table.filter(readings::time.ge(oldest)).select((readings::sensor, readings::value));
//!     let rows: Vec<(String, Option<f64>)> = newer.load(&mut conn).unwrap();
//!     println!("{} rows in {:?}", rows.len(), news.groups);
//! }
//! ```
//!
//! # What is guaranteed
//!
//! - While a connection is there, each statement that inserts rows is told after its commit, whatever moments its rows
//!   have. What is rolled back is not.
//! - After a connection was made again, or the first one with a position (`since`), the table is read: every row is
//!   told that is committed, and whose moment is not before the position less `lateness`. The position is the newest
//!   moment that was told, but for calendar types none in the future, so that a sensor whose clock is wrong hides
//!   nothing. With no row told yet, the position is the newest row of the table at the start; if the table was empty,
//!   all is read.
//! - **Not told** is a row that is committed while nobody is connected, and older than that: it came later than
//!   `lateness`. Choose `lateness` no shorter than the longest transaction that inserts, and how late rows may come.
//!   Since [`read_from`](field@Inserted::read_from) says from where the table was read, rows that are older can be
//!   looked for in another way, such as by an id. `TimeDelta::MAX` reads the whole table.
//! - While notifications are switched off, or are those of an older name, nothing is told. The listener finds that out
//!   within five seconds of silence, fails, and reads what it has missed once they are on again.
//! - Rows are told again that were told before: by each read, and where one was committed while the listener began.
//!   Take news as a reason to read, and write what follows so that it can be repeated.
//!
//! New rows are what `INSERT`, `COPY` and `MERGE` insert. Not new, and not told, are rows that an upsert only updates,
//! `UPDATE`, `DELETE`, `TRUNCATE`, retention and moves between rowstore and columnstore. After a `TRUNCATE` the
//! position stays: rows that are loaded again count as late. Neither told are rows that go into a chunk or partition by
//! its own name, and those that logical replication brings, since neither runs a trigger of the table.
//!
//! # What it takes
//!
//! Works on plain tables, and from TimescaleDB 2.18 on on hypertables
//! ([`Feature::InsertNotifications`](crate::Feature::InsertNotifications)), with and without the columnstore. Before
//! 2.26.4 TimescaleDB gives the trigger wrong values of a hypertable from which a column was dropped: its new rows are
//! told by their count alone, without moments and groups, until the extension is updated. The listener needs `SELECT` on both
//! columns and a session of its own. **Not through PgBouncer in transaction or statement mode**, which forgets
//! `LISTEN`: nothing would be told; connect to the server itself. A replica refuses `LISTEN`. A server that takes one
//! connection at a time notifies only that one. Commits that notify take turns in the whole server. Any role may notify
//! any channel, so news are a hint and no proof. A listening session that stays in a transaction keeps notifications
//! from being thrown away; once their queue is full (8 GB by default), inserts fail. A transaction that has notified
//! cannot be prepared for two-phase commit.
//!
//! `COPY` into a hypertable, and so a bulk write of new rows, takes about 8 % longer: TimescaleDB inserts one row at a
//! time instead of many where a trigger has the new rows of a statement. Into a plain table it takes no longer.

#[cfg(feature = "sync")]
mod iterator;
#[cfg(any(feature = "sync", feature = "async"))]
mod lost;
#[cfg(any(feature = "sync", feature = "async"))]
mod news;
#[cfg(any(feature = "sync", feature = "async"))]
mod position;
#[cfg(feature = "async")]
mod stream;
mod switch;

#[cfg(feature = "sync")]
pub use iterator::inserted;
#[cfg(any(feature = "sync", feature = "async"))]
pub use news::Inserted;
#[cfg(feature = "async")]
pub use stream::inserted_stream;
pub use switch::{notify_inserts, notify_inserts_by, stop_notifying};
