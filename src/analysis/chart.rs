//! The numbers of a sensor for a chart, from whatever holds them in the fewest rows.

use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;

use crate::models::SensorEvent;
use crate::timescale::subquery::{Part, Subquery, subquery};
use crate::timescale::subquery_columns;

subquery_columns! {
    /// The numbers of a sensor in a step of a chart.
    ChartPoint, chart_points, chart_point (starts_at) {
        /// When the step starts.
        starts_at: DateTime<Utc> => Timestamptz,
        /// How many numbers the sensor reported in it.
        readings: i64 => BigInt,
        /// Their mean.
        mean: f64 => Double,
        /// The smallest.
        minimum: f64 => Double,
        /// The largest.
        maximum: f64 => Double,
    }
}

impl SensorEvent {
    /// The numbers of a sensor in a range of time for a chart that is so many pixels wide: a row for each step that has
    /// numbers, and at most as many steps as pixels, or one more where the range is widened; in no order.
    ///
    /// Where a pixel is less than an hour, a step is a pixel, and the rows are made of the events. Where it is an hour
    /// or more, steps are whole hours of UTC, read from the view
    /// [`hourly_statistics`](mod@crate::rollups::hourly_statistics); where it is a day or more, they are whole days of
    /// UTC, read from [`daily_statistics`](mod@crate::rollups::daily_statistics). The range is widened to whole hours
    /// or days then. The numbers are those of the events in any case.
    ///
    /// A query that takes further clauses, with the columns of [`chart_points`].
    ///
    /// # Errors
    /// The server's, where the view that it reads is not there:
    /// [`create`](crate::timescale::ContinuousAggregate::create) both views first.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::analysis::{ChartPoint, chart_points};
    /// use occupancy_models::rollups;
    ///
    /// # fn main() { run(|conn| {
    /// # let now = Utc::now();
    /// # let at = now - TimeDelta::minutes(9);
    /// # let light = NewSensorEvent::new(at, "office", "office.light", SensorType::LIGHT, "250");
    /// # diesel::insert_into(sensor_events::table).values(light).execute(conn)?;
    /// rollups::hourly_statistics().allow_plain_view().create().call(conn)?;
    /// rollups::daily_statistics().allow_plain_view().create().call(conn)?;
    /// for days in [1, 30, 3_000] {
    ///     let chart: Vec<ChartPoint> = SensorEvent::chart("office.light", now - TimeDelta::days(days)..now, 400)
    ///         .order(chart_points::starts_at)
    ///         .load(conn)?;
    ///     assert_eq!((chart[0].readings, chart[0].mean), (1, 250.0));
    /// }
    /// # for view in ["hourly_statistics", "daily_statistics"] {
    /// #     occupancy_models::timescale::drop_continuous_aggregate(view).call(conn)?;
    /// # }
    /// # Ok(()) }) }
    /// ```
    pub fn chart(
        sensor_id: impl Into<String>,
        range: Range<DateTime<Utc>>,
        pixels: u16,
    ) -> Subquery<chart_point::table, impl QueryFragment<Pg> + Clone> {
        let range = range.start.timestamp_micros()..range.end.timestamp_micros();
        let pixel = div_ceil(range.end.saturating_sub(range.start).max(1), i64::from(pixels.max(1)));
        let source = Source::of_width(pixel);
        let unit = source.unit();
        let step = div_ceil(pixel, unit).saturating_mul(unit);
        let from = range.start.div_euclid(unit).saturating_mul(unit);
        let to = if range.end > range.start { div_ceil(range.end, unit).saturating_mul(unit) } else { from };
        let [select, at, from_where, and_at] = source.sql();
        let parts = [
            Part::Sql(select),
            Part::BigInt(step),
            Part::Sql(" * INTERVAL '1 microsecond', "),
            Part::Sql(at),
            Part::Sql(", "),
            Part::Timestamptz(instant(from)),
            Part::Sql(") AS starts_at, * FROM "),
            Part::Sql(from_where),
            Part::Text(sensor_id.into()),
            Part::Sql(" AND "),
            Part::Sql(at),
            Part::Sql(" >= "),
            Part::Timestamptz(instant(from)),
            Part::Sql(" AND "),
            Part::Sql(at),
            Part::Sql(" < "),
            Part::Timestamptz(instant(to)),
            Part::Sql(and_at),
        ];
        subquery(chart_point::table, (), parts)
    }
}

/// What the numbers are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Events,
    Hours,
    Days,
}

impl Source {
    /// By the microseconds of a pixel.
    fn of_width(pixel: i64) -> Self {
        [Self::Days, Self::Hours].into_iter().find(|source| pixel >= source.unit()).unwrap_or(Self::Events)
    }

    /// The microseconds that it does not tell apart.
    fn unit(self) -> i64 {
        match self {
            Self::Events => 1,
            Self::Hours => HOUR,
            Self::Days => DAY,
        }
    }

    /// Up to the width of the step, the column of the time, the relation, and the end.
    fn sql(self) -> [&'static str; 4] {
        const AGGREGATED: &str = "SELECT starts_at, CAST(sum(readings) AS BIGINT) AS readings, \
             sum(mean * readings) / sum(readings) AS mean, min(minimum) AS minimum, max(maximum) AS maximum \
             FROM (SELECT date_bin(";
        const END: &str = " AND readings > 0) AS steps GROUP BY starts_at";
        match self {
            Self::Events => [
                "SELECT starts_at, count(*) AS readings, avg(numeric_value) AS mean, min(numeric_value) AS minimum, \
                 max(numeric_value) AS maximum FROM (SELECT date_bin(",
                "timestamp",
                "sensor_events WHERE sensor_id = ",
                " AND numeric_value IS NOT NULL) AS steps GROUP BY starts_at",
            ],
            Self::Hours => [AGGREGATED, "bucket", "hourly_statistics WHERE sensor_id = ", END],
            Self::Days => [AGGREGATED, "bucket", "daily_statistics WHERE sensor_id = ", END],
        }
    }
}

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn div_ceil(number: i64, by: i64) -> i64 {
    number.div_euclid(by) + i64::from(number.rem_euclid(by) > 0)
}

fn instant(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
