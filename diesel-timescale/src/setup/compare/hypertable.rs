//! Hypertables, their chunk interval and their dimensions.

use super::super::declaration::{self, Table, Unit};
use super::super::facts::{self, Relation};
use super::super::length::Length;
use super::super::names::name_parts;
use super::super::plan::StepClass;
use super::super::sql::{identifier, literal};
use super::Comparison;
use crate::feature::Feature;

/// A hypertable that is there, or that a step makes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub step: Option<usize>,
}

impl Comparison<'_> {
    /// `None` where the table is none and does not become one: nothing else of it is compared then.
    pub(super) fn compare_hypertable(&mut self, name: &str, table: &Table, relation: &Relation) -> Option<Base> {
        let interval = table.hypertable.as_ref().and_then(|declared| declared.chunk_interval).or(table.chunk_interval);
        if let Some(present) = &relation.hypertable {
            if let Some(declared) = &table.hypertable {
                self.compare_time_column(name, declared, present)?;
            }
            self.compare_chunk_interval(name, interval, relation, present);
            self.compare_integer_now(name, table, relation, present);
            return Some(Base { step: None });
        }
        let Some(declared) = &table.hypertable else {
            return self.without_hypertable(name, table);
        };
        if self.may_stay_plain(declared) {
            self.plan.left_out.push(format!("{name}: stays a plain table: the server has no TimescaleDB"));
            return None;
        }
        if self.lacks(name, &format!("a hypertable on {}", declared.time), Feature::Hypertables) {
            return None;
        }
        self.create_hypertable(name, table, declared, interval, relation)
    }

    /// What is declared of a hypertable that something else sets up.
    fn without_hypertable(&mut self, name: &str, table: &Table) -> Option<Base> {
        let needs_one = table.chunk_interval.is_some()
            || !table.dimensions.is_empty()
            || table.columnstore.is_some()
            || table.columnstore_policy.is_some()
            || table.retention_policy.is_some()
            || table.reorder_policy.is_some()
            || table.tablespaces.is_some()
            || table.integer_now.is_some()
            || table.direct_compress.is_some()
            || table.granular_refresh.is_some()
            || !table.chunk_skipping.is_empty();
        if needs_one && !self.lacks(name, "what only a hypertable has", Feature::Hypertables) {
            self.step(name, StepClass::Locks, "is a plain table, not a hypertable").obstacle =
                Some("Declare the hypertable, or set it up first.".to_owned());
        }
        None
    }

    fn may_stay_plain(&self, declared: &declaration::Hypertable) -> bool {
        declared.allow_plain_table && self.facts.server.timescaledb.is_none() && self.facts.server.available.is_none()
    }

    fn compare_time_column(
        &mut self,
        name: &str,
        declared: &declaration::Hypertable,
        present: &facts::Hypertable,
    ) -> Option<()> {
        let column = present.dimensions.first().map(|dimension| dimension.column.as_str());
        if column == Some(declared.time.as_str()) {
            return Some(());
        }
        let difference = format!("is a hypertable on {}, not on {}", column.unwrap_or("no column"), declared.time);
        self.step(name, StepClass::Rewrites, difference).obstacle =
            Some("Create another table with the right column, and move the rows there.".to_owned());
        None
    }

    fn compare_chunk_interval(
        &mut self,
        name: &str,
        declared: Option<Length>,
        relation: &Relation,
        present: &facts::Hypertable,
    ) {
        let Some(declared) = declared else { return };
        let current = present.dimensions.first().and_then(|dimension| dimension.interval).map(Length::from);
        if current == Some(declared) {
            return;
        }
        let current = current.map_or_else(|| "unknown".to_owned(), |current| current.to_string());
        let difference = format!("the chunk interval is {current}, not {declared}");
        let step = self.step(name, StepClass::Safe, difference);
        step.sql = Some(format!(
            "SELECT diesel_timescale.change_chunk_interval({}, {})",
            literal(&relation.qualified),
            declared.argument("chunk_interval", "integer_interval")
        ));
        step.lock = Some(relation.qualified.clone());
    }

    fn compare_integer_now(&mut self, name: &str, table: &Table, relation: &Relation, present: &facts::Hypertable) {
        if let Some(function) = table.integer_now.as_ref().and_then(|declared| declared.function.as_ref()) {
            return self.compare_integer_now_function(name, function, relation, present);
        }
        let Some(Unit(nanoseconds)) = integer_now(table) else { return };
        let comment = present.dimensions.first().and_then(|dimension| dimension.integer_now.as_deref());
        // As create_integer_now() marks its function.
        if comment.is_some_and(|comment| comment.contains(&format!(" units of {nanoseconds} ns since "))) {
            return;
        }
        let difference = format!("no function tells the present in units of {nanoseconds} nanoseconds");
        let step = self.step(name, StepClass::Safe, difference);
        step.lock = Some(relation.qualified.clone());
        step.sql = Some(format!(
            "SELECT diesel_timescale.set_integer_now({}, {nanoseconds}, NULL)",
            literal(&relation.qualified)
        ));
    }

    fn compare_integer_now_function(
        &mut self,
        name: &str,
        function: &str,
        relation: &Relation,
        present: &facts::Hypertable,
    ) {
        let current = present.dimensions.first().and_then(|dimension| dimension.integer_now_func.as_deref());
        // The server does not tell the schema.
        if current == Some(name_parts(function).1.as_str()) {
            return;
        }
        let step = self.step(name, StepClass::Safe, format!("the function {function} does not tell the present"));
        step.lock = Some(relation.qualified.clone());
        step.sql = Some(format!(
            "SELECT diesel_timescale.set_integer_now({}, NULL, {})",
            literal(&relation.qualified),
            literal(function)
        ));
    }

    fn create_hypertable(
        &mut self,
        name: &str,
        table: &Table,
        declared: &declaration::Hypertable,
        interval: Option<Length>,
        relation: &Relation,
    ) -> Option<Base> {
        let after = self.extension;
        let difference = format!("is a plain table, not a hypertable on {}", declared.time);
        // Unknown, where the role may not read the table.
        let may_have_rows = relation.has_rows.unwrap_or(relation.obstacle.is_none());
        let class = if may_have_rows { StepClass::Rewrites } else { StepClass::Locks };
        let obstacle = relation.obstacle.clone().or_else(|| {
            let remedy = "The table has rows. Allow them to be moved (migrate_data); the table is locked meanwhile.";
            (may_have_rows && !declared.migrate_data).then(|| remedy.to_owned())
        });
        let step = self.step(name, class, difference);
        step.after = after;
        step.lock = Some(relation.qualified.clone());
        step.sql = Some(format!(
            "SELECT outcome FROM diesel_timescale.setup_hypertable(\
             {}, {}{}{}, migrate_data => {}, default_indexes => {})",
            literal(&relation.qualified),
            literal(&declared.time),
            interval
                .map(|interval| format!(", {}", interval.argument("chunk_interval", "integer_interval")))
                .unwrap_or_default(),
            integer_now(table)
                .map(|Unit(nanoseconds)| format!(", integer_now_unit => {nanoseconds}"))
                .unwrap_or_default(),
            declared.migrate_data,
            declared.default_indexes,
        ));
        if obstacle.is_some() {
            step.obstacle = obstacle;
            return None;
        }
        Some(Base { step: Some(self.last()) })
    }

    pub(super) fn compare_dimensions(&mut self, name: &str, table: &Table, relation: &Relation, base: Base) {
        for declared in &table.dimensions {
            let column = &declared.column;
            let present = relation.hypertable.as_ref().and_then(|hypertable| {
                hypertable.dimensions.iter().skip(1).find(|dimension| dimension.column == *column)
            });
            let relation_name = literal(&relation.qualified);
            let partitions = declared.partitions;
            match present {
                Some(present) if present.partitions == Some(partitions) => {}
                Some(present) => {
                    let current = present.partitions.unwrap_or_default();
                    let schema = self.extension_schema();
                    let difference = format!("{column} has {current} partitions, not {partitions}");
                    let step = self.step(name, StepClass::Safe, difference);
                    step.sql = Some(format!(
                        "SELECT {schema}.set_number_partitions({relation_name}, {partitions}, {})",
                        literal(column)
                    ));
                    step.lock = Some(relation.qualified.clone());
                }
                None => {
                    let difference = format!("the dimension by the hash of {column} is missing");
                    let step = self.step(name, StepClass::Locks, difference);
                    step.after = base.step;
                    step.lock = Some(relation.qualified.clone());
                    step.sql = Some(format!(
                        "SELECT diesel_timescale.add_hash_dimension({relation_name}, {}, {partitions})",
                        literal(column)
                    ));
                    if relation.hypertable.as_ref().is_some_and(|hypertable| hypertable.chunks > 0) {
                        step.obstacle = Some(
                            "The hypertable has chunks, and only an empty one takes a dimension: create another table \
                             with it, and move the rows there."
                                .to_owned(),
                        );
                    }
                }
            }
        }
    }

    /// The schema of the functions of TimescaleDB, quoted.
    pub(super) fn extension_schema(&self) -> String {
        self.facts.extension_schema.clone().unwrap_or_else(|| identifier("public"))
    }
}

/// The unit that the time column counts, wherever it is declared.
fn integer_now(table: &Table) -> Option<Unit> {
    let of_hypertable = table.hypertable.as_ref().and_then(|declared| declared.integer_now);
    table.integer_now.as_ref().and_then(|declared| declared.unit).or(of_hypertable)
}
