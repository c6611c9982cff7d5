//! Sensor events: what is read, what is inserted, and the key.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::micros;
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
    pub numeric_value: Option<f64>,
    /// The state that this sensor reported before, if known.
    pub previous_state: Option<SensorState<'static>>,
    /// Whatever else the sensor reported.
    pub attributes: Value,
    /// Whether a person, rather than an automation, caused the event.
    pub is_human_triggered: bool,
    /// How far to trust the reading, from 0 to 1.
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

/// A sensor event to insert. The database assigns the id.
///
/// ```
/// use chrono::Utc;
/// use occupancy_models::{NewSensorEvent, SensorType};
/// use serde_json::json;
///
/// let event = NewSensorEvent::new(Utc::now(), "office", "office.temperature", SensorType::TEMPERATURE, "21.5")
///     .with_confidence_score(0.9)
///     .with_attributes(json!({ "unit": "°C" }));
/// assert_eq!(event.numeric_value(), Some(21.5));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Insertable)]
#[diesel(table_name = sensor_events, treat_none_as_default_value = false)]
#[must_use = "does nothing until it is inserted"]
pub struct NewSensorEvent<'a> {
    #[serde(deserialize_with = "micros::deserialize")]
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) room_id: Cow<'a, str>,
    pub(crate) sensor_id: Cow<'a, str>,
    pub(crate) sensor_type: SensorType<'a>,
    pub(crate) state: SensorState<'a>,
    #[serde(default)]
    pub(crate) numeric_value: Option<f64>,
    #[serde(default)]
    pub(crate) previous_state: Option<SensorState<'a>>,
    #[serde(default = "no_attributes")]
    pub(crate) attributes: Value,
    #[serde(default = "by_a_person")]
    pub(crate) is_human_triggered: bool,
    #[serde(default)]
    pub(crate) confidence_score: Option<f64>,
    #[serde(default, deserialize_with = "micros::deserialize_option")]
    pub(crate) processed_at: Option<DateTime<Utc>>,
}

fn no_attributes() -> Value {
    Value::Object(serde_json::Map::new())
}

fn by_a_person() -> bool {
    true
}

impl<'a> NewSensorEvent<'a> {
    /// What a sensor reported at an instant.
    ///
    /// The numeric value is set if the state is a finite number; see [`SensorState::numeric_value`].
    pub fn new(
        timestamp: DateTime<Utc>,
        room_id: impl Into<Cow<'a, str>>,
        sensor_id: impl Into<Cow<'a, str>>,
        sensor_type: impl Into<SensorType<'a>>,
        state: impl Into<SensorState<'a>>,
    ) -> Self {
        let state = state.into();
        Self {
            timestamp: micros::truncate(timestamp),
            room_id: room_id.into(),
            sensor_id: sensor_id.into(),
            sensor_type: sensor_type.into(),
            numeric_value: state.numeric_value(),
            state,
            previous_state: None,
            attributes: no_attributes(),
            is_human_triggered: by_a_person(),
            confidence_score: None,
            processed_at: None,
        }
    }

    /// The state as a number, where the text of the state is none or in another unit.
    pub fn with_numeric_value(mut self, value: impl Into<Option<f64>>) -> Self {
        self.numeric_value = value.into();
        self
    }

    /// The state that this sensor reported before.
    pub fn with_previous_state(mut self, state: impl Into<SensorState<'a>>) -> Self {
        self.previous_state = Some(state.into());
        self
    }

    /// Whatever else the sensor reported. `{}` unless told.
    pub fn with_attributes(mut self, attributes: Value) -> Self {
        self.attributes = attributes;
        self
    }

    /// Whether a person, rather than an automation, caused the event. `true` unless told.
    pub fn with_human_triggered(mut self, is_human_triggered: bool) -> Self {
        self.is_human_triggered = is_human_triggered;
        self
    }

    /// How far to trust the reading, from 0 to 1.
    pub fn with_confidence_score(mut self, confidence_score: f64) -> Self {
        self.confidence_score = Some(confidence_score);
        self
    }

    /// When the application has processed the event.
    pub fn with_processed_at(mut self, processed_at: DateTime<Utc>) -> Self {
        self.processed_at = Some(micros::truncate(processed_at));
        self
    }

    /// When the sensor reported.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    /// The room that the sensor is in.
    pub fn room_id(&self) -> &str {
        &self.room_id
    }

    /// The sensor.
    pub fn sensor_id(&self) -> &str {
        &self.sensor_id
    }

    /// The state as the sensor reported it.
    pub fn state(&self) -> &SensorState<'a> {
        &self.state
    }

    /// The state as a number.
    pub fn numeric_value(&self) -> Option<f64> {
        self.numeric_value
    }
}

/// Changes to a sensor event: `None` leaves a column as it is, `Some(None)` clears it.
///
/// The key, the room and the sensor stay what they are. An empty change is an error of Diesel's
/// (`QueryBuilderError`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, AsChangeset)]
#[diesel(table_name = sensor_events)]
pub struct SensorEventChanges<'a> {
    /// What the sensor measures.
    pub sensor_type: Option<SensorType<'a>>,
    /// The state as the sensor reported it.
    pub state: Option<SensorState<'a>>,
    /// The state as a number.
    pub numeric_value: Option<Option<f64>>,
    /// The state that this sensor reported before.
    pub previous_state: Option<Option<SensorState<'a>>>,
    /// Whatever else the sensor reported.
    pub attributes: Option<Value>,
    /// Whether a person, rather than an automation, caused the event.
    pub is_human_triggered: Option<bool>,
    /// How far to trust the reading, from 0 to 1.
    pub confidence_score: Option<Option<f64>>,
    /// When the application has processed the event.
    pub processed_at: Option<Option<DateTime<Utc>>>,
}
