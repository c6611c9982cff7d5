//! The latest event of given sensors, now or at an instant.

use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Nullable, Text, Timestamptz};

use super::fixed_query::FixedQuery;
use crate::microseconds;
use crate::models::SensorEvent;
use crate::schema::sensor_events;

impl SensorEvent {
    /// The last event of each of these sensors in a range of time, in no order; a sensor without one is left out.
    ///
    /// Looks for each sensor from the newest chunk back, and into older chunks only for the sensors that have not
    /// reported lately. Where the sensors are not known, see [`latest_per_sensor`](Self::latest_per_sensor).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// let last = SensorEvent::latest_for_sensors(["office.motion", "office.door"], ..).load::<SensorEvent>(conn)?;
    /// assert_eq!(last, [event]);
    ///
    /// // What held an hour ago, if it was reported in the day before that.
    /// let at = Utc::now() - TimeDelta::hours(1);
    /// let day = at - TimeDelta::days(1)..=at;
    /// assert!(SensorEvent::latest_for_sensors(["office.motion"], day).load::<SensorEvent>(conn)?.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn latest_for_sensors<S: Into<String>, I: IntoIterator<Item = S>, R: RangeBounds<DateTime<Utc>>>(
        sensors: I,
        range: R,
    ) -> FixedQuery<impl Query<SqlType = sensor_events::SqlType> + QueryFragment<Pg> + QueryId + Clone> {
        let microsecond = TimeDelta::microseconds(1);
        let since = match range.start_bound() {
            Bound::Included(at) => Some(microseconds::truncate(*at)),
            Bound::Excluded(at) => Some(microseconds::truncate(*at) + microsecond),
            Bound::Unbounded => None,
        };
        let until = match range.end_bound() {
            Bound::Included(at) => Some(microseconds::truncate(*at)),
            Bound::Excluded(at) => Some(microseconds::truncate(*at) - microsecond),
            Bound::Unbounded => None,
        };
        FixedQuery(LatestForSensors { sensors: sensors.into_iter().map(Into::into).collect(), until, since })
    }
}

/// The query that [`SensorEvent::latest_for_sensors`] makes.
#[derive(Debug, Clone, QueryId)]
struct LatestForSensors {
    sensors: Vec<String>,
    until: Option<DateTime<Utc>>,
    since: Option<DateTime<Utc>>,
}

impl Query for LatestForSensors {
    type SqlType = sensor_events::SqlType;
}

impl QueryFragment<Pg> for LatestForSensors {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        sensor_events::all_columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM latest_sensor_events(");
        out.push_bind_param::<Array<Text>, _>(&self.sensors)?;
        out.push_sql(", coalesce(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.until)?;
        // Some sensors' clocks run ahead.
        out.push_sql(", now() + INTERVAL '1 day'), coalesce(");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.since)?;
        out.push_sql(r#", '-infinity')) AS "sensor_events""#);
        Ok(())
    }
}
