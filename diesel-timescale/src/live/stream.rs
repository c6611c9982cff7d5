//! Notifications as a stream, on diesel-async.

use std::pin::pin;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::{ConnectionResult, QueryResult, Table};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::time::{sleep, timeout};

use super::lost::{CHECK, PAUSES, is_refused, listen};
use super::news::Inserted;
use crate::call::{Relation, relation_name};

/// The notifications of new rows of a table, on diesel-async and tokio; otherwise as [`inserted`](super::inserted).
///
/// # Errors
/// As [`inserted`](super::inserted).
///
/// ```no_run
/// use diesel_async::{AsyncConnection, AsyncPgConnection};
/// use diesel_timescale::live::inserted_stream;
/// use futures_util::StreamExt;
///
/// diesel::table! { readings (sensor, time) { sensor -> Text, time -> Timestamptz } }
///
/// # #[tokio::main]
/// # async fn main() {
/// let connect = || AsyncPgConnection::establish("postgres://localhost/home");
/// let mut news = std::pin::pin!(inserted_stream(readings::table, connect));
/// while let Some(news) = news.next().await {
///     println!("{:?}", news.unwrap());
/// }
/// # }
/// ```
pub fn inserted_stream<T, F, Fut>(
    table: T,
    connect: F,
) -> impl Stream<Item = QueryResult<Inserted>> + Send + use<T, F, Fut>
where
    T: Table + QueryFragment<Pg>,
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = ConnectionResult<AsyncPgConnection>> + Send,
{
    let listener = Listener { table: relation_name(&table), connect, conn: None, pause: PAUSES.start };
    unfold(listener, |mut listener| async move {
        let news = listener.next().await;
        Some((news, listener))
    })
}

struct Listener<F> {
    table: Relation,
    connect: F,
    conn: Option<AsyncPgConnection>,
    pause: Duration,
}

impl<F, Fut> Listener<F>
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = ConnectionResult<AsyncPgConnection>> + Send,
{
    async fn next(&mut self) -> QueryResult<Inserted> {
        loop {
            if let Some(conn) = &mut self.conn {
                match wait(conn).await {
                    Ok(news) => return Ok(news),
                    Err(_) => self.conn = None,
                }
            }
            match self.listen().await {
                Ok(Some(conn)) => {
                    self.conn = Some(conn);
                    self.pause = PAUSES.start;
                    return Ok(Inserted::missed());
                }
                Err(error) if is_refused(&error) => return Err(error),
                Ok(None) | Err(_) => {
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSES.end);
                }
            }
        }
    }

    /// A connection that listens.
    async fn listen(&mut self) -> QueryResult<Option<AsyncPgConnection>> {
        let Ok(mut conn) = (self.connect)().await else { return Ok(None) };
        let table = self.table.clone().map_err(|error| diesel::result::Error::QueryBuilderError(error.into()))?;
        let name = sql::<Text>("CAST(diesel_timescale.insert_channel(CAST(")
            .bind::<Text, _>(table)
            .sql(" AS regclass)) AS TEXT)");
        let channel: String = diesel::select(name).get_result(&mut conn).await?;
        conn.batch_execute(&listen(&channel)).await?;
        Ok(Some(conn))
    }
}

/// What has come by the next notification; an error if the connection is lost.
async fn wait(conn: &mut AsyncPgConnection) -> QueryResult<Inserted> {
    loop {
        let mut payloads = Vec::new();
        {
            let mut notifications = pin!(conn.notifications_stream());
            let mut limit = CHECK;
            // The first that comes, and those that are there.
            loop {
                match timeout(limit, notifications.next()).await {
                    Ok(Some(notification)) => payloads.push(notification?.payload),
                    Ok(None) => return Err(diesel::result::Error::BrokenTransactionManager),
                    Err(_) => break,
                }
                limit = Duration::ZERO;
            }
        }
        match Inserted::of(payloads.iter().map(String::as_str)) {
            Some(news) => return Ok(news),
            None => conn.batch_execute("SELECT 1").await?,
        }
    }
}
