//! What a hypertable is partitioned on is a time.
use diesel_timescale::{drop_chunks, hypertable, references, set_chunk_interval};

diesel::table! {
    readings (time) { time -> Timestamptz, seen -> Nullable<Timestamptz>, state -> Text }
}

fn main() {
    let _ = hypertable(readings::state);
    let _ = hypertable(readings::seen);
    let _ = set_chunk_interval(readings::state, chrono::TimeDelta::days(1));
    let _ = drop_chunks(readings::table, chrono::Utc::now());
    let _ = references::create_target(readings::state);
}
