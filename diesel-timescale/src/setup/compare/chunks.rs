//! Chunk skipping, tablespaces and reordering.

use super::super::declaration::Table;
use super::super::facts::Relation;
use super::super::plan::StepClass;
use super::super::sql::{identifier, literal};
use super::super::wanted::Wanted;
use super::Comparison;
use super::hypertable::Base;
use super::policy::Policy;
use crate::feature::Feature;

impl Comparison<'_> {
    /// After the columnstore, whose chunks it is about.
    pub(super) fn compare_chunk_skipping(
        &mut self,
        name: &str,
        table: &Table,
        relation: &Relation,
        columnstore: Option<Base>,
    ) {
        if table.chunk_skipping.is_empty() || self.lacks(name, "chunk skipping", Feature::ChunkSkipping) {
            return;
        }
        let present = relation.hypertable.as_ref();
        let uses = present.is_some_and(|hypertable| hypertable.uses_chunk_skipping);
        for (column, enabled) in &table.chunk_skipping {
            let is_enabled = present.is_some_and(|hypertable| hypertable.chunk_skipping.contains(column));
            if is_enabled == *enabled {
                continue;
            }
            let difference = match enabled {
                true => format!("chunks are not left out by {column}"),
                false => format!("chunks are left out by {column}, and should not be"),
            };
            let step = self.step(name, StepClass::Safe, difference);
            step.sql = Some(format!(
                "SELECT diesel_timescale.change_chunk_skipping({}, {}, {enabled})",
                literal(&relation.qualified),
                literal(column)
            ));
            step.after = columnstore.and_then(|base| base.step);
            step.lock = Some(relation.qualified.clone());
        }
        // One step for the database, whichever table asks first.
        let object = identifier(&self.facts.database);
        let is_planned = self.plan.steps.iter().any(|step| step.object == object);
        if table.chunk_skipping.values().any(|enabled| *enabled) && !uses && !is_planned {
            self.step(&object, StepClass::Safe, "chunk skipping is off in the database").sql =
                Some("SELECT diesel_timescale.use_chunk_skipping(true)".to_owned());
        }
    }

    pub(super) fn compare_tablespaces(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        let Some(declared) = &table.tablespaces else { return };
        let present = relation.hypertable.as_ref().map(|hypertable| hypertable.tablespaces.as_slice());
        let present = present.unwrap_or_default();
        let missing = declared.iter().filter(|tablespace| !present.contains(tablespace));
        let unwanted = present.iter().filter(|tablespace| !declared.contains(tablespace));
        let steps = missing
            .map(|tablespace| ("attach_tablespace", tablespace, "has not the tablespace"))
            .chain(unwanted.map(|tablespace| ("detach_tablespace", tablespace, "has the unwanted tablespace")));
        for (function, tablespace, words) in steps {
            let step = self.step(name, StepClass::Safe, format!("{words} {tablespace}"));
            step.sql = Some(format!(
                "SELECT diesel_timescale.{function}({}, {})",
                literal(&relation.qualified),
                literal(tablespace)
            ));
            step.after = base.step;
            step.lock = Some(relation.qualified.clone());
        }
    }

    pub(super) fn compare_reorder_policy(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        let job = self.policy_job(relation, &["policy_reorder"]);
        match &table.reorder_policy {
            Some(Wanted::Present(declared)) => {
                if self.lacks(name, "a reorder policy", Feature::Jobs) {
                    return;
                }
                let policy = Policy {
                    kind: "reorder policy",
                    settings: Vec::new(),
                    options: vec![("index_name", declared.index.as_str().into())],
                    schedule: declared.schedule.as_ref(),
                    add: format!(
                        "diesel_timescale.add_reorder_policy({}, {})",
                        literal(&relation.qualified),
                        literal(&declared.index)
                    ),
                    lock: Some(&relation.qualified),
                };
                // An index that is declared as well is built before.
                let index = self.plan.steps.iter().rposition(|step| {
                    step.object == name && step.sql.as_ref().is_some_and(|sql| sql.starts_with("CREATE INDEX"))
                });
                self.compare_policy(name, policy, job, index.or(base.step), StepClass::Safe);
            }
            Some(Wanted::Absent) => {
                self.remove_policy(name, "reorder policy", "remove_reorder_policy", relation, job);
            }
            None => {}
        }
    }
}
