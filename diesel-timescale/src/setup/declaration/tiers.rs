//! Tiers: how long a hypertable and the continuous aggregates of it keep their rows.

use serde::{Deserialize, Serialize};

use super::{Aggregate, RefreshPolicy};
use crate::error::{Error, Result};
use crate::setup::Length;
use crate::setup::wanted::Wanted;

/// The tiers of a hypertable, from its own rows to the coarsest aggregate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tiers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columnstore_after: Option<Length>,
    /// How long its own rows are kept; none: forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_after: Option<Length>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<AggregateTier>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregateTier {
    pub name: String,
    /// None: forever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_after: Option<Length>,
}

impl Tiers {
    /// Each tier of this table with how long it is kept.
    pub(crate) fn each<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a str, Option<Length>)> + Clone {
        let aggregates = self.aggregates.iter().map(|tier| (tier.name.as_str(), tier.drop_after));
        std::iter::once((table, self.drop_after)).chain(aggregates)
    }

    /// Refuses what no database could keep.
    pub(crate) fn check(&self, table: &str) -> Result<()> {
        let refuse = |relation: &str, message: String, remedy: &str| {
            Err(Error::Tiers { message, relation: relation.to_owned(), remedy: remedy.to_owned() })
        };
        let zero = Length::Interval { months: 0, microseconds: 0 };
        let lengths = self.each(table).chain([(table, self.columnstore_after)]);
        for (name, length) in lengths.filter_map(|(name, length)| Some((name, length?))) {
            if !zero.is_less_than(length) {
                let message = format!("a tier of {table} cannot keep {length} of {name}");
                return refuse(name, message, "Give a length above zero, or leave it out to keep rows forever");
            }
            let is_integer = |length| matches!(length, Length::Integer(_));
            if self.each(table).filter_map(|(_, other)| other).any(|other| is_integer(other) != is_integer(length)) {
                let message = format!("the tiers of {table} mix lengths of time and numbers of units ({length})");
                return refuse(name, message, "Give lengths of time, or numbers where the time column counts units");
            }
        }
        if let (Some(convert), Some(drop)) = (self.columnstore_after, self.drop_after) {
            if convert == drop || drop.is_less_than(convert) {
                let message = format!(
                    "rows of {table} would go into the columnstore after {convert}, and are dropped after {drop}"
                );
                return refuse(table, message, "Convert them earlier, or drop them later");
            }
        }
        let mut before = (table, self.drop_after);
        for (position, tier) in self.aggregates.iter().enumerate() {
            if tier.name == table || self.aggregates[..position].iter().any(|other| other.name == tier.name) {
                let message = format!("{} is named twice in the tiers of {table}", tier.name);
                return refuse(&tier.name, message, "Name each tier once");
            }
            let is_shorter = match (before.1, tier.drop_after) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(before), Some(after)) => after != before && after.is_less_than(before),
            };
            if is_shorter {
                let text =
                    |length: Option<Length>| length.map_or_else(|| "forever".to_owned(), |length| length.to_string());
                let message = format!(
                    "tiers of {table}: {} would be kept for {}, and {} before it {}",
                    tier.name,
                    text(tier.drop_after),
                    before.0,
                    text(before.1)
                );
                return refuse(&tier.name, message, "Keep each tier for at least as long as the one before it");
            }
            before = (&tier.name, tier.drop_after);
        }
        Ok(())
    }
}

impl Aggregate {
    /// All that are wanted.
    pub(in super::super) fn refresh_policies(&self) -> impl Iterator<Item = &RefreshPolicy> {
        let first = match &self.refresh_policy {
            Some(Wanted::Present(policy)) => Some(policy),
            Some(Wanted::Absent) | None => None,
        };
        first.into_iter().chain(&self.further_refresh_policies)
    }
}
