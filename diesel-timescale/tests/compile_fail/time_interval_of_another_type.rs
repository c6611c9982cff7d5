//! A length of time is a duration for a column of time, and a number for one that counts units.
use chrono::TimeDelta;
use diesel_timescale::{add_retention_policy, bucketed, drop_chunks, hypertable};

diesel::table! {
    readings (time) { time -> Timestamptz }
}
diesel::table! {
    device_readings (measured_ms) { measured_ms -> Int8 }
}

fn main() {
    let _ = hypertable(readings::time).chunk_interval(86_400);
    let _ = hypertable(device_readings::measured_ms).chunk_interval(TimeDelta::days(1));
    let _ = hypertable(readings::time).integer_now(TimeDelta::seconds(1));
    let _ = add_retention_policy(device_readings::measured_ms, TimeDelta::days(730));
    let _ = drop_chunks(device_readings::measured_ms, chrono::Utc::now());
    let _ = bucketed(TimeDelta::hours(1), device_readings::measured_ms);
}
