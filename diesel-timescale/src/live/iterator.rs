//! Notifications as an iterator, on libpq.

use std::marker::PhantomData;
use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::ConnectionResult;
use diesel::connection::SimpleConnection;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::QueryFragment;

use super::lost::{CHECK, PAUSES, is_refused, listen, unreachable};
use super::news::Inserted;
use super::position::Position;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::time_column::{TimeColumn, TimeType};

/// How long to wait between two looks at what has come.
const LOOK: Duration = Duration::from_millis(20);

/// The notifications of new rows of the table of a time column, as [`notify_inserts`](super::notify_inserts) switches
/// them on for that column, from a connection that this makes: each step waits for the next one. Those that have come
/// meanwhile are one.
///
/// Makes a new connection when it is lost, with pauses of 50 ms to 2 s, for as long as it takes. The first item, and
/// the first after each new connection, is [`missed`](field@Inserted::missed): what the table has from the newest
/// moment so far on, less the lateness, so that nothing is lost which is no later than that. What is guaranteed stands
/// in [the module](super), with an example.
///
/// `since` is where to start: the [`position`](field@Inserted::position) of an earlier run, or `None` for rows from now
/// on. `lateness` is how much older than the newest row another one may be when it is committed. Never ends: for a
/// thread of its own.
///
/// # Errors
/// [`Error::Notifications`] if the table is not notified by that column; what the server refuses, such as `LISTEN` on a
/// replica, or reading without `SELECT` on both columns; the first connection, if it cannot be made. Each comes after a
/// pause, and a further step tries again. A connection that is lost, or cannot be made again, is none.
pub fn inserted<C, F>(
    time: C,
    since: Option<<C::SqlType as TimeType>::Value>,
    lateness: <C::SqlType as TimeType>::Interval,
    connect: F,
) -> impl Iterator<Item = Result<Inserted<<C::SqlType as TimeType>::Value>, Error>> + use<C, F>
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
    F: FnMut() -> ConnectionResult<PgConnection>,
{
    let _ = time;
    let position = Position::new::<C>(since, lateness);
    Listener { position, connect, conn: None, pause: PAUSES.start, of_type: PhantomData::<C::SqlType> }
}

struct Listener<ST, F> {
    position: Position,
    connect: F,
    conn: Option<PgConnection>,
    pause: Duration,
    of_type: PhantomData<ST>,
}

impl<ST: TimeType, F: FnMut() -> ConnectionResult<PgConnection>> Listener<ST, F> {
    /// Listens on a new connection, then reads: what is committed after the first is told, what is before it is read.
    fn listen(&mut self) -> Result<Inserted<ST::Value>> {
        let mut conn = (self.connect)().map_err(|error| unreachable(&error))?;
        let channel = self.position.channel().call(&mut conn)?;
        conn.batch_execute(&listen(&channel))?;
        let missed = self.read(&mut conn)?;
        self.conn = Some(conn);
        Ok(missed)
    }

    fn read(&mut self, conn: &mut PgConnection) -> Result<Inserted<ST::Value>> {
        let payload = self.position.read().call(conn)?;
        self.position.missed::<ST>(&payload)
    }
}

/// What has come by the next notification; an error if the connection is lost, or is not told any more.
fn wait(conn: &mut PgConnection, position: &Position) -> Result<Vec<String>> {
    let mut checked = Instant::now();
    loop {
        let mut come = Vec::new();
        for notification in conn.notifications_iter() {
            match notification {
                Ok(notification) => come.push(notification.payload),
                // What came before the error counts; it comes again at the next step.
                Err(_) if !come.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        if !come.is_empty() {
            return Ok(come);
        }
        if checked.elapsed() > CHECK {
            if !position.is_told().call(conn)? {
                return Err(diesel::result::Error::BrokenTransactionManager.into());
            }
            checked = Instant::now();
        }
        sleep(LOOK);
    }
}

impl<ST: TimeType, F: FnMut() -> ConnectionResult<PgConnection>> Iterator for Listener<ST, F> {
    type Item = Result<Inserted<ST::Value>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut conn) = self.conn.take() {
                if let Ok(come) = wait(&mut conn, &self.position) {
                    let news = match self.position.told::<ST>(&come) {
                        Some(news) => Ok(news),
                        None => self.read(&mut conn),
                    };
                    if let Ok(news) = news {
                        self.conn = Some(conn);
                        return Some(Ok(news));
                    }
                }
            }
            match self.listen() {
                Ok(missed) => {
                    self.pause = PAUSES.start;
                    return Some(Ok(missed));
                }
                Err(error) => {
                    sleep(self.pause);
                    self.pause = (self.pause * 2).min(PAUSES.end);
                    if is_refused(&error) || !self.position.is_known() {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
