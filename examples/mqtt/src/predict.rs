//! Predictions of the baseline rule, from what is stored: whatever happens to this program, it goes on after the last
//! prediction of each room.
//!
//! The rule reads the events of a room in the order of time. One that is stored after a later one was read has no say.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use occupancy_models::asynchronous::Call;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{NewPrediction, Prediction, SensorEvent, bulk};
use rumqttc::{AsyncClient, QoS};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Result;
use crate::config::Predictions;
use crate::faults::Faults;
use crate::rule::{Light, MODEL_TYPE, MODEL_VERSION, Rule, Thresholds, Transition};

/// How far back it reads in a room that has no prediction.
const LOOK_BACK: TimeDelta = TimeDelta::days(1);
/// How many events it reads at once.
const PAGE: i64 = 1_000;
const PAUSE: Duration = Duration::from_millis(500);

pub struct Predictor {
    pool: Pool<AsyncPgConnection>,
    client: AsyncClient,
    config: Predictions,
    thresholds: Thresholds,
    rooms: HashMap<String, Room>,
}

/// Where the rule is in a room.
struct Room {
    rule: Rule,
    /// The last event that it has read: its time and sensor.
    read_to: (DateTime<Utc>, String),
}

impl Predictor {
    pub fn new(pool: Pool<AsyncPgConnection>, client: AsyncClient, config: Predictions) -> Self {
        let thresholds = config.thresholds();
        Self { pool, client, config, thresholds, rooms: HashMap::new() }
    }

    /// Reads the rooms that have new events, as they are told, until no more will be.
    pub async fn run(mut self, mut told: UnboundedReceiver<String>) {
        let mut rooms = BTreeSet::new();
        let mut is_started = false;
        let mut faults = Faults::of("predictions");
        loop {
            if is_started && rooms.is_empty() {
                let Some(room) = told.recv().await else { return };
                rooms.insert(room);
            }
            while let Ok(room) = told.try_recv() {
                rooms.insert(room);
            }
            if told.is_closed() && told.is_empty() && is_started && rooms.is_empty() {
                return;
            }
            let result = if is_started { self.read(&mut rooms).await } else { self.start(&mut rooms).await };
            match result {
                Ok(()) => {
                    is_started = true;
                    faults.clear();
                }
                Err(_) if told.is_closed() => return,
                Err(error) => {
                    faults.tell(&error);
                    // What was stored may be more than what was answered.
                    self.rooms.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Publishes the last prediction of each room again, as the one of a run before may not have been; and reads what
    /// that run has not.
    async fn start(&mut self, rooms: &mut BTreeSet<String>) -> Result<()> {
        let mut conn = self.pool.get().await?;
        let since = Utc::now() - LOOK_BACK;
        let found: Vec<String> = sensor_events::table
            .filter(sensor_events::timestamp.ge(since))
            .filter(sensor_events::sensor_type.eq(&self.config.sensor_type))
            .select(sensor_events::room_id)
            .distinct()
            .load(&mut conn)
            .await?;
        for room in &found {
            if let Some(last) = last(&mut conn, room).await? {
                self.publish(&last).await?;
            }
        }
        rooms.extend(found);
        Ok(())
    }

    async fn read(&mut self, rooms: &mut BTreeSet<String>) -> Result<()> {
        let mut conn = self.pool.get().await?;
        while let Some(room) = rooms.iter().next().cloned() {
            while self.page(&mut conn, &room).await? {}
            rooms.remove(&room);
        }
        Ok(())
    }

    /// Reads the next events of a room, and says whether there may be more.
    async fn page(&mut self, conn: &mut AsyncPgConnection, id: &str) -> Result<bool> {
        let mut room = match self.rooms.remove(id) {
            Some(room) => room,
            None => start_of(conn, id).await?,
        };
        let (at, sensor) = &room.read_to;
        let later = sensor_events::timestamp
            .gt(at)
            .or(sensor_events::timestamp.eq(at).and(sensor_events::sensor_id.gt(sensor)));
        let events: Vec<SensorEvent> = SensorEvent::query()
            .filter(sensor_events::room_id.eq(id))
            .filter(sensor_events::sensor_type.eq(&self.config.sensor_type))
            .filter(sensor_events::timestamp.ge(at).and(later))
            .order((sensor_events::timestamp, sensor_events::sensor_id))
            .limit(PAGE)
            .load(conn)
            .await?;
        let is_full = i64::try_from(events.len())? == PAGE;
        let mut transitions = Vec::new();
        for event in events {
            if let Some(lux) = event.numeric_value {
                let light = Light { event_id: event.id, at: event.timestamp, lux };
                transitions.extend(room.rule.take(light, self.thresholds));
            }
            room.read_to = (event.timestamp, event.sensor_id);
        }
        if !transitions.is_empty() {
            let stored = store(conn, id, &transitions).await?;
            for prediction in &stored {
                self.publish(prediction).await?;
            }
        }
        self.rooms.insert(id.to_owned(), room);
        Ok(is_full)
    }

    /// Retained, so that whoever comes later gets the last one of each room.
    async fn publish(&self, prediction: &Prediction) -> Result<()> {
        let topic = self.config.topic.fill(&vec![("room".to_owned(), prediction.room_id.clone())]);
        self.client.publish(topic, QoS::AtLeastOnce, true, serde_json::to_vec(prediction)?).await?;
        Ok(())
    }
}

/// The last prediction of the rule in a room.
async fn last(conn: &mut AsyncPgConnection, room: &str) -> QueryResult<Option<Prediction>> {
    Prediction::query()
        .filter(predictions::room_id.eq(room))
        .filter(predictions::model_type.eq(MODEL_TYPE))
        .filter(predictions::model_version.eq(MODEL_VERSION))
        .order((predictions::prediction_time.desc(), predictions::id.desc()))
        .first(conn)
        .await
        .optional()
}

async fn start_of(conn: &mut AsyncPgConnection, room: &str) -> QueryResult<Room> {
    let Some(last) = last(conn, room).await? else {
        return Ok(Room { rule: Rule::default(), read_to: (Utc::now() - LOOK_BACK, String::new()) });
    };
    // Of the events of that instant those after the one that has triggered it; all, if retention has taken it.
    let sensor: Option<String> = match last.triggering_event_id {
        Some(id) => sensor_events::table
            .filter(sensor_events::id.eq(id))
            .filter(sensor_events::timestamp.eq(last.prediction_time))
            .select(sensor_events::sensor_id)
            .first(conn)
            .await
            .optional()?,
        None => None,
    };
    Ok(Room { rule: Rule::after(last.transition_type), read_to: (last.prediction_time, sensor.unwrap_or_default()) })
}

/// Stores all or none.
async fn store(conn: &mut AsyncPgConnection, room: &str, transitions: &[Transition]) -> Result<Vec<Prediction>> {
    let rows: Vec<_> = transitions
        .iter()
        .map(|Transition { transition_type, at, trigger, confidence }| {
            NewPrediction::new(room, *at, *transition_type, *confidence, MODEL_TYPE, MODEL_VERSION)
                .with_prediction_time(trigger.at)
                .with_triggering_event_id(trigger.event_id)
        })
        .collect();
    conn.transaction(async |conn| {
        let call = bulk::insert_predictions(&rows).returning(Prediction::as_select());
        let (_, stored): (_, Vec<Prediction>) = call.call(conn).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(stored)
    })
    .await
}
