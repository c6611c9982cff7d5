//! The simulated home in the database: its tables, its events, and what the rule predicts from them.

use chrono::TimeDelta;
use diesel::prelude::*;
use occupancy_models::{Call, SensorEvent, bulk, run_migrations};

use crate::reading::{Room, Scope};
use crate::rule::Thresholds;
use crate::{Result, events, predictions, presence, rule, score, simulation};

pub struct Home {
    rooms: Vec<Room>,
    pub scope: Scope,
}

impl Home {
    /// Simulates the home, stores its events, and stores and validates the predictions of the rule for each room.
    ///
    /// Its rooms have names of their own, so that the example `occupancy` counts none of these events as its own.
    pub fn store(conn: &mut PgConnection, seed: u64, days: u16) -> Result<Self> {
        let mut rooms = simulation::home(seed, days);
        for room in &mut rooms {
            room.id = room.id.replacen("home", "pictures", 1);
        }
        let scope = Scope::of(&rooms).ok_or("there are no readings")?;
        run_migrations(conn)?;
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn)?;
        events::load(conn, &rooms)?;
        bulk::upsert_sensor_events(presence::events(&rooms, seed)).call(conn)?;
        for room in &rooms {
            let inference = rule::infer(&events::light(conn, room)?, Thresholds::default());
            let recorded = score::recorded_transitions(&room.readings);
            predictions::store(conn, &room.id, &inference.transitions, &recorded)?;
        }
        Ok(Self { rooms, scope })
    }

    /// The room with that name, such as `lounge`.
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.id.ends_with(&format!(".{name}")))
    }
}
