//! What stands for several declarations, as these.

use super::Setup;
use super::declaration::{ColumnstorePolicy, RetentionPolicy, Table, Tiers};
use super::length::Length;
use super::wanted::Wanted;
use crate::error::{Error, Result};

impl Setup {
    /// With the retention of an aggregate, which its call cannot tell from that of a hypertable, where it belongs; and
    /// with the policies that tiers are made of.
    pub(super) fn expanded(&self) -> Result<Self> {
        let mut setup = self.clone();
        let tiers: Vec<(String, Tiers)> =
            self.tables.iter().filter_map(|(name, table)| Some((name.clone(), table.tiers.clone()?))).collect();
        for tier in tiers.iter().flat_map(|(_, tiers)| &tiers.aggregates) {
            setup.aggregates.entry(tier.name.clone()).or_insert_with(|| Wanted::Present(Default::default()));
        }
        for (name, wanted) in &mut setup.aggregates {
            let (Some(table), Wanted::Present(aggregate)) = (setup.tables.remove(name), wanted) else { continue };
            aggregate.retention_policy = table.retention_policy.clone().or(aggregate.retention_policy.take());
            if (Table { retention_policy: None, ..table }) != Table::default() {
                let message = format!("{name} is declared as a table and as a continuous aggregate");
                return Err(Error::Declaration { message });
            }
        }
        for (name, tiers) in &tiers {
            setup.expand_tiers(name, tiers)?;
        }
        Ok(setup)
    }

    fn expand_tiers(&mut self, name: &str, tiers: &Tiers) -> Result<()> {
        if let Some(table) = self.tables.get_mut(name) {
            if let Some(after) = tiers.columnstore_after {
                let policy = ColumnstorePolicy { after: Some(after), created_before: None, schedule: None };
                agree(
                    &mut table.columnstore_policy,
                    Wanted::Present(policy),
                    |declared| matches!(declared, Wanted::Present(policy) if policy.after == Some(after)),
                )
                .map_err(|()| declared_twice(name, name, "columnstore policy"))?;
            }
            agree_on_retention(&mut table.retention_policy, tiers.drop_after)
                .map_err(|()| declared_twice(name, name, "retention policy"))?;
        }
        for tier in &tiers.aggregates {
            match self.aggregates.get_mut(&tier.name) {
                Some(Wanted::Present(aggregate)) => {
                    agree_on_retention(&mut aggregate.retention_policy, tier.drop_after)
                        .map_err(|()| declared_twice(name, &tier.name, "retention policy"))?
                }
                _ => {
                    let message =
                        format!("{} is a tier of {name}, and must not be there: declare one of both", tier.name);
                    return Err(Error::Declaration { message });
                }
            }
        }
        Ok(())
    }
}

fn declared_twice(table: &str, relation: &str, what: &str) -> Error {
    let message = format!(
        "the {what} of {relation} is declared by itself, and otherwise by the tiers of {table}: declare it once"
    );
    Error::Declaration { message }
}

/// What is declared by itself as well, with a schedule perhaps, must mean the same.
fn agree<T>(
    declared: &mut Option<Wanted<T>>,
    wanted: Wanted<T>,
    is_same: impl FnOnce(&Wanted<T>) -> bool,
) -> std::result::Result<(), ()> {
    match declared {
        Some(declared) => is_same(declared).then_some(()).ok_or(()),
        None => {
            *declared = Some(wanted);
            Ok(())
        }
    }
}

fn agree_on_retention(
    declared: &mut Option<Wanted<RetentionPolicy>>,
    drop_after: Option<Length>,
) -> std::result::Result<(), ()> {
    let wanted = match drop_after {
        Some(_) => Wanted::Present(RetentionPolicy { drop_after, drop_created_before: None, schedule: None }),
        None => Wanted::Absent,
    };
    agree(declared, wanted, |declared| match declared {
        Wanted::Present(policy) => policy.drop_after.is_some() && policy.drop_after == drop_after,
        Wanted::Absent => drop_after.is_none(),
    })
}
