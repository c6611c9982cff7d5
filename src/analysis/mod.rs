//! Questions that those who predict occupancy ask of their data, as queries.
//!
//! | question | how |
//! |---|---|
//! | what was each sensor, from when to when | [`SensorEvent::states`], then [`spans`](crate::timescale::states::States::spans) |
//! | for how long, by hour, day, week or month of a time zone | … then [`time_in_state`](crate::timescale::states::States::time_in_state) |
//! | when was a room occupied, and since when | … then [`intervals`](crate::timescale::states::States::intervals) by room |
//! | how likely is a room occupied at an hour of the week | … then [`priors`](crate::timescale::states::States::priors) by room |
//! | when were two rooms occupied together | [`overlap`] |
//! | how far do two sources agree, such as the recorded and the predicted one | [`agreement`] |

mod agreement;
mod states;

pub use agreement::{Agreement, agreement, overlap};
pub use states::SensorStates;

#[allow(unused_imports, reason = "for the documentation")]
use crate::models::SensorEvent;
