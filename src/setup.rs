//! Ready set-ups of `sensor_events`: hypertable and columnstore.

use crate::models::SensorEvent;
use crate::schema::{predictions, sensor_events};
use crate::timescale::setup::Setup;
use crate::timescale::{Columnstore, HypertableSetup, columnstore, hypertable, references};

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
    /// So the upsert by sensor and instant finds its rows in compressed chunks by the segment and its range of time.
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
