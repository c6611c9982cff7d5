//! The lowest and highest numbers of each pixel of a chart.

use std::borrow::Cow;
use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;

use crate::models::SensorEvent;
use crate::schema::sensor_events;
use crate::timescale::subquery::{Part, Subquery, subquery};

impl SensorEvent {
    /// Of the numbers of a sensor in a range of time the lowest and the highest of each pixel of a chart that is so many
    /// pixels wide; as whole events, in no order. Two events a pixel at most, however many there are, and no peak is lost.
    ///
    /// A query that takes further clauses.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::queries::oldest_first;
    ///
    /// # fn main() { run(|conn| {
    /// # let now = Utc::now();
    /// # let light = |minute, lux: &'static str| NewSensorEvent::new(now - TimeDelta::minutes(minute), "office", "office.light", SensorType::LIGHT, lux);
    /// # diesel::insert_into(sensor_events::table).values([light(1, "3"), light(2, "900"), light(3, "5")]).execute(conn)?;
    /// let day: Vec<SensorEvent> = SensorEvent::extremes("office.light", now - TimeDelta::days(1)..now, 24)
    ///     .order(oldest_first())
    ///     .load(conn)?;
    /// assert_eq!(day.iter().map(|event| event.numeric_value).collect::<Vec<_>>(), [Some(900.0), Some(3.0)]);
    /// # Ok(()) }) }
    /// ```
    pub fn extremes<'a>(
        sensor_id: impl Into<Cow<'a, str>>,
        range: Range<DateTime<Utc>>,
        pixels: u16,
    ) -> Select<Subquery<sensor_events::table, impl QueryFragment<Pg> + Clone>, AsSelect<Self, Pg>> {
        let from = range.start.timestamp_micros();
        let to = range.end.timestamp_micros().max(from.saturating_add(1));
        let parts = [
            Part::Sql(
                "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY pixel ORDER BY numeric_value, timestamp) \
                 AS from_lowest, row_number() OVER (PARTITION BY pixel ORDER BY numeric_value DESC, timestamp) \
                 AS from_highest FROM (SELECT *, \
                 width_bucket(CAST(extract(EPOCH FROM timestamp) * 1000000 AS DOUBLE PRECISION), CAST(",
            ),
            Part::BigInt(from),
            Part::Sql(" AS DOUBLE PRECISION), CAST("),
            Part::BigInt(to),
            Part::Sql(" AS DOUBLE PRECISION), CAST("),
            Part::BigInt(i64::from(pixels.max(1))),
            Part::Sql(" AS INTEGER)) AS pixel FROM ("),
            Part::Rows,
            Part::Sql(") AS events) AS events) AS events WHERE from_lowest = 1 OR from_highest = 1"),
        ];
        let numbers = Self::of_sensor(sensor_id, range).filter(sensor_events::numeric_value.is_not_null());
        subquery(sensor_events::table, numbers, parts).select(Self::as_select())
    }
}
