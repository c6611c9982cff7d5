//! What a notification tells.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::time_column::TimeType;
use crate::time_value::Instant;
use crate::timestamp::TimestampOrInfinity;

/// Rows that were inserted, by one statement or several. `T` is what the time column is in Rust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inserted<T = DateTime<Utc>> {
    /// A connection was made just now, the first one or again, and the rest was read from the table: all rows from
    /// [`read_from`](field@Self::read_from) on, those that were told before included.
    pub missed: bool,
    /// From which moment on the table was read; `None` if it was not, or from its start.
    pub read_from: Option<T>,
    /// How many rows.
    pub rows: u64,
    /// The oldest moment of the rows. `None` if there are none, or none that is finite, or on a release that tells no
    /// more than [the count](crate::live#what-it-takes).
    pub oldest: Option<T>,
    /// The newest.
    pub newest: Option<T>,
    /// The groups of the rows, such as the rooms, in order; a row whose group is null has none. `None` if the table is
    /// notified without groups, or if there are more than a notification has room for (8,000 bytes), or on a release
    /// that tells no more than the count.
    pub groups: Option<Vec<String>>,
    /// Where to go on after a restart of the program, as the argument `since`: the newest moment so far, but none that
    /// was in the future by the clock of the server. `None` if there is none yet.
    pub position: Option<T>,
}

impl<T> Inserted<T> {
    /// A notification, or what was read, in Rust.
    pub(super) fn new<ST: TimeType<Value = T>>(told: Told, missed: bool, read_from: Option<T>) -> Self {
        Self {
            missed,
            read_from,
            rows: told.count,
            oldest: told.oldest.and_then(moment::<ST>),
            newest: told.newest.and_then(moment::<ST>),
            groups: told.groups.map(|groups| BTreeSet::from_iter(groups).into_iter().collect()),
            position: told.position.and_then(moment::<ST>),
        }
    }
}

/// The moment that a number of a notification is.
pub(super) fn moment<ST: TimeType>(number: i64) -> Option<ST::Value> {
    let at = DateTime::from_timestamp_micros(number).map(TimestampOrInfinity::Finite);
    ST::from_instant(Instant { at, integer: Some(number) })
}

/// A notification as it is sent. Moments are microseconds since 1970, or the count that the column has.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Told {
    count: u64,
    oldest: Option<i64>,
    newest: Option<i64>,
    pub(super) position: Option<i64>,
    groups: Option<Vec<String>>,
}

impl Told {
    /// `None` if it is none of this crate's: anyone may notify any channel.
    pub(super) fn of(payload: &str) -> Option<Self> {
        serde_json::from_str(payload).ok()
    }

    /// Several notifications as one; `None` if one of them cannot be read.
    pub(super) fn all<'p>(payloads: impl IntoIterator<Item = &'p str>) -> Option<Self> {
        let none = Self { groups: Some(Vec::new()), ..Self::default() };
        payloads.into_iter().try_fold(none, |all, payload| Self::of(payload).map(|one| all.and(one)))
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
            newest: self.newest.max(other.newest),
            position: self.position.max(other.position),
            groups: self.groups.zip(other.groups).map(|(these, those)| these.into_iter().chain(those).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use diesel::sql_types::{Date, SmallInt};

    use super::*;

    #[test]
    fn several_notifications_are_one() {
        let all = Told::all([
            r#"{"count" : 2, "oldest" : 5, "newest" : 9, "position" : 8, "groups" : ["hall"]}"#,
            r#"{"count" : 1, "oldest" : 3, "newest" : null, "position" : null, "groups" : ["attic", "hall"]}"#,
        ]);
        let news = Inserted::new::<SmallInt>(all.unwrap(), false, None);
        assert_eq!((news.rows, news.oldest, news.newest, news.position), (3, Some(3), Some(9), Some(8)));
        assert_eq!(news.groups, Some(vec!["attic".to_owned(), "hall".to_owned()]));
        // Groups that one of them does not tell are not told.
        let all = Told::all([r#"{"count": 1, "newest": 9}"#, r#"{"count": 1, "oldest": 3, "groups": ["a"]}"#]);
        assert_eq!(all.unwrap().groups, None);
        assert_eq!(Told::all([r#"{"count": 1}"#, "somebody else's"]), None);
    }

    #[test]
    fn a_number_is_a_moment_of_the_column() {
        assert_eq!(moment::<Date>(86_400_000_000), NaiveDate::from_ymd_opt(1970, 1, 2));
        assert_eq!(moment::<SmallInt>(-3), Some(-3));
        assert_eq!(moment::<SmallInt>(70_000), None);
    }
}
