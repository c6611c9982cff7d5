//! The verbs of diesel-async are methods of every type, and still do not run a call.
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use diesel_timescale::hypertable;

diesel::table! {
    readings (time) { time -> Timestamptz }
}

async fn set_up(conn: &mut AsyncPgConnection) {
    let _ = hypertable(readings::time).execute(conn).await;
}

fn main() {
    let _ = set_up;
}
