//! Notifications as an iterator, on libpq.

use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::ConnectionResult;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;

use super::lost::{CHECK, PAUSES, is_refused, listen};
use super::news::Inserted;
use crate::call::{Relation, relation_name};

/// How long to wait between two looks at what has come.
const LOOK: Duration = Duration::from_millis(20);

/// The notifications of new rows of a table, as [`notify_inserts`](super::notify_inserts) switches them on, from a
/// connection that this makes: each step waits for the next one. Those that have come meanwhile are one.
///
/// Makes a new connection when it is lost, with pauses of 50 ms to 2 s, for as long as it takes. The first item, and
/// the first after each new connection, is [`missed`](field@Inserted::missed). Never ends: for a thread of its own. For
/// an example see [the module](super).
///
/// # Errors
/// What the server refuses, such as `LISTEN` on a replica; a further step tries again. A connection that is lost or
/// cannot be made is none.
pub fn inserted<T, F>(table: T, connect: F) -> impl Iterator<Item = QueryResult<Inserted>> + use<T, F>
where
    T: Table + QueryFragment<Pg>,
    F: FnMut() -> ConnectionResult<PgConnection>,
{
    Listener { table: relation_name(&table), connect, conn: None, pause: PAUSES.start }
}

struct Listener<F> {
    table: Relation,
    connect: F,
    conn: Option<PgConnection>,
    pause: Duration,
}

impl<F: FnMut() -> ConnectionResult<PgConnection>> Listener<F> {
    /// A connection that listens.
    fn listen(&mut self) -> QueryResult<Option<PgConnection>> {
        let Ok(mut conn) = (self.connect)() else { return Ok(None) };
        let table =
            self.table.as_ref().map_err(|error| diesel::result::Error::QueryBuilderError(error.clone().into()))?;
        let name = sql::<Text>("CAST(diesel_timescale.insert_channel(CAST(")
            .bind::<Text, _>(table)
            .sql(" AS regclass)) AS TEXT)");
        let channel: String = diesel::select(name).get_result(&mut conn)?;
        conn.batch_execute(&listen(&channel))?;
        Ok(Some(conn))
    }
}

/// What has come by the next notification; an error if the connection is lost.
fn wait(conn: &mut PgConnection) -> QueryResult<Inserted> {
    let mut checked = Instant::now();
    loop {
        let come = conn.notifications_iter().collect::<QueryResult<Vec<_>>>()?;
        if let Some(news) = Inserted::of(come.iter().map(|notification| &*notification.payload)) {
            return Ok(news);
        }
        if checked.elapsed() > CHECK {
            conn.batch_execute("SELECT 1")?;
            checked = Instant::now();
        }
        sleep(LOOK);
    }
}

impl<F: FnMut() -> ConnectionResult<PgConnection>> Iterator for Listener<F> {
    type Item = QueryResult<Inserted>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(conn) = &mut self.conn {
                match wait(conn) {
                    Ok(news) => return Some(Ok(news)),
                    Err(_) => self.conn = None,
                }
            }
            match self.listen() {
                Ok(Some(conn)) => {
                    self.conn = Some(conn);
                    self.pause = PAUSES.start;
                    return Some(Ok(Inserted::missed()));
                }
                Err(error) if is_refused(&error) => return Some(Err(error)),
                Ok(None) | Err(_) => {
                    sleep(self.pause);
                    self.pause = (self.pause * 2).min(PAUSES.end);
                }
            }
        }
    }
}
