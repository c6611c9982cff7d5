//! The columnstore of a hypertable.

use super::super::declaration::{Columnstore, Table};
use super::super::facts::{self, Relation};
use super::super::names::ordered;
use super::super::plan::StepClass;
use super::super::sql::{array, identifier, literal};
use super::super::wanted::Wanted;
use super::Comparison;
use super::hypertable::Base;
use crate::feature::Feature;

impl Comparison<'_> {
    /// What a policy of the columnstore builds on; `None` where there is none, or none is wanted.
    pub(super) fn compare_columnstore(
        &mut self,
        name: &str,
        table: &Table,
        relation: &Relation,
        base: Base,
    ) -> Option<Base> {
        let present = relation.hypertable.as_ref().filter(|hypertable| hypertable.columnstore);
        let declared = match &table.columnstore {
            None => return Some(base),
            Some(Wanted::Absent) => {
                if present.is_some() {
                    let step = self.step(name, StepClass::Locks, "has a columnstore, and none is wanted");
                    let relation_name = literal(&relation.qualified);
                    step.sql = Some(format!("SELECT diesel_timescale.disable_columnstore({relation_name})"));
                    step.lock = Some(relation.qualified.clone());
                }
                return None;
            }
            Some(Wanted::Present(declared)) => declared,
        };
        if self.lacks(name, "a columnstore", Feature::Columnstore) {
            return None;
        }
        let has_sparse = !declared.bloom.is_empty() || !declared.minmax.is_empty();
        if has_sparse && self.lacks(name, "sparse indexes", Feature::SparseIndexes) {
            return None;
        }
        let differences = match present {
            None => vec!["has no columnstore".to_owned()],
            Some(present) => layout_differences(declared, present),
        };
        if differences.is_empty() {
            return Some(base);
        }
        let (columns, descending): (Vec<_>, Vec<_>) = declared.order_by.iter().map(|column| ordered(column)).unzip();
        let segments: Vec<_> = declared.segment_by.iter().map(String::as_str).collect();
        let descending: Vec<_> = descending.iter().map(bool::to_string).collect();
        let names = |columns: &[String]| array(&columns.iter().map(String::as_str).collect::<Vec<_>>(), "name");
        let sparse = match has_sparse {
            true => format!(", bloom => {}, minmax => {}", names(&declared.bloom), names(&declared.minmax)),
            false => String::new(),
        };
        let step = self.step(name, StepClass::Locks, differences.join("; "));
        step.after = base.step;
        step.lock = Some(relation.qualified.clone());
        step.sql = Some(format!(
            "SELECT diesel_timescale.enable_columnstore({}, {}, {}, CAST(ARRAY[{}] AS boolean[]){sparse})",
            literal(&relation.qualified),
            array(&segments, "name"),
            array(&columns, "name"),
            descending.join(", "),
        ));
        Some(Base { step: Some(self.last()) })
    }
}

/// What is not declared may be as the server has chosen it.
fn layout_differences(declared: &Columnstore, present: &facts::Hypertable) -> Vec<String> {
    let mut differences = Vec::new();
    let segments = present.segment_by.as_deref().unwrap_or_default();
    // The server does not quote these names.
    if !declared.segment_by.is_empty() && segments != declared.segment_by.join(",") {
        differences.push(format!(
            "the columnstore keeps segments by ({segments}), not by ({})",
            declared.segment_by.join(", ")
        ));
    }
    for (kind, columns) in [("bloom", &declared.bloom), ("minmax", &declared.minmax)] {
        let chosen = chosen_indexes(present, kind);
        let has_any = !declared.bloom.is_empty() || !declared.minmax.is_empty();
        if has_any && !(columns.iter().all(|column| chosen.contains(&column.as_str())) && chosen.len() == columns.len())
        {
            differences.push(format!(
                "the columnstore has {kind} indexes on ({}), not on ({})",
                chosen.join(", "),
                columns.join(", ")
            ));
        }
    }
    if declared.order_by.is_empty() {
        return differences;
    }
    let order = present.order_by.as_deref().unwrap_or_default();
    let mut wanted: Vec<_> = declared.order_by.iter().map(|column| ordered(column)).collect();
    // The server adds the time column itself.
    let time = present.dimensions.first().map(|dimension| dimension.column.as_str());
    if let Some(time) = time.filter(|time| !wanted.iter().any(|(column, _)| column == time)) {
        wanted.push((time, true));
    }
    if !is_order(order, &wanted) {
        let wanted: Vec<_> = declared.order_by.iter().map(String::as_str).collect();
        differences.push(format!("the columnstore has the order ({order}), not ({})", wanted.join(", ")));
    }
    differences
}

/// The columns of sparse indexes that someone has chosen.
fn chosen_indexes<'a>(present: &'a facts::Hypertable, kind: &str) -> Vec<&'a str> {
    let indexes = present.sparse_indexes.iter().flatten();
    indexes
        .filter(|index| index.kind == kind && index.source.as_deref() == Some("config"))
        .filter_map(|index| index.column.as_str())
        .collect()
}

/// Whether the server's text, which quotes names where they need it, is this order.
fn is_order(text: &str, wanted: &[(&str, bool)]) -> bool {
    let mut rest = text;
    for (position, (column, is_descending)) in wanted.iter().enumerate() {
        if position > 0 {
            match rest.strip_prefix(',') {
                Some(next) => rest = next.trim_start(),
                None => return false,
            }
        }
        let quoted = identifier(column);
        let Some(after) = rest.strip_prefix(quoted.as_str()).or_else(|| rest.strip_prefix(*column)) else {
            return false;
        };
        let after = if *is_descending { after.strip_prefix(" DESC") } else { Some(after) };
        match after {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_server_is_read() {
        let wanted = [("v", true), ("time", false)];
        assert!(is_order("v DESC,\"time\"", &wanted));
        assert!(is_order("v DESC, time", &wanted));
        for other in
            ["v,\"time\"", "v DESC", "v DESC,\"time\" DESC", "v DESC NULLS LAST,\"time\"", "value DESC,\"time\"", ""]
        {
            assert!(!is_order(other, &wanted), "{other}");
        }
        assert!(is_order("\"a,\"\"b\" DESC", &[("a,\"b", true)]));
    }
}
