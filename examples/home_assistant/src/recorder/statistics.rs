//! The numbers that Home Assistant keeps of its sensors by the hour for ever, and by five minutes for some days.

use chrono::TimeDelta;

use super::field::Field;

/// The tables of statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    FiveMinutes,
}

impl Period {
    pub const ALL: [Self; 2] = [Self::Hour, Self::FiveMinutes];

    pub fn table(self) -> &'static str {
        match self {
            Self::Hour => "statistics",
            Self::FiveMinutes => "statistics_short_term",
        }
    }

    pub fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::FiveMinutes => TimeDelta::minutes(5),
        }
    }
}

/// A row of a table of statistics as it is.
#[derive(Debug)]
pub struct Statistic {
    pub id: i64,
    /// The entity, or a name such as `tibber:price` of what is none.
    pub name: Field,
    pub start: Field,
    pub unit: Field,
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub state: Option<f64>,
    pub sum: Option<f64>,
}
