//! State changes, and sequences of them.

use std::borrow::Cow;
use std::ops::RangeBounds;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{AsSelect, Select};
use diesel::pg::Pg;
use diesel::prelude::*;

use super::events::EventsInRoom;
use super::query_of::QueryOf;
use super::subquery::{Part, Subquery, subquery, subquery_columns};
use crate::models::{SensorEvent, SensorEventKey};
use crate::schema::sensor_events;

type StateChanges<Q> = Select<Subquery<sensor_events::table, Q>, AsSelect<SensorEvent, Pg>>;

impl SensorEvent {
    /// A room's events in a range of time whose state differs from the one before, in no order.
    ///
    /// The state before is `previous_state` where that is recorded, and otherwise that of the same sensor's event
    /// before, if the range has one: a sensor's first event in the range is no change unless its previous state is
    /// recorded.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # use diesel::insert_into;
    /// use occupancy_models::queries::oldest_first;
    ///
    /// # fn main() { run(|conn| {
    /// # let now = Utc::now();
    /// # let reading = |minute, state: &'static str| NewSensorEvent::new(now + TimeDelta::minutes(minute), "office", "office.door", SensorType::DOOR, state);
    /// # insert_into(sensor_events::table).values([reading(0, "closed"), reading(1, "closed"), reading(2, "open")]).execute(conn)?;
    /// let changes: Vec<SensorEvent> =
    ///     SensorEvent::state_changes("office", now - TimeDelta::hours(24)..).order(oldest_first()).load(conn)?;
    /// assert_eq!(changes.len(), 1);
    /// assert_eq!(changes[0].state, "open");
    /// # Ok(()) }) }
    /// ```
    pub fn state_changes<'a>(
        room_id: impl Into<Cow<'a, str>>,
        range: impl RangeBounds<DateTime<Utc>>,
    ) -> StateChanges<EventsInRoom<'a>> {
        state_changes(Self::in_room(room_id, range))
    }
}

/// The events of a query whose state differs from the one before; see [`SensorEvent::state_changes`]. The event before
/// is looked for among the events of the query.
pub fn state_changes<Q: QueryOf<SensorEvent> + Clone>(events: Q) -> StateChanges<Q> {
    // One sort, where a look at the event before would be a subquery for each row.
    let parts = [
        Part::Sql(
            "SELECT * FROM (SELECT *, coalesce(previous_state, \
             lag(state) OVER (PARTITION BY sensor_id ORDER BY timestamp)) AS state_before FROM (",
        ),
        Part::Rows,
        Part::Sql(") AS events) AS events WHERE state <> state_before"),
    ];
    subquery(sensor_events::table, events, parts).select(SensorEvent::as_select())
}

subquery_columns! {
    /// Events of a room that follow one another without a gap.
    TransitionSequence, transition_sequences, transition_sequence (room_id, number) {
        /// The room.
        room_id: String => Text,
        /// Counts the sequences of the room, from 1, by time.
        number: i64 => BigInt,
        /// The timestamp of the first event.
        started_at: DateTime<Utc> => Timestamptz,
        /// The timestamp of the last event.
        ended_at: DateTime<Utc> => Timestamptz,
        /// How many events there are.
        events: i64 => BigInt,
        /// Their ids, by time.
        event_ids: Vec<i64> => Array<BigInt>,
        /// Their timestamps, in the same order.
        event_timestamps: Vec<DateTime<Utc>> => Array<Timestamptz>,
    }
}

impl TransitionSequence {
    /// The keys of the events, by time; [`SensorEvent::find_in_order`] loads them.
    pub fn keys(&self) -> Vec<SensorEventKey> {
        self.event_ids.iter().zip(&self.event_timestamps).map(|(id, at)| SensorEventKey::new(*id, *at)).collect()
    }
}

/// The gap that ends a sequence unless another is given: 30 minutes.
pub const DEFAULT_GAP: TimeDelta = TimeDelta::minutes(30);

/// How many events a sequence has at least unless another number is given: 3.
pub const DEFAULT_MIN_LENGTH: i64 = 3;

/// Sequences of events, room by room: split where two events are more than `gap` apart, and of `min_length` events
/// at least.
///
/// The events are mostly [state changes](SensorEvent::state_changes); whatever query of events is given can have
/// clauses of its own, and so can the result, with the columns of [`transition_sequences`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{self, TransitionSequence, transition_sequences};
///
/// # fn main() { run(|conn| {
/// let changes = SensorEvent::state_changes("office", Utc::now() - TimeDelta::days(7)..)
///     .filter(sensor_events::sensor_type.eq(SensorType::MOTION));
/// let sequences: Vec<TransitionSequence> =
///     queries::sequences(changes, queries::DEFAULT_GAP, queries::DEFAULT_MIN_LENGTH)
///         .filter(transition_sequences::events.lt(100))
///         .order(transition_sequences::started_at)
///         .load(conn)?;
/// assert!(sequences.is_empty());
/// # Ok(()) }) }
/// ```
pub fn sequences<Q: QueryOf<SensorEvent> + Clone>(
    events: Q,
    gap: TimeDelta,
    min_length: i64,
) -> Subquery<transition_sequence::table, Q> {
    let gap = gap.num_microseconds().unwrap_or(i64::MAX);
    let parts = [
        Part::Sql(
            "SELECT room_id, row_number() OVER (PARTITION BY room_id ORDER BY min(timestamp), min(id)) AS number, \
             min(timestamp) AS started_at, max(timestamp) AS ended_at, count(*) AS events, \
             array_agg(id ORDER BY timestamp, id) AS event_ids, \
             array_agg(timestamp ORDER BY timestamp, id) AS event_timestamps \
             FROM (SELECT id, timestamp, room_id, count(*) FILTER (WHERE is_first) \
             OVER (PARTITION BY room_id ORDER BY timestamp, id) AS part \
             FROM (SELECT id, timestamp, room_id, \
             extract(EPOCH FROM timestamp - lag(timestamp) OVER (PARTITION BY room_id ORDER BY timestamp, id)) * 1000000 > ",
        ),
        Part::BigInt(gap),
        Part::Sql(" AS is_first FROM ("),
        Part::Rows,
        Part::Sql(") AS events) AS gaps) AS parts GROUP BY room_id, part HAVING count(*) >= "),
        Part::BigInt(min_length),
    ];
    subquery(transition_sequence::table, events, parts)
}
