//! From the broker to the writer, and back: each message is acknowledged when its event is committed.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use occupancy_models::NewSensorEvent;
use occupancy_models::asynchronous::Writer;
use occupancy_models::bulk::{self, BulkError, Confirmation};
use occupancy_models::schema::sensor_events;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish, QoS, SubscribeFilter};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Result;
use crate::acknowledgements::{Acknowledgements, Delivered};
use crate::config::Config;
use crate::faults::Faults;
use crate::message;
use crate::predict::Predictor;

type Events = Writer<NewSensorEvent<'static>>;

/// Requests to the broker that may wait: acknowledgements, and what is published.
const REQUESTS: usize = 1_000;
/// How long to wait before the broker is connected to again.
const PAUSE: Duration = Duration::from_millis(250);
/// For how long what was taken is written at the end.
const END: Duration = Duration::from_secs(10);

/// A message that was taken, or why it cannot be; the room, if the rule reads it.
struct Taken {
    delivered: Delivered,
    outcome: std::result::Result<Confirmation, String>,
    room: Option<String>,
}

/// Takes messages until the program is told to stop.
pub async fn run(
    config: Config,
    password: Option<&str>,
    pool: Pool<AsyncPgConnection>,
    status: Option<Duration>,
) -> Result<()> {
    let (client, mut events) = AsyncClient::new(config.connection(password), REQUESTS);
    let acknowledgements = Acknowledgements::of(client.clone());
    let writer = Arc::new(writer(&config, pool.clone())?);
    let (taken, queue) = unbounded_channel();
    let (rooms, told) = unbounded_channel();
    if let Some(predictions) = config.predictions.clone() {
        tokio::spawn(Predictor::new(pool, client.clone(), predictions).run(told));
    }
    let settling = Settling {
        acknowledgements: acknowledgements.clone(),
        client: client.clone(),
        rejected: config.broker.rejected.clone(),
        rooms,
    };
    let mut settled = tokio::spawn(settling.run(queue));
    if let Some(every) = status {
        tokio::spawn(print_status(Arc::clone(&writer), every));
    }

    let mut taken = Some(taken);
    let mut stop = std::pin::pin!(stop());
    let mut end = None;
    let mut faults = Faults::of("broker");
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            () = &mut stop, if taken.is_some() => {
                // Takes no more. What is committed is acknowledged; for the rest there is the next run.
                taken = None;
                let writer = Arc::clone(&writer);
                end = Some(tokio::spawn(async move { writer.finish_within(END).await }));
                continue;
            }
            result = &mut settled => {
                if let Some(end) = end {
                    let status = end.await??;
                    eprintln!("{}", serde_json::to_string(&status)?);
                }
                let _ = client.try_disconnect();
                let _ = tokio::time::timeout(PAUSE, disconnected(&mut events)).await;
                return result?;
            }
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                faults.clear();
                let filters =
                    config.topics.iter().map(|mapping| SubscribeFilter::new(mapping.topic.filter(), QoS::AtLeastOnce));
                client.try_subscribe_many(filters)?;
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                if let Some(taken) = &taken {
                    let delivered = acknowledgements.delivered(message);
                    take(&config, &writer, delivered, taken).await;
                }
            }
            Ok(_) => {}
            Err(error) => {
                acknowledgements.lost(&mut events);
                faults.tell(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn writer(config: &Config, pool: Pool<AsyncPgConnection>) -> Result<Events, BulkError> {
    let options = &config.writer;
    bulk::writer::<NewSensorEvent<'static>>()
        .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
        .keep_if_null(sensor_events::processed_at)
        .validate()
        .connections(options.connections)
        .batch_of(options.batch_rows, Duration::from_millis(options.batch_after_ms))
        // Whoever waits for the confirmation learns of it.
        .on_rejected(|_, _| ())
        .start_async(async move || pool.get().await)
}

/// Gives the event of a message to the writer; waits while that is full, and then takes no more from the broker.
async fn take(config: &Config, writer: &Events, delivered: Delivered, taken: &UnboundedSender<Taken>) {
    let message = &delivered.message;
    let outcome = match message::event(config, message, Utc::now()) {
        Err(reason) => (Err(reason), None),
        Ok(event) => {
            let is_read =
                config.predictions.as_ref().is_some_and(|rule| event.sensor_type().as_str() == rule.sensor_type);
            let room = is_read.then(|| event.room_id().to_owned());
            match writer.send_and_confirm(event).await {
                Ok(confirmation) => (Ok(confirmation), room),
                // It has been told to finish: the message stays with the broker.
                Err(_) => return,
            }
        }
    };
    let (outcome, room) = outcome;
    // Nobody receives it at the end.
    let _ = taken.send(Taken { delivered, outcome, room });
}

/// Waits for the events to be stored, in the order in which their messages came, and acknowledges these.
struct Settling {
    acknowledgements: Acknowledgements,
    client: AsyncClient,
    rejected: Option<String>,
    rooms: UnboundedSender<String>,
}

impl Settling {
    async fn run(self, mut queue: UnboundedReceiver<Taken>) -> Result<()> {
        while let Some(Taken { delivered, outcome, room }) = queue.recv().await {
            let result = match outcome {
                Err(reason) => Err(reason),
                Ok(confirmation) => match confirmation.await {
                    Ok(()) => Ok(()),
                    Err(BulkError::Rejected(error)) if matches!(*error, BulkError::NotInTime { .. }) => continue,
                    Err(BulkError::Rejected(error)) => Err(error.to_string()),
                    Err(error) => return Err(error.into()),
                },
            };
            match result {
                // The predictor may not run.
                Ok(()) => room.map_or((), |room| drop(self.rooms.send(room))),
                Err(reason) => self.reject(&delivered.message, &reason).await?,
            }
            self.acknowledgements.send(&delivered).await;
        }
        Ok(())
    }

    /// Nothing is lost without a word: what can never be stored is told, and goes to another topic.
    async fn reject(&self, message: &Publish, reason: &str) -> Result<()> {
        eprintln!("rejected: {}: {reason}", message.topic);
        if let Some(topic) = &self.rejected {
            let payload = String::from_utf8_lossy(&message.payload);
            let told = json!({ "topic": message.topic, "reason": reason, "payload": payload });
            self.client.publish(topic, QoS::AtLeastOnce, false, told.to_string()).await?;
        }
        Ok(())
    }
}

async fn print_status(writer: Arc<Events>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if let Ok(status) = serde_json::to_string(&writer.status()) {
            eprintln!("{status}");
        }
    }
}

/// Until SIGINT or SIGTERM.
async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};

    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => drop(terminated.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Until the broker was told that this is the end.
async fn disconnected(events: &mut EventLoop) -> Result<(), ConnectionError> {
    while !matches!(events.poll().await?, Event::Outgoing(rumqttc::Outgoing::Disconnect)) {}
    Ok(())
}
