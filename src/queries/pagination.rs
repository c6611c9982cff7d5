//! Orders of events, and keyset pagination.

use diesel::dsl::{Asc, Desc};
use diesel::prelude::*;

use super::condition::Condition;
use super::subquery::Part;
use crate::models::SensorEventKey;
use crate::schema::sensor_events;

pub(super) type OldestFirst = (Asc<sensor_events::timestamp>, Asc<sensor_events::id>);
type NewestFirst = (Desc<sensor_events::timestamp>, Desc<sensor_events::id>);

/// Events by time, and at one instant by id: for `order`.
pub fn oldest_first() -> OldestFirst {
    (sensor_events::timestamp.asc(), sensor_events::id.asc())
}

/// Events by time, the newest first, and at one instant by id: for `order`.
pub fn newest_first() -> NewestFirst {
    (sensor_events::timestamp.desc(), sensor_events::id.desc())
}

/// Whether an event comes before the one with this key, by time and at one instant by id: for `filter`.
///
/// With [`newest_first`] and a limit this is the next page after the event. Unlike an offset it costs the same on
/// every page, and no event is skipped or given twice when others are stored meanwhile.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries::{newest_first, before};
///
/// # fn main() { run(|conn| {
/// # for _ in 0..3 { an_event(conn); }
/// let range = Utc::now() - TimeDelta::days(1)..;
/// let page: Vec<SensorEvent> = SensorEvent::timeline("office", range.clone()).order(newest_first()).limit(2).load(conn)?;
/// let next: Vec<SensorEvent> = SensorEvent::timeline("office", range)
///     .filter(before(page[1].key()))
///     .order(newest_first())
///     .limit(2)
///     .load(conn)?;
/// assert_eq!((page.len(), next.len()), (2, 1));
/// # Ok(()) }) }
/// ```
pub fn before(key: SensorEventKey) -> Condition<(sensor_events::timestamp, sensor_events::id)> {
    beside(key, [r#"("sensor_events"."timestamp" <= "#, " AND (", ") < ("])
}

/// Whether an event comes after the one with this key, by time and at one instant by id: for `filter`.
///
/// With [`oldest_first`] and a limit this is the next page after the event; see [`before`].
pub fn after(key: SensorEventKey) -> Condition<(sensor_events::timestamp, sensor_events::id)> {
    beside(key, [r#"("sensor_events"."timestamp" >= "#, " AND (", ") > ("])
}

/// `(timestamp <= $1 AND (timestamp, id) < ($2, $3))`: a comparison of rows alone leaves no chunk out.
fn beside(
    key: SensorEventKey,
    [time, and, than]: [&'static str; 3],
) -> Condition<(sensor_events::timestamp, sensor_events::id)> {
    let (at, id) = (Part::Timestamptz(key.timestamp()), Part::BigInt(key.id()));
    let row = [Part::Sql(than), at.clone(), Part::Sql(", "), id, Part::Sql("))")];
    let parts = [Part::Sql(time), at, Part::Sql(and), Part::Rows].into_iter().chain(row).collect();
    Condition::new((sensor_events::timestamp, sensor_events::id), parts)
}
