//! Ready calls for sensor events.

use diesel_timescale::bulk::{self, Insert, Row, Upsert, Validate};

use super::keyed::Keyed;
use crate::models::NewSensorEvent;
use crate::schema::sensor_events;

type EventColumns = <NewSensorEvent<'static> as Row<sensor_events::table>>::Columns;
type KeyedColumns = <Keyed<NewSensorEvent<'static>> as Row<sensor_events::table>>::Columns;

/// Stores events, each once by sensor and instant: for at-least-once delivery and re-imports.
///
/// `rows` are [`NewSensorEvent`]s, owned or borrowed: a slice, a vector or an iterator. Rows that are stored already are
/// updated where they differ, and not rewritten where they do not; `processed_at` is not cleared. Any number of rows,
/// by statements that are prepared once.
///
/// Rows are written in the order of timestamp and sensor, whatever order they come in: calls that store the same rows at
/// the same time wait for each other, and do not deadlock. Several calls in one transaction write in the order of the
/// calls, so they can; see [`Retry`](crate::transaction::Retry).
///
/// # Errors
/// [`BulkError::InvalidRows`](bulk::BulkError::InvalidRows), before anything is sent; and what [`bulk::upsert`] fails with.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::bulk;
///
/// # fn main() { run(|conn| {
/// let at = Utc::now();
/// let reading = |state: &'static str| NewSensorEvent::new(at, "office", "office.light", SensorType::LIGHT, state);
///
/// let report = bulk::upsert_sensor_events(&[reading("320"), reading("321")]).call(conn)?;
/// assert_eq!((report.inserted, report.deduplicated), (1, 1));
///
/// let again = [reading("321")];
/// let call = bulk::upsert_sensor_events(&again).returning(SensorEventKey::as_select());
/// let (report, keys): (_, Vec<SensorEventKey>) = call.call(conn)?;
/// assert_eq!((report.unchanged, keys.len()), (1, 1));
/// # Ok(()) }) }
/// ```
pub fn upsert_sensor_events<I>(rows: I) -> Upsert<I::IntoIter, sensor_events::table>
where
    I: IntoIterator<Item: Row<sensor_events::table, Columns = EventColumns> + Validate>,
{
    bulk::upsert(rows)
        .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
        .keep_if_null(sensor_events::processed_at)
        .validate()
}

/// As [`upsert_sensor_events`], for the events of a stream, on an asynchronous connection.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # #[tokio::main]
/// # async fn main() {
/// # let (_db, conn) = support::TestDb::ready();
/// # drop(conn);
/// # let mut conn = _db.connect_async().await;
/// # let at = Utc::now();
/// # let reading = move |n| NewSensorEvent::new(at, "office", format!("office.{n}"), SensorType::MOTION, "off");
/// use occupancy_models::bulk;
///
/// // Any stream.
/// let readings = futures_util::stream::iter((0..30).map(reading));
/// let report = bulk::upsert_sensor_events_stream(readings).in_batches(20).call(&mut conn).await.unwrap();
/// assert_eq!(report.inserted, 30);
/// # }
/// ```
#[cfg(feature = "async")]
pub fn upsert_sensor_events_stream<S>(rows: S) -> Upsert<bulk::Streamed<S>, sensor_events::table>
where
    S: futures_core::Stream<Item: Row<sensor_events::table, Columns = EventColumns> + Validate>,
{
    bulk::upsert_stream(rows)
        .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
        .keep_if_null(sensor_events::processed_at)
        .validate()
}

/// Inserts events that are known to be new: through binary COPY, where the connection is libpq's.
///
/// The ids come from the database. An event whose sensor and instant are stored already fails the whole call; for
/// those see [`upsert_sensor_events`].
///
/// # Errors
/// [`BulkError::InvalidRows`](bulk::BulkError::InvalidRows), before anything is sent; a unique violation.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::bulk;
///
/// # fn main() { run(|conn| {
/// let events = (0..1000)
///     .map(|n| NewSensorEvent::new(Utc::now() + TimeDelta::seconds(n), "office", "office.co2", "co2", n.to_string()));
/// assert_eq!(bulk::insert_sensor_events(events).call(conn)?.inserted, 1000);
/// # Ok(()) }) }
/// ```
pub fn insert_sensor_events<I>(rows: I) -> Insert<I::IntoIter, sensor_events::table>
where
    I: IntoIterator<Item: Row<sensor_events::table, Columns = EventColumns> + Validate>,
{
    bulk::insert_into(sensor_events::table).values(rows).validate()
}

/// Stores events, each once by its key: for rows whose key is known, [reserved](super::reserve_keys) or read before.
///
/// An id that comes twice with different timestamps, that exists with another timestamp, or that the sequence has not
/// handed out, is refused: no duplicate id comes in this way. That takes a look at every chunk a call, and calls for
/// nearby ids take turns, by locking rows of `sensor_event_id_locks`: a role needs `SELECT` and `UPDATE` on that table.
/// (Statements of your own that bring an id, with `OVERRIDING SYSTEM VALUE`, by COPY, or into a chunk, are not checked.)
/// Runs under READ COMMITTED only.
///
/// Rows are written in the same order as by [`upsert_sensor_events`]. Calls of both kinds at the same time do not
/// deadlock, unless one gives an event another sensor.
///
/// # Errors
/// [`BulkError::InvalidRows`](bulk::BulkError::InvalidRows), before anything is sent. When it runs, a refusal that
/// [`Error::IdTaken`](crate::Error::IdTaken) and its like are made of, or a unique violation if another event has the sensor and instant.
pub fn upsert_sensor_events_by_key<I>(rows: I) -> Upsert<I::IntoIter, sensor_events::table>
where
    I: IntoIterator<Item: Row<sensor_events::table, Columns = KeyedColumns> + Validate>,
{
    bulk::upsert(rows)
        .on_conflict((sensor_events::id, sensor_events::timestamp))
        .overriding_system_value()
        .order_by((sensor_events::timestamp, sensor_events::sensor_id))
        .check_with("check_sensor_event_keys", (sensor_events::id, sensor_events::timestamp))
        .keep_if_null(sensor_events::processed_at)
        .validate()
}
