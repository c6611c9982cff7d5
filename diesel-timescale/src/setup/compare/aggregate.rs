//! Continuous aggregates, and the plain views in their place.

mod columns;
mod policies;

use super::super::declaration::{Aggregate, Table};
use super::super::facts::{Facts, Relation};
use super::super::names::{is_named_in, name_parts};
use super::super::plan::StepClass;
use super::super::sql::{array, identifier, literal};
use super::super::wanted::Wanted;
use super::Comparison;
use crate::feature::Feature;
use crate::sql_text::has_windows;

impl<'a> Comparison<'a> {
    /// Those that read others come after them.
    pub(super) fn compare_aggregates(&mut self) {
        let facts: &'a Facts = self.facts;
        let relations = facts.relations.iter().skip(self.setup.tables.len());
        let mut waiting: Vec<_> = self.setup.aggregates.iter().zip(relations).collect();
        while !waiting.is_empty() {
            let is_ready = |&((name, wanted), _): &((&String, &Wanted<Aggregate>), _)| match wanted {
                Wanted::Absent => true,
                Wanted::Present(aggregate) => {
                    !waiting.iter().any(|((other, _), _)| *other != name && reads(aggregate, other))
                }
            };
            let ready = waiting.iter().position(is_ready).unwrap_or(0);
            let ((name, wanted), relation) = waiting.remove(ready);
            match wanted {
                Wanted::Present(aggregate) => self.compare_aggregate(name, aggregate, relation.as_ref()),
                Wanted::Absent => self.compare_absent_aggregate(name, relation.as_ref()),
            }
        }
    }

    fn compare_absent_aggregate(&mut self, name: &str, relation: Option<&Relation>) {
        if let Some(relation) = relation {
            let class = if relation.aggregate.is_some() { StepClass::DestroysData } else { StepClass::Locks };
            self.step(name, class, "is there, and is not wanted").sql = Some(drop_sql(relation));
        }
    }

    fn compare_aggregate(&mut self, name: &str, declared: &Aggregate, relation: Option<&Relation>) {
        let Some(definition) = &declared.definition else {
            return self.compare_policies_alone(name, declared, relation);
        };
        let feature = if has_windows(definition) { Feature::AggregateWindows } else { Feature::ContinuousAggregates };
        let is_supported = self.extension.is_some() || self.facts.server.has(feature);
        if !is_supported && declared.plain_definition.is_none() {
            self.lacks(name, "a continuous aggregate", feature);
            return;
        }
        if !is_supported {
            self.plan.left_out.push(format!("{name}: stays a plain view: the server has no {}", feature.as_str()));
        }
        let names = column_names(declared);
        let marked = match &declared.plain_definition {
            Some(plain) if !is_supported => format!("View: {names}{plain}"),
            _ => format!("Continuous aggregate: {names}{definition}"),
        };
        let kind = if is_supported { "continuous aggregate" } else { "view" };
        let create = create_sql(name, declared, definition, relation);
        let bases = self.bases.iter().filter(|(base, _)| *base != name && reads(declared, base));
        let after = bases.filter_map(|(_, step)| *step).max();
        let (difference, class, sql) = match relation {
            None => (format!("the {kind} is missing"), StepClass::Safe, create),
            Some(relation)
                if relation.comment.as_ref() == Some(&marked) && relation.aggregate.is_some() == is_supported =>
            {
                self.bases.insert(name.to_owned(), None);
                self.compare_materialized_only(name, declared.materialized_only.unwrap_or(false), relation);
                if is_supported {
                    self.compare_aggregate_parts(name, declared, Some(relation), None);
                }
                return;
            }
            Some(relation) => {
                let is_ours = relation.comment.as_ref().is_some_and(|comment| comment.starts_with("View: "));
                let difference = match relation.aggregate {
                    Some(_) => "the continuous aggregate is defined otherwise".to_owned(),
                    None if is_ours && is_supported => "is a plain view, not a continuous aggregate".to_owned(),
                    None if is_ours => "the view is defined otherwise".to_owned(),
                    None => {
                        self.step(name, StepClass::DestroysData, format!("is no {kind}")).obstacle =
                            Some("Another relation has this name: drop it, or take another name.".to_owned());
                        return;
                    }
                };
                // What is there is all that there is of rows that are gone from the hypertable.
                let class = if relation.aggregate.is_some() { StepClass::DestroysData } else { StepClass::Locks };
                (difference, class, format!("{}; {create}", drop_sql(relation)))
            }
        };
        let step = self.step(name, class, difference);
        step.sql = Some(sql);
        step.after = after;
        let step = self.last();
        self.bases.insert(name.to_owned(), Some(step));
        if is_supported {
            self.compare_aggregate_parts(name, declared, None, Some(step));
        }
    }

    /// What may change of an aggregate that stays what it is. Without a relation: of one that the step makes.
    fn compare_aggregate_parts(
        &mut self,
        name: &str,
        declared: &Aggregate,
        relation: Option<&Relation>,
        after: Option<usize>,
    ) {
        self.compare_added_columns(name, declared, relation, after);
        self.compare_aggregate_granular_refresh(name, declared, relation, after);
        self.compare_aggregate_policies(name, declared, relation, after);
    }

    /// Of an aggregate that is set up elsewhere, and was declared as if it were a table.
    pub(super) fn compare_retention_of_aggregate(&mut self, name: &str, table: &Table, relation: &Relation) {
        let retention_policy = table.retention_policy.clone();
        self.compare_aggregate_policies(
            name,
            &Aggregate { retention_policy, ..Aggregate::default() },
            Some(relation),
            None,
        );
        if (Table { retention_policy: None, ..table.clone() }) != Table::default() {
            self.step(name, StepClass::Safe, "is a continuous aggregate, and is declared as a table").obstacle =
                Some("Of a continuous aggregate its definition and its policies can be declared.".to_owned());
        }
    }

    /// Of an aggregate that is set up elsewhere.
    fn compare_policies_alone(&mut self, name: &str, declared: &Aggregate, relation: Option<&Relation>) {
        match relation {
            Some(relation) if relation.aggregate.is_some() => {
                if let Some(materialized_only) = declared.materialized_only {
                    self.compare_materialized_only(name, materialized_only, relation);
                }
                self.compare_aggregate_parts(name, declared, Some(relation), None);
            }
            _ if self.lacks(name, "a continuous aggregate", Feature::ContinuousAggregates) => {}
            _ => {
                self.step(name, StepClass::Safe, "the continuous aggregate is missing").obstacle =
                    Some("Declare its definition as well, or create it first.".to_owned());
            }
        }
    }

    fn compare_materialized_only(&mut self, name: &str, materialized_only: bool, relation: &Relation) {
        let current = relation.aggregate.as_ref().map(|aggregate| aggregate.materialized_only);
        if current.is_some_and(|current| current != materialized_only) {
            let difference = match materialized_only {
                true => "shows rows that are not materialized",
                false => "shows only rows that are materialized",
            };
            self.step(name, StepClass::Locks, difference).sql = Some(format!(
                "SELECT diesel_timescale.alter_continuous_aggregate({}, {})",
                literal(&relation.qualified),
                materialized_only
            ));
        }
    }
}

fn drop_sql(relation: &Relation) -> String {
    let (name, schema) = (literal(&relation.name), literal(&relation.schema));
    format!("SELECT diesel_timescale.drop_continuous_aggregate({name}, {schema})")
}

/// Whether an aggregate reads a relation, as far as that is told.
pub(super) fn reads(aggregate: &Aggregate, relation: &str) -> bool {
    match (&aggregate.from, &aggregate.definition) {
        (Some(from), _) => from == relation,
        (None, Some(definition)) => is_named_in(relation, definition),
        (None, None) => false,
    }
}

/// As `create_continuous_aggregate()` has them in its comment.
fn column_names(declared: &Aggregate) -> String {
    let names: Vec<_> = declared.columns.iter().map(|column| identifier(column)).collect();
    if names.is_empty() { String::new() } else { format!("({}) ", names.join(", ")) }
}

/// The schema, if it is said, and the name of a view.
fn view_name(name: &str, relation: Option<&Relation>) -> (Option<String>, String) {
    relation.map_or_else(|| name_parts(name), |relation| (Some(relation.schema.clone()), relation.name.clone()))
}

fn create_sql(name: &str, declared: &Aggregate, definition: &str, relation: Option<&Relation>) -> String {
    let (schema, view) = view_name(name, relation);
    let columns: Vec<_> = declared.columns.iter().map(String::as_str).collect();
    let columns = if columns.is_empty() { String::new() } else { format!(", columns => {}", array(&columns, "name")) };
    format!(
        "SELECT diesel_timescale.create_continuous_aggregate({}, {}, {}, {}, {}{}{columns}{})",
        literal(&view),
        literal(definition),
        declared.plain_definition.as_ref().map_or_else(|| "NULL".to_owned(), |plain| literal(plain)),
        declared.plain_definition.is_some(),
        declared.materialized_only.unwrap_or(false),
        schema.map(|schema| format!(", view_schema => {}", literal(&schema))).unwrap_or_default(),
        if has_windows(definition) { ", has_windows => true" } else { "" },
    )
}
