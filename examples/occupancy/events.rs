//! Sensor events: storing those of the readings, and reading the light back.

use diesel::prelude::*;
use occupancy_models::bulk;
use occupancy_models::schema::sensor_events;
use occupancy_models::{Call, SensorType};

use crate::Result;
use crate::progress::Progress;
use crate::reading::Room;
use crate::rule::Light;

const BATCH: usize = 5_000;

/// How many events were stored.
#[derive(Debug, Default)]
pub struct Load {
    pub new: u64,
    pub already_there: u64,
}

/// Stores the events of the rooms, each once however often this runs.
pub fn load(conn: &mut PgConnection, rooms: &[Room]) -> Result<Load> {
    let progress = Progress::new(rooms.iter().map(Room::event_count).sum(), "events");
    let report = bulk::upsert_sensor_events(rooms.iter().flat_map(Room::events))
        .in_batches(BATCH)
        .with_progress(|done| progress.reach(done.rows()))
        .call(conn)?;
    Ok(Load { new: report.inserted, already_there: report.rows() - report.inserted })
}

/// The light of a room as it is stored, from the first to the last reading.
pub fn light(conn: &mut PgConnection, room: &Room) -> Result<Vec<Light>> {
    let (Some(first), Some(last)) = (room.readings.first(), room.readings.last()) else { return Ok(Vec::new()) };
    let rows = sensor_events::table
        .filter(sensor_events::sensor_id.eq(room.sensor_id(&SensorType::LIGHT)))
        .filter(sensor_events::timestamp.between(first.at, last.at))
        .filter(sensor_events::numeric_value.is_not_null())
        .order(sensor_events::timestamp)
        .select((sensor_events::id, sensor_events::timestamp, sensor_events::numeric_value.assume_not_null()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(event_id, at, lux)| Light { event_id, at, lux }).collect())
}
