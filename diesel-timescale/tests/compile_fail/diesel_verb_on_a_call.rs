//! A call has one verb. Diesel's own would run the SQL, and lose the typed result.
use diesel::prelude::*;
use diesel_timescale::hypertable;

diesel::table! {
    readings (time) { time -> Timestamptz }
}

fn main() {
    let mut conn = PgConnection::establish("").unwrap();
    let _ = hypertable(readings::time).execute(&mut conn);
    let _ = hypertable(readings::time).get_result::<i64>(&mut conn);
}
