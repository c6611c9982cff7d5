// What every example in the documentation starts from: a database of its own, migrated, and gone afterwards.
// Included by its path from the package: rustdoc builds all examples as one program, elsewhere, and one by one, which
// takes five times as long, where that does not compile.
#[allow(unused_imports)]
use chrono::{TimeDelta, Utc};
#[allow(unused_imports)]
use diesel::connection::SimpleConnection as _;
#[allow(unused_imports)]
use diesel::prelude::*;
#[allow(unused_imports)]
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
#[allow(unused_imports)]
use occupancy_models::*;

#[allow(dead_code, unused_imports, unused_macros)]
mod support {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/database.rs"));
}

fn run(example: impl FnOnce(&mut PgConnection) -> Result<(), Error>) {
    let (_db, mut conn) = support::TestDb::ready();
    if let Err(error) = example(&mut conn) {
        panic!("{error}");
    }
}

#[allow(dead_code)]
fn an_event(conn: &mut PgConnection) -> SensorEvent {
    diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(Utc::now(), "office", "office.motion", SensorType::MOTION, "on"))
        .returning(SensorEvent::as_returning())
        .get_result(conn)
        .unwrap()
}

#[allow(dead_code)]
fn a_prediction(conn: &mut PgConnection) -> Prediction {
    let at = Utc::now() + TimeDelta::minutes(15);
    diesel::insert_into(predictions::table)
        .values(NewPrediction::new("office", at, TransitionType::VacantToOccupied, 0.8, ModelType::HMM, "1"))
        .returning(Prediction::as_returning())
        .get_result(conn)
        .unwrap()
}
