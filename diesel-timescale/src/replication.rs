//! Reading one's own writes from a replica: the position of a write, and a wait until a replica has it.
//!
//! A replica replays the log of its primary some time after the primary has committed. [`write_position`], asked after
//! the commit, gives a position that is behind everything committed before. [`wait_for`] on a connection to a replica
//! returns once that is replayed there, or with [`Error::NotReplayed`] after a limit.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
//! use std::time::Duration;
//! use diesel_timescale::replication::{wait_for, write_position};
//!
//! # fn main() { run(|primary| {
//! # a_reading(primary);
//! // After the write has committed:
//! let position = write_position().call(primary)?;
//! // On a replica (or on the primary itself, which has it):
//! # let replica = primary;
//! wait_for(position, Duration::from_secs(2)).call(replica)?;
//! let latest: Vec<(String, String)> = readings::table.select((readings::sensor, readings::state)).load(replica)?;
//! # assert_eq!(latest.len(), 1);
//! # Ok(()) }) }
//! ```
//!
//! The position is a `pg_lsn`: its text (`SELECT $1::text`), or the number in it, can be given to another process, in a
//! cookie or a header. It means something within one cluster only. After a failover to a replica that had not
//! received the write (which synchronous replication rules out) it names a log that no longer exists.

use std::time::{Duration, Instant};

use diesel::connection::{LoadConnection, TransactionManager};
use diesel::pg::Pg;
use diesel::pg::data_types::PgLsn;
use diesel::pg::sql_types::PgLsn as Position;
use diesel::sql_types::Nullable;

use crate::call::{Call, value};
use crate::error::{Error, Result};
use crate::function_call;

/// A position in the log that is behind everything that has committed: what [`wait_for`] waits for on a replica.
///
/// Ask on the connection that wrote, or any other to the primary, after the commit.
///
/// # Errors
/// The server's, on a replica: "recovery is in progress".
pub fn write_position() -> impl Call<Output = PgLsn, Error = Error> + Clone + Send {
    WritePosition {}
}

function_call! {
    /// The call that [`write_position`] makes.
    ///
    /// Where the next record begins on a new page, the position of the insert is behind the header of that page, which
    /// no replica reaches before that record: taken back to the end of the last record.
    WritePosition {},
    "SELECT l - CASE WHEN l - '0/0' > 0 AND (l - '0/0') % w.page = CASE WHEN (l - '0/0') % w.segment < w.page THEN 40 ELSE 24 END \
         THEN (l - '0/0') % w.page ELSE 0 END \
     FROM pg_current_wal_insert_lsn() AS l, \
         (SELECT current_setting('wal_block_size')::numeric, pg_size_bytes(current_setting('wal_segment_size'))) AS w (page, segment)",
    "",
    (Position,) => (PgLsn,) => PgLsn, value,
}

function_call! {
    /// How far this server has come: replayed on a replica, written on a primary.
    Reached {},
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END",
    "",
    (Nullable<Position>,) => (Option<PgLsn>,) => Option<PgLsn>, value,
}

/// Waits until the server has replayed a [position](write_position) of its primary, for no longer than a limit.
///
/// Asks again every 1 to 20 ms, in statements of their own: one long statement would hold a snapshot, and with that
/// could delay the replay. On the primary it returns at once.
///
/// Waits by the thread on a synchronous connection, by tokio's clock on an asynchronous one.
///
/// # Errors
/// [`Error::NotReplayed`], if the server has not come that far within the limit; [`Error::InsideTransaction`], because
/// a transaction may go on seeing what it saw at its start.
pub fn wait_for(position: PgLsn, limit: Duration) -> impl Call<Output = (), Error = Error> + Clone + Send {
    WaitFor { position, limit }
}

#[derive(Debug, Clone, Copy)]
#[must_use = "a call does nothing until it runs"]
struct WaitFor {
    position: PgLsn,
    limit: Duration,
}

impl WaitFor {
    /// How long to pause before the next look; `None` if the server has come far enough.
    fn pause(&self, reached: Option<PgLsn>, started: Instant, looks: u32) -> Result<Option<Duration>> {
        if reached.is_some_and(|reached| reached.0 >= self.position.0) {
            return Ok(None);
        }
        let left = self.limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Error::NotReplayed {
                position: text(self.position),
                reached: reached.map(text),
                limit: self.limit,
            });
        }
        Ok(Some(left.min(Duration::from_millis((1 << looks.min(5)).min(20)))))
    }
}

/// As PostgreSQL writes it.
fn text(position: PgLsn) -> String {
    format!("{:X}/{:X}", position.0 >> 32, position.0 & 0xFFFF_FFFF)
}

fn refuse_inside_transaction(is_inside: bool) -> Result<()> {
    if is_inside { Err(Error::InsideTransaction { statement: "wait_for()" }) } else { Ok(()) }
}

impl Call for WaitFor {
    type Output = ();
    type Error = Error;

    fn call<C>(self, conn: &mut C) -> Result<()>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        let depth = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?;
        refuse_inside_transaction(depth.is_some())?;
        let started = Instant::now();
        let mut looks = 0;
        while let Some(pause) = self.pause(Reached {}.call(conn)?, started, looks)? {
            std::thread::sleep(pause);
            looks += 1;
        }
        Ok(())
    }

    #[cfg(feature = "async")]
    async fn call_async<C>(self, conn: &mut C) -> Result<()>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
    {
        use diesel_async::TransactionManager;

        let depth = C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()?;
        refuse_inside_transaction(depth.is_some())?;
        let started = Instant::now();
        let mut looks = 0;
        while let Some(pause) = self.pause(Reached {}.call_async(conn).await?, started, looks)? {
            tokio::time::sleep(pause).await;
            looks += 1;
        }
        Ok(())
    }
}
