//! `GET /rooms/{room}/timeline`.

use std::str::FromStr;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Json, Path, Query, State};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use occupancy_models::queries::after;
use occupancy_models::schema::sensor_events;
use occupancy_models::{SensorEvent, SensorEventKey, SensorType};
use serde::{Deserialize, Serialize};

use super::Error;

/// The most events that a page can have.
pub const MAX_LIMIT: i64 = 1_000;

const DEFAULT_LIMIT: i64 = 100;

/// One page of a room's timeline, the oldest event first.
///
/// A room is what its events say: there is no list of rooms, so one without events has an empty timeline, and
/// that is no error.
#[derive(Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// The room.
    pub room_id: String,
    /// The events of this page.
    pub events: Vec<SensorEvent>,
    /// What to pass as `after` for the next page; `None` on the last one.
    pub next: Option<SensorEventCursor>,
}

/// The text of a [`SensorEventKey`].
pub type SensorEventCursor = String;

/// The query parameters, as they come: read by hand, so that errors can name the value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The first instant. Default: a day before `to`; with `after`, that event.
    from: Option<String>,
    /// The instant to end before. Default: now.
    to: Option<String>,
    /// Sensor types, separated by commas. Default: all.
    types: Option<String>,
    /// How many events at most.
    limit: Option<String>,
    /// The event that the page comes after: `next` of the page before.
    after: Option<String>,
}

/// The parameters as values.
struct Page<'a> {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    types: Option<Vec<SensorType<'a>>>,
    limit: i64,
    after: Option<SensorEventKey>,
}

impl Parameters {
    fn page(&self) -> Result<Page<'_>, Error> {
        let instant = "is no instant: use one such as 2026-01-01T12:00:00Z";
        let after: Option<SensorEventKey> = parsed("after", &self.after, "is no `next` of a page before")?;
        let to: DateTime<Utc> = parsed("to", &self.to, instant)?.unwrap_or_else(Utc::now);
        let from = match parsed("from", &self.from, instant)? {
            Some(from) => from,
            None => match after {
                Some(key) => key.timestamp(),
                // As early as time itself is out of range, and refused below.
                None => to.checked_sub_signed(TimeDelta::days(1)).unwrap_or(to),
            },
        };
        // chrono knows instants that PostgreSQL does not.
        let instants = [Some(from), Some(to), after.map(|key| key.timestamp())];
        if let Some(far) = instants.into_iter().flatten().find(|instant| !(1..10_000).contains(&instant.year())) {
            return Err(Error::BadRequest(format!("{far} {instant}")));
        }
        if self.from.is_some() && from > to {
            return Err(Error::BadRequest(format!("from ({from}) is after to ({to})")));
        }
        let limit = parsed("limit", &self.limit, "is no number")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::BadRequest(format!("limit {limit}: use 1 to {MAX_LIMIT}")));
        }
        let types: Option<Vec<_>> = self.types.as_deref().map(|types| types.split(',').collect());
        if types.iter().flatten().any(|name| name.is_empty() || name.contains('\0')) {
            return Err(Error::BadRequest("types: separate names by commas, such as motion,door".to_owned()));
        }
        let types = types.map(|types| types.into_iter().map(SensorType::from).collect());
        Ok(Page { from, to, types, limit, after })
    }
}

fn parsed<T: FromStr>(name: &str, text: &Option<String>, complaint: &str) -> Result<Option<T>, Error> {
    text.as_deref()
        .map(|text| text.parse().map_err(|_| Error::BadRequest(format!("{name} {text:?} {complaint}"))))
        .transpose()
}

pub(super) async fn timeline(
    State(pool): State<Pool<AsyncPgConnection>>,
    Path(room_id): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Timeline>, Error> {
    let Query(parameters) = parameters.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    let page = parameters.page()?;
    if room_id.contains('\0') {
        return Err(Error::BadRequest(format!("room {room_id:?}: no room has a NUL in its name")));
    }
    // One more than asked for tells whether there is a next page.
    let mut query = SensorEvent::timeline(room_id.as_str(), page.from..page.to).limit(page.limit + 1);
    if let Some(types) = page.types {
        query = query.filter(sensor_events::sensor_type.eq_any(types));
    }
    if let Some(key) = page.after {
        query = query.filter(after(key));
    }
    let mut events: Vec<SensorEvent> = query.load(&mut pool.get().await?).await?;
    let is_last = events.len() as i64 <= page.limit;
    events.truncate(page.limit as usize);
    let next = events.last().filter(|_| !is_last).map(|event| event.key().to_string());
    Ok(Json(Timeline { room_id, events, next }))
}
