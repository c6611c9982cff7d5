//! Acknowledging messages: no sooner than what they bring is stored, and only on the connection that delivered them.
//!
//! A message that was not acknowledged when the connection was lost is delivered again, with a number that may soon be
//! another message's. So an acknowledgement that comes too late must not be sent on the next connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, EventLoop, Publish};

/// A message, and the connection that delivered it.
#[derive(Debug)]
pub struct Delivered {
    pub message: Publish,
    connection: u64,
}

/// How often to try again while the requests of the client wait for the broker.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub struct Acknowledgements {
    client: AsyncClient,
    connection: Arc<Mutex<u64>>,
}

impl Acknowledgements {
    pub fn of(client: AsyncClient) -> Self {
        Self { client, connection: Arc::default() }
    }

    fn connection(&self) -> MutexGuard<'_, u64> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that has just been delivered.
    pub fn delivered(&self, message: Publish) -> Delivered {
        Delivered { message, connection: *self.connection() }
    }

    /// Acknowledges a message, if its connection is not lost.
    pub async fn send(&self, delivered: &Delivered) {
        loop {
            {
                // Held until the request is in the channel, which `lost` empties.
                let connection = self.connection();
                if *connection != delivered.connection || self.client.try_ack(&delivered.message).is_ok() {
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The connection is lost: what it delivered and nobody has taken, and acknowledgements that wait, are void.
    pub fn lost(&self, events: &mut EventLoop) {
        let mut connection = self.connection();
        *connection += 1;
        // Drops the acknowledgements in the channel; what is to be published stays.
        events.clean();
        events.state.events.clear();
    }
}
