//! For the tests of those who build on this crate; feature `testing`.
//!
//! [`database`] gives each test a database of its own with this crate's tables, by copying a template;
//! [`TestDatabase::create`](crate::timescale::testing::TestDatabase::create) does the same with tables of your own. See
//! [`timescale::testing`](crate::timescale::testing) for how and where.
//!
//! ```
//! # mod support { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs")); }
//! use diesel::prelude::*;
//! use occupancy_models::prelude::*;
//! use occupancy_models::testing;
//!
//! # if support::has_quietly(support::Needs::TwoConnections) {
//! let db = testing::database().unwrap();
//! let mut conn = db.connect().unwrap();
//! let events: Vec<_> = testing::sensor_events("office", "office.motion").take(100).collect();
//! diesel::insert_into(sensor_events::table).values(&events).execute(&mut conn).unwrap();
//! diesel::insert_into(predictions::table).values(testing::prediction("office")).execute(&mut conn).unwrap();
//! # }
//! ```

use chrono::{DateTime, TimeDelta, Utc};
#[cfg(feature = "async")]
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::timescale::testing::TestDatabase;
use crate::{ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorState, SensorType, TransitionType};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A database with this crate's tables, where `sensor_events` is a hypertable with the default chunk interval; a plain
/// table on plain PostgreSQL.
///
/// # Errors
/// As [`TestDatabase::create`](crate::timescale::testing::TestDatabase::create).
#[cfg(feature = "sync")]
pub fn database() -> Result<TestDatabase, BoxError> {
    TestDatabase::create(|conn| {
        crate::run_migrations(conn)?;
        crate::Call::call(SensorEvent::hypertable().allow_plain_table(), conn)?;
        Ok(())
    })
}

/// A database with this crate's tables; the asynchronous [`database`].
///
/// # Errors
/// As [`database`].
///
/// ```
/// # mod support { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs")); }
/// use diesel::prelude::*;
/// use diesel_async::RunQueryDsl;
/// use occupancy_models::asynchronous::prelude::*;
/// use occupancy_models::testing;
///
/// # #[tokio::main]
/// # async fn main() {
/// # if support::has_quietly(support::Needs::TwoConnections) {
/// let db = testing::database_async().await.unwrap();
/// let mut conn = db.connect_async().await.unwrap();
/// let events: Vec<_> = testing::sensor_events("office", "office.motion").take(100).collect();
/// diesel::insert_into(sensor_events::table).values(&events).execute(&mut conn).await.unwrap();
/// # }
/// # }
/// ```
#[cfg(feature = "async")]
pub async fn database_async() -> Result<TestDatabase, BoxError> {
    TestDatabase::create_async(async |url| {
        let mut conn = AsyncPgConnection::establish(&url).await?;
        crate::asynchronous::run_migrations(AsyncPgConnection::establish(&url).await?).await?;
        crate::asynchronous::Call::call(SensorEvent::hypertable().allow_plain_table(), &mut conn).await?;
        Ok(())
    })
    .await
}

/// When the events start: 2026-01-05 00:00:00 UTC, a Monday.
///
/// The same in each run, so that a test that depends on the hour or the week fails always or never.
pub fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_767_571_200)
}

/// Events of a motion sensor, every five minutes from [`start`] on, without end: on, off, on, …
///
/// Each can be changed by the methods of [`NewSensorEvent`]; events of other kinds are made by
/// [`NewSensorEvent::new`].
pub fn sensor_events(room_id: &str, sensor_id: &str) -> impl Iterator<Item = NewSensorEvent<'static>> + use<> {
    let (room_id, sensor_id) = (room_id.to_owned(), sensor_id.to_owned());
    (0_i32..).map(move |n| {
        let timestamp = start() + TimeDelta::minutes(5) * n;
        let state = if n % 2 == 0 { SensorState::ON } else { SensorState::OFF };
        NewSensorEvent::new(timestamp, room_id.clone(), sensor_id.clone(), SensorType::MOTION, state)
    })
}

/// A prediction, made at [`start`], that the room will be occupied a quarter of an hour later; triggered by no event.
pub fn prediction(room_id: &str) -> NewPrediction<'static> {
    let at = start() + TimeDelta::minutes(15);
    let transition = TransitionType::VacantToOccupied;
    NewPrediction::new(room_id.to_owned(), at, transition, 0.8, ModelType::HMM, "1.0").with_prediction_time(start())
}
