//! Direct compress, as a setting of a hypertable.

use super::super::declaration::Table;
use super::super::facts::Relation;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::Comparison;
use super::hypertable::Base;
use crate::feature::Feature;

impl Comparison<'_> {
    /// After the columnstore, which the rows go into.
    pub(super) fn compare_direct_compress(
        &mut self,
        name: &str,
        table: &Table,
        relation: &Relation,
        columnstore: Option<Base>,
    ) {
        let (Some(wanted), Some(base)) = (table.direct_compress, columnstore) else { return };
        if self.lacks(name, "direct compress", Feature::DirectCompressOfTable) {
            return;
        }
        let present = relation.hypertable.as_ref();
        let in_the_way = relation.direct_compress_obstacle.as_ref().filter(|_| wanted);
        let difference = match (present.is_some_and(|hypertable| hypertable.direct_compress), wanted) {
            (true, false) => "rows go into the columnstore directly, and should not".to_owned(),
            (false, true) => "rows do not go into the columnstore directly".to_owned(),
            (true, true) if in_the_way.is_some() => "rows go into the columnstore directly no longer".to_owned(),
            (true, true) | (false, false) => return,
        };
        let has_columnstore = table.columnstore.is_some() || present.is_some_and(|hypertable| hypertable.columnstore);
        let step = self.step(name, StepClass::Locks, difference);
        step.sql =
            Some(format!("SELECT diesel_timescale.set_direct_compress({}, {wanted})", literal(&relation.qualified)));
        step.after = base.step;
        step.lock = Some(relation.qualified.clone());
        if let Some(in_the_way) = in_the_way {
            step.obstacle = Some(format!(
                "The table has {in_the_way}, which excludes it: write rows as usual (direct_compress = false), or drop \
                 what stands in the way."
            ));
        } else if !has_columnstore {
            step.obstacle = Some("There is no columnstore: declare it as well.".to_owned());
        }
    }
}
