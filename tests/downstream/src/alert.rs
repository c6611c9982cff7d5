//! Alerts: a reference to sensor events, and queries across it.

use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::prelude::*;
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use serde::Serialize;

use crate::schema::alerts;

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq, Serialize, HasQuery, Identifiable)]
#[diesel(table_name = alerts, check_for_backend(diesel::pg::Pg))]
pub struct Alert {
    /// Assigned by the database.
    pub id: i64,
    /// The room.
    pub room_id: String,
    /// When the alert was raised.
    pub raised_at: DateTime<Utc>,
    /// What is the matter.
    pub message: String,
    /// The sensor event that says so. The alert goes when that event goes.
    pub sensor_event_id: Option<i64>,
}

/// An alert to raise.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = alerts)]
pub struct NewAlert<'a> {
    /// The room.
    pub room_id: &'a str,
    /// What is the matter.
    pub message: &'a str,
    /// The sensor event that says so.
    pub sensor_event_id: Option<i64>,
}

/// Alerts with the sensor events that they refer to, those of events since an instant.
///
/// `referenced_events` has the whole key of each event, and the instant keeps older chunks out of the plan. For alerts of
/// any age, load the keys ([`ReferencedEvent`](occupancy_models::ReferencedEvent)) and then
/// [`SensorEvent::by_keys`](occupancy_models::SensorEvent::by_keys).
#[auto_type(no_type_alias)]
pub fn with_events(since: DateTime<Utc>) -> _ {
    let same_id = sensor_events::id.eq(referenced_events::id);
    let same_key = same_id.and(sensor_events::timestamp.eq(referenced_events::timestamp));
    alerts::table
        .inner_join(referenced_events::table)
        .inner_join(sensor_events::table.on(same_key))
        .filter(sensor_events::timestamp.ge(since))
}

/// Alerts with the predictions that the same sensor event triggered. An event that is gone pairs nothing.
#[auto_type(no_type_alias)]
pub fn with_predictions() -> _ {
    alerts::table.inner_join(predictions::table.on(predictions::triggering_event_id.eq(alerts::sensor_event_id)))
}
