//! `GROUP BY` a bucket of time, checked by Diesel.

mod sql;

use chrono::TimeDelta;
use diesel::expression::{Expression, ValidGrouping, is_aggregate};
use diesel::pg::data_types::PgInterval;
use diesel::sql_types::Timestamptz;

use crate::time_column::{IntervalOf, TimeColumn, TimeType, ValueOf};
use crate::time_value::TimeValue;

/// Buckets of time to group by, on any table, where the server has TimescaleDB: Diesel's own `group_by` does not take a function.
///
/// The value goes into `group_by`; its [`row`](Bucketed::row) of aggregates goes into `select`, and loads as the start of
/// the bucket with the aggregates, or with the columns of [`by`](Bucketed::by) in between. Other clauses are Diesel's own.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use chrono::DateTime;
/// use diesel::dsl::{avg, count_star};
/// use diesel_timescale::{Feature, Server, bucketed};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Hypertables) { return Ok(()); }
/// # a_reading(conn);
/// let hourly = bucketed(TimeDelta::hours(1), readings::time);
/// let hours: Vec<(DateTime<Utc>, i64)> = readings::table
///     .filter(readings::time.ge(Utc::now() - TimeDelta::days(7)))
///     .group_by(hourly.clone())
///     .select(hourly.clone().row(count_star()))
///     .order(hourly.start())
///     .load(conn)?;
/// assert_eq!(hours[0].1, 1);
///
/// // By room as well, with several aggregates.
/// let by_room = bucketed(TimeDelta::hours(1), readings::time).by(readings::room);
/// let rooms: Vec<(DateTime<Utc>, String, (i64, Option<f64>))> = readings::table
///     .group_by(by_room.clone())
///     .select(by_room.row((count_star(), avg(readings::value))))
///     .load(conn)?;
/// assert_eq!((&*rooms[0].1, rooms[0].2), ("office", (1, None)));
/// # Ok(()) }) }
/// ```
///
/// What is no aggregate does not compile:
///
/// ```compile_fail,E0271
/// # use diesel_timescale::bucketed;
/// # diesel::table! { readings (time) { time -> Timestamptz, state -> Text } }
/// # fn f() {
/// let hourly = bucketed(chrono::TimeDelta::hours(1), readings::time);
/// let _ = hourly.row(readings::state);
/// # }
/// ```
///
/// The start of the bucket is there to order by; it comes with the row, and is not selected by itself:
///
/// ```compile_fail,E0277
/// # use diesel::prelude::*;
/// # use diesel_timescale::bucketed;
/// # diesel::table! { readings (time) { time -> Timestamptz, state -> Text } }
/// # fn f() {
/// let hourly = bucketed(chrono::TimeDelta::hours(1), readings::time);
/// let _ = readings::table.group_by(hourly.clone()).select(hourly.start());
/// # }
/// ```
pub fn bucketed<C: TimeColumn>(width: IntervalOf<C>, time: C) -> Bucketed<C, ()> {
    let width = C::SqlType::interval(width);
    Bucketed { bucket: Bucket { function: "time_bucket(", width, time, anchor: None }, columns: () }
}

/// [Buckets](bucketed()) of that many calendar months, where the column counts no units; 12 make a year.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel::dsl::count_star;
/// use diesel_timescale::{Feature, Server, bucketed_months};
///
/// # fn main() { run(|conn| {
/// # if !Server::query().call(conn)?.has(Feature::Hypertables) { return Ok(()); }
/// # let time = a_reading(conn);
/// let quarters = bucketed_months(3, readings::time);
/// let rows: Vec<(chrono::DateTime<Utc>, i64)> =
///     readings::table.group_by(quarters.clone()).select(quarters.row(count_star())).load(conn)?;
/// assert!(rows[0].0 <= time && time - rows[0].0 < TimeDelta::days(93));
/// # Ok(()) }) }
/// ```
pub fn bucketed_months<C>(months: u16, time: C) -> Bucketed<C>
where
    C: TimeColumn<SqlType: TimeType<Interval = TimeDelta>>,
{
    let width = TimeValue::Interval(PgInterval::from_months(i32::from(months)));
    Bucketed { bucket: Bucket { function: "time_bucket(", width, time, anchor: None }, columns: () }
}

/// Where buckets start, if not at midnight UTC.
#[derive(Debug, Clone)]
enum Anchor {
    Zone(String),
    /// An origin or an offset.
    Value(TimeValue),
}

#[derive(Debug, Clone)]
struct Bucket<C> {
    function: &'static str,
    width: TimeValue,
    time: C,
    anchor: Option<Anchor>,
}

/// What [`bucketed()`] makes: buckets of the time column `C`. `G` is `()`, or `(columns,)` of [`by`](Self::by).
#[derive(Debug, Clone)]
#[must_use = "does nothing until a query groups by it"]
pub struct Bucketed<C, G = ()> {
    bucket: Bucket<C>,
    columns: G,
}

impl<C: TimeColumn> Bucketed<C> {
    /// By the clocks of a time zone such as `Europe/Berlin`: days start at its midnight. For columns of instants.
    pub fn in_time_zone(self, time_zone: impl Into<String>) -> Self
    where
        C::SqlType: TimeType<Bucket = Timestamptz>,
    {
        self.anchored(Anchor::Zone(time_zone.into()))
    }

    /// One bucket starts at this moment.
    pub fn with_origin(self, origin: ValueOf<C>) -> Self {
        self.anchored(Anchor::Value(C::SqlType::value(origin)))
    }

    /// Every bucket starts later by this.
    pub fn with_offset(self, offset: IntervalOf<C>) -> Self {
        self.anchored(Anchor::Value(C::SqlType::interval(offset)))
    }

    fn anchored(mut self, anchor: Anchor) -> Self {
        self.bucket.anchor = Some(anchor);
        self
    }

    /// Buckets without rows are there too; [`locf`](super::locf()) and [`interpolate`](super::interpolate()) fill their
    /// values. The query needs both ends of the time in its filter.
    ///
    /// Community edition. An origin or an offset does not go with it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use chrono::DateTime;
    /// use diesel::dsl::max;
    /// use diesel_timescale::{Feature, Server, bucketed, locf};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// # if !server.has(Feature::Gapfill) { return Ok(()); }
    /// # let time = a_reading(conn);
    /// let hourly = bucketed(TimeDelta::hours(1), readings::time).gapfill();
    /// let hours: Vec<(DateTime<Utc>, Option<String>)> = readings::table
    ///     .filter(readings::time.ge(time))
    ///     .filter(readings::time.lt(time + TimeDelta::hours(3)))
    ///     .group_by(hourly.clone())
    ///     .select(hourly.clone().row(locf(max(readings::state))))
    ///     .order(hourly.start())
    ///     .load(conn)?;
    /// assert!(hours.len() >= 3);
    /// assert!(hours.iter().all(|hour| hour.1.as_deref() == Some("on")));
    /// # Ok(()) }) }
    /// ```
    pub fn gapfill(mut self) -> Self {
        self.bucket.function = "time_bucket_gapfill(";
        self
    }

    /// Groups by these columns as well: one column, or a tuple of several.
    pub fn by<G: Expression>(self, columns: G) -> Bucketed<C, (G,)> {
        Bucketed { bucket: self.bucket, columns: (columns,) }
    }
}

impl<C: TimeColumn, G> Bucketed<C, G> {
    /// The start of the bucket, to order by.
    pub fn start(&self) -> Bucketed<C>
    where
        C: Clone,
    {
        Bucketed { bucket: self.bucket.clone(), columns: () }
    }

    /// What to select: the start of the bucket, the columns of [`by`](Self::by) if there are any, and one aggregate or a
    /// tuple of several.
    pub fn row<A>(self, aggregates: A) -> BucketRow<C, G, A>
    where
        A: Expression + ValidGrouping<(), IsAggregate = is_aggregate::Yes>,
    {
        BucketRow { buckets: self, aggregates }
    }
}

/// What [`Bucketed::row`] makes.
#[derive(Debug, Clone)]
pub struct BucketRow<C, G, A> {
    buckets: Bucketed<C, G>,
    aggregates: A,
}
