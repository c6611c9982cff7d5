//! The states of sensors over time.

use crate::models::SensorEvent;
use crate::schema::sensor_events;
use crate::timescale::states::{States, states};

impl SensorEvent {
    /// The states of sensors over time: the series is the sensor.
    ///
    /// Choose the sensors by [`named`](States::named) or the rows by [`filter`](States::filter), then ask for the
    /// [spans](States::spans) or the [time in each state](States::time_in_state).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use occupancy_models::timescale::states::{Calendar, TimeInState, times_in_state};
    ///
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// # let (from, to) = (event.timestamp, event.timestamp + TimeDelta::days(1));
    /// // For how long motion was seen each day, by the clocks of Berlin.
    /// let days: Vec<TimeInState> = SensorEvent::states()
    ///     .filter(sensor_events::room_id.eq("office"))
    ///     .filter(sensor_events::sensor_type.eq(SensorType::MOTION))
    ///     .time_in_state(from..to, Calendar::days("Europe/Berlin"))
    ///     .filter(times_in_state::state.eq("on"))
    ///     .order(times_in_state::bucket)
    ///     .load(conn)?;
    /// assert_eq!(days[0].known_share, 1.0);
    /// # Ok(()) }) }
    /// ```
    pub fn states() -> States<sensor_events::sensor_id, sensor_events::timestamp, sensor_events::state, ()> {
        states(sensor_events::sensor_id, sensor_events::timestamp, sensor_events::state)
    }
}
