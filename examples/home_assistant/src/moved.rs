//! Rows whose time Home Assistant has moved by a second.
//!
//! When Home Assistant turns the texts of times into numbers (schema 31), it adds the fraction of the text to what
//! SQLite's `strftime('%s', …)` gives, and that is the next second for fractions from .9995 on. Such a row is the same
//! row as before. It is known by its entity and its number: rows up to a number that the database remembers were read
//! when their times were texts, and if the sensor has an event exactly a second before, that is the row's.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};

use crate::recorder::Field;
use crate::store::{Event, Moved};

const MOVED_BY: TimeDelta = TimeDelta::seconds(1);

const FIND: &str = "
    SELECT c.n
    FROM unnest($1, $2) WITH ORDINALITY AS c (sensor_id, timestamp, n)
    WHERE EXISTS (SELECT FROM sensor_events AS e WHERE e.sensor_id = c.sensor_id AND e.timestamp = c.timestamp)
    ORDER BY c.n";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Whether the time of this row may have been moved, if rows up to `last_text_state_id` were read with texts.
pub fn may_be(state_id: i64, time: &Field, at: DateTime<Utc>, last_text_state_id: Option<i64>) -> Moved {
    let was_text = matches!(time, Field::Real(_)) && last_text_state_id.is_some_and(|last| state_id <= last);
    if was_text && at.timestamp_subsec_micros() >= 999_500 { Moved::Maybe } else { Moved::No }
}

/// Gives the events that were moved the time that they are stored with.
pub fn take_back(conn: &mut PgConnection, events: &mut [Event]) -> QueryResult<()> {
    let mut candidates: Vec<&mut Event> = events.iter_mut().filter(|event| event.moved == Moved::Maybe).collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let found: Vec<Found> = diesel::sql_query(FIND)
        .bind::<Array<Text>, _>(candidates.iter().map(|event| &*event.sensor.id).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(candidates.iter().map(|event| event.at - MOVED_BY).collect::<Vec<_>>())
        .load(conn)?;
    let mut found = found.into_iter().map(|found| found.n).peekable();
    for (n, event) in (1..).zip(&mut candidates) {
        event.moved = Moved::No;
        if found.next_if_eq(&n).is_some() {
            event.moved = Moved::TakenBack;
            event.at -= MOVED_BY;
        }
    }
    Ok(())
}
