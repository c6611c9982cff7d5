//! Columns that are added to a continuous aggregate.

use super::super::super::declaration::Aggregate;
use super::super::super::facts::Relation;
use super::super::super::plan::StepClass;
use super::super::super::sql::literal;
use super::super::Comparison;
use super::view_name;
use crate::feature::Feature;

impl Comparison<'_> {
    pub(super) fn compare_added_columns(
        &mut self,
        name: &str,
        declared: &Aggregate,
        relation: Option<&Relation>,
        after: Option<usize>,
    ) {
        if declared.added_columns.is_empty() || self.lacks(name, "an added column", Feature::AggregateColumns) {
            return;
        }
        let (schema, view) = view_name(name, relation);
        let schema = schema.map(|schema| format!(", view_schema => {}", literal(&schema))).unwrap_or_default();
        for (column, aggregate) in &declared.added_columns {
            let present = relation.and_then(|relation| relation.columns.iter().find(|other| other.name == *column));
            let Some(present) = present else {
                let step = self.step(name, StepClass::Locks, format!("the column {column} is missing"));
                step.sql = Some(format!(
                    "SELECT diesel_timescale.add_aggregate_column({}, {}, {}{schema})",
                    literal(&view),
                    literal(column),
                    literal(aggregate),
                ));
                step.after = after;
                continue;
            };
            // One without this comment was there from the start, or was added by hand.
            let is_other = |comment: &str| comment.strip_prefix("Aggregate: ").is_some_and(|other| other != aggregate);
            if present.comment.as_deref().is_some_and(is_other) {
                let difference = format!("the column {column} is another aggregate");
                self.step(name, StepClass::DestroysData, difference).obstacle = Some(
                    "TimescaleDB neither changes nor drops such a column: make the continuous aggregate anew, or take \
                     another name."
                        .to_owned(),
                );
            }
        }
    }
}
