//! TimescaleDB's functions for queries.

use diesel::expression::functions::declare_sql_function;
use diesel::sql_types::{Double, Integer, Interval, IntoNullable, Nullable, SingleValue, SqlType, Text, Timestamptz};

use crate::time_column::TimeType;

#[declare_sql_function]
extern "SQL" {
    /// The start of the bucket that a moment is in: of a length of time, or of a number where the column counts units.
    /// Every edition.
    ///
    /// Buckets of days and weeks start at midnight UTC, weeks on a Monday. To group by buckets see
    /// [`bucketed`](crate::bucketed()): Diesel's own `group_by` does not take a function.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel::pg::data_types::PgInterval;
    /// use diesel_timescale::{Feature, Server, time_bucket};
    ///
    /// # fn main() { run(|conn| {
    /// # if !Server::query().call(conn)?.has(Feature::Hypertables) { return Ok(()); }
    /// # let time = a_reading(conn);
    /// let hour = PgInterval::from_microseconds(3_600_000_000);
    /// let start: chrono::DateTime<Utc> =
    ///     readings::table.select(time_bucket(hour, readings::time)).first(conn)?;
    /// assert!(start <= time && time - start < TimeDelta::hours(1));
    /// # Ok(()) }) }
    /// ```
    fn time_bucket<T: TimeType>(width: <T as TimeType>::Width, time: T) -> <T as TimeType>::Bucket;

    /// The start of the bucket that an instant is in, where one bucket starts at the origin. Every edition.
    #[sql_name = "time_bucket"]
    fn time_bucket_from<T: TimeType>(
        width: <T as TimeType>::Width,
        time: T,
        origin: <T as TimeType>::Bucket,
    ) -> <T as TimeType>::Bucket;

    /// The start of the bucket that an instant is in, where every bucket starts later by the offset. Every edition.
    #[sql_name = "time_bucket"]
    fn time_bucket_offset<T: TimeType>(
        width: <T as TimeType>::Width,
        time: T,
        offset: <T as TimeType>::Width,
    ) -> <T as TimeType>::Bucket;

    /// The start of the bucket that an instant is in, by the clocks of a time zone such as `Europe/Berlin`: days start
    /// at its midnight, whatever the season. Every edition.
    #[sql_name = "time_bucket"]
    fn time_bucket_in_zone<T: TimeType<Bucket = Timestamptz>>(width: Interval, time: T, time_zone: Text)
    -> Timestamptz;

    /// As [`time_bucket`](fn@time_bucket), and buckets without rows are there too. Community edition.
    ///
    /// Works only where the query groups by it, with both ends of the time in its `WHERE`:
    /// [`bucketed(…).gapfill()`](crate::Bucketed::gapfill).
    fn time_bucket_gapfill<T: TimeType>(width: <T as TimeType>::Width, time: T) -> <T as TimeType>::Bucket;

    /// The value of the row with the earliest time; null for no rows. Every edition.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::{Feature, Server, first, last};
    ///
    /// # fn main() { run(|conn| {
    /// # if !Server::query().call(conn)?.has(Feature::Hypertables) { return Ok(()); }
    /// # a_reading(conn);
    /// let (earliest, latest): (Option<String>, Option<String>) = readings::table
    ///     .select((
    ///         first(readings::state, readings::time),
    ///         last(readings::state, readings::time),
    ///     ))
    ///     .get_result(conn)?;
    /// assert_eq!((earliest.as_deref(), latest.as_deref()), (Some("on"), Some("on")));
    /// # Ok(()) }) }
    /// ```
    #[aggregate]
    fn first<V: SqlType + SingleValue + IntoNullable<Nullable: SingleValue>, T: SqlType + SingleValue>(
        value: V,
        time: T,
    ) -> V::Nullable;

    /// The value of the row with the latest time; null for no rows. Every edition. For an example see
    /// [`first`](fn@first).
    #[aggregate]
    fn last<V: SqlType + SingleValue + IntoNullable<Nullable: SingleValue>, T: SqlType + SingleValue>(
        value: V,
        time: T,
    ) -> V::Nullable;

    /// How many values lie in each of that many equal parts of a range, with those below it before and those above
    /// it behind: `buckets` + 2 counts. Every edition.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::{Feature, Server, histogram};
    ///
    /// # fn main() { run(|conn| {
    /// # if !Server::query().call(conn)?.has(Feature::Hypertables) { return Ok(()); }
    /// # a_reading(conn);
    /// let counts: Option<Vec<i32>> =
    ///     readings::table.select(histogram(readings::value, 0.0, 40.0, 4)).get_result(conn)?;
    /// assert_eq!(counts.map_or(0, |counts| counts.len()), 6);
    /// # Ok(()) }) }
    /// ```
    #[aggregate]
    fn histogram(value: Nullable<Double>, min: Double, max: Double, buckets: Integer) -> Nullable<Array<Integer>>;
}
