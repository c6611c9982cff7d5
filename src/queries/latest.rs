//! The latest event of given sensors, now or at an instant.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Nullable, Text, Timestamptz};

use crate::microseconds;
use crate::models::SensorEvent;
use crate::schema::sensor_events;

impl SensorEvent {
    /// The last event of each of these sensors, in no order; a sensor without one is left out.
    ///
    /// Looks for each sensor from the newest chunk back, and into older chunks only for the sensors that have not
    /// reported lately. Where the sensors are not known, see [`latest_per_sensor`](Self::latest_per_sensor).
    ///
    /// ```
    /// # include!("../doctest_setup.rs");
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// let last = SensorEvent::latest_for_sensors(["office.motion", "office.door"]).load::<SensorEvent>(conn)?;
    /// assert_eq!(last, [event]);
    ///
    /// // What held an hour ago, if it was reported in the day before that.
    /// let at = Utc::now() - TimeDelta::hours(1);
    /// let then = SensorEvent::latest_for_sensors(["office.motion"]).as_of(at).since(at - TimeDelta::days(1)).load::<SensorEvent>(conn)?;
    /// assert!(then.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn latest_for_sensors<S: Into<String>>(sensors: impl IntoIterator<Item = S>) -> LatestForSensors {
        LatestForSensors { sensors: sensors.into_iter().map(Into::into).collect(), as_of: None, since: None }
    }
}

/// The query that [`SensorEvent::latest_for_sensors`] makes.
#[derive(Debug, Clone, QueryId)]
#[must_use = "a query does nothing until it runs"]
pub struct LatestForSensors {
    sensors: Vec<String>,
    as_of: Option<DateTime<Utc>>,
    since: Option<DateTime<Utc>>,
}

impl LatestForSensors {
    /// The last event at this instant, rather than of all.
    pub fn as_of(mut self, instant: DateTime<Utc>) -> Self {
        self.as_of = Some(microseconds::truncate(instant));
        self
    }

    /// No event before this instant counts.
    pub fn since(mut self, instant: DateTime<Utc>) -> Self {
        self.since = Some(microseconds::truncate(instant));
        self
    }
}

impl Query for LatestForSensors {
    type SqlType = <<sensor_events::table as Table>::AllColumns as Expression>::SqlType;
}

impl QueryFragment<Pg> for LatestForSensors {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id, timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes, is_human_triggered, confidence_score, created_at, processed_at FROM latest_sensor_events(");
        out.push_bind_param::<Array<Text>, _>(&self.sensors)?;
        out.push_sql(", coalesce(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.as_of)?;
        // Some sensors' clocks run ahead.
        out.push_sql(", now() + INTERVAL '1 day'), coalesce(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.since)?;
        out.push_sql(", '-infinity'))");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for LatestForSensors {}
