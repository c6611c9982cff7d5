//! The HTTP service.
//!
//! | request | answer |
//! |---|---|
//! | `GET /rooms/{room}/timeline` | the room's sensor events, page by page |
//! | `GET /rooms/{room}/alerts` | the room's alerts of the last days, with their sensor events |
//! | `POST /energy` | stores readings of meters, each once however often it is sent |
//! | `POST /power` | stores samples of devices, each once however often it is sent |

mod error;
mod timeline;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Path, State};
use axum::routing::{get, post};
use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use occupancy_models::SensorEvent;
use occupancy_models::asynchronous::Call;
use occupancy_models::bulk;
use occupancy_models::timescale;
use occupancy_models::transaction::Retry;
use serde::{Deserialize, Serialize};

use crate::alert::{self, Alert};
use crate::energy::EnergyReading;
use crate::power::PowerSample;
use crate::schema::{alerts, energy_readings, power_samples};

pub use error::Error;
pub use timeline::{MAX_LIMIT, Timeline};

/// The routes, on a pool of connections.
pub fn router(pool: Pool<AsyncPgConnection>) -> axum::Router {
    axum::Router::new()
        .route("/rooms/{room}/timeline", get(timeline::timeline))
        .route("/rooms/{room}/alerts", get(room_alerts))
        .route("/energy", post(record_energy))
        .route("/power", post(record_power))
        .with_state(pool)
}

/// An alert and the sensor event that it refers to.
#[derive(Debug, Serialize)]
struct AlertWithEvent {
    alert: Alert,
    event: SensorEvent,
}

/// How far back alerts are shown.
const ALERT_DAYS: i64 = 7;

async fn room_alerts(
    State(pool): State<Pool<AsyncPgConnection>>,
    Path(room): Path<String>,
) -> Result<Json<Vec<AlertWithEvent>>, Error> {
    let rows: Vec<(Alert, SensorEvent)> = alert::with_events(Utc::now() - TimeDelta::days(ALERT_DAYS))
        .filter(alerts::room_id.eq(room))
        .order(alerts::id.desc())
        .select((Alert::as_select(), SensorEvent::as_select()))
        .load(&mut pool.get().await?)
        .await?;
    Ok(Json(rows.into_iter().map(|(alert, event)| AlertWithEvent { alert, event }).collect()))
}

/// What became of the rows.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// How many were new.
    pub inserted: u64,
    /// How many replaced another value of the same meter or device and moment.
    pub updated: u64,
    /// How many were there already.
    pub unchanged: u64,
}

async fn record_energy(
    State(pool): State<Pool<AsyncPgConnection>>,
    readings: Result<Json<Vec<EnergyReading>>, JsonRejection>,
) -> Result<Json<Recorded>, Error> {
    let Json(readings) = readings.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    let events: Vec<_> = readings.iter().map(EnergyReading::event).collect();
    let report = Retry::default()
        .transaction_async(&mut pool.get().await?, async |conn| {
            timescale::bulk::upsert(&readings)
                .on_conflict((energy_readings::meter_id, energy_readings::read_at))
                .update(energy_readings::watt_hours)
                .call(conn)
                .await?;
            Ok::<_, occupancy_models::Error>(bulk::upsert_sensor_events(&events).call(conn).await?)
        })
        .await?;
    Ok(Json(Recorded { inserted: report.inserted, updated: report.updated, unchanged: report.unchanged }))
}

async fn record_power(
    State(pool): State<Pool<AsyncPgConnection>>,
    samples: Result<Json<Vec<PowerSample>>, JsonRejection>,
) -> Result<Json<Recorded>, Error> {
    let Json(samples) = samples.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    let report = timescale::bulk::upsert(&samples)
        .on_conflict((power_samples::device_id, power_samples::measured_ms))
        .call(&mut pool.get().await?)
        .await
        .map_err(occupancy_models::Error::from)?;
    Ok(Json(Recorded { inserted: report.inserted, updated: report.updated, unchanged: report.unchanged }))
}
