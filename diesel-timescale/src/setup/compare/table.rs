//! Columns and indexes of a table.

use super::super::declaration::{Index, Table};
use super::super::facts::{self, Relation};
use super::super::names::ordered;
use super::super::plan::StepClass;
use super::super::sql::identifier;
use super::Comparison;
use super::hypertable::Base;

impl Comparison<'_> {
    pub(super) fn compare_columns(&mut self, name: &str, table: &Table, relation: &Relation) {
        for (column, declared) in &table.columns {
            let expected = declared.name();
            let difference = match relation.columns.iter().find(|present| present.name == *column) {
                None => format!("the column {column} of the type {expected} is missing"),
                Some(present) if !is_type(present, expected) => {
                    format!("the column {column} is of the type {}, not {expected}", present.full_type)
                }
                Some(present) => match declared.nullable() {
                    Some(true) if present.not_null => format!("the column {column} is NOT NULL"),
                    Some(false) if !present.not_null => format!("the column {column} is not NOT NULL"),
                    _ => continue,
                },
            };
            self.step(name, StepClass::Rewrites, difference).obstacle =
                Some("Columns are changed by the migrations of the application.".to_owned());
        }
    }

    pub(super) fn compare_indexes(&mut self, name: &str, table: &Table, relation: &Relation, base: Option<Base>) {
        for index in &table.indexes {
            let matches = |present: &&facts::Index| is_index(present, index);
            if relation.indexes.iter().any(|present| present.valid && matches(&present)) {
                continue;
            }
            // What was left by an attempt that failed.
            if let Some(invalid) = relation.indexes.iter().find(|present| !present.valid && matches(present)) {
                let qualified = format!("{}.{}", invalid.schema, identifier(&invalid.name));
                let step = self.step(name, StepClass::Locks, format!("the index {} is invalid", invalid.name));
                step.sql = Some(format!("DROP INDEX {qualified}"));
            }
            self.create_index(name, index, relation, base);
        }
    }

    fn create_index(&mut self, name: &str, index: &Index, relation: &Relation, base: Option<Base>) {
        let columns: Vec<_> = index
            .columns
            .iter()
            .map(|column| {
                let (column, is_descending) = ordered(column);
                format!("{}{}", identifier(column), if is_descending { " DESC" } else { "" })
            })
            .collect();
        let columns = columns.join(", ");
        let has_rows = relation.hypertable.as_ref().map_or(relation.bytes > 0, |hypertable| hypertable.chunks > 0);
        let is_hypertable = relation.hypertable.is_some() || base.is_some_and(|base| base.step.is_some());
        // A hypertable can build it chunk by chunk, a plain table beside writes; either in no transaction.
        let (concurrently, with, class) = match (has_rows && !index.unique, is_hypertable) {
            (false, _) => ("", "", StepClass::Locks),
            (true, true) => ("", " WITH (timescaledb.transaction_per_chunk)", StepClass::Locks),
            (true, false) => (" CONCURRENTLY", "", StepClass::Safe),
        };
        let unique = if index.unique { " UNIQUE" } else { "" };
        let own_name = index.name.as_ref().map(|own_name| format!(" {}", identifier(own_name))).unwrap_or_default();
        let step = self.step(name, class, format!("the{} index on ({columns}) is missing", unique.to_lowercase()));
        step.sql =
            Some(format!("CREATE{unique} INDEX{concurrently}{own_name} ON {} ({columns}){with}", relation.qualified));
        step.in_transaction = concurrently.is_empty() && with.is_empty();
        step.after = base.and_then(|base| base.step);
        step.lock = step.in_transaction.then(|| relation.qualified.clone());
    }
}

fn is_index(present: &facts::Index, declared: &Index) -> bool {
    let columns = present.columns.iter().map(|column| (column.name.as_str(), column.descending));
    present.method == "btree"
        && present.predicate.is_none()
        && (present.unique || !declared.unique)
        && declared.name.as_ref().is_none_or(|name| *name == present.name)
        && columns.eq(declared.columns.iter().map(|column| ordered(column)))
}

/// Whether a column is of a type, by any of its names.
fn is_type(column: &facts::Column, expected: &str) -> bool {
    let lower = expected.trim().to_lowercase();
    if let Some(oid) = lower.strip_prefix("oid ") {
        return oid.parse() == Ok(column.type_oid);
    }
    if let Some(suffix) = lower.strip_prefix("any text") {
        let base = column.type_name.strip_suffix(suffix).unwrap_or(&column.type_name);
        return matches!(base, "text" | "character varying" | "character" | "citext" | "name");
    }
    let (base, modifier) = lower.split_once('(').map_or((lower.as_str(), None), |(base, rest)| (base, Some(rest)));
    let base = match base.trim() {
        "int2" | "smallserial" => "smallint",
        "int" | "int4" | "serial" => "integer",
        "int8" | "bigserial" => "bigint",
        "float4" => "real",
        "float8" | "float" | "double" => "double precision",
        "bool" => "boolean",
        "varchar" => "character varying",
        "char" | "bpchar" => "character",
        "decimal" => "numeric",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        other => other,
    };
    match modifier {
        None => column.type_name == base || column.type_name == expected,
        Some(modifier) => column.full_type == format!("{base}({modifier}"),
    }
}
