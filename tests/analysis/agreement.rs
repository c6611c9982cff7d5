//! Agreement of two sources, minute by minute and transition by transition.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use occupancy_models::analysis::{Agreement, agreement, overlap};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::readings::instant;

fn at(minute: i64) -> DateTime<Utc> {
    instant("2026-01-05T00:00:00Z") + TimeDelta::minutes(minute)
}

/// Whole minutes, so that each can be asked for by itself; some intervals touch, overlap, or are empty or backwards.
fn intervals(random: &mut StdRng) -> Vec<Range<DateTime<Utc>>> {
    (0..random.random_range(0..7))
        .map(|_| {
            let start = random.random_range(-20..220);
            at(start)..at(start + random.random_range(-5..40))
        })
        .collect()
}

fn covers(intervals: &[Range<DateTime<Utc>>], minute: i64) -> bool {
    intervals.iter().any(|interval| interval.contains(&at(minute)))
}

/// The largest number of pairs, by trying all.
fn most_pairs(these: &[i64], those: &[i64], tolerance: i64) -> usize {
    let Some((first, rest)) = these.split_first() else { return 0 };
    let mut most = most_pairs(rest, those, tolerance);
    for (n, other) in those.iter().enumerate().filter(|(_, other)| (first - **other).abs() <= tolerance) {
        let _ = other;
        let left = [&those[..n], &those[n + 1..]].concat();
        most = most.max(1 + most_pairs(rest, &left, tolerance));
    }
    most
}

#[test]
fn agreement_is_that_of_every_minute_and_of_the_best_pairs() {
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..400 {
        let (reference, other) = (intervals(&mut random), intervals(&mut random));
        let tolerance = random.random_range(0..12);
        let found = agreement(at(0)..at(200), reference.clone(), other.clone(), TimeDelta::minutes(tolerance));
        let count = |is: [bool; 2]| {
            (0..200).filter(|minute| [covers(&reference, *minute), covers(&other, *minute)] == is).count() as f64
        };
        assert_eq!(
            [
                found.true_positive_minutes,
                found.false_positive_minutes,
                found.false_negative_minutes,
                found.true_negative_minutes
            ],
            [count([true, true]), count([false, true]), count([true, false]), count([false, false])]
        );
        let turns = |intervals: &[Range<DateTime<Utc>>], is: bool| -> Vec<i64> {
            let turn = |minute: &i64| covers(intervals, *minute) == is && covers(intervals, minute - 1) != is;
            (1..200).filter(turn).collect()
        };
        let transitions = |intervals: &[_]| turns(intervals, true).len() + turns(intervals, false).len();
        assert_eq!(found.reference_transitions, transitions(&reference));
        assert_eq!(found.other_transitions, transitions(&other));
        let pairs = [true, false].map(|is| most_pairs(&turns(&reference, is), &turns(&other, is), tolerance));
        assert_eq!(found.matched_transitions, pairs[0] + pairs[1]);
        let both = overlap(reference.clone(), other.clone());
        let minutes = (-40..260).filter(|m| covers(&reference, *m) && covers(&other, *m));
        assert!(minutes.eq((-40..260).filter(|m| covers(&both, *m))));
    }
}

#[test]
fn measures_of_nothing_are_none() {
    let nothing = agreement(at(0)..at(10), [], [], TimeDelta::zero());
    assert_eq!(
        (nothing.accuracy(), nothing.precision(), nothing.recall(), nothing.f1(), nothing.transition_f1()),
        (Some(1.0), None, None, None, None)
    );
    assert_eq!(agreement(at(0)..at(0), [], [], TimeDelta::zero()).accuracy(), None);
    let always = agreement(at(0)..at(10), [at(0)..at(10)], [at(0)..at(5)], TimeDelta::zero());
    let sum = Agreement::sum([&nothing, &always]);
    assert_eq!(
        (sum.recall(), sum.precision(), sum.f1(), sum.accuracy()),
        (Some(0.5), Some(1.0), Some(2.0 / 3.0), Some(0.75))
    );
    // The end at five minutes is a transition; those at the ends of the range are none.
    assert_eq!((sum.other_transitions, sum.reference_transitions, sum.transition_recall()), (1, 0, None));
}
