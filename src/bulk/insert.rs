//! Insert through binary COPY.

use diesel::pg::PgConnection;
use diesel::prelude::*;

use super::check;
use crate::error::Result;
use crate::models::NewSensorEvent;
use crate::schema::sensor_events;

/// Many new events through binary COPY: for first loads, and logs that cannot repeat.
///
/// The ids come from the database. An event whose sensor and instant are stored already fails the whole call; for
/// those see [`upsert_events`](super::upsert_events). COPY is an operation of libpq's connection, so this takes a
/// [`PgConnection`] and nothing else: diesel-async has no COPY.
///
/// # Errors
/// [`Error::InvalidRow`](crate::Error::InvalidRow), before anything is sent.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::bulk;
///
/// # fn main() { run(|conn| {
/// # if !support::has(support::Needs::Copy) { return Ok(()); }
/// let events: Vec<_> = (0..1000)
///     .map(|n| NewSensorEvent::new(Utc::now() + TimeDelta::seconds(n), "office", "office.co2", "co2", n.to_string()))
///     .collect();
/// assert_eq!(bulk::insert_events(&events)?.execute(conn)?, 1000);
/// # Ok(()) }) }
/// ```
pub fn insert_events<'a>(rows: &'a [NewSensorEvent<'a>]) -> Result<InsertEvents<'a>> {
    check::events(rows)?;
    Ok(InsertEvents { rows })
}

/// The statement that [`insert_events`] makes.
#[derive(Debug, Clone, Copy)]
#[must_use = "a statement does nothing until it runs"]
pub struct InsertEvents<'a> {
    rows: &'a [NewSensorEvent<'a>],
}

impl InsertEvents<'_> {
    /// Runs the COPY, and gives the number of rows. All or none are stored.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database), such as a unique violation.
    pub fn execute(self, conn: &mut PgConnection) -> Result<usize> {
        Ok(diesel::copy_from(sensor_events::table).from_insertable(self.rows).execute(conn)?)
    }
}
