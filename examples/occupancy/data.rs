//! The format of the UCI data set "Occupancy Detection" (Candanedo and Feldheim, 2016; CC BY 4.0).
//!
//! A line is a row number, a date without a zone (taken as UTC), five numbers and the recorded occupancy. The header
//! does not name the row number. Any field may be quoted, and none has a comma in it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::Result;
use crate::reading::Reading;

const HEADER: [&str; 7] = ["date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy"];

pub struct Data {
    /// In the order of time, no two at the same instant.
    pub readings: Vec<Reading>,
    pub malformed: Vec<Malformed>,
}

/// A line that is no reading, and why.
#[derive(Debug, PartialEq)]
pub struct Malformed {
    line: usize,
    reason: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read or has another header. A malformed line is no error.
pub fn read(path: &Path) -> Result<Data> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&String::from_utf8_lossy(&bytes)).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn parse(text: &str) -> Result<Data, String> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next().map(fields).as_deref() != Some(&HEADER) {
        return Err(format!("line 1 is not the header {}", HEADER.join(",")));
    }
    let mut data = Data { readings: Vec::new(), malformed: Vec::new() };
    let mut lines_by_instant = HashMap::new();
    // Lines, not CSV records: a quote that is missing then costs one line, and not the next one as well.
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        let result = reading(text).and_then(|reading| match lines_by_instant.insert(reading.at, line) {
            Some(other) => Err(format!("line {other} has the same date")),
            None => Ok(reading),
        });
        match result {
            Ok(reading) => data.readings.push(reading),
            Err(reason) => data.malformed.push(Malformed { line, reason }),
        }
    }
    data.readings.sort_by_key(|reading| reading.at);
    Ok(data)
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(unquoted).collect()
}

fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

fn reading(line: &str) -> Result<Reading, String> {
    let fields = fields(line);
    let [_, at, temperature, humidity, light, co2, humidity_ratio, occupancy] = fields[..] else {
        return Err(format!("{} fields instead of 8", fields.len()));
    };
    Ok(Reading {
        at: date(at)?,
        temperature: number("Temperature", temperature)?,
        humidity: number("Humidity", humidity)?,
        light: number("Light", light)?,
        co2: number("CO2", co2)?,
        humidity_ratio: number("HumidityRatio", humidity_ratio)?,
        is_occupied: match occupancy {
            "0" => false,
            "1" => true,
            other => return Err(format!("Occupancy is {other:?} instead of 0 or 1")),
        },
    })
}

fn date(text: &str) -> Result<DateTime<Utc>, String> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map(|date| date.and_utc())
        .map_err(|_| format!("{text:?} is no date such as 2015-02-04 17:51:59"))
}

fn number(column: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(format!("{column} is {text:?}, which is not finite")),
        Err(_) => Err(format!("{column} is {text:?}, which is no number")),
    }
}
