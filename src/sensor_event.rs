//! Sensor events as they are read, and their key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::micros;
use crate::number;
use crate::open_set::{SensorState, SensorType};
use crate::schema::sensor_events;
use crate::timescale::{Columnstore, HypertableSetup, columnstore, hypertable};

/// The key of a sensor event: what names it and leads to its chunk.
///
/// Code carries the key rather than the bare id, because the id alone does not tell the chunk. The timestamp is
/// normalised to the microsecond, so that a key read back equals the key written.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use occupancy_models::SensorEventKey;
///
/// let timestamp: DateTime<Utc> = "2026-01-01T12:00:00.123456789Z".parse().unwrap();
/// assert_eq!(SensorEventKey::new(1, timestamp).timestamp().to_rfc3339(), "2026-01-01T12:00:00.123456+00:00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Queryable, Selectable)]
#[diesel(table_name = sensor_events, check_for_backend(diesel::pg::Pg))]
pub struct SensorEventKey {
    id: i64,
    #[serde(deserialize_with = "micros::deserialize")]
    timestamp: DateTime<Utc>,
}

impl SensorEventKey {
    /// The key with this id and timestamp.
    pub fn new(id: i64, timestamp: DateTime<Utc>) -> Self {
        Self { id, timestamp: micros::truncate(timestamp) }
    }

    /// The id, unique across all chunks.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// When the sensor reported.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    // What a query binds must be borrowed.
    pub(crate) fn id_ref(&self) -> &i64 {
        &self.id
    }

    pub(crate) fn timestamp_ref(&self) -> &DateTime<Utc> {
        &self.timestamp
    }
}

impl<'a> Identifiable for &'a SensorEventKey {
    type Id = (&'a i64, &'a DateTime<Utc>);

    fn id(self) -> Self::Id {
        (&self.id, &self.timestamp)
    }
}

impl diesel::associations::HasTable for SensorEventKey {
    type Table = sensor_events::table;

    fn table() -> Self::Table {
        sensor_events::table
    }
}

/// A sensor event as the database has it.
///
/// `save_changes` and `diesel::update(&event)` write everything but the key, which never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, HasQuery, Identifiable, AsChangeset)]
#[diesel(table_name = sensor_events, primary_key(id, timestamp), check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_null = true)]
pub struct SensorEvent {
    /// Assigned by the database, unique across all chunks.
    pub id: i64,
    /// When the sensor reported.
    #[serde(deserialize_with = "micros::deserialize")]
    pub timestamp: DateTime<Utc>,
    /// The room that the sensor is in.
    pub room_id: String,
    /// The sensor.
    pub sensor_id: String,
    /// What the sensor measures.
    pub sensor_type: SensorType<'static>,
    /// The state as the sensor reported it.
    pub state: SensorState<'static>,
    /// The state as a number, in the unit of the sensor; `None` where it is no number.
    #[serde(serialize_with = "number::serialize_option")]
    pub numeric_value: Option<f64>,
    /// The state that this sensor reported before, if known.
    pub previous_state: Option<SensorState<'static>>,
    /// Whatever else the sensor reported.
    pub attributes: Value,
    /// Whether a person, rather than an automation, caused the event.
    pub is_human_triggered: bool,
    /// How far to trust the reading, from 0 to 1.
    #[serde(serialize_with = "number::serialize_option")]
    pub confidence_score: Option<f64>,
    /// When the row was stored.
    #[serde(deserialize_with = "micros::deserialize")]
    pub created_at: DateTime<Utc>,
    /// When the application has processed the event.
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub processed_at: Option<DateTime<Utc>>,
}

impl SensorEvent {
    /// The set-up of `sensor_events` as a hypertable: without the server's default index on the timestamp, because
    /// the table's own indexes serve its reads and every further one slows down inserts.
    ///
    /// ```
    /// # include!("doctest_setup.rs");
    /// # fn main() { run(|conn| {
    /// let report = SensorEvent::hypertable()
    ///     .chunk_interval(TimeDelta::days(1))
    ///     .allow_plain_table()
    ///     .call(conn)?;
    /// println!("{report}");
    /// # Ok(()) }) }
    /// ```
    pub fn hypertable() -> HypertableSetup {
        hypertable(sensor_events::timestamp).default_indexes(false)
    }

    /// How `sensor_events` is kept by columns: by sensor, each in the order of time.
    ///
    /// So the upsert by sensor and instant finds its rows in compressed chunks by the segment and its range of time.
    ///
    /// ```
    /// # include!("doctest_setup.rs");
    /// use occupancy_models::timescale::{Feature, Server};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// # if !server.has(Feature::Columnstore) { return Ok(()); }
    /// SensorEvent::columnstore().enable().call(conn)?;
    /// # Ok(()) }) }
    /// ```
    pub fn columnstore() -> Columnstore<sensor_events::table> {
        columnstore(sensor_events::table)
            .segment_by(sensor_events::sensor_id)
            .order_by(sensor_events::timestamp)
            .order_by(sensor_events::id)
    }

    /// The key of this event.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.timestamp)
    }
}
