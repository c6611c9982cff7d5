//! What becomes of one message: an event, or the reason why it can never be one.

use chrono::{DateTime, Utc};
use occupancy_models::NewSensorEvent;
use rumqttc::Publish;
use serde_json::Value;

use crate::config::{Config, Mapping, Pointer, Time};
use crate::topic::Names;

/// The event of a message, by the first mapping whose topic it has.
pub fn event(config: &Config, message: &Publish, arrived: DateTime<Utc>) -> Result<NewSensorEvent<'static>, String> {
    let found = config.topics.iter().find_map(|mapping| Some((mapping, mapping.topic.names(&message.topic)?)));
    let (mapping, names) = found.ok_or("no topic of the file")?;
    mapped(mapping, &names, &message.payload, arrived)
}

fn mapped(
    mapping: &Mapping,
    names: &Names,
    payload: &[u8],
    arrived: DateTime<Utc>,
) -> Result<NewSensorEvent<'static>, String> {
    let text = std::str::from_utf8(payload).map_err(|error| format!("the payload is no text: {error}"))?;
    let is_json = mapping.state.is_some() || mapping.attributes.is_some() || matches!(mapping.time, Time::In(_));
    let json: Value = if is_json {
        serde_json::from_str(text).map_err(|error| format!("the payload is no JSON: {error}"))?
    } else {
        Value::Null
    };
    let at = match &mapping.time {
        Time::Arrival => arrived,
        Time::In(pointer) => time(found(&json, pointer)?)?,
    };
    let state = match &mapping.state {
        None => text.to_owned(),
        Some(pointer) => state(found(&json, pointer)?)?,
    };
    let [room, sensor, sensor_type] =
        [&mapping.room, &mapping.sensor, &mapping.sensor_type].map(|template| template.fill(names));
    let event = NewSensorEvent::new(at, room, sensor, sensor_type, state).with_human_triggered(mapping.human_triggered);
    Ok(match &mapping.attributes {
        None => event,
        Some(pointer) => event.with_attributes(found(&json, pointer)?.clone()),
    })
}

fn found<'v>(json: &'v Value, Pointer(pointer): &Pointer) -> Result<&'v Value, String> {
    json.pointer(pointer).ok_or_else(|| format!("there is nothing at {pointer}"))
}

/// `on` and `off` are what Home Assistant has for true and false.
fn state(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(is_on) => Ok(if *is_on { "on" } else { "off" }.to_owned()),
        other => Err(format!("{other} is no state: a text, a number, true or false is")),
    }
}

/// Numbers from here on are milliseconds: as seconds they would be after the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

fn time(value: &Value) -> Result<DateTime<Utc>, String> {
    let refused = || format!("{value} is no time: text as RFC 3339 has it is, and seconds or milliseconds since 1970");
    match value {
        Value::String(text) => text.parse().map_err(|_| refused()),
        Value::Number(number) => {
            let number = number.as_f64().ok_or_else(refused)?;
            let per_unit = if number.abs() >= MILLISECONDS_FROM { 1e3 } else { 1e6 };
            // Saturates, and is out of range then.
            DateTime::from_timestamp_micros((number * per_unit).round() as i64).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn times_are_text_or_numbers() {
        let expected: DateTime<Utc> = "2026-01-05T10:00:00.25Z".parse().unwrap();
        for text in ["\"2026-01-05T11:00:00.25+01:00\"", "1767607200.25", "1767607200250", "1.76760720025e9"] {
            assert_eq!(time(&serde_json::from_str(text).unwrap()).unwrap(), expected, "{text}");
        }
        for text in ["\"now\"", "true", "null", "1e300", "\"2026-01-05\""] {
            assert!(time(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn states_are_texts_numbers_and_booleans() {
        for (json, text) in [("\"open\"", "open"), ("21.50", "21.5"), ("true", "on"), ("false", "off")] {
            assert_eq!(state(&serde_json::from_str(json).unwrap()).unwrap(), text);
        }
        for json in ["null", "{}", "[1]"] {
            assert!(state(&serde_json::from_str(json).unwrap()).is_err(), "{json}");
        }
    }
}
