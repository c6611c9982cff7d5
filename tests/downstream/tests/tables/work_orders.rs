//! Work orders: a reference to a hypertable of this crate's own, by its whole key.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use home_energy::energy::EnergyReading;
use home_energy::schema::{energy_readings, work_orders};
use home_energy::work_order::{NewWorkOrder, WorkOrder, drop_readings_before};
use occupancy_models::{Call, timescale};

use crate::energy::reading;
use crate::support::{database, needs, start};

fn open(reading: &EnergyReading, conn: &mut PgConnection) -> QueryResult<usize> {
    let order =
        NewWorkOrder { description: "replace the meter", meter_id: &reading.meter_id, read_at: reading.read_at };
    diesel::insert_into(work_orders::table).values(order).execute(conn)
}

fn referenced(conn: &mut PgConnection) -> Vec<Option<DateTime<Utc>>> {
    work_orders::table.order(work_orders::id).select(work_orders::read_at).load(conn).unwrap()
}

#[test]
fn a_work_order_refers_to_a_reading_until_that_is_gone() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let readings = [0, 1, 40].map(|day| reading(start() + TimeDelta::days(day)));
    let call = timescale::bulk::upsert(&readings).on_conflict((energy_readings::meter_id, energy_readings::read_at));
    assert_eq!(call.call(&mut conn).unwrap().inserted, 3);
    for reading in &readings {
        open(reading, &mut conn).unwrap();
    }
    let error = open(&reading(start() + TimeDelta::days(2)), &mut conn).unwrap_err();
    assert!(matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)), "{error:?}");

    // An upsert of a referenced reading changes its value, and the reference stays.
    let changed = [EnergyReading { watt_hours: 13.0, ..readings[0].clone() }];
    let call = timescale::bulk::upsert(&changed).on_conflict((energy_readings::meter_id, energy_readings::read_at));
    assert_eq!(call.call(&mut conn).unwrap().updated, 1);
    assert_eq!(referenced(&mut conn), readings.each_ref().map(|reading| Some(reading.read_at)));

    diesel::delete(energy_readings::table.filter(energy_readings::read_at.eq(start()))).execute(&mut conn).unwrap();
    assert_eq!(referenced(&mut conn), [None, Some(readings[1].read_at), Some(readings[2].read_at)]);

    let report = drop_readings_before(start() + TimeDelta::days(30)).call(&mut conn).unwrap();
    assert_eq!(report.rows_released, 1);
    assert_eq!(referenced(&mut conn), [None, None, Some(readings[2].read_at)]);
    let orders: Vec<WorkOrder> = WorkOrder::query().order(work_orders::id).load(&mut conn).unwrap();
    assert_eq!((orders.len(), &*orders[0].description), (3, "replace the meter"));
}
