//! Notifications of new rows.

use super::super::declaration::{Notifications, Table};
use super::super::facts::Relation;
use super::super::plan::StepClass;
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::hypertable::Base;
use crate::feature::Feature;

impl Comparison<'_> {
    /// Of any table; after it has become a hypertable, if it does.
    pub(super) fn compare_notifications(&mut self, name: &str, table: &Table, relation: &Relation, base: Option<Base>) {
        let relation_name = literal(&relation.qualified);
        let (difference, sql) = match (&table.notify_inserts, &relation.notifications) {
            (None, _) | (Some(Wanted::Absent), None) => return,
            (Some(Wanted::Absent), Some(_)) => (
                "inserts are notified, and should not be".to_owned(),
                format!("SELECT diesel_timescale.stop_notifying({relation_name})"),
            ),
            (Some(Wanted::Present(declared)), present) => {
                let feature = Feature::InsertNotifications;
                if base.is_some() && self.lacks(name, "notifications of new rows", feature) {
                    return;
                }
                let difference = match present {
                    None => {
                        format!("inserts are not notified by {}", columns(&declared.time, declared.group.as_deref()))
                    }
                    Some(present) if (&present.time, &present.group) != (&declared.time, &declared.group) => format!(
                        "inserts are notified by {}, not by {}",
                        columns(&present.time, present.group.as_deref()),
                        columns(&declared.time, declared.group.as_deref())
                    ),
                    Some(present) if !present.is_enabled => "the notifications of inserts are disabled".to_owned(),
                    Some(present) if !present.is_right => {
                        "the notifications of inserts are those of another release or another name".to_owned()
                    }
                    Some(_) => return,
                };
                (difference, notify(&relation_name, declared))
            }
        };
        let step = self.step(name, StepClass::Locks, difference);
        step.sql = Some(sql);
        step.after = base.and_then(|base| base.step);
        step.lock = Some(relation.qualified.clone());
    }
}

fn notify(relation_name: &str, declared: &Notifications) -> String {
    let group = declared.group.as_ref().map(|group| format!(", {}", literal(group))).unwrap_or_default();
    format!("SELECT diesel_timescale.notify_inserts({relation_name}, {}{group})", literal(&declared.time))
}

fn columns(time: &str, group: Option<&str>) -> String {
    group.map_or_else(|| time.to_owned(), |group| format!("{time} and {group}"))
}
