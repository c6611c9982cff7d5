//! The sensors: what the mapping and the registries make of each entity, looked up once.

use std::collections::HashMap;

use crate::Result;
use crate::attributes;
use crate::mapping::{Decision, Mapping};
use crate::recorder::Recorder;
use crate::registry::Registry;

pub struct Sensors<'s> {
    recorder: &'s dyn Recorder,
    mapping: &'s Mapping,
    registry: Option<&'s Registry>,
    decisions: HashMap<String, Decision>,
}

impl<'s> Sensors<'s> {
    pub fn new(recorder: &'s dyn Recorder, mapping: &'s Mapping, registry: Option<&'s Registry>) -> Self {
        Self { recorder, mapping, registry, decisions: HashMap::new() }
    }

    /// What becomes of an entity, by the attributes of its last row.
    pub fn decide(&mut self, entity_id: &str) -> Result<&Decision> {
        if !self.decisions.contains_key(entity_id) {
            let last = self.recorder.last_row_of(entity_id)?;
            let last = last.and_then(|row| attributes::parse(&row.attributes).ok()).unwrap_or_default();
            let decision = self.mapping.decide(entity_id, &last.values, self.registry);
            self.decisions.insert(entity_id.to_owned(), decision);
        }
        Ok(&self.decisions[entity_id])
    }

    /// The type and the unit of each sensor in the file that has a unit.
    pub fn units(&mut self) -> Result<Vec<(String, String)>> {
        let mut units = Vec::new();
        for entity_id in self.recorder.entities()? {
            if let Decision::Import(sensor) = self.decide(&entity_id)? {
                units.extend(sensor.unit.clone().map(|unit| (sensor.sensor_type.clone(), unit)));
            }
        }
        Ok(units)
    }
}
