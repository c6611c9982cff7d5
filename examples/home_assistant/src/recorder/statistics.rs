//! The numbers that Home Assistant keeps of its sensors by the hour for ever, and by five minutes for some days.

use chrono::TimeDelta;

use super::field::{Field, LONGEST_NAME, LONGEST_TIME};
use super::{Recorder, sized};
use crate::Result;

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

impl Recorder {
    /// The next rows by their id, no more than `limit`; none if the file has no such table.
    pub fn statistics_after(&self, period: Period, id: i64, limit: usize) -> Result<Vec<Statistic>> {
        let Some(sql) = self.layout.select_statistics(period.table()) else { return Ok(Vec::new()) };
        let read = || {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map([id, i64::try_from(limit).unwrap_or(i64::MAX)], statistic)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.explained(read())
    }
}

fn statistic(row: &rusqlite::Row<'_>) -> rusqlite::Result<Statistic> {
    // What is no finite number is none: a column of SQLite takes anything.
    let number = |index| {
        Ok::<_, rusqlite::Error>(match Field::from(row.get_ref(index)?) {
            Field::Real(number) if number.is_finite() => Some(number),
            Field::Integer(number) => Some(number as f64),
            _ => None,
        })
    };
    Ok(Statistic {
        id: row.get(0)?,
        name: sized(row, 1, LONGEST_NAME)?,
        start: sized(row, 3, LONGEST_TIME)?,
        unit: sized(row, 5, LONGEST_NAME)?,
        mean: number(7)?,
        min: number(8)?,
        max: number(9)?,
        state: number(10)?,
        sum: number(11)?,
    })
}
