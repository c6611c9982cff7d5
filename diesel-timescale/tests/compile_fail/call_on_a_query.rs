//! Reads are Diesel queries, and no calls.
use diesel::prelude::*;
use diesel_timescale::Call;

diesel::table! {
    readings (time) { time -> Timestamptz }
}

fn main() {
    let mut conn = PgConnection::establish("").unwrap();
    let _ = readings::table.select(readings::time).call(&mut conn);
    let _ = Call::call(readings::table, &mut conn);
}
