//! What the benchmarks share: sizes from the environment, rates, medians and ratios.
//!
//! A benchmark includes it by `#[path = "../measure/mod.rs"] mod measure;`. One name means the same in all of them:
//!
//! | variable | what |
//! |---|---|
//! | `ROWS` | rows of a round |
//! | `ROUNDS` | rounds; a ratio is the median of theirs |
//! | `CHUNKS` | chunks of a large hypertable |
//! | `SENSORS` | different sensors |
//! | `PREDICTIONS` | predictions that reference an event |
//! | `CONNECTIONS` | connections that work at the same time |
//! | `SECONDS` | how long they work |
//! | `ONLY` | part of the name of the sections to run |
#![allow(dead_code, reason = "no benchmark uses all of it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A size from the environment.
pub fn size(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(value) => match value.parse() {
            Ok(size) if size > 0 => size,
            _ => panic!("{name}={value} is not a number above 0; leave it out for {default}"),
        },
        Err(_) => default,
    }
}

/// Whether the environment asks for this section: `ONLY` is part of its name, or not set.
pub fn wanted(section: &str) -> bool {
    section.contains(&std::env::var("ONLY").unwrap_or_default())
}

/// Rows per second of each candidate, one for each round.
#[derive(Clone, Default)]
pub struct Measurements(BTreeMap<&'static str, Vec<f64>>);

impl Measurements {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a candidate's part of a round, which does something with so many rows.
    pub fn time(&mut self, name: &'static str, rows: usize, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        self.record(name, rows, start.elapsed());
    }

    pub fn record(&mut self, name: &'static str, rows: usize, elapsed: Duration) {
        self.0.entry(name).or_default().push(rows as f64 / elapsed.as_secs_f64());
    }

    /// The median rate of a candidate, if it ran.
    /// The line that says a result: CI looks for it, and whoever compares two runs reads it.
    pub fn print_ratio(name: &str, value: f64) {
        println!("RATIO {name} {value:.2}");
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|rates| median(rates.clone()))
    }

    pub fn print(&self) {
        for (name, rates) in &self.0 {
            println!("  {name:<24} {:>9.0} rows/s", median(rates.clone()));
        }
    }

    /// Prints the median of the ratios of two candidates' rates, round by round.
    pub fn ratio(&self, name: &str, other: &str) {
        self.ratio_as(&format!("{name}/{other}"), name, other);
    }

    /// The same under another name. Prints nothing where one of the two did not run.
    pub fn ratio_as(&self, label: &str, name: &str, other: &str) {
        if let (Some(rates), Some(others)) = (self.0.get(name), self.0.get(other)) {
            let ratios = rates.iter().zip(others).map(|(rate, other)| rate / other).collect();
            print_ratio(label, median(ratios));
        }
    }
}

/// The line that says a result: CI looks for it, and whoever compares two runs reads it.
pub fn print_ratio(name: &str, value: f64) {
    println!("RATIO {name} {value:.2}");
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
