//! Functions of UUIDs of version 7, which begin with the time that they were made at. TimescaleDB 2.22 and later, every
//! edition ([`Feature::UuidV7`](crate::Feature::UuidV7)).

use diesel::expression::functions::declare_sql_function;
use diesel::sql_types::{Timestamptz, Uuid};

#[declare_sql_function]
extern "SQL" {
    /// A new UUID of version 7. PostgreSQL 18 has `uuidv7()` of its own.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use chrono::DateTime;
    /// use diesel_timescale::{Feature, Server, generate_uuidv7, uuid_timestamp, uuid_version};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// # if !server.has(Feature::UuidV7) { return Ok(()); }
    /// let (version, made_at): (i32, DateTime<Utc>) =
    ///     diesel::select((uuid_version(generate_uuidv7()), uuid_timestamp(generate_uuidv7()))).get_result(conn)?;
    /// assert_eq!(version, 7);
    /// assert!((Utc::now() - made_at).abs() < TimeDelta::minutes(5));
    /// # Ok(()) }) }
    /// ```
    fn generate_uuidv7() -> Uuid;

    /// A UUID of version 7 of an instant, with random bits: for rows of the past.
    fn to_uuidv7(at: Timestamptz) -> Uuid;

    /// The smallest UUID of version 7 of an instant: the bound of a range of time.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::{Feature, Server, to_uuidv7, to_uuidv7_boundary};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// # if !server.has(Feature::UuidV7) { return Ok(()); }
    /// let at = Utc::now();
    /// let is_bound: bool = diesel::select(to_uuidv7(at).ge(to_uuidv7_boundary(at))).get_result(conn)?;
    /// assert!(is_bound);
    /// # Ok(()) }) }
    /// ```
    fn to_uuidv7_boundary(at: Timestamptz) -> Uuid;

    /// The instant that a UUID of version 7 was made at, to the millisecond.
    fn uuid_timestamp(uuid: Uuid) -> Timestamptz;

    /// The instant that a UUID of version 7 was made at, to the microsecond where it has that:
    /// [`generate_uuidv7`](fn@generate_uuidv7) and [`to_uuidv7`](fn@to_uuidv7) keep it, others need not.
    fn uuid_timestamp_micros(uuid: Uuid) -> Timestamptz;

    /// The version of a UUID.
    fn uuid_version(uuid: Uuid) -> Integer;
}
