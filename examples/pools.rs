//! The same calls on pooled connections: r2d2 for sync Diesel, bb8 and deadpool for diesel-async.
//!
//!     dev/db cargo run --example pools --features async,r2d2
//!
//! Migrations run once, before the pool is made or on one of its connections; the calls take whatever connection
//! the pool lends.
#![allow(dead_code, reason = "the test runs the parts one by one")]

use chrono::{TimeDelta, Utc};
use occupancy_models::bulk;
use occupancy_models::queries::newest_first;
use occupancy_models::{NewSensorEvent, SensorEvent, SensorType};

pub type Outcome = Result<usize, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    println!("r2d2: {} events", tokio::task::block_in_place(|| with_r2d2(&url))?);
    println!("bb8: {} events", with_bb8(&url).await?);
    println!("deadpool: {} events", with_deadpool(&url).await?);
    Ok(())
}

fn readings() -> [NewSensorEvent<'static>; 2] {
    let now = Utc::now();
    [("office.motion", SensorType::MOTION), ("office.door", SensorType::DOOR)]
        .map(|(sensor, sensor_type)| NewSensorEvent::new(now, "office", sensor, sensor_type, "on"))
}

pub fn with_r2d2(url: &str) -> Outcome {
    use diesel::prelude::*;
    use diesel::r2d2::{ConnectionManager, Pool};
    use occupancy_models::Call;

    let pool = Pool::builder().max_size(2).build(ConnectionManager::<PgConnection>::new(url))?;
    occupancy_models::run_migrations(&mut *pool.get()?)?;
    let mut conn = pool.get()?;
    bulk::upsert_sensor_events(readings()).call(&mut conn)?;
    let events: Vec<SensorEvent> = SensorEvent::timeline("office", Utc::now() - TimeDelta::hours(1)..)
        .order(newest_first())
        .limit(100)
        .load(&mut conn)?;
    Ok(events.len())
}

pub async fn with_bb8(url: &str) -> Outcome {
    use diesel::prelude::QueryDsl;
    use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8::Pool};
    use diesel_async::{AsyncPgConnection, RunQueryDsl};
    use occupancy_models::asynchronous::Call;

    let pool = Pool::builder().max_size(2).build(AsyncDieselConnectionManager::<AsyncPgConnection>::new(url)).await?;
    let mut conn = pool.get().await?;
    bulk::upsert_sensor_events(readings()).call(&mut conn).await?;
    let events: Vec<SensorEvent> = SensorEvent::timeline("office", Utc::now() - TimeDelta::hours(1)..)
        .order(newest_first())
        .limit(100)
        .load(&mut conn)
        .await?;
    Ok(events.len())
}

pub async fn with_deadpool(url: &str) -> Outcome {
    use diesel::prelude::QueryDsl;
    use diesel_async::pooled_connection::{AsyncDieselConnectionManager, deadpool::Pool};
    use diesel_async::{AsyncPgConnection, RunQueryDsl};
    use occupancy_models::asynchronous::Call;

    let pool = Pool::builder(AsyncDieselConnectionManager::<AsyncPgConnection>::new(url)).max_size(2).build()?;
    let mut conn = pool.get().await?;
    bulk::upsert_sensor_events(readings()).call(&mut conn).await?;
    let events: Vec<SensorEvent> = SensorEvent::timeline("office", Utc::now() - TimeDelta::hours(1)..)
        .order(newest_first())
        .limit(100)
        .load(&mut conn)
        .await?;
    Ok(events.len())
}
