//! What an import did.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use occupancy_models::bulk::UpsertReport;

use crate::reading::Reason;

#[derive(Debug, Default)]
pub struct Report {
    pub read: u64,
    pub stored: UpsertReport,
    pub left_out: BTreeMap<Reason, u64>,
    /// Readings that were stored without their attributes.
    pub without_attributes: u64,
    /// The entities that are not mapped.
    pub unmapped: BTreeSet<String>,
    /// Whether rows remain, because no more batches were asked for.
    pub is_partial: bool,
}

impl Report {
    pub fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = |label: &str, count: &dyn std::fmt::Display| writeln!(out, "{label:<20}{count:>10}");
        line("rows read", &self.read)?;
        line("  inserted", &self.stored.inserted)?;
        line("  updated", &self.stored.updated)?;
        line("  unchanged", &self.stored.unchanged)?;
        line("  merged", &self.stored.merged)?;
        line("  left out", &self.left_out.values().sum::<u64>())?;
        for (reason, count) in &self.left_out {
            line(&format!("    {}", reason.as_str()), count)?;
        }
        if self.without_attributes > 0 {
            line("without attributes", &self.without_attributes)?;
        }
        if !self.unmapped.is_empty() {
            line("entities not mapped", &self.unmapped.len())?;
            for entity_id in self.unmapped.iter().take(10) {
                writeln!(out, "  {entity_id}")?;
            }
            let more = self.unmapped.len().saturating_sub(10);
            if more > 0 {
                writeln!(out, "  and {more} more: --guess lists them all")?;
            }
        }
        if self.is_partial {
            writeln!(out, "rows remain: run this again to go on")?;
        }
        Ok(())
    }
}
