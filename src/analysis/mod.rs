//! Questions that those who predict occupancy ask of their data, as queries.
//!
//! | question | how |
//! |---|---|
//! | what was each sensor, from when to when | [`SensorEvent::states`], then [`spans`](crate::timescale::states::States::spans) |
//! | for how long, by hour, day, week or month of a time zone | … then [`time_in_state`](crate::timescale::states::States::time_in_state) |

mod states;

pub use states::SensorStates;

#[allow(unused_imports, reason = "for the documentation")]
use crate::models::SensorEvent;
