//! Targets of references, and the references to them.

use super::super::declaration::{Reference, Table, Target};
use super::super::facts::{self, Facts, Relation};
use super::super::plan::StepClass;
use super::super::sql::{array, identifier, literal};
use super::super::wanted::Wanted;
use super::Comparison;

impl<'a> Comparison<'a> {
    /// After every table is what it should be: whatever references something comes after its target.
    pub(super) fn compare_all_references(&mut self) {
        let facts: &'a Facts = self.facts;
        let tables = || self.setup.tables.iter().zip(&facts.relations);
        let tables: Vec<_> =
            tables().filter_map(|((name, table), relation)| Some((name, table, relation.as_ref()?))).collect();
        for (name, table, relation) in &tables {
            if let Some(Wanted::Present(declared)) = &table.target {
                self.compare_target(name, declared, relation);
            }
        }
        for (name, table, relation) in &tables {
            self.compare_target_retention(name, table, relation);
        }
        let mut references = facts.references.iter();
        for (name, table) in &self.setup.tables {
            let relation = tables.iter().find(|(of, _, _)| *of == name).map(|(_, _, relation)| *relation);
            for (declared, present) in table.references.iter().zip(&mut references) {
                if let Some(relation) = relation {
                    self.compare_reference(name, declared, relation, present.as_ref());
                }
            }
        }
        for (name, table, relation) in &tables {
            self.compare_absent_target(name, table, relation);
        }
    }

    fn compare_absent_target(&mut self, name: &str, table: &Table, relation: &Relation) {
        if table.target == Some(Wanted::Absent) && relation.target.is_some() {
            let relation_name = literal(&relation.qualified);
            let step = self.step(name, StepClass::Locks, "is a target of references, and is not wanted as one");
            step.sql = Some(format!("SELECT diesel_timescale.drop_reference_target({relation_name})"));
            step.lock = Some(relation.qualified.clone());
        }
    }

    fn compare_target(&mut self, name: &str, declared: &Target, relation: &Relation) {
        let relation_name = literal(&relation.qualified);
        let time = literal(&declared.time);
        let Some(present) = &relation.target else {
            let optional = |argument: &str, value: &Option<String>| {
                value.as_ref().map(|value| format!(", {argument} => {}", literal(value))).unwrap_or_default()
            };
            let sql = format!(
                "SELECT diesel_timescale.create_reference_target({relation_name}, {time}{}{})",
                optional("id_column", &declared.id),
                optional("registry_name", &declared.registry),
            );
            let after = self.bases.get(name).copied().flatten();
            let step = self.step(name, StepClass::Locks, "is no target of references");
            step.sql = Some(sql);
            step.after = after;
            step.lock = Some(relation.qualified.clone());
            self.targets.insert(name.to_owned(), self.last());
            return;
        };
        let key = present.key.clone().unwrap_or_default();
        let is_by_id = declared.id.as_ref().is_none_or(|id| key == [id.as_str()]);
        if !present.registry_is_there || !is_by_id {
            let difference = match present.registry_is_there {
                true => format!(
                    "references go by ({}), not by {}",
                    key.join(", "),
                    declared.id.as_deref().unwrap_or("the key")
                ),
                false => format!("the registry {} is missing", present.registry),
            };
            self.step(name, StepClass::DestroysData, difference).obstacle = Some(format!(
                "Remove the references to it and drop_reference_target({relation_name}) first; the registry holds \
                 what is referenced."
            ));
        } else if !present.missing_triggers.is_empty() {
            let difference =
                format!("the triggers of the target are missing or disabled: {}", present.missing_triggers.join(", "));
            let step = self.step(name, StepClass::Locks, difference);
            step.lock = Some(relation.qualified.clone());
            step.sql = Some(format!(
                "SELECT diesel_timescale.restore_target_triggers({relation_name}, {time}, {})",
                literal(&present.registry)
            ));
            self.targets.insert(name.to_owned(), self.last());
        }
    }

    fn compare_reference(
        &mut self,
        name: &str,
        declared: &Reference,
        relation: &Relation,
        present: Option<&facts::Reference>,
    ) {
        let columns = declared.columns.join(", ");
        let (on_delete, code) = declared.on_delete.sql();
        let target = &declared.to;
        let names: Vec<_> = declared.columns.iter().map(String::as_str).collect();
        let arguments = format!("{}, {}, {}", literal(&relation.qualified), array(&names, "name"), literal(target));
        let add = format!("SELECT diesel_timescale.add_reference({arguments}, {})", literal(on_delete));
        let constraint = present.and_then(|present| present.constraint.as_ref());
        if declared.absent {
            if constraint.is_some() {
                let difference = format!("({columns}) references {target}, and should not");
                let step = self.step(name, StepClass::Locks, difference);
                step.sql = Some(format!("SELECT diesel_timescale.remove_reference({arguments})"));
                step.lock = Some(relation.qualified.clone());
            }
            return;
        }
        let has_trigger = present.is_some_and(|present| present.trigger_is_right);
        let (difference, sql) = match constraint {
            None => (format!("({columns}) does not reference {target}"), add),
            Some(constraint) if constraint.on_delete != code => (
                format!(
                    "the reference of ({columns}) to {target} is ON DELETE {}, not {on_delete}",
                    action(&constraint.on_delete)
                ),
                format!("ALTER TABLE {} DROP CONSTRAINT {}; {add}", relation.qualified, identifier(&constraint.name)),
            ),
            Some(constraint) if !constraint.validated => {
                (format!("the reference of ({columns}) to {target} is not validated"), add)
            }
            Some(_) if !has_trigger => {
                (format!("the trigger that registers ({columns}) for {target} is missing, disabled or another"), add)
            }
            Some(_) => return,
        };
        let after = self.targets.get(target).copied();
        let has_target = present.is_some() || after.is_some();
        let step = self.step(name, StepClass::Locks, difference);
        step.sql = Some(sql);
        step.after = after;
        step.lock = Some(relation.qualified.clone());
        if !has_target {
            step.obstacle = Some(format!("{target} is no target of references: declare it as one."));
        }
    }
}

fn action(code: &str) -> &str {
    match code {
        "n" => "SET NULL",
        "c" => "CASCADE",
        "r" => "RESTRICT",
        "a" => "NO ACTION",
        "d" => "SET DEFAULT",
        other => other,
    }
}
