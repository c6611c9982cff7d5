//! The areas that people have put their devices in: Home Assistant's registries, JSON files in its folder `.storage`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// What the registries say of each entity.
#[derive(Debug, Default)]
pub struct Registry {
    entities: BTreeMap<String, Registered>,
}

#[derive(Debug)]
struct Registered {
    room: Option<String>,
    device_class: Option<String>,
}

impl Registry {
    /// Where the registries of a recorder's file are, if they lie beside it as Home Assistant has them.
    pub fn beside(file: &Path) -> Option<PathBuf> {
        let folder = file.parent()?.join(".storage");
        folder.join("core.entity_registry").is_file().then_some(folder)
    }

    /// Reads the registries in a folder. Those of areas and devices are missing while there are none.
    ///
    /// # Errors
    /// If there is no registry of entities, or one cannot be read; the error names the file.
    pub fn read(folder: &Path) -> Result<Self> {
        let entities: Entities = read(folder, "core.entity_registry")?.ok_or_else(|| {
            format!("{}: there is no core.entity_registry; name Home Assistant's folder .storage", folder.display())
        })?;
        let devices: Devices = read(folder, "core.device_registry")?.unwrap_or_default();
        let areas: Areas = read(folder, "core.area_registry")?.unwrap_or_default();

        let named = |area: Area| {
            let room = area.room();
            (area.id, room)
        };
        let rooms: HashMap<String, String> = areas.areas.into_iter().map(named).collect();
        let devices: HashMap<String, String> =
            devices.devices.into_iter().filter_map(|device| Some((device.id, device.area_id?))).collect();
        let registered = |entity: Entity| {
            let area = entity.area_id.as_ref().or_else(|| devices.get(entity.device_id.as_ref()?));
            let room = area.and_then(|area| rooms.get(area)).cloned();
            let device_class = entity.device_class.or(entity.original_device_class);
            (entity.entity_id, Registered { room, device_class })
        };
        Ok(Self { entities: entities.entities.into_iter().map(registered).collect() })
    }

    /// The room of an entity: its own area, or else its device's.
    pub fn room(&self, entity_id: &str) -> Option<&str> {
        self.entities.get(entity_id)?.room.as_deref()
    }

    /// What the entity measures, by Home Assistant's word for it.
    pub fn device_class(&self, entity_id: &str) -> Option<&str> {
        self.entities.get(entity_id)?.device_class.as_deref()
    }

    /// The room of each entity that is registered.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.entities.iter().map(|(entity_id, registered)| (entity_id.as_str(), registered.room.as_deref()))
    }

    /// How many entities have a room, and how many rooms there are.
    pub fn counts(&self) -> (usize, usize) {
        let rooms: Vec<&str> = self.rooms().filter_map(|(_, room)| room).collect();
        (rooms.len(), rooms.iter().collect::<HashSet<_>>().len())
    }
}

/// A registry, `None` if there is no such file.
fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    #[derive(Deserialize)]
    struct Storage<T> {
        data: T,
    }
    let path = folder.join(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let storage: Storage<T> = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| format!("{} is no registry of Home Assistant: {error}", path.display()))?;
    Ok(Some(storage.data))
}

#[derive(Deserialize, Default)]
struct Areas {
    areas: Vec<Area>,
}

#[derive(Deserialize)]
struct Area {
    id: String,
    #[serde(default)]
    name: String,
}

impl Area {
    /// The id, which Home Assistant makes of the first name; early releases gave areas 32 random digits.
    fn room(&self) -> String {
        let is_random = self.id.len() == 32 && self.id.bytes().all(|b| b.is_ascii_hexdigit());
        let name = if is_random { crate::mapping::guess::slug(&self.name) } else { String::new() };
        if name.is_empty() { self.id.clone() } else { name }
    }
}

#[derive(Deserialize, Default)]
struct Devices {
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    id: String,
    area_id: Option<String>,
}

#[derive(Deserialize)]
struct Entities {
    entities: Vec<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    entity_id: String,
    area_id: Option<String>,
    device_id: Option<String>,
    device_class: Option<String>,
    original_device_class: Option<String>,
}
