//! Sensor events: storing those of the readings, and reading the light back.

use diesel::prelude::*;
use occupancy_models::schema::sensor_events;
use occupancy_models::{NewSensorEvent, SensorType};

use crate::Result;
use crate::progress::Progress;
use crate::reading::Room;
use crate::rule::Light;

const BATCH: usize = 1_000;

/// How many events were stored.
#[derive(Debug, Default)]
pub struct Load {
    pub new: usize,
    pub already_there: usize,
}

/// Stores the events of the rooms; those that are there already stay as they are.
pub fn load(conn: &mut PgConnection, rooms: &[Room]) -> Result<Load> {
    let progress = Progress::new(rooms.iter().map(Room::event_count).sum(), "events");
    let mut events = rooms.iter().flat_map(Room::events);
    let mut load = Load::default();
    loop {
        let batch: Vec<_> = events.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(load);
        }
        let new = insert_new(conn, &batch)?;
        load.new += new;
        load.already_there += batch.len() - new;
        progress.advance(batch.len());
    }
}

/// Inserts the events that are not there yet, and gives how many that were.
fn insert_new(conn: &mut PgConnection, events: &[NewSensorEvent<'_>]) -> QueryResult<usize> {
    diesel::insert_into(sensor_events::table)
        .values(events)
        .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
        .do_nothing()
        .execute(conn)
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
