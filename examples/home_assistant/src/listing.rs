//! The mapping as it is and as it is guessed, as TOML to edit.

use std::io::Write;

use crate::Result;
use crate::mapping::Decision;
use crate::recorder::Recorder;
use crate::sensors::Sensors;

/// Writes a mapping of all the entities that the file has. Those that nothing is guessed for are comments.
pub fn write(out: &mut impl Write, recorder: &dyn Recorder, sensors: &mut Sensors<'_>) -> Result<()> {
    writeln!(
        out,
        "# Made by `home_assistant --guess`: all entities of the file, for you to edit. Only what is listed"
    )?;
    writeln!(out, "# is imported; set guess to true to have later entities guessed.")?;
    writeln!(out, "guess = false")?;
    for entity_id in recorder.entities()? {
        let quoted_id = quoted(&entity_id);
        match sensors.decide(&entity_id)? {
            Decision::Import(sensor) => {
                writeln!(out, "\n[entities.{quoted_id}]")?;
                writeln!(out, "room = {}", quoted(&sensor.room))?;
                writeln!(out, "type = {}", quoted(&sensor.sensor_type))?;
                if sensor.id != entity_id {
                    writeln!(out, "sensor = {}", quoted(&sensor.id))?;
                }
                writeln!(out, "human_triggered = {}", sensor.is_tripped_by_people)?;
            }
            Decision::Ignored => writeln!(out, "\n# ignored: [entities.{quoted_id}]")?,
            Decision::NoArea => writeln!(out, "\n# in no area: [entities.{quoted_id}]\n# room = \"\"")?,
            Decision::Unmapped => writeln!(out, "\n# [entities.{quoted_id}]\n# room = \"\"\n# type = \"\"")?,
        }
    }
    Ok(())
}

/// A basic string of TOML. Control characters in the name of an entity would be somebody's prank, and are escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
