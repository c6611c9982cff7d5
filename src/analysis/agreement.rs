//! Agreement of two sources on when a room is occupied, such as the recorded and the predicted one.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// How far two sources agree on when a room is occupied. All times are in minutes.
///
/// Measures that divide by nothing are `None`: the precision of a source that never says `occupied`, say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Agreement {
    /// Occupied in both.
    pub true_positive_minutes: f64,
    /// Vacant in the reference, occupied in the other.
    pub false_positive_minutes: f64,
    /// Occupied in the reference, vacant in the other.
    pub false_negative_minutes: f64,
    /// Vacant in both.
    pub true_negative_minutes: f64,
    /// Transitions of the reference: beginnings and ends of intervals inside the range.
    pub reference_transitions: usize,
    /// Transitions of the other.
    pub other_transitions: usize,
    /// Transitions of the other that have one of the same direction in the reference within the tolerance. One is matched
    /// with one, so that there are as many as possible.
    pub matched_transitions: usize,
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Agreement {
    /// The share of the time in which both say the same.
    pub fn accuracy(&self) -> Option<f64> {
        let same = self.true_positive_minutes + self.true_negative_minutes;
        ratio(same, same + self.false_positive_minutes + self.false_negative_minutes)
    }

    /// Of the time that the other source says `occupied`, the share in which the reference does.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive_minutes, self.true_positive_minutes + self.false_positive_minutes)
    }

    /// Of the time that the reference says `occupied`, the share in which the other source does.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive_minutes, self.true_positive_minutes + self.false_negative_minutes)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self) -> Option<f64> {
        let wrong = self.false_positive_minutes + self.false_negative_minutes;
        ratio(2.0 * self.true_positive_minutes, 2.0 * self.true_positive_minutes + wrong)
    }

    /// The share of the other's transitions that are matched.
    pub fn transition_precision(&self) -> Option<f64> {
        ratio(self.matched_transitions as f64, self.other_transitions as f64)
    }

    /// The share of the reference's transitions that are matched.
    pub fn transition_recall(&self) -> Option<f64> {
        ratio(self.matched_transitions as f64, self.reference_transitions as f64)
    }

    /// The harmonic mean of the two.
    pub fn transition_f1(&self) -> Option<f64> {
        let all = self.reference_transitions + self.other_transitions;
        ratio(2.0 * self.matched_transitions as f64, all as f64)
    }

    /// Several rooms, or several days, together.
    pub fn sum<'a>(agreements: impl IntoIterator<Item = &'a Self>) -> Self {
        let none = Self {
            true_positive_minutes: 0.0,
            false_positive_minutes: 0.0,
            false_negative_minutes: 0.0,
            true_negative_minutes: 0.0,
            reference_transitions: 0,
            other_transitions: 0,
            matched_transitions: 0,
        };
        agreements.into_iter().fold(none, |sum, one| Self {
            true_positive_minutes: sum.true_positive_minutes + one.true_positive_minutes,
            false_positive_minutes: sum.false_positive_minutes + one.false_positive_minutes,
            false_negative_minutes: sum.false_negative_minutes + one.false_negative_minutes,
            true_negative_minutes: sum.true_negative_minutes + one.true_negative_minutes,
            reference_transitions: sum.reference_transitions + one.reference_transitions,
            other_transitions: sum.other_transitions + one.other_transitions,
            matched_transitions: sum.matched_transitions + one.matched_transitions,
        })
    }
}

/// Compares two sources on when a room is occupied: each gives the intervals, in any order, and what overlaps is one.
///
/// Time outside the range does not count, and neither do transitions there or at its ends. A transition is matched by one of
/// the same direction within the tolerance.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use occupancy_models::analysis::agreement;
///
/// let nine: DateTime<Utc> = "2026-01-05T09:00:00Z".parse().unwrap();
/// let at = |minute| nine + TimeDelta::minutes(minute);
/// let recorded = [at(10)..at(40)];
/// let predicted = [at(12)..at(50)];
/// let agreement = agreement(at(0)..at(60), recorded, predicted, TimeDelta::minutes(5));
/// assert_eq!((agreement.recall(), agreement.precision()), (Some(28.0 / 30.0), Some(28.0 / 38.0)));
/// // The beginning is within five minutes, the end is not.
/// assert_eq!(agreement.transition_f1(), Some(0.5));
/// ```
pub fn agreement(
    range: Range<DateTime<Utc>>,
    reference: impl IntoIterator<Item = Range<DateTime<Utc>>>,
    other: impl IntoIterator<Item = Range<DateTime<Utc>>>,
    tolerance: TimeDelta,
) -> Agreement {
    let reference = merged(reference, &range);
    let other = merged(other, &range);
    let both = minutes(&overlap(reference.iter().cloned(), other.iter().cloned()));
    let false_positive_minutes = minutes(&other) - both;
    let false_negative_minutes = minutes(&reference) - both;
    let whole = minutes(std::slice::from_ref(&range)).max(0.0);
    let mut matched_transitions = 0;
    let mut counts = [0, 0];
    for edge in [|interval: &Range<_>| interval.start, |interval: &Range<_>| interval.end] {
        let inside = |intervals: &[Range<DateTime<Utc>>]| -> Vec<DateTime<Utc>> {
            intervals.iter().map(edge).filter(|at| range.start < *at && *at < range.end).collect()
        };
        let (reference, other) = (inside(&reference), inside(&other));
        counts[0] += reference.len();
        counts[1] += other.len();
        matched_transitions += matched(&reference, &other, tolerance);
    }
    Agreement {
        true_positive_minutes: both,
        false_positive_minutes,
        false_negative_minutes,
        true_negative_minutes: (whole - both - false_positive_minutes - false_negative_minutes).max(0.0),
        reference_transitions: counts[0],
        other_transitions: counts[1],
        matched_transitions,
    }
}

/// The times that are in both of two sets of intervals, such as those in which two rooms are occupied; in order.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use occupancy_models::analysis::overlap;
///
/// let nine: DateTime<Utc> = "2026-01-05T09:00:00Z".parse().unwrap();
/// let at = |minute| nine + TimeDelta::minutes(minute);
/// assert_eq!(overlap([at(0)..at(30)], [at(20)..at(25), at(28)..at(45)]), [at(20)..at(25), at(28)..at(30)]);
/// ```
pub fn overlap(
    these: impl IntoIterator<Item = Range<DateTime<Utc>>>,
    those: impl IntoIterator<Item = Range<DateTime<Utc>>>,
) -> Vec<Range<DateTime<Utc>>> {
    let ever = DateTime::<Utc>::MIN_UTC..DateTime::<Utc>::MAX_UTC;
    let (these, those) = (merged(these, &ever), merged(those, &ever));
    let (mut this, mut that) = (these.iter().peekable(), those.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (this.peek(), that.peek()) {
        let (start, end) = (a.start.max(b.start), a.end.min(b.end));
        if start < end {
            both.push(start..end);
        }
        if a.end <= b.end {
            this.next()
        } else {
            that.next()
        };
    }
    both
}

/// In order, inside the range, none empty, and none that touch.
fn merged(
    intervals: impl IntoIterator<Item = Range<DateTime<Utc>>>,
    range: &Range<DateTime<Utc>>,
) -> Vec<Range<DateTime<Utc>>> {
    let mut inside: Vec<_> = intervals
        .into_iter()
        .map(|interval| interval.start.max(range.start)..interval.end.min(range.end))
        .filter(|interval| interval.start < interval.end)
        .collect();
    inside.sort_by_key(|interval| interval.start);
    let mut merged: Vec<Range<DateTime<Utc>>> = Vec::with_capacity(inside.len());
    for interval in inside {
        match merged.last_mut() {
            Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
            _ => merged.push(interval),
        }
    }
    merged
}

fn minutes(intervals: &[Range<DateTime<Utc>>]) -> f64 {
    let whole: TimeDelta = intervals.iter().map(|interval| interval.end - interval.start).sum();
    whole.num_microseconds().map_or_else(|| whole.num_seconds() as f64, |micros| micros as f64 / 1e6) / 60.0
}

/// How many pairs there can be. Both are in order, so taking the first that fits never costs a pair.
fn matched(these: &[DateTime<Utc>], those: &[DateTime<Utc>], tolerance: TimeDelta) -> usize {
    let (mut this, mut that, mut pairs) = (0, 0, 0);
    while let (Some(a), Some(b)) = (these.get(this), those.get(that)) {
        if (*a - *b).abs() <= tolerance {
            (this, that, pairs) = (this + 1, that + 1, pairs + 1);
        } else if a < b {
            this += 1;
        } else {
            that += 1;
        }
    }
    pairs
}
