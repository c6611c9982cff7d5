// What every example in the documentation starts from: a database of its own with a hypertable, gone afterwards.
// Included by its path from the package: rustdoc builds all examples as one program, elsewhere, and one by one, which
// takes five times as long, where that does not compile.
#[allow(unused_imports)]
use chrono::{TimeDelta, Utc};
#[allow(unused_imports)]
use diesel::connection::SimpleConnection as _;
#[allow(unused_imports)]
use diesel::prelude::*;
#[allow(unused_imports)]
use diesel_timescale::*;

#[allow(dead_code, unused_imports, unused_macros)]
mod support {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs"));
}

diesel::table! {
    readings (sensor, time) {
        sensor -> Text,
        time -> Timestamptz,
        room -> Text,
        value -> Nullable<Float8>,
        state -> Text,
    }
}

fn run(example: impl FnOnce(&mut PgConnection) -> Result<(), diesel_timescale::Error>) {
    let (_db, mut conn) = support::TestDb::installed();
    conn.batch_execute(
        "CREATE TABLE readings (
             sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL, value DOUBLE PRECISION, state TEXT NOT NULL,
             PRIMARY KEY (sensor, time)
         )",
    )
    .unwrap();
    let setup = diesel_timescale::hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table();
    diesel_timescale::Call::call(setup, &mut conn).unwrap();
    if let Err(error) = example(&mut conn) {
        panic!("{error}");
    }
}

#[allow(dead_code)]
fn a_reading(conn: &mut PgConnection) -> chrono::DateTime<Utc> {
    use readings::{room, sensor, state, time};
    diesel::insert_into(readings::table)
        .values((sensor.eq("office.motion"), time.eq(Utc::now()), room.eq("office"), state.eq("on")))
        .returning(time)
        .get_result(conn)
        .unwrap()
}
