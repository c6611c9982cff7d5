//! Guesses: what a sensor measures and which room it is in, by what Home Assistant says of the entity.

use serde_json::{Map, Value};

/// The domains whose entities are sensors. Others (lamps, switches, updates, …) are imported only if they are listed.
const DOMAINS: [&str; 2] = ["binary_sensor", "sensor"];

/// Device classes (developers.home-assistant.io/docs/core/entity/binary-sensor and …/sensor) and other words that an
/// entity id may end in, with the type of sensor. Types are told apart where they have different units.
static TYPES: [(&str, &str); 34] = [
    ("motion", "motion"),
    ("moving", "motion"),
    ("pir", "motion"),
    ("occupancy", "presence"),
    ("presence", "presence"),
    ("door", "door"),
    ("garage_door", "door"),
    ("window", "window"),
    ("temperature", "temperature"),
    ("humidity", "humidity"),
    ("illuminance", "light"),
    ("lux", "light"),
    ("light", "light"),
    ("pressure", "pressure"),
    ("atmospheric_pressure", "pressure"),
    ("air_quality", "air_quality"),
    ("aqi", "air_quality"),
    ("carbon_dioxide", "carbon_dioxide"),
    ("co2", "carbon_dioxide"),
    ("carbon_monoxide", "carbon_monoxide"),
    ("nitrogen_dioxide", "nitrogen_dioxide"),
    ("nitrogen_monoxide", "nitrogen_monoxide"),
    ("nitrous_oxide", "nitrous_oxide"),
    ("ozone", "ozone"),
    ("pm1", "pm1"),
    ("pm4", "pm4"),
    ("pm10", "pm10"),
    ("pm25", "pm25"),
    ("pm2_5", "pm25"),
    ("sulphur_dioxide", "sulphur_dioxide"),
    ("voc", "volatile_organic_compounds"),
    ("vocs", "volatile_organic_compounds"),
    ("volatile_organic_compounds", "volatile_organic_compounds"),
    ("volatile_organic_compounds_parts", "volatile_organic_compounds_parts"),
];

/// The types whose sensors people trip: an event is theirs, although Home Assistant knows no user for it.
static TRIPPED_BY_PEOPLE: [&str; 5] = ["motion", "presence", "door", "window", "opening"];

/// Words at the end of a name that tell of the sensor and not of the room, beside those above.
static SENSOR_WORDS: [&str; 12] = [
    "sensor",
    "detector",
    "contact",
    "level",
    "opening",
    "brightness",
    "temp",
    "radar",
    "mmwave",
    "state",
    "status",
    "concentration",
];

/// What the entity measures by its device class, or else by its name; `None` if it is no sensor that is known here.
pub fn sensor_type(entity_id: &str, device_class: Option<&str>) -> Option<&'static str> {
    let (domain, object_id) = entity_id.split_once('.')?;
    if !DOMAINS.contains(&domain) {
        return None;
    }
    match device_class {
        None => take_apart(object_id).1,
        // Doors and windows both may be called an opening: the name decides, if it can.
        Some("opening") => take_apart(object_id).1.or(Some("opening")),
        Some(class) => of_word(class),
    }
}

/// The room: what remains of the object id, or else of the friendly name, without the words that tell of the sensor.
///
/// An object id that is the address of a radio is passed over.
pub fn room(entity_id: &str, attributes: &Map<String, Value>) -> Option<String> {
    let (_, object_id) = entity_id.split_once('.')?;
    let friendly_name = attributes.get("friendly_name").and_then(Value::as_str).map(slug);
    [Some(object_id.to_owned()), friendly_name].into_iter().flatten().find_map(|name| {
        let room = take_apart(&name).0?;
        (!room.split('_').any(is_address)).then(|| room.to_owned())
    })
}

/// Whether people trip such sensors.
pub fn is_tripped_by_people(sensor_type: &str) -> bool {
    TRIPPED_BY_PEOPLE.contains(&sensor_type)
}

fn of_word(word: &str) -> Option<&'static str> {
    TYPES.iter().find(|(of, _)| *of == word).map(|(_, sensor_type)| *sensor_type)
}

/// The room in a name, if one remains, and what the name says is measured there.
fn take_apart(name: &str) -> (Option<&str>, Option<&'static str>) {
    let mut rest = name;
    let mut sensor_type = None;
    loop {
        // `motion_2` is another `motion`, and `bedroom_2` another room.
        let unnumbered = match rest.rsplit_once('_') {
            Some((rest, number)) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => rest,
        };
        let ending = [rest, unnumbered].into_iter().find_map(|name| Some((name, last_word(name)?)));
        let Some((name, word)) = ending else { return (Some(rest).filter(|rest| !rest.is_empty()), sensor_type) };
        sensor_type = sensor_type.or_else(|| of_word(word));
        rest = name.strip_suffix(word).unwrap_or_default().trim_end_matches('_');
    }
}

/// The longest of the known words that the name ends in.
///
/// `garage_door` is none: the door goes, and the garage is a room.
fn last_word(name: &str) -> Option<&'static str> {
    let words = TYPES.iter().map(|(word, _)| *word).filter(|word| *word != "garage_door").chain(SENSOR_WORDS);
    words
        .filter(|word| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
        .max_by_key(|word| word.len())
}

fn is_address(word: &str) -> bool {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && digits.bytes().any(|b| b.is_ascii_digit())
}

/// A name as Home Assistant would make an id of it, roughly.
pub fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guess(entity_id: &str, attributes: Value) -> (Option<String>, Option<String>) {
        let attributes = attributes.as_object().unwrap();
        let class = attributes.get("device_class").and_then(Value::as_str);
        (room(entity_id, attributes), sensor_type(entity_id, class).map(str::to_owned))
    }

    #[test]
    fn the_device_class_tells_the_type_and_the_id_the_room() {
        for (entity_id, class, room, of) in [
            ("binary_sensor.living_room_motion", "motion", "living_room", "motion"),
            ("binary_sensor.hallway", "occupancy", "hallway", "presence"),
            ("binary_sensor.garage_door", "garage_door", "garage", "door"),
            ("binary_sensor.office_window_contact", "opening", "office", "window"),
            ("binary_sensor.buro_offnung", "opening", "buro_offnung", "opening"),
            ("sensor.bedroom_2_temperature", "temperature", "bedroom_2", "temperature"),
            ("sensor.office_carbon_dioxide", "carbon_dioxide", "office", "carbon_dioxide"),
            ("sensor.office_pm2_5", "pm25", "office", "pm25"),
            ("sensor.bath_light_level", "illuminance", "bath", "light"),
        ] {
            let (room, of) = (Some(room.to_owned()), Some(of.to_owned()));
            assert_eq!(guess(entity_id, json!({ "device_class": class })), (room, of), "{entity_id}");
        }
    }

    #[test]
    fn without_a_class_the_id_tells_both() {
        let none = json!({});
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(guess("binary_sensor.kitchen_motion_2", none.clone()), (text("kitchen"), text("motion")));
        assert_eq!(guess("binary_sensor.attic_window", none.clone()), (text("attic"), text("window")));
        assert_eq!(guess("light.kitchen", none.clone()), (text("kitchen"), None));
        assert_eq!(guess("sensor.kitchen_motion_battery", json!({ "device_class": "battery" })).1, None);
        assert_eq!(guess("nonsense", none), (None, None));
    }

    #[test]
    fn the_friendly_name_stands_in_for_an_address() {
        let attributes = json!({ "device_class": "occupancy", "friendly_name": "Guest Room occupancy" });
        let id = "binary_sensor.0x00158d0001a2b3c4_occupancy";
        assert_eq!(guess(id, attributes), (Some("guest_room".to_owned()), Some("presence".to_owned())));
        assert_eq!(guess(id, json!({})).0, None);
        assert_eq!(
            guess("sensor.temperature", json!({ "friendly_name": "Bath temperature" })).0.as_deref(),
            Some("bath")
        );
    }
}
