//! Units: all numbers of one type of sensor are in one unit.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::Result;

/// The unit of each type of sensor, by its name.
pub type UnitsOfTypes = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Units {
    of_types: UnitsOfTypes,
    /// The types whose readings are converted, because the mapping names their unit.
    asked: UnitsOfTypes,
}

/// What becomes of a number.
#[derive(Debug, PartialEq)]
pub enum Reading {
    AsItIs,
    /// Converted, and the unit that it is in now.
    Converted(f64, String),
}

impl Units {
    /// The units: those that the database has readings in, then those that the mapping asks for, and for the other types
    /// the unit of most of the sensors that were found (the first by name of two with as many).
    ///
    /// # Errors
    /// If the mapping asks for another unit than the database has.
    pub fn new(
        stored: UnitsOfTypes,
        asked: &UnitsOfTypes,
        found: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let asked: UnitsOfTypes = asked.iter().map(|(of, unit)| (of.clone(), normal(unit))).collect();
        for (sensor_type, unit) in &asked {
            if let Some(stored) = stored.get(sensor_type).filter(|stored| *stored != unit) {
                return Err(format!(
                    "the mapping asks for {sensor_type} in {unit}, and the database has it in {stored}: ask for {stored}, or \
                     delete the events of that type and its row in home_assistant_units"
                )
                .into());
            }
        }
        let mut counts: BTreeMap<String, HashMap<String, usize>> = BTreeMap::new();
        for (sensor_type, unit) in found {
            *counts.entry(sensor_type).or_default().entry(normal(&unit)).or_default() += 1;
        }
        let most = |counts: HashMap<String, usize>| {
            counts.into_iter().min_by_key(|(unit, count)| (usize::MAX - count, unit.clone())).map(|(unit, _)| unit)
        };
        let mut of_types: UnitsOfTypes =
            counts.into_iter().filter_map(|(sensor_type, counts)| Some((sensor_type, most(counts)?))).collect();
        of_types.extend(asked.clone());
        of_types.extend(stored);
        Ok(Self { of_types, asked })
    }

    /// The unit of each type, as far as it is known by now.
    pub fn of_types(&self) -> &UnitsOfTypes {
        &self.of_types
    }

    /// What becomes of a number that a sensor of this type reports in this unit. One without a unit is taken to be in the
    /// type's, and the first with a unit gives the type its own.
    ///
    /// # Errors
    /// What is wrong, if the type has another unit.
    pub fn reading(&mut self, sensor_type: &str, unit: Option<&str>, number: f64) -> Result<Reading, String> {
        let Some(unit) = unit.map(normal).filter(|unit| !unit.is_empty()) else { return Ok(Reading::AsItIs) };
        let Some(wanted) = self.of_types.get(sensor_type) else {
            self.of_types.insert(sensor_type.to_owned(), unit);
            return Ok(Reading::AsItIs);
        };
        if unit == *wanted {
            return Ok(Reading::AsItIs);
        }
        match converted(number, &unit, wanted) {
            Some(number) if self.asked.contains_key(sensor_type) => Ok(Reading::Converted(number, wanted.clone())),
            Some(_) => Err(format!(
                "{unit}, and {sensor_type} is in {wanted}: [units] {sensor_type} = \"{wanted}\" in the mapping converts it"
            )),
            None => Err(format!(
                "{unit}, and {sensor_type} is in {wanted}, which it cannot be converted to: give the entity another type"
            )),
        }
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<String> = self.of_types.iter().map(|(of, unit)| format!("{of} {unit}")).collect();
        write!(f, "units: {}", if units.is_empty() { "none".to_owned() } else { units.join(", ") })
    }
}

/// The unit with one letter for micro: Unicode has two, and Home Assistant has changed from one to the other.
fn normal(unit: &str) -> String {
    unit.trim().replace('\u{b5}', "\u{3bc}")
}

/// Units of one kind: a number in one of them is `factor * number + offset` in the first.
static KINDS: [&[(&str, f64, f64)]; 8] = [
    &[("°C", 1.0, 0.0), ("°F", 5.0 / 9.0, -160.0 / 9.0), ("K", 1.0, -273.15)],
    &[
        ("hPa", 1.0, 0.0),
        ("mbar", 1.0, 0.0),
        ("Pa", 0.01, 0.0),
        ("kPa", 10.0, 0.0),
        ("bar", 1000.0, 0.0),
        ("cbar", 10.0, 0.0),
        ("mmHg", 1.333_223_684_210_526_3, 0.0),
        ("inHg", 33.863_886_666_666_67, 0.0),
        ("psi", 68.947_572_931_683_61, 0.0),
    ],
    &[("ppm", 1.0, 0.0), ("ppb", 0.001, 0.0)],
    &[("μg/m³", 1.0, 0.0), ("mg/m³", 1000.0, 0.0)],
    &[("W", 1.0, 0.0), ("mW", 0.001, 0.0), ("kW", 1000.0, 0.0), ("MW", 1e6, 0.0)],
    &[
        ("kWh", 1.0, 0.0),
        ("Wh", 0.001, 0.0),
        ("MWh", 1000.0, 0.0),
        ("GWh", 1e6, 0.0),
        ("kJ", 1.0 / 3600.0, 0.0),
        ("MJ", 1.0 / 3.6, 0.0),
        ("GJ", 1000.0 / 3.6, 0.0),
    ],
    &[
        ("m", 1.0, 0.0),
        ("mm", 0.001, 0.0),
        ("cm", 0.01, 0.0),
        ("km", 1000.0, 0.0),
        ("in", 0.0254, 0.0),
        ("ft", 0.3048, 0.0),
    ],
    &[("m³", 1.0, 0.0), ("L", 0.001, 0.0), ("ft³", 0.028_316_846_592, 0.0), ("gal", 0.003_785_411_784, 0.0)],
];

/// A number in another unit, to nine digits after the point, so that what a conversion adds to the digits is not seen.
fn converted(number: f64, from: &str, to: &str) -> Option<f64> {
    let of = |kind: &[(&str, f64, f64)], unit: &str| {
        kind.iter().find(|(name, ..)| *name == unit).map(|(_, factor, offset)| (*factor, *offset))
    };
    let ((from, from_offset), (to, to_offset)) =
        KINDS.iter().find_map(|kind| Some((of(kind, from)?, of(kind, to)?)))?;
    let number = (number * from + from_offset - to_offset) / to;
    let rounded = (number * 1e9).round() / 1e9;
    Some(if rounded.is_finite() { rounded } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &[(&str, &str)]) -> UnitsOfTypes {
        text.iter().map(|(of, unit)| ((*of).to_owned(), (*unit).to_owned())).collect()
    }

    fn found(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|(of, unit)| ((*of).to_owned(), (*unit).to_owned())).collect()
    }

    #[test]
    fn numbers_are_converted_there_and_back() {
        for (number, from, other, to) in [
            (72.5, "°F", 22.5, "°C"),
            (-40.0, "°F", -40.0, "°C"),
            (300.0, "K", 26.85, "°C"),
            (29.92, "inHg", 1_013.207_489_067, "hPa"),
            (1.5, "ppm", 1500.0, "ppb"),
            (1.0, "MWh", 1000.0, "kWh"),
            (3.6, "MJ", 1.0, "kWh"),
            (12.0, "in", 30.48, "cm"),
        ] {
            assert_eq!(converted(number, from, to), Some(other), "{number} {from}");
            let back = converted(other, to, from).unwrap();
            assert!((back - number).abs() < 1e-8, "{other} {to} is {back} {from}");
        }
        assert_eq!(converted(1.0, "ppm", "μg/m³"), None);
        assert_eq!(converted(1.0, "%", "°C"), None);
    }

    #[test]
    fn the_unit_of_most_sensors_counts_unless_the_database_has_another() {
        let sensors =
            found(&[("temperature", "°F"), ("temperature", "°F"), ("temperature", "°C"), ("a", "2"), ("a", "1")]);
        let mut most = Units::new(UnitsOfTypes::new(), &UnitsOfTypes::new(), sensors.clone()).unwrap();
        assert_eq!(most.to_string(), "units: a 1, temperature °F");
        assert_eq!(most.reading("temperature", Some("°F"), 70.0), Ok(Reading::AsItIs));
        assert_eq!(most.reading("temperature", None, 70.0), Ok(Reading::AsItIs));
        assert_eq!(
            most.reading("temperature", Some("°C"), 20.0).unwrap_err(),
            "°C, and temperature is in °F: [units] temperature = \"°F\" in the mapping converts it"
        );
        assert!(most.reading("temperature", Some("lx"), 20.0).unwrap_err().contains("cannot be converted"));
        // A type that no sensor was found of at first.
        assert_eq!(most.reading("humidity", Some("%"), 50.0), Ok(Reading::AsItIs));
        assert!(most.reading("humidity", Some("g"), 50.0).is_err());

        let stored = units(&[("temperature", "°C")]);
        let mut asked = Units::new(stored.clone(), &units(&[("temperature", "°C")]), sensors).unwrap();
        assert_eq!(asked.reading("temperature", Some("°F"), 72.5), Ok(Reading::Converted(22.5, "°C".to_owned())));
        let error = Units::new(stored, &units(&[("temperature", "K")]), Vec::new()).unwrap_err();
        assert!(
            error.to_string().starts_with("the mapping asks for temperature in K, and the database has it in °C: ")
        );
    }

    #[test]
    fn the_two_letters_for_micro_are_one() {
        let mut units =
            Units::new(UnitsOfTypes::new(), &UnitsOfTypes::new(), found(&[("pm25", "\u{b5}g/m³")])).unwrap();
        assert_eq!(units.reading("pm25", Some("\u{3bc}g/m³"), 1.0), Ok(Reading::AsItIs));
        assert_eq!(units.reading("pm25", Some("\u{b5}g/m³"), 1.0), Ok(Reading::AsItIs));
    }
}
