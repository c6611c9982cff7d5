//! The database: all that this program asks of `occupancy-models` for what it stores.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use occupancy_models::bulk::{self, BulkError};
use occupancy_models::transaction::Retry;
use occupancy_models::{Call, Error, NewSensorEvent, SensorEvent, run_migrations};
use serde_json::Value;

use crate::Result;
use crate::cursor::{self, Cursor};
use crate::mapping::Sensor;
use crate::units::{Units, UnitsOfTypes};
use crate::{link, moved};

/// An application's own migrations, in Diesel's own history, beside those of occupancy-models.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

diesel::table! {
    home_assistant_units (sensor_type) {
        sensor_type -> Text,
        unit -> Text,
    }
}

/// Whether Home Assistant has moved the row's time; see `moved`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    No,
    /// To be looked up.
    Maybe,
    /// Yes, and the event has the time before.
    TakenBack,
}

/// An event to store, and the row that it is of.
#[derive(Debug)]
pub struct Event {
    pub state_id: i64,
    pub at: DateTime<Utc>,
    pub sensor: Rc<Sensor>,
    pub state: String,
    pub attributes: Value,
    pub is_human_triggered: bool,
    pub moved: Moved,
}

impl Event {
    fn row(&self, previous_state: Option<&str>) -> NewSensorEvent<'static> {
        let Sensor { id, room, sensor_type, .. } = &*self.sensor;
        let row = NewSensorEvent::new(self.at, room.clone(), id.clone(), sensor_type.clone(), self.state.clone())
            .with_attributes(self.attributes.clone())
            .with_human_triggered(self.is_human_triggered);
        match previous_state {
            Some(state) => row.with_previous_state(state.to_owned()),
            None => row,
        }
    }
}

/// What storing a batch did.
#[derive(Debug, Default)]
pub struct Saved {
    pub report: bulk::Report,
    /// Events of other rows whose state before is another one now.
    pub relinked: u64,
    /// Rows whose time Home Assistant has moved, and which are stored with the time that they had.
    pub moved: u64,
    /// Rows that the crate refuses, by their `state_id`, and why.
    pub refused: Vec<(i64, String)>,
}

/// Connects, and makes the tables that are missing; gives the connection and what `sensor_events` is.
pub fn connect(url: &str) -> Result<(PgConnection, String)> {
    let mut conn = PgConnection::establish(url)?;
    run_migrations(&mut conn)?;
    let hypertable =
        SensorEvent::hypertable().chunk_interval(TimeDelta::days(7)).allow_plain_table().call(&mut conn)?;
    migrate(&mut conn)?;
    Ok((conn, hypertable.to_string()))
}

/// Runs the application's own migrations, one import at a time. The lock holds up neither reads nor writes.
fn migrate(conn: &mut PgConnection) -> Result<()> {
    conn.transaction(|conn| {
        diesel::sql_query("LOCK TABLE ONLY sensor_events IN SHARE UPDATE EXCLUSIVE MODE").execute(conn)?;
        conn.run_pending_migrations(MIGRATIONS).map_err(|error| format!("migration failed: {error}"))?;
        Ok(())
    })
}

/// The unit that the database has the numbers of each type in.
pub fn units(conn: &mut PgConnection) -> Result<UnitsOfTypes> {
    Ok(home_assistant_units::table.load::<(String, String)>(conn)?.into_iter().collect())
}

/// Stores the units that the database does not have yet.
///
/// # Errors
/// If another import has given a type another unit meanwhile.
pub fn save_units(conn: &mut PgConnection, units: &Units) -> Result<()> {
    let rows: Vec<_> = units
        .of_types()
        .iter()
        .map(|(of, unit)| (home_assistant_units::sensor_type.eq(of), home_assistant_units::unit.eq(unit)))
        .collect();
    diesel::insert_into(home_assistant_units::table).values(rows).on_conflict_do_nothing().execute(conn)?;
    let stored = self::units(conn)?;
    match units.of_types().iter().find(|(of, unit)| stored.get(*of) != Some(unit)) {
        Some((of, unit)) => {
            Err(format!("another import stores {of} in another unit than {unit}: run this again").into())
        }
        None => Ok(()),
    }
}

/// Stores the events of a batch and the place that they reach to, in one transaction.
///
/// Of several rows of one sensor and instant the last one counts, by its `state_id`.
pub fn save(conn: &mut PgConnection, mut events: Vec<Event>, cursor: &Cursor) -> Result<Saved> {
    let mut saved = Saved::default();
    loop {
        let before = events.len();
        let attempt = Retry::default().transaction(conn, |conn| attempt(conn, &mut events, cursor));
        saved.report.deduplicated += u64::try_from(before - events.len())?;
        match attempt {
            Ok((report, relinked)) => {
                saved.report += report;
                saved.relinked = relinked;
                saved.moved = events.iter().filter(|event| event.moved == Moved::TakenBack).count() as u64;
                return Ok(saved);
            }
            // What the crate refuses beyond the checks here costs the row, not the import.
            Err(Error::Bulk(BulkError::InvalidRows(invalid))) => {
                // From the last row on, so that the others keep their places.
                for violations in invalid.chunk_by(|a, b| a.row == b.row).rev() {
                    let texts: Vec<_> = violations.iter().map(|v| format!("{} {}", v.column, v.violation)).collect();
                    saved.refused.push((events.remove(violations[0].row).state_id, texts.join("; ")));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn attempt(
    conn: &mut PgConnection,
    events: &mut Vec<Event>,
    cursor: &Cursor,
) -> std::result::Result<(bulk::Report, u64), Error> {
    cursor::lock(conn)?;
    moved::take_back(conn, events)?;
    events.sort_by(|a, b| (&a.sensor.id, a.at, b.state_id).cmp(&(&b.sensor.id, b.at, a.state_id)));
    events.dedup_by(|next, kept| (&next.sensor.id, next.at) == (&kept.sensor.id, kept.at));

    let links = link::find(conn, events)?;
    let rows: Vec<_> = events.iter().zip(&links.before).map(|(event, before)| event.row(before.as_deref())).collect();
    let report = bulk::upsert_sensor_events(&rows).call(conn)?;
    let relinked = links.save(conn)?;
    cursor.save(conn)?;
    Ok((report, relinked as u64))
}
