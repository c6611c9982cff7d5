//! Notifications as a stream, on diesel-async.

use std::marker::PhantomData;
use std::pin::pin;
use std::time::Duration;

use diesel::ConnectionResult;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::time::{sleep, timeout};

use super::lost::{CHECK, PAUSES, is_refused, listen, unreachable};
use super::news::Inserted;
use super::position::Position;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::time_column::{TimeColumn, TimeType};

/// The notifications of new rows of the table of a time column, on diesel-async and tokio; otherwise as
/// [`inserted`](super::inserted), errors included.
///
/// ```no_run
/// use chrono::TimeDelta;
/// use diesel_async::{AsyncConnection, AsyncPgConnection};
/// use diesel_timescale::live::inserted_stream;
/// use futures_util::StreamExt;
///
/// diesel::table! { readings (sensor, time) { sensor -> Text, time -> Timestamptz } }
///
/// # #[tokio::main]
/// # async fn main() {
/// let connect = || AsyncPgConnection::establish("postgres://localhost/home");
/// let mut news = std::pin::pin!(inserted_stream(readings::time, None, TimeDelta::minutes(10), connect));
/// while let Some(news) = news.next().await {
///     println!("{:?}", news.unwrap());
/// }
/// # }
/// ```
pub fn inserted_stream<C, F, Fut>(
    time: C,
    since: Option<<C::SqlType as TimeType>::Value>,
    lateness: <C::SqlType as TimeType>::Interval,
    connect: F,
) -> impl Stream<Item = Result<Inserted<<C::SqlType as TimeType>::Value>, Error>> + Send + use<C, F, Fut>
where
    C: TimeColumn,
    C::Table: Default + QueryFragment<Pg>,
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = ConnectionResult<AsyncPgConnection>> + Send,
{
    let _ = time;
    let position = Position::new::<C>(since, lateness);
    let of_type = PhantomData::<fn() -> C::SqlType>;
    let listener = Listener { position, connect, conn: None, pause: PAUSES.start, of_type };
    unfold(listener, |mut listener| async move {
        let news = listener.next().await;
        Some((news, listener))
    })
}

struct Listener<ST, F> {
    position: Position,
    connect: F,
    conn: Option<AsyncPgConnection>,
    pause: Duration,
    of_type: PhantomData<fn() -> ST>,
}

impl<ST, F, Fut> Listener<ST, F>
where
    ST: TimeType,
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = ConnectionResult<AsyncPgConnection>> + Send,
{
    async fn next(&mut self) -> Result<Inserted<ST::Value>> {
        loop {
            if let Some(mut conn) = self.conn.take() {
                if let Ok(come) = wait(&mut conn, &self.position).await {
                    let news = match self.position.told::<ST>(&come) {
                        Some(news) => Ok(news),
                        None => self.read(&mut conn).await,
                    };
                    if let Ok(news) = news {
                        self.conn = Some(conn);
                        return Ok(news);
                    }
                }
            }
            match self.listen().await {
                Ok(missed) => {
                    self.pause = PAUSES.start;
                    return Ok(missed);
                }
                Err(error) => {
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSES.end);
                    if is_refused(&error) || !self.position.is_known() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Listens on a new connection, then reads: what is committed after the first is told, what is before it is read.
    async fn listen(&mut self) -> Result<Inserted<ST::Value>> {
        let mut conn = (self.connect)().await.map_err(|error| unreachable(&error))?;
        let channel = self.position.channel().call_async(&mut conn).await?;
        conn.batch_execute(&listen(&channel)).await?;
        let missed = self.read(&mut conn).await?;
        self.conn = Some(conn);
        Ok(missed)
    }

    async fn read(&mut self, conn: &mut AsyncPgConnection) -> Result<Inserted<ST::Value>> {
        let payload = self.position.read().call_async(conn).await?;
        self.position.missed::<ST>(&payload)
    }
}

/// What has come by the next notification; an error if the connection is lost, or is not told any more.
async fn wait(conn: &mut AsyncPgConnection, position: &Position) -> Result<Vec<String>> {
    loop {
        let mut come = Vec::new();
        {
            let mut notifications = pin!(conn.notifications_stream());
            let mut limit = CHECK;
            // The first that comes, and those that are there. What came before an error counts; it comes again.
            loop {
                match timeout(limit, notifications.next()).await {
                    Ok(Some(Ok(notification))) => come.push(notification.payload),
                    Ok(Some(Err(_)) | None) if !come.is_empty() => break,
                    Ok(Some(Err(error))) => return Err(error.into()),
                    Ok(None) => return Err(diesel::result::Error::BrokenTransactionManager.into()),
                    Err(_) => break,
                }
                limit = Duration::ZERO;
            }
        }
        if !come.is_empty() {
            return Ok(come);
        }
        if !position.is_told().call_async(conn).await? {
            return Err(diesel::result::Error::BrokenTransactionManager.into());
        }
    }
}
