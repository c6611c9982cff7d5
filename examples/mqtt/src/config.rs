//! The TOML file: broker, writer, predictions, and what becomes of each topic. `sensors.toml` shows all there is.

use std::path::Path;
use std::time::Duration;

use rumqttc::MqttOptions;
use serde::Deserialize;

use crate::Result;
use crate::rule::Thresholds;
use crate::topic::{Template, Topic};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub broker: Broker,
    #[serde(default)]
    pub writer: Writer,
    pub predictions: Option<Predictions>,
    pub topics: Vec<Mapping>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    host: String,
    #[serde(default = "port")]
    port: u16,
    /// The broker keeps for this name what was not acknowledged.
    client_id: String,
    user: Option<String>,
    /// Where messages go that can never be stored.
    pub rejected: Option<String>,
}

fn port() -> u16 {
    1883
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Writer {
    pub connections: usize,
    pub batch_rows: usize,
    pub batch_after_ms: u64,
}

impl Default for Writer {
    fn default() -> Self {
        // A broker sends no more than a few messages that are not acknowledged: 20, for mosquitto's default. The
        // shorter a batch waits for others, the sooner they are.
        Self { connections: 1, batch_rows: 1_000, batch_after_ms: 10 }
    }
}

/// What the baseline rule reads, and where its predictions go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    pub topic: Template,
    #[serde(default = "light")]
    pub sensor_type: String,
    #[serde(default)]
    occupied_from: Option<f64>,
    #[serde(default)]
    vacant_below: Option<f64>,
}

fn light() -> String {
    "light".to_owned()
}

impl Predictions {
    pub fn thresholds(&self) -> Thresholds {
        let default = Thresholds::default();
        Thresholds {
            occupied_from: self.occupied_from.unwrap_or(default.occupied_from),
            vacant_below: self.vacant_below.unwrap_or(default.vacant_below),
        }
    }
}

/// What becomes of the messages of one topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    pub topic: Topic,
    #[serde(default = "room")]
    pub room: Template,
    #[serde(default = "sensor")]
    pub sensor: Template,
    #[serde(default = "sensor_type", rename = "type")]
    pub sensor_type: Template,
    /// Where the state is in a payload of JSON. Without it the state is the payload, as it is.
    pub state: Option<Pointer>,
    /// Where the time is in it.
    pub time: Time,
    /// Which object in it becomes the attributes.
    pub attributes: Option<Pointer>,
    #[serde(default = "yes")]
    pub human_triggered: bool,
}

fn room() -> Template {
    Template::new("{room}")
}

fn sensor() -> Template {
    Template::new("{sensor}")
}

fn sensor_type() -> Template {
    Template::new("{type}")
}

fn yes() -> bool {
    true
}

/// A JSON pointer (RFC 6901), such as `/value`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(pub String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no JSON pointer: it is empty, for the whole payload, or starts with /"))
        }
    }
}

/// When the sensor reported.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum Time {
    /// A time in the payload: what is delivered twice is stored once.
    In(Pointer),
    /// When the message has arrived. What the broker delivers again is another event then.
    Arrival,
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        if text == "arrival" { Ok(Self::Arrival) } else { Pointer::try_from(text).map(Self::In) }
    }
}

impl Config {
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("{name}: {error}").into())
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        for Mapping { topic, room, sensor, sensor_type, .. } in &config.topics {
            for (field, template) in [("room", room), ("sensor", sensor), ("type", sensor_type)] {
                if let Some(name) = template.missing(topic) {
                    let filter = topic.filter();
                    return Err(format!("{filter}: {field} needs {{{name}}}, and no level has that name").into());
                }
            }
        }
        if config.topics.is_empty() {
            return Err("there are no [[topics]]".into());
        }
        Ok(config)
    }

    /// The connection to the broker. A password is in the environment, not in the file.
    pub fn connection(&self, password: Option<&str>) -> MqttOptions {
        let Broker { host, port, client_id, user, .. } = &self.broker;
        let mut options = MqttOptions::new(client_id, host, *port);
        options.set_keep_alive(Duration::from_secs(20));
        // What is not acknowledged comes again, also to the next process of this name.
        options.set_clean_session(false);
        options.set_manual_acks(true);
        options.set_max_packet_size(16 << 20, 16 << 20);
        if let Some(user) = user {
            options.set_credentials(user, password.unwrap_or_default());
        }
        options
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_shows_all_there_is_can_be_read() {
        let config = Config::parse(include_str!("../sensors.toml")).unwrap();
        assert_eq!(config.topics.len(), 3);
    }

    #[test]
    fn mistakes_are_named() {
        let broker = "[broker]\nhost = \"h\"\nclient_id = \"c\"\n[[topics]]\n";
        for (topics, expected) in [
            ("topic = \"a/{room}\"\ntime = \"arrival\"", "needs {sensor}"),
            ("topic = \"a/{room\"\ntime = \"arrival\"", "neither a text"),
            ("topic = \"a/{room}/{sensor}/{type}\"\ntime = \"now\"", "no JSON pointer"),
            ("topic = \"a/{room}/{sensor}/{type}\"", "missing field `time`"),
            ("topic = \"a/{room}/{sensor}/{type}\"\ntime = \"/t\"\nvalue = \"\"", "unknown field `value`"),
        ] {
            let error = Config::parse(&format!("{broker}{topics}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
