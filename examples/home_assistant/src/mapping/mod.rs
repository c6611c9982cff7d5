//! Which entity is which sensor in which room: what the mapping file says, and guesses for the rest.

pub mod guess;
mod pattern;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::pattern::Pattern;
use crate::Result;
use crate::registry::Registry;
use crate::units::UnitsOfTypes;

/// The mapping file. `rooms.toml` beside this package's Cargo.toml shows all there is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Whether to guess for entities that are not listed.
    guess: bool,
    /// What to do with the state `unavailable`.
    unavailable: Silent,
    /// What to do with the row that tells that an entity was removed.
    removed: Silent,
    /// Entities to leave out, unless they are listed.
    ignore: Vec<Pattern>,
    /// Patterns for the entities of each room; the most exact one counts.
    rooms: BTreeMap<Name, Vec<Pattern>>,
    /// The unit that the readings of a type are to be in.
    units: BTreeMap<Name, Name>,
    entities: BTreeMap<EntityId, Entity>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            guess: true,
            unavailable: Silent::Skip,
            removed: Silent::Skip,
            ignore: Vec::new(),
            rooms: BTreeMap::new(),
            units: BTreeMap::new(),
            entities: BTreeMap::new(),
        }
    }
}

/// What to do with a row that tells of no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Silent {
    /// Leave it out: it tells of the way to the sensor, not of the room.
    Skip,
    /// Store the state `unknown`.
    Unknown,
}

/// An entity that is listed. What is left out is guessed.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Entity {
    room: Option<Name>,
    r#type: Option<Name>,
    sensor: Option<Name>,
    human_triggered: Option<bool>,
}

/// What becomes of an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Import(Rc<Sensor>),
    /// By a pattern of the mapping.
    Ignored,
    /// A sensor that the registries have no area for.
    NoArea,
    /// Not listed, and nothing could be guessed.
    Unmapped,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    pub id: String,
    pub room: String,
    pub sensor_type: String,
    /// Whether all its events count as a person's; if not, those that Home Assistant knows a user for do.
    pub is_tripped_by_people: bool,
    /// The unit of its last reading.
    pub unit: Option<String>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// If it cannot be read, or is no such file; the error shows the line and names the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.to_string().trim_end()).into())
    }

    pub fn unavailable(&self) -> Silent {
        self.unavailable
    }

    pub fn removed(&self) -> Silent {
        self.removed
    }

    pub fn units(&self) -> UnitsOfTypes {
        self.units.iter().map(|(of, unit)| (of.0.clone(), unit.0.clone())).collect()
    }

    /// Decides about an entity, by the last attributes that it had and what the registries say, if there are any.
    pub fn decide(&self, entity_id: &str, attributes: &Map<String, Value>, registry: Option<&Registry>) -> Decision {
        let listed = self.entities.get(entity_id);
        if listed.is_none() && self.ignore.iter().any(|pattern| pattern.matches(entity_id)) {
            return Decision::Ignored;
        }
        if listed.is_none() && !self.guess {
            return Decision::Unmapped;
        }
        let attribute = |name: &str| attributes.get(name).and_then(Value::as_str);
        let named = |name: Option<&Name>| name.map(|name| name.0.clone());
        let sensor_type = named(listed.and_then(|entity| entity.r#type.as_ref())).or_else(|| {
            let class = attribute("device_class").or_else(|| registry?.device_class(entity_id));
            guess::sensor_type(entity_id, class).map(str::to_owned)
        });
        let Some(sensor_type) = sensor_type else { return Decision::Unmapped };
        let room = self.room(entity_id).or_else(|| match registry {
            Some(registry) => registry.room(entity_id).map(str::to_owned),
            None => guess::room(entity_id, attributes),
        });
        let Some(room) = room else {
            return if registry.is_some() { Decision::NoArea } else { Decision::Unmapped };
        };
        Decision::Import(Rc::new(Sensor {
            id: named(listed.and_then(|entity| entity.sensor.as_ref())).unwrap_or_else(|| entity_id.to_owned()),
            is_tripped_by_people: listed
                .and_then(|entity| entity.human_triggered)
                .unwrap_or_else(|| guess::is_tripped_by_people(&sensor_type)),
            room,
            sensor_type,
            unit: attribute("unit_of_measurement").map(str::to_owned),
        }))
    }

    /// The room that the mapping gives an entity.
    pub fn room(&self, entity_id: &str) -> Option<String> {
        let listed = self.entities.get(entity_id).and_then(|entity| entity.room.as_ref());
        listed.map(|room| room.0.clone()).or_else(|| self.room_by_pattern(entity_id))
    }

    fn room_by_pattern(&self, entity_id: &str) -> Option<String> {
        let patterns =
            self.rooms.iter().flat_map(|(room, patterns)| patterns.iter().map(move |pattern| (room, pattern)));
        let matching = patterns.filter(|(_, pattern)| pattern.matches(entity_id));
        matching.max_by_key(|(_, pattern)| pattern.weight()).map(|(room, _)| room.0.clone())
    }
}

/// A room, a type or a sensor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            "" => Err("a name is empty"),
            _ if text.contains('\0') => Err("a name has a NUL character"),
            _ => Ok(Self(text)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
struct EntityId(String);

impl TryFrom<String> for EntityId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('.') {
            Some((domain, object_id)) if !domain.is_empty() && !object_id.is_empty() => Ok(Self(text)),
            _ => Err(format!("{text:?} is no entity such as \"binary_sensor.kitchen_motion\"")),
        }
    }
}

impl std::borrow::Borrow<str> for EntityId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(text: &str) -> Mapping {
        toml::from_str(text).unwrap()
    }

    fn decide(mapping: &Mapping, entity_id: &str) -> Decision {
        mapping.decide(entity_id, json!({ "device_class": "motion" }).as_object().unwrap(), None)
    }

    fn sensor(id: &str, room: &str, sensor_type: &str, is_tripped_by_people: bool) -> Decision {
        let (id, room, sensor_type) = (id.to_owned(), room.to_owned(), sensor_type.to_owned());
        Decision::Import(Rc::new(Sensor { id, room, sensor_type, is_tripped_by_people, unit: None }))
    }

    #[test]
    fn what_is_listed_comes_before_what_is_ignored_and_that_before_guesses() {
        let mapping = mapping(
            r#"
            ignore = ["*.kitchen*"]
            [rooms]
            cellar = ["*.c*"]
            stairs = ["*.cellar_stairs*"]
            [entities."binary_sensor.kitchen_motion"]
            [entities."light.kitchen"]
            type = "lamp"
            room = "kitchenette"
            sensor = "lamp 1"
            human_triggered = true
            "#,
        );
        let id = "binary_sensor.kitchen_motion";
        assert_eq!(decide(&mapping, id), sensor(id, "kitchen", "motion", true));
        assert_eq!(decide(&mapping, "light.kitchen"), sensor("lamp 1", "kitchenette", "lamp", true));
        assert_eq!(decide(&mapping, "sensor.kitchen_temperature"), Decision::Ignored);
        let id = "binary_sensor.cellar_stairs_motion";
        assert_eq!(decide(&mapping, id), sensor(id, "stairs", "motion", true));
        assert_eq!(decide(&mapping, "light.hallway"), Decision::Unmapped);
    }

    #[test]
    fn without_guesses_only_what_is_listed_counts() {
        let mapping = mapping("guess = false\n[entities.\"binary_sensor.office_motion\"]");
        assert_eq!(decide(&mapping, "binary_sensor.hall_motion"), Decision::Unmapped);
        assert!(matches!(decide(&mapping, "binary_sensor.office_motion"), Decision::Import(_)));
    }

    #[test]
    fn the_example_is_a_mapping() {
        let mapping = mapping(include_str!("../../rooms.toml"));
        assert!(!mapping.entities.is_empty() && !mapping.rooms.is_empty() && !mapping.ignore.is_empty());
    }
}
