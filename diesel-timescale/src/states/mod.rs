//! States over time: what a sensor, a machine or a job was, from when to when, and for how long in each hour or day.
//!
//! A table has a row for each reading, and a reading holds until the next one. [`states`] names its columns; then
//! [`States::spans`] gives the spans of time, and [`States::time_in_state`] the seconds in each state by
//! [hour, day, week or month](Calendar). The state before the range is carried in, the last one is carried to the end of the
//! range or to now, and what nobody knows is a state of its own: `None`. A continuous aggregate can keep the
//! [`state_summary`] of each day, from which the [days, weeks and months](States::daily_time_in_state) are read.
//!
//! Everything runs on every edition of TimescaleDB and on plain PostgreSQL. The result is a query of Diesel's that takes
//! further clauses.

mod beta;
mod calendar;
mod daily;
mod intervals;
mod pieces;
mod priors;
mod source;
mod spans;
mod summary;
mod time_in_state;

pub use calendar::Calendar;
pub use intervals::{IntervalRule, StateInterval, state_intervals};
pub use priors::{HourlyPrior, hourly_priors};
pub use source::{States, states};
pub use spans::{StateSpan, state_spans};
pub use summary::{StateSummary, state_summaries, state_summary};
pub use time_in_state::{TimeInState, times_in_state};
