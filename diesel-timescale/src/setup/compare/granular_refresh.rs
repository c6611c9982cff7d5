//! Granular refresh, of hypertables and of continuous aggregates.

use super::super::declaration::{Aggregate, Table};
use super::super::facts::{self, Relation};
use super::super::length::Length;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::Comparison;
use super::aggregate::reads;
use super::hypertable::Base;
use crate::feature::Feature;

impl Comparison<'_> {
    pub(super) fn compare_granular_refresh(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        let Some(declared) = &table.granular_refresh else { return };
        if self.lacks(name, "granular refresh", Feature::GranularRefresh) {
            return;
        }
        let text = |column: &str, start: Option<Length>, end: Option<Length>| {
            let length = |length: Option<Length>| length.map_or_else(|| "?".to_owned(), |length| length.to_string());
            format!("granular refresh by {column} from {} to {} ago", length(start), length(end))
        };
        let (start, end) = (declared.start_offset, declared.end_offset);
        let wanted = text(&declared.column, Some(start), Some(end));
        match relation.hypertable.as_ref().and_then(|hypertable| hypertable.granular_refresh.as_ref()) {
            None => {
                let step = self.step(name, StepClass::Locks, format!("has no {wanted}"));
                step.sql = Some(format!(
                    "SELECT diesel_timescale.set_granular_refresh({}, {}, {}, {})",
                    literal(&relation.qualified),
                    literal(&declared.column),
                    start.argument("start_offset", "start_offset_integer"),
                    end.argument("end_offset", "end_offset_integer"),
                ));
                step.after = base.step;
                step.lock = Some(relation.qualified.clone());
                let position = self.last();
                self.granular.insert(name.to_owned(), position);
            }
            Some(facts::GranularRefresh { column, start_offset, end_offset }) => {
                let present = text(column, start_offset.map(Into::into), end_offset.map(Into::into));
                if present != wanted {
                    self.step(name, StepClass::Rewrites, format!("has {present}, not {wanted}")).obstacle = Some(
                        "TimescaleDB neither changes nor removes it: create another hypertable, and move the rows there."
                            .to_owned(),
                    );
                }
            }
        }
    }

    /// After that of the hypertable, which it builds on.
    pub(super) fn compare_aggregate_granular_refresh(
        &mut self,
        name: &str,
        declared: &Aggregate,
        relation: Option<&Relation>,
        after: Option<usize>,
    ) {
        let present = relation.and_then(|relation| relation.aggregate.as_ref());
        let is_enabled = present.is_some_and(|aggregate| aggregate.granular_refresh == Some(true));
        if !declared.granular_refresh || is_enabled || self.lacks(name, "granular refresh", Feature::GranularRefresh) {
            return;
        }
        let of_source = self.granular.iter().filter(|(source, _)| reads(declared, source)).map(|(_, step)| *step).max();
        let view = relation.map_or(name, |relation| &relation.qualified);
        let step = self.step(name, StepClass::Locks, "has no granular refresh");
        step.sql = Some(format!("SELECT diesel_timescale.enable_granular_refresh({})", literal(view)));
        step.after = after.max(of_source);
    }
}
