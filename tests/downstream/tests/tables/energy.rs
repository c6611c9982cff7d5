//! Energy readings: a hypertable and a sensor type of this crate's own.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use home_energy::energy::{ENERGY, EnergyReading};
use home_energy::schema::energy_readings;
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::{self, Outcome};
use occupancy_models::{Call, SensorEvent, bulk, drop_sensor_events_before};

use crate::support::{database, needs, server, start};

pub fn reading(read_at: DateTime<Utc>) -> EnergyReading {
    EnergyReading { meter_id: "kitchen.meter".to_owned(), read_at, room_id: "kitchen".to_owned(), watt_hours: 12.5 }
}

#[test]
fn meters_have_a_hypertable_of_their_own() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let again = EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
    let readings: Vec<_> = (0..3).map(|week| reading(start() + TimeDelta::weeks(week))).collect();
    let report = timescale::bulk::insert_into(energy_readings::table).values(&readings).call(&mut conn).unwrap();
    assert_eq!(report.inserted, 3);
    assert_eq!(EnergyReading::query().order(energy_readings::read_at).load(&mut conn), Ok(readings));

    let report = EnergyReading::hypertable().allow_plain_table().call(&mut conn).unwrap();
    if server().available.is_some() {
        assert_eq!((again.outcome, again.chunks), (Outcome::AlreadyThere, Some(0)));
        assert_eq!((report.chunk_interval, report.chunks), (Some(TimeDelta::days(7)), Some(3)));
    } else {
        assert_eq!(report.outcome, Outcome::Plain);
    }
    // Retention of the events is about the events alone.
    drop_sensor_events_before(start() + TimeDelta::weeks(52)).call(&mut conn).unwrap();
    assert_eq!(energy_readings::table.count().get_result(&mut conn), Ok(3));
}

#[test]
fn a_sensor_type_of_ones_own_is_stored_read_and_serialized() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let reading = reading(start());
    let report = bulk::upsert_sensor_events(&[reading.event()]).call(&mut conn).unwrap();
    assert_eq!(report.inserted, 1);
    let found: SensorEvent =
        SensorEvent::query().filter(sensor_events::sensor_type.eq(ENERGY)).get_result(&mut conn).unwrap();
    assert_eq!(found.sensor_type, ENERGY);
    assert!(!found.sensor_type.is_known());
    assert_eq!((found.numeric_value, found.is_human_triggered), (Some(12.5), false));

    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains(r#""sensor_type":"energy""#), "{json}");
    assert_eq!(serde_json::from_str::<SensorEvent>(&json).unwrap(), found);
}
