//! What is known of a sensor at an instant, and what it did in the step that ends there.

use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Clone)]
pub(super) struct SensorFeatures {
    /// The last event: when, and which state.
    last: Option<(DateTime<Utc>, String)>,
    last_value: Option<(DateTime<Utc>, f64)>,
    changed: Option<DateTime<Utc>>,
    /// Of the step so far.
    count: u32,
    values: u32,
    sum: f64,
    seconds: Vec<f64>,
}

impl SensorFeatures {
    pub(super) fn new(states: usize) -> Self {
        Self { last: None, last_value: None, changed: None, count: 0, values: 0, sum: 0.0, seconds: vec![0.0; states] }
    }

    /// Takes an event. The step began at `step_start`; what was before it does not count, but for what it leaves behind.
    pub(super) fn report(
        &mut self,
        states: &[String],
        step_start: DateTime<Utc>,
        carry_limit: TimeDelta,
        at: DateTime<Utc>,
        state: String,
        value: Option<f64>,
    ) {
        self.hold_until(states, step_start, carry_limit, at);
        if self.last.as_ref().is_some_and(|(_, before)| *before != state) {
            self.changed = Some(at);
        }
        self.last = Some((at, state));
        if let Some(value) = value {
            self.last_value = Some((at, value));
        }
        if at > step_start {
            self.count += 1;
            if let Some(value) = value {
                self.values += 1;
                self.sum += value;
            }
        }
    }

    /// Adds the time from the last event on to the state that it reported.
    fn hold_until(&mut self, states: &[String], step_start: DateTime<Utc>, limit: TimeDelta, until: DateTime<Utc>) {
        let Some((at, state)) = &self.last else { return };
        let until = until.min(at.checked_add_signed(limit).unwrap_or(until));
        let held = until - step_start.max(*at);
        if held > TimeDelta::zero() {
            for (seconds, _) in self.seconds.iter_mut().zip(states).filter(|(_, wanted)| *wanted == state) {
                *seconds += held.as_seconds_f64();
            }
        }
    }

    /// The values of the step that ends at `at`, and then the next step begins.
    pub(super) fn push_values(
        &mut self,
        states: &[String],
        step_start: DateTime<Utc>,
        carry_limit: TimeDelta,
        at: DateTime<Utc>,
        values: &mut Vec<Option<f64>>,
    ) {
        self.hold_until(states, step_start, carry_limit, at);
        let holds = |since: DateTime<Utc>| at - since <= carry_limit;
        let is_known = self.last.as_ref().is_some_and(|(since, _)| holds(*since));
        values.push(self.last_value.filter(|(since, _)| holds(*since)).map(|(_, value)| value));
        values.push((self.values > 0 && is_known).then(|| self.sum / f64::from(self.values)));
        values.push(is_known.then(|| f64::from(self.count)));
        values.push(self.changed.filter(|_| is_known).map(|since| (at - since).as_seconds_f64() / 60.0));
        values.extend(self.seconds.iter().map(|seconds| is_known.then_some(*seconds)));
        (self.count, self.values, self.sum) = (0, 0, 0.0);
        self.seconds.fill(0.0);
    }
}
