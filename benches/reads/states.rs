//! Time in state and intervals of 30 days, against reading the rows that they are made of.

use chrono::{TimeDelta, Utc};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use occupancy_models::SensorEvent;
use occupancy_models::analysis::FeatureMatrix;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{Calendar, IntervalRule, StateInterval, TimeInState};

use crate::data::{Home, end};
use crate::measure::Measurements;
use crate::peers;
use crate::support::sql;

const SENSOR: &str = "sensor_16";
const ROOM: &str = "room_3";

pub fn reads(home: &mut Home, rounds: usize) {
    let range = || end() - TimeDelta::days(31)..end() - TimeDelta::days(1);
    home.conn = home.db.connect();
    sql(&mut home.conn, "SET plan_cache_mode = force_custom_plan");
    let conn = &mut home.conn;
    let mut measured = Measurements::new();
    let (mut rows, mut room_rows, mut times, mut intervals) = (0, 0, 0, 0);
    for _ in 0..rounds {
        measured.time("rows_of_a_sensor", 1, || {
            rows = SensorEvent::of_sensor(SENSOR, range()).load::<SensorEvent>(conn).unwrap().len();
        });
        measured.time("time_in_state", 1, || {
            times = SensorEvent::states()
                .named([SENSOR])
                .time_in_state(range(), Calendar::days("Europe/Berlin"))
                .load::<TimeInState>(conn)
                .unwrap()
                .len();
        });
        measured.time("rows_of_a_room", 1, || {
            room_rows = SensorEvent::in_room(ROOM, range()).load::<SensorEvent>(conn).unwrap().len();
        });
        measured.time("intervals", 1, || {
            let rule = IntervalRule::any_of(["on"]).hold(TimeDelta::minutes(5)).bridge(TimeDelta::minutes(2));
            intervals = SensorEvent::states()
                .filter(sensor_events::room_id.eq(ROOM))
                .look_back(TimeDelta::days(1))
                .intervals(sensor_events::room_id, rule, range())
                .load::<StateInterval>(conn)
                .unwrap()
                .len();
        });
    }
    println!(
        "\n30 days: {times} times in state of {rows} events of a sensor, {intervals} intervals of {room_rows} of a room"
    );
    measured.print();
    measured.ratio_as("time_in_state/rows", "rows_of_a_sensor", "time_in_state");
    measured.ratio_as("intervals/rows", "rows_of_a_room", "intervals");
    matrix(home, rounds);
}

/// Ten sensors on a grid of five minutes, against the same in pandas, reading included.
fn matrix(home: &mut Home, rounds: usize) {
    let sensors: Vec<String> = (0..10).map(|n| format!("sensor_{n}")).collect();
    let range = || end() - TimeDelta::days(31)..end() - TimeDelta::days(1);
    let mut measured = Measurements::new();
    for _ in 0..rounds {
        measured.time("matrix", 1, || {
            let mut matrix = FeatureMatrix::new(&sensors, range(), TimeDelta::minutes(5), Utc).states(["on"]);
            let mut count = 0;
            let events = matrix.events();
            for event in events.load_iter::<_, PgRowByRowLoadingMode>(&mut home.conn).unwrap() {
                count += matrix.push(event.unwrap()).unwrap().len();
            }
            assert_eq!(count + matrix.finish().len(), 30 * 288);
        });
        let (from, to) = (range().start.to_rfc3339(), range().end.to_rfc3339());
        if let Some(elapsed) = peers::run("matrix.py", &[home.db.url().as_str(), &from, &to, &sensors.join(",")]) {
            measured.record("pandas", 1, elapsed);
        }
    }
    measured.print();
    measured.ratio_as("matrix/pandas", "pandas", "matrix");
}
