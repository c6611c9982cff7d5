//! What the set-up of a hypertable reports.

use std::fmt;

use chrono::TimeDelta;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::server::{Edition, TimescaleVersion};
use crate::time_column::TimeType;
use crate::time_value::{Span, TimeValue};

/// What the set-up of a hypertable did, and what holds now; the intervals are of this type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HypertableReport<I = TimeDelta> {
    /// What was done; `Plain` for a [plain table](crate::HypertableSetup::allow_plain_table).
    pub outcome: Outcome,
    /// The release of TimescaleDB; `None` for a plain table.
    pub timescaledb: Option<TimescaleVersion>,
    /// The edition of TimescaleDB; `None` for a plain table.
    pub edition: Option<Edition>,
    /// How much time a chunk covers; `None` for a plain table.
    pub chunk_interval: Option<I>,
    /// How many chunks there are; `None` for a plain table.
    pub chunks: Option<i64>,
    /// The chunk interval that was asked for, where the table was a hypertable with another one and has kept that;
    /// [`set_chunk_interval`](crate::set_chunk_interval) changes it. `None` where what was asked for holds.
    pub ignored_chunk_interval: Option<I>,
    /// Statements that drop native foreign keys to the hypertable, which break with retention: one for each. Let them go
    /// to a [target of references](crate::references) in its place.
    pub foreign_key_fixes: Vec<String>,
}

impl<I: Clone + Into<TimeValue>> fmt::Display for HypertableReport<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome {
            Outcome::Created => "hypertable created",
            Outcome::AlreadyThere => "hypertable already there",
            Outcome::Plain => "plain table: the server has no TimescaleDB",
        })?;
        if let (Some(interval), Some(chunks)) = (&self.chunk_interval, self.chunks) {
            let plural = if chunks == 1 { "" } else { "s" };
            write!(f, ", {chunks} chunk{plural} of {}", length(interval))?;
        }
        if let Some(ignored) = &self.ignored_chunk_interval {
            write!(f, " (not {}: set_chunk_interval changes it)", length(ignored))?;
        }
        if let (Some(version), Some(edition)) = (self.timescaledb, self.edition) {
            write!(f, ", on TimescaleDB {version} ({edition} edition)")?;
        }
        for fix in &self.foreign_key_fixes {
            write!(f, "; referenced by a foreign key, which breaks with retention: {fix}")?;
        }
        Ok(())
    }
}

/// A length of time in hours, or in units.
fn length<I: Clone + Into<TimeValue>>(length: &I) -> String {
    let (number, unit) = match length.clone().into() {
        TimeValue::Interval(interval) => (interval.microseconds as f64 / 3_600_000_000.0, "hour"),
        count => return count.to_string(),
    };
    format!("{number} {unit}{}", if number == 1.0 { "" } else { "s" })
}

/// A row of `setup_hypertable`.
pub(super) type Row = (
    Outcome,
    Option<TimescaleVersion>,
    Option<Edition>,
    Option<TimeDelta>,
    Option<i64>,
    Option<i64>,
    Option<TimeDelta>,
    Option<i64>,
    Vec<String>,
);

/// The report of a hypertable on a column of this type.
pub(super) fn report<ST: TimeType>(row: Row) -> HypertableReport<ST::Interval> {
    let (outcome, timescaledb, edition, interval, integer, chunks, ignored, ignored_integer, foreign_key_fixes) = row;
    HypertableReport {
        outcome,
        timescaledb,
        edition,
        chunk_interval: ST::from_span(Span { interval, integer }),
        chunks,
        ignored_chunk_interval: ST::from_span(Span { interval: ignored, integer: ignored_integer }),
        foreign_key_fixes,
    }
}
