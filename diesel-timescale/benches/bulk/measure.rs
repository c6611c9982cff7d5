//! Rates, medians and ratios.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub fn env(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Rows per second of each candidate, one for each round.
#[derive(Clone, Default)]
pub struct Measurements(BTreeMap<&'static str, Vec<f64>>);

impl Measurements {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn time(&mut self, name: &'static str, rows: usize, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        self.record(name, rows, start.elapsed());
    }

    pub fn record(&mut self, name: &'static str, rows: usize, elapsed: Duration) {
        self.0.entry(name).or_default().push(rows as f64 / elapsed.as_secs_f64());
    }

    pub fn print(&self) {
        for (name, rates) in &self.0 {
            println!("  {name:<24} {:>9.0} rows/s", median(rates.clone()));
        }
    }

    pub fn ratio(&self, name: &str, other: &str) {
        self.ratio_as(&format!("{name}/{other}"), name, other);
    }

    pub fn ratio_as(&self, label: &str, name: &str, other: &str) {
        if let (Some(rates), Some(others)) = (self.0.get(name), self.0.get(other)) {
            let ratios = rates.iter().zip(others).map(|(rate, other)| rate / other).collect();
            println!("RATIO {label} {:.2}", median(ratios));
        }
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
