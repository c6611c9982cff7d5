//! A call takes any number of rows.

use std::collections::BTreeSet;

use crate::fixtures::*;

/// Around what 65,535 parameters hold, with nine and eleven columns; and far beyond.
const NUMBERS: [usize; 9] = [0, 1, 5_956, 5_957, 5_958, 7_280, 7_281, 7_282, 100_000];

/// Ten sensors, a reading a minute each.
fn ten_sensors(rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..i64::try_from(rows).unwrap())
        .map(|n| {
            let sensor = format!("sensor.{}", n % 10);
            NewSensorEvent::new(
                start() + TimeDelta::minutes(n / 10),
                "room",
                sensor,
                SensorType::TEMPERATURE,
                n.to_string(),
            )
        })
        .collect()
}

fn assert_holds(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) {
    let found: BTreeSet<(String, DateTime<Utc>, String)> = sensor_events::table
        .select((sensor_events::sensor_id, sensor_events::timestamp, sensor_events::state))
        .load(conn)
        .unwrap()
        .into_iter()
        .collect();
    let given = rows
        .iter()
        .map(|row| (row.sensor_id().to_owned(), row.timestamp(), row.state().to_string()))
        .collect::<BTreeSet<_>>();
    assert!(found == given, "{} rows are stored, {} were given, and they differ", found.len(), given.len());
    assert_eq!(usize::try_from(count(conn)).unwrap(), rows.len());
}

#[test]
fn an_upsert_takes_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    for number in NUMBERS {
        let rows = ten_sensors(number);
        let number = n(number);
        assert_eq!(counts(&upsert(&mut conn, &rows)), [number, 0, 0, 0]);
        assert_holds(&mut conn, &rows);
        assert_eq!(counts(&upsert(&mut conn, &rows)), [0, 0, number, 0]);
        assert_eq!(count(&mut conn), i64::try_from(number).unwrap());
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn an_insert_takes_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    for number in NUMBERS {
        let rows = ten_sensors(number);
        assert_eq!(bulk::insert_sensor_events(&rows).call(&mut conn).unwrap().inserted, n(number));
        assert_holds(&mut conn, &rows);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn an_upsert_by_key_takes_any_number_of_rows() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "SET statement_timeout TO '60s'");
    for number in [0, 1, 5_957, 7_281, 100_000] {
        // No timeout ends a statement of the WebAssembly server.
        if number == 100_000 && !has(Needs::TwoConnections) {
            return;
        }
        let rows = keyed(&mut conn, ten_sensors(number));
        let number = n(number);
        assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [number, 0, 0, 0]);
        assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [0, 0, number, 0]);
        assert_eq!(count(&mut conn), i64::try_from(number).unwrap());
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}
