//! What an import did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{self, Write};

use occupancy_models::bulk;

use crate::reading::Reason;

/// How many entities are named of each list.
const NAMED: usize = 10;

#[derive(Debug, Default)]
pub struct Report {
    pub read: u64,
    pub stored: bulk::Report,
    pub left_out: BTreeMap<Reason, u64>,
    /// Readings that were stored without their attributes.
    pub without_attributes: u64,
    /// Readings that were stored with null in place of numbers that JSON has not.
    pub nulled: u64,
    /// Events of other rows that have another state before now.
    pub relinked: u64,
    /// Rows that were known although Home Assistant has moved their time.
    pub moved: u64,
    /// The entities that are not mapped.
    pub unmapped: BTreeSet<String>,
    /// The sensors that the registries have no area for.
    pub without_area: BTreeSet<String>,
    /// The entities with readings in another unit than their type, and the remedy.
    pub other_units: BTreeSet<String>,
    pub statistics: StatisticsReport,
    /// Whether rows remain, because no more batches were asked for.
    pub is_partial: bool,
}

/// What became of the statistics.
#[derive(Debug, Default)]
pub struct StatisticsReport {
    pub read: u64,
    /// Rows that are new, or other than before.
    pub stored: u64,
    pub left_out: BTreeMap<Reason, u64>,
}

impl StatisticsReport {
    pub fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}

impl Report {
    pub fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        line(out, "rows read", &self.read)?;
        line(out, "  inserted", &self.stored.inserted)?;
        line(out, "  updated", &self.stored.updated)?;
        line(out, "  unchanged", &self.stored.unchanged)?;
        line(out, "  deduplicated", &self.stored.deduplicated)?;
        left_out(out, &self.left_out)?;
        for (label, count) in [
            ("without attributes", self.without_attributes),
            ("NaN stored as null", self.nulled),
            ("new state before", self.relinked),
            ("moved by a second", self.moved),
        ] {
            if count > 0 {
                line(out, label, &count)?;
            }
        }
        if self.statistics.read > 0 {
            line(out, "statistics read", &self.statistics.read)?;
            line(out, "  stored", &self.statistics.stored)?;
            left_out(out, &self.statistics.left_out)?;
        }
        for (label, entities, remedy) in [
            ("entities not mapped", &self.unmapped, "--guess lists them all"),
            ("entities in no area", &self.without_area, "--guess lists them all"),
            ("entities in another unit", &self.other_units, "--left-out names all rows"),
        ] {
            if entities.is_empty() {
                continue;
            }
            line(out, label, &entities.len())?;
            for entity in entities.iter().take(NAMED) {
                writeln!(out, "  {entity}")?;
            }
            let more = entities.len().saturating_sub(NAMED);
            if more > 0 {
                writeln!(out, "  and {more} more: {remedy}")?;
            }
        }
        if self.is_partial {
            writeln!(out, "rows remain: run this again to go on")?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, label: &str, count: &dyn Display) -> io::Result<()> {
    writeln!(out, "{label:<24}{count:>10}")
}

fn left_out(out: &mut impl Write, reasons: &BTreeMap<Reason, u64>) -> io::Result<()> {
    line(out, "  left out", &reasons.values().sum::<u64>())?;
    reasons.iter().try_for_each(|(reason, count)| line(out, &format!("    {}", reason.as_str()), count))
}
