//! What a notification tells.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Rows that were inserted, by one statement or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inserted {
    /// A connection was made just now, the first one or again: rows may have been inserted of which nothing was told.
    /// Read what is newer than what was read last. The other fields are `None`.
    pub missed: bool,
    /// The oldest instant of the rows.
    pub oldest: Option<DateTime<Utc>>,
    /// The newest.
    pub newest: Option<DateTime<Utc>>,
    /// The groups of the rows, such as the rooms, in order. `None` if the table is notified without groups, or if there
    /// are more than a notification has room for.
    pub groups: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Payload {
    oldest: Option<i64>,
    newest: Option<i64>,
    groups: Option<Vec<String>>,
}

impl Inserted {
    /// After a connection was made.
    pub(super) fn missed() -> Self {
        Self { missed: true, ..Self::default() }
    }

    /// Several notifications as one; `None` if there are none. One that cannot be read is as one that was missed.
    pub(super) fn of<'p>(payloads: impl IntoIterator<Item = &'p str>) -> Option<Self> {
        let mut all: Option<Self> = None;
        for payload in payloads {
            let Ok(payload) = serde_json::from_str::<Payload>(payload) else { return Some(Self::missed()) };
            let one = Self {
                missed: false,
                oldest: payload.oldest.and_then(DateTime::from_timestamp_micros),
                newest: payload.newest.and_then(DateTime::from_timestamp_micros),
                groups: payload.groups.map(|groups| BTreeSet::from_iter(groups).into_iter().collect()),
            };
            all = Some(match all {
                Some(before) => before.and(one),
                None => one,
            });
        }
        all
    }

    fn and(self, other: Self) -> Self {
        let groups = self
            .groups
            .zip(other.groups)
            .map(|(these, those)| BTreeSet::from_iter(these.into_iter().chain(those)).into_iter().collect());
        Self {
            missed: false,
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
            newest: self.newest.into_iter().chain(other.newest).max(),
            groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_notifications_are_one() {
        let found = Inserted::of([
            r#"{"oldest": 5, "newest": 9, "groups": ["hall"]}"#,
            r#"{"oldest": 3, "newest": 4, "groups": ["attic", "hall"]}"#,
        ]);
        let at = DateTime::from_timestamp_micros;
        let groups = Some(vec!["attic".to_owned(), "hall".to_owned()]);
        assert_eq!(found, Some(Inserted { missed: false, oldest: at(3), newest: at(9), groups }));
        // Groups that one of them does not tell are not told.
        let found = Inserted::of([r#"{"oldest": 5, "newest": 9}"#, r#"{"oldest": 3, "newest": 4, "groups": ["a"]}"#]);
        assert_eq!(found.unwrap().groups, None);
        assert_eq!(Inserted::of([]), None);
        assert_eq!(Inserted::of(["somebody else's"]), Some(Inserted::missed()));
    }
}
