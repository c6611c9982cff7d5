//! Ready set-ups of `sensor_events`: hypertable and columnstore.

use chrono::TimeDelta;

use crate::models::SensorEvent;
use crate::rollups::{daily_statistics, hourly_statistics};
use crate::schema::{predictions, sensor_events};
use crate::timescale::setup::Setup;
use crate::timescale::{Columnstore, HypertableSetup, Tiers, columnstore, hypertable, references, tiers};

impl SensorEvent {
    /// The set-up of `sensor_events` as a hypertable: without the server's default index on the timestamp, because
    /// the table's own indexes serve its reads and every further one slows down inserts.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// let report = SensorEvent::hypertable()
    ///     .chunk_interval(TimeDelta::days(1))
    ///     .allow_plain_table()
    ///     .call(conn)?;
    /// println!("{report}");
    /// # Ok(()) }) }
    /// ```
    pub fn hypertable() -> HypertableSetup {
        hypertable(sensor_events::timestamp).default_indexes(false)
    }

    /// How `sensor_events` is kept by columns: by sensor, each in the order of time.
    ///
    /// Convert chunks when hardly any more rows come for them. For each row that is written into a converted chunk,
    /// TimescaleDB looks at what all sensors have around its instant, since the two unique keys of the table, by id and
    /// by sensor, have no more than the instant in common. An INSERT … ON CONFLICT of 1,000 late rows took 30 ms with 10
    /// sensors and 230 ms with 100 (TimescaleDB 2.29.2), and 2.4 s with 10 on 2.17.2. Where many rows come late, choose a
    /// layout without segments: `columnstore(sensor_events::table).order_by(sensor_events::timestamp)` and then by
    /// `sensor_events::id` took 10 to 30 ms with either. It takes 15 to 55 percent more space, and a read of one sensor
    /// looks at the rows of all.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::timescale::{Feature, Server};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// # if !server.has(Feature::Columnstore) { return Ok(()); }
    /// SensorEvent::columnstore().enable().call(conn)?;
    /// # Ok(()) }) }
    /// ```
    pub fn columnstore() -> Columnstore<sensor_events::table> {
        columnstore(sensor_events::table)
            .segment_by(sensor_events::sensor_id)
            .order_by(sensor_events::timestamp)
            .order_by(sensor_events::id)
    }

    /// For how long events are kept, and what stays of them: the numbers of an hour for `hourly`, those of a day
    /// forever. [`SensorEvent::chart`] reads all three.
    ///
    /// Retention clears the references to the events that it drops, as
    /// [`add_sensor_events_retention`](crate::add_sensor_events_retention) does, whose job it changes where that is there. Both
    /// aggregates must be there with a refresh policy. Further settings, and what is refused: [`tiers`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::rollups::{self, daily_statistics, hourly_statistics};
    /// use occupancy_models::timescale::{Feature, Server, add_refresh_policy};
    ///
    /// # fn main() { run(|conn| {
    /// # if !Server::query().call(conn)?.has(Feature::Columnstore) { return Ok(()); }
    /// let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    /// rollups::hourly_statistics().create().call(conn)?;
    /// rollups::daily_statistics().create().call(conn)?;
    /// add_refresh_policy(hourly_statistics::bucket, Some(day * 3), hour, hour).call(conn)?;
    /// add_refresh_policy(daily_statistics::bucket, Some(day * 7), day, day).call(conn)?;
    /// SensorEvent::columnstore().enable().call(conn)?;
    ///
    /// let plan = SensorEvent::tiers(day * 90, day * 730).columnstore_after(day * 7).call(conn)?;
    /// println!("{plan}");
    /// # occupancy_models::remove_sensor_events_retention().call(conn)?;
    /// # occupancy_models::timescale::drop_continuous_aggregate("hourly_statistics").call(conn)?;
    /// # occupancy_models::timescale::drop_continuous_aggregate("daily_statistics").call(conn)?;
    /// # Ok(()) }) }
    /// ```
    pub fn tiers(drop_after: TimeDelta, hourly: TimeDelta) -> Tiers<sensor_events::timestamp> {
        tiers(sensor_events::timestamp)
            .drop_after(drop_after)
            .then(hourly_statistics::bucket, hourly)
            .then_forever(daily_statistics::bucket)
    }

    /// What the migrations of this crate and [`hypertable`](Self::hypertable) make of both tables, as a declared set-up: a
    /// start for the set-up of an application, and a check of drift by the catalog alone. [`verify`](crate::verify())
    /// reads the rows as well.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::timescale::setup::StepClass;
    ///
    /// # fn main() { run(|conn| {
    /// let setup = SensorEvent::setup().with(SensorEvent::columnstore()).allow_unsupported();
    /// println!("{}", setup.plan().call(conn)?);
    /// setup.apply(StepClass::Locks).call(conn)?;
    /// # Ok(()) }) }
    /// ```
    pub fn setup() -> Setup {
        Self::tables().with(Self::hypertable())
    }

    /// The same without the hypertable.
    pub(crate) fn tables() -> Setup {
        let target = references::create_target(sensor_events::timestamp).by_id(sensor_events::id);
        Setup::new()
            .with(target.registry("referenced_events"))
            .with(references::add(predictions::triggering_event_id, sensor_events::table))
            .with_columns_of(sensor_events::table)
            .with_columns_of(predictions::table)
    }
}
