//! Events of a room or a sensor, in a range of time.

use std::borrow::Cow;
use std::ops::RangeBounds;

use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, AssumeNotNull, Desc, DistinctOn, Eq, Filter, IsNotNull, Order, Select, SqlTypeOf};
use diesel::pg::Pg;
use diesel::prelude::*;

use super::condition::Condition;
use super::pagination::{OldestFirst, oldest_first};
use super::time_range::within;
use crate::models::SensorEvent;
use crate::schema::sensor_events;

type Timeline<'a> = sensor_events::BoxedQuery<'a, Pg, SqlTypeOf<AsSelect<SensorEvent, Pg>>>;

pub(super) type EventsWithin =
    Filter<Select<sensor_events::table, AsSelect<SensorEvent, Pg>>, Condition<sensor_events::timestamp>>;

pub(super) type EventsInRoom<'a> = Filter<EventsWithin, Eq<sensor_events::room_id, Cow<'a, str>>>;

type EventsOfSensor<'a> = Filter<EventsWithin, Eq<sensor_events::sensor_id, Cow<'a, str>>>;

type Series<'a> = Select<
    Order<Filter<EventsOfSensor<'a>, IsNotNull<sensor_events::numeric_value>>, OldestFirst>,
    (sensor_events::timestamp, AssumeNotNull<sensor_events::numeric_value>),
>;

type LatestPerSensor = Order<
    DistinctOn<EventsWithin, sensor_events::sensor_id>,
    (sensor_events::sensor_id, Desc<sensor_events::timestamp>),
>;

impl SensorEvent {
    /// The events in a range of time, in no order: what other queries start from.
    pub fn within(range: impl RangeBounds<DateTime<Utc>>) -> EventsWithin {
        sensor_events::table.select(Self::as_select()).filter(within(sensor_events::timestamp, range))
    }

    /// A room's events in a range of time, in no order: what other queries start from.
    ///
    /// To be read see [`timeline`](Self::timeline), which has an order.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # an_event(conn);
    /// let motions: i64 = SensorEvent::in_room("office", Utc::now() - TimeDelta::hours(24)..)
    ///     .filter(sensor_events::sensor_type.eq(SensorType::MOTION))
    ///     .count()
    ///     .get_result(conn)?;
    /// assert_eq!(motions, 1);
    /// # Ok(()) }) }
    /// ```
    pub fn in_room<'a>(room_id: impl Into<Cow<'a, str>>, range: impl RangeBounds<DateTime<Utc>>) -> EventsInRoom<'a> {
        Self::within(range).filter(sensor_events::room_id.eq(room_id.into()))
    }

    /// A sensor's events in a range of time, in no order.
    pub fn of_sensor<'a>(
        sensor_id: impl Into<Cow<'a, str>>,
        range: impl RangeBounds<DateTime<Utc>>,
    ) -> EventsOfSensor<'a> {
        Self::within(range).filter(sensor_events::sensor_id.eq(sensor_id.into()))
    }

    /// A room's events in a range of time, the oldest first unless another order is given.
    ///
    /// A boxed query: it takes any further clause (`filter`, `order`, `limit`, `select`, joins), and as its type stays
    /// the same, also under a condition: `sensor_events::BoxedQuery<'_, Pg, SqlTypeOf<AsSelect<SensorEvent, Pg>>>`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::queries::newest_first;
    ///
    /// # fn main() { run(|conn| {
    /// # an_event(conn);
    /// let recent: Vec<SensorEvent> = SensorEvent::timeline("office", Utc::now() - TimeDelta::hours(24)..)
    ///     .filter(sensor_events::sensor_type.eq_any([SensorType::MOTION, SensorType::PRESENCE]))
    ///     .order(newest_first())
    ///     .limit(100)
    ///     .load(conn)?;
    /// assert_eq!(recent.len(), 1);
    /// # Ok(()) }) }
    /// ```
    pub fn timeline<'a>(room_id: impl Into<Cow<'a, str>>, range: impl RangeBounds<DateTime<Utc>>) -> Timeline<'a> {
        Self::in_room(room_id, range).order(oldest_first()).into_boxed()
    }

    /// Numbers that a sensor reported in a range of time, the oldest first: `(timestamp, value)`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # use chrono::DateTime;
    /// # fn main() { run(|conn| {
    /// # let now = Utc::now();
    /// # diesel::insert_into(sensor_events::table)
    /// #     .values(NewSensorEvent::new(now, "office", "office.temperature", SensorType::TEMPERATURE, "21.5"))
    /// #     .execute(conn)?;
    /// let series: Vec<(DateTime<Utc>, f64)> =
    ///     SensorEvent::series("office.temperature", now - TimeDelta::hours(24)..).load(conn)?;
    /// assert_eq!(series[0].1, 21.5);
    /// # Ok(()) }) }
    /// ```
    pub fn series<'a>(sensor_id: impl Into<Cow<'a, str>>, range: impl RangeBounds<DateTime<Utc>>) -> Series<'a> {
        Self::of_sensor(sensor_id, range)
            .filter(sensor_events::numeric_value.is_not_null())
            .order(oldest_first())
            .select((sensor_events::timestamp, sensor_events::numeric_value.assume_not_null()))
    }

    /// The last event of each sensor in a range of time, by sensor.
    ///
    /// What is added by `filter` chooses the events to take the last of, such as those of a room. Every event in the
    /// range is read, so do not start further back than the slowest sensor needs.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// let now: Vec<SensorEvent> = SensorEvent::latest_per_sensor(Utc::now() - TimeDelta::hours(24)..)
    ///     .filter(sensor_events::room_id.eq("office"))
    ///     .load(conn)?;
    /// assert_eq!(now, [event]);
    /// # Ok(()) }) }
    /// ```
    pub fn latest_per_sensor(range: impl RangeBounds<DateTime<Utc>>) -> LatestPerSensor {
        Self::within(range)
            .distinct_on(sensor_events::sensor_id)
            .order((sensor_events::sensor_id, sensor_events::timestamp.desc()))
    }
}
