//! A week of a room, as the database has it: what its sensors were, when it was occupied, and what was predicted.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::analysis::downsample;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::states::{IntervalRule, StateInterval, StateSpan, state_intervals, state_spans};
use occupancy_models::{Prediction, SensorEvent, SensorState, SensorType};

use crate::predictions::is_in;
use crate::presence::SEAT;
use crate::reading::{Room, Scope};

pub const DAYS: i32 = 7;

/// A room counts as occupied for so long after its sensors have gone off.
pub const HOLD: TimeDelta = TimeDelta::minutes(5);

/// More points of the light of a day than this cannot be told apart.
const LIGHT_POINTS: usize = 230;

pub struct Week {
    pub start: DateTime<Utc>,
    /// In lux.
    pub light: Vec<Vec<(DateTime<Utc>, f64)>>,
    pub motion: Vec<Range<DateTime<Utc>>>,
    pub seat: Vec<Range<DateTime<Utc>>>,
    pub occupied: Vec<Range<DateTime<Utc>>>,
    pub predictions: Vec<Prediction>,
}

impl Week {
    pub fn query(conn: &mut PgConnection, room: &Room, start: DateTime<Utc>) -> QueryResult<Self> {
        let end = start + TimeDelta::days(1) * DAYS;
        let light = (0..DAYS).map(|day| light(conn, room, midnight(start, day)..midnight(start, day + 1)));
        Ok(Self {
            start,
            light: light.collect::<QueryResult<_>>()?,
            motion: when_on(conn, room.sensor_id(&SensorType::MOTION), start..end)?,
            seat: when_on(conn, room.sensor_id(&SEAT), start..end)?,
            occupied: occupied(conn, room, start..end)?,
            predictions: predicted(conn, room, start..end)?,
        })
    }

    /// From midnight to midnight.
    pub fn day(&self, day: i32) -> Range<DateTime<Utc>> {
        midnight(self.start, day)..midnight(self.start, day + 1)
    }
}

fn midnight(start: DateTime<Utc>, day: i32) -> DateTime<Utc> {
    start + TimeDelta::days(1) * day
}

/// The light of a day: fewer points that look the same.
fn light(conn: &mut PgConnection, room: &Room, day: Range<DateTime<Utc>>) -> QueryResult<Vec<(DateTime<Utc>, f64)>> {
    let rows: Vec<(DateTime<Utc>, f64)> = sensor_events::table
        .filter(sensor_events::sensor_id.eq(room.sensor_id(&SensorType::LIGHT)))
        .filter(sensor_events::timestamp.ge(day.start).and(sensor_events::timestamp.lt(day.end)))
        .filter(sensor_events::numeric_value.is_not_null())
        .order(sensor_events::timestamp)
        .select((sensor_events::timestamp, sensor_events::numeric_value.assume_not_null()))
        .load(conn)?;
    Ok(downsample(rows, LIGHT_POINTS, |(at, lux)| ((*at - day.start).as_seconds_f64(), *lux)))
}

/// When a sensor was on.
fn when_on(
    conn: &mut PgConnection,
    sensor: String,
    range: Range<DateTime<Utc>>,
) -> QueryResult<Vec<Range<DateTime<Utc>>>> {
    let spans: Vec<StateSpan> = SensorEvent::states()
        .named([sensor])
        .spans(range)
        .filter(state_spans::state.eq(SensorState::ON.as_str()))
        .order(state_spans::began_at)
        .load(conn)?;
    Ok(spans.into_iter().map(|span| span.began_at..span.ended_at).collect())
}

/// When the room was occupied: while there is motion or the seat is taken, and a while after.
fn occupied(
    conn: &mut PgConnection,
    room: &Room,
    range: Range<DateTime<Utc>>,
) -> QueryResult<Vec<Range<DateTime<Utc>>>> {
    let rule = IntervalRule::any_of([SensorState::ON.as_str()]).hold(HOLD);
    let intervals: Vec<StateInterval> = SensorEvent::states()
        .named([room.sensor_id(&SensorType::MOTION), room.sensor_id(&SEAT)])
        .intervals(sensor_events::room_id, rule, range)
        .order(state_intervals::began_at)
        .load(conn)?;
    Ok(intervals.into_iter().map(|interval| interval.began_at..interval.ended_at).collect())
}

fn predicted(conn: &mut PgConnection, room: &Room, range: Range<DateTime<Utc>>) -> QueryResult<Vec<Prediction>> {
    let scope = Scope { rooms: vec![room.id.clone()], first: range.start, last: range.end };
    predictions::table
        .filter(is_in(&scope))
        .filter(predictions::predicted_transition_time.lt(range.end))
        .order((predictions::predicted_transition_time, predictions::transition_type))
        .select(Prediction::as_select())
        .load(conn)
}
