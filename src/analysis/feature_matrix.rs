//! Events on a regular grid of time, as rows of numbers for a model.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike, Utc};
use diesel::prelude::*;

use super::sensor_features::SensorFeatures;
use crate::error::Error;
use crate::schema::sensor_events;

/// What a [`FeatureMatrix`] is made of: the timestamp, the sensor, the state, and the number if it has one.
type FeatureEvent = (DateTime<Utc>, String, String, Option<f64>);

/// Features of sensors on a grid of time: a query for the [events](Self::events) that they need, and the rows that
/// those make, one event after the other. Keeps what the sensors reported last, and nothing more.
///
/// At each instant of the grid, for each sensor, from the step that ends there (its end counts, its beginning does not):
///
/// | column | what |
/// |---|---|
/// | `SENSOR.last` | the last number, if it is no older than the [carry limit](Self::carry_limit) |
/// | `SENSOR.mean` | the mean of the numbers of the step |
/// | `SENSOR.count` | how many events the step has |
/// | `SENSOR.minutes_since_change` | since the state became another one, if the [events](Self::events) tell when |
/// | `SENSOR.seconds.STATE` | for how long the step was in a state that is [asked for](Self::states) |
///
/// and of the instant, by the clocks of the time zone: `hour.sin`, `hour.cos`, `weekday.sin`, `weekday.cos` (a day and a
/// week, from Monday, go round once, by whole seconds) and `is_weekend`.
///
/// What is not known is `None`, and never 0: the mean of a step without numbers, all columns of a sensor that has not
/// reported for longer than the [carry limit](Self::carry_limit), or not at all. A row depends on nothing that comes after
/// its instant.
#[derive(Debug, Clone)]
#[must_use = "the last rows come from `finish`"]
pub struct FeatureMatrix<Z> {
    range: Range<DateTime<Utc>>,
    names: Vec<String>,
    /// The place of each sensor.
    places: HashMap<String, usize>,
    states: Vec<String>,
    step: TimeDelta,
    carry_limit: TimeDelta,
    zone: Z,
    sensors: Vec<SensorFeatures>,
    /// The instant of the next row.
    next: DateTime<Utc>,
    last_event: Option<DateTime<Utc>>,
}

/// A row: the instant of the grid, and a value for each of the columns.
type FeatureRow = (DateTime<Utc>, Vec<Option<f64>>);

impl<Z: TimeZone> FeatureMatrix<Z> {
    /// The rows of these sensors in a range of time, one each step (at least a microsecond) from the start of the range
    /// on and before its end, in a time zone such as [`Utc`] or one of `chrono-tz`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel::pg::PgRowByRowLoadingMode;
    /// use occupancy_models::analysis::FeatureMatrix;
    ///
    /// # fn main() { run(|conn| {
    /// # let to = an_event(conn).timestamp + TimeDelta::seconds(1);
    /// # let from = to - TimeDelta::hours(1);
    /// let mut matrix = FeatureMatrix::new(["office.motion", "office.light"], from..to, TimeDelta::minutes(5), Utc)
    ///     .states(["on"])
    ///     .carry_limit(TimeDelta::hours(6));
    /// println!("{:?}", matrix.columns());
    /// // Row by row, so that months need no more memory than a day. (On diesel-async: `load_stream`.)
    /// for event in matrix.events().load_iter::<_, PgRowByRowLoadingMode>(conn)? {
    ///     for (instant, values) in matrix.push(event?).expect("the events are ordered") {
    ///         println!("{instant} {values:?}");
    ///     }
    /// }
    /// for (instant, values) in matrix.finish() {
    ///     println!("{instant} {values:?}");
    /// }
    /// # Ok(()) }) }
    /// ```
    pub fn new<S: Into<String>>(
        sensors: impl IntoIterator<Item = S>,
        range: Range<DateTime<Utc>>,
        step: TimeDelta,
        zone: Z,
    ) -> Self {
        let names: Vec<String> = sensors.into_iter().map(Into::into).collect();
        Self {
            places: names.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect(),
            sensors: vec![SensorFeatures::new(0); names.len()],
            names,
            states: Vec::new(),
            step: step.max(TimeDelta::microseconds(1)),
            carry_limit: TimeDelta::days(1),
            zone,
            next: range.start,
            range,
            last_event: None,
        }
    }

    /// The states whose seconds are columns. Default: none.
    pub fn states<S: Into<String>>(mut self, states: impl IntoIterator<Item = S>) -> Self {
        self.states = states.into_iter().map(Into::into).collect();
        self.sensors = vec![SensorFeatures::new(self.states.len()); self.names.len()];
        self
    }

    /// For how long what a sensor has reported holds. Default: a day.
    pub fn carry_limit(mut self, limit: TimeDelta) -> Self {
        // So that PostgreSQL can take it from any instant.
        self.carry_limit = limit.min(TimeDelta::days(36_525));
        self
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for sensor in &self.names {
            columns.extend(["last", "mean", "count", "minutes_since_change"].map(|name| format!("{sensor}.{name}")));
            columns.extend(self.states.iter().map(|state| format!("{sensor}.seconds.{state}")));
        }
        columns.extend(["hour.sin", "hour.cos", "weekday.sin", "weekday.cos", "is_weekend"].map(str::to_owned));
        columns
    }

    /// The events that the rows need: those in the range, and before it as far back as the carry limit and a step go; in
    /// the order of time. A query of `(timestamp, sensor, state, number)`.
    #[diesel::dsl::auto_type(no_type_alias)]
    pub fn events(&self) -> _ {
        let sensors: Vec<String> = self.names.clone();
        let from: DateTime<Utc> = self.events_from();
        let to: DateTime<Utc> = self.range.end;
        sensor_events::table
            .filter(sensor_events::sensor_id.eq_any(sensors))
            .filter(sensor_events::timestamp.ge(from))
            .filter(sensor_events::timestamp.lt(to))
            .order((sensor_events::timestamp, sensor_events::id))
            .select((
                sensor_events::timestamp,
                sensor_events::sensor_id,
                sensor_events::state,
                sensor_events::numeric_value,
            ))
    }

    fn events_from(&self) -> DateTime<Utc> {
        let from = self.range.start;
        let earlier = from.checked_sub_signed(self.carry_limit).unwrap_or(from);
        self.step_start(earlier)
    }

    fn step_start(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.checked_sub_signed(self.step).unwrap_or(at)
    }

    /// Takes the next event, as [`events`](Self::events) gives them, and gives the rows whose instant is before it. An event
    /// of another sensor makes none of its own.
    ///
    /// # Errors
    /// [`Error::EventOutOfOrder`]; the event is left out, and others can follow.
    pub fn push(&mut self, event: FeatureEvent) -> Result<Vec<FeatureRow>, Error> {
        let (at, sensor, state, value) = event;
        if let Some(after) = self.last_event.filter(|after| at < *after) {
            return Err(Error::EventOutOfOrder { sensor, at, after });
        }
        self.last_event = Some(at);
        let rows = self.rows_before(at);
        let step_start = self.step_start(self.next);
        if let Some(sensor) = self.places.get(&sensor).and_then(|place| self.sensors.get_mut(*place)) {
            sensor.report(&self.states, step_start, self.carry_limit, at, state, value);
        }
        Ok(rows)
    }

    /// The rows that are left, to the end of the range.
    pub fn finish(mut self) -> Vec<FeatureRow> {
        self.rows_before(DateTime::<Utc>::MAX_UTC)
    }

    fn rows_before(&mut self, event: DateTime<Utc>) -> Vec<FeatureRow> {
        let mut rows = Vec::new();
        while self.next < event && self.next < self.range.end {
            let at = self.next;
            let step_start = self.step_start(at);
            let mut values = Vec::new();
            for sensor in &mut self.sensors {
                sensor.push_values(&self.states, step_start, self.carry_limit, at, &mut values);
            }
            values.extend(self.calendar(at));
            rows.push((at, values));
            self.next = at.checked_add_signed(self.step).unwrap_or(self.range.end);
        }
        rows
    }

    fn calendar(&self, at: DateTime<Utc>) -> [Option<f64>; 5] {
        let local = at.with_timezone(&self.zone).naive_local();
        let seconds = f64::from(local.num_seconds_from_midnight());
        let day = std::f64::consts::TAU * seconds / 86_400.0;
        let weekday = f64::from(local.weekday().num_days_from_monday());
        let week = std::f64::consts::TAU * (weekday + seconds / 86_400.0) / 7.0;
        [day.sin(), day.cos(), week.sin(), week.cos(), if weekday >= 5.0 { 1.0 } else { 0.0 }].map(Some)
    }
}

/// Whether a room is occupied a while after each instant: what a model is to foresee. `None` where that is not before
/// `known_until`. The intervals may be in any order.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use occupancy_models::analysis::labels;
///
/// let nine: DateTime<Utc> = "2026-01-05T09:00:00Z".parse().unwrap();
/// let at = |minute| nine + TimeDelta::minutes(minute);
/// let occupied = [at(20)..at(40)];
/// let labels = labels([at(0), at(10), at(35)], &occupied, TimeDelta::minutes(15), at(45));
/// assert_eq!(labels, [Some(false), Some(true), None]);
/// ```
pub fn labels(
    instants: impl IntoIterator<Item = DateTime<Utc>>,
    occupied: &[Range<DateTime<Utc>>],
    horizon: TimeDelta,
    known_until: DateTime<Utc>,
) -> Vec<Option<bool>> {
    let mut occupied: Vec<&Range<DateTime<Utc>>> = occupied.iter().collect();
    occupied.sort_by_key(|interval| interval.start);
    // The latest end so far, so that one search finds whether any interval that has begun still lasts.
    let mut latest = DateTime::<Utc>::MIN_UTC;
    let ends: Vec<DateTime<Utc>> = occupied
        .iter()
        .map(|interval| {
            latest = latest.max(interval.end);
            latest
        })
        .collect();
    let is_occupied = |at: DateTime<Utc>| {
        let begun = occupied.partition_point(|interval| interval.start <= at);
        begun.checked_sub(1).and_then(|last| ends.get(last)).is_some_and(|end| at < *end)
    };
    instants
        .into_iter()
        .map(|at| at.checked_add_signed(horizon).filter(|ahead| *ahead < known_until).map(is_occupied))
        .collect()
}
