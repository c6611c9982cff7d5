//! Rows are written in one order, so that writers of the same rows wait for each other and never deadlock.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::fixtures::*;

/// Few rows go through ON CONFLICT as they are; from 500 on, new ones go through a plain INSERT first.
const SIZES: [usize; 2] = [40, 600];

/// Ten sensors, a reading a minute each, in the order of the time and then of the sensor.
fn events(rows: usize) -> Vec<NewSensorEvent<'static>> {
    (0..i64::try_from(rows).unwrap())
        .map(|n| {
            let at = start() + TimeDelta::minutes(n / 10);
            NewSensorEvent::new(at, "room", format!("sensor.{}", n % 10), SensorType::TEMPERATURE, n.to_string())
        })
        .collect()
}

fn upsert(conn: &mut PgConnection, rows: &[NewSensorEvent<'_>]) -> Result<Report, Error> {
    Ok(bulk::upsert_sensor_events(rows).call(conn)?)
}

/// Each with a key that was reserved for it; the later the event, the smaller its id.
fn keyed(conn: &mut PgConnection, events: Vec<NewSensorEvent<'static>>) -> Vec<Keyed<NewSensorEvent<'static>>> {
    let keys = bulk::reserve_keys(events.iter().map(NewSensorEvent::timestamp)).call(conn).unwrap();
    keys.iter().rev().zip(events).map(|(key, event)| Keyed::new(key.id(), event)).collect()
}

fn predicted(conn: &mut PgConnection, rows: usize) -> Vec<Keyed<NewPrediction<'static>>> {
    let ids = bulk::reserve_prediction_ids(rows.try_into().unwrap()).call(conn).unwrap();
    let prediction = NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, "1");
    ids.into_iter().map(|id| Keyed::new(id, prediction.clone())).collect()
}

fn reversed<T: Clone>(rows: &[T]) -> Vec<T> {
    rows.iter().rev().cloned().collect()
}

type Work<'a> = Box<dyn FnOnce(&mut PgConnection) -> Result<Report, Error> + Send + 'a>;

/// Runs two writers while a third session holds a row in the middle of what both write, and lets go of it once both
/// wait. Had each written half of its rows by then, from both ends, they would deadlock.
#[track_caller]
fn assert_no_deadlock(db: &TestDb, conn: &mut PgConnection, hold: &str, writers: [Work<'_>; 2]) {
    sql(conn, "BEGIN");
    sql(conn, hold);
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers = writers.map(|work| {
            let mut conn = db.connect();
            sql(&mut conn, "SET deadlock_timeout TO '100ms'");
            scope.spawn(move || work(&mut conn))
        });
        wait_until_blocked(conn, 2);
        sql(conn, "ROLLBACK");
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for result in results {
        result.unwrap();
    }
}

/// The statement that holds the row of this event.
fn hold(event: &NewSensorEvent<'_>) -> String {
    format!(
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
         VALUES ('{}', 'room', '{}', 'temperature', 'held') ON CONFLICT (sensor_id, timestamp) DO UPDATE SET state = 'held'",
        event.timestamp(),
        event.sensor_id()
    )
}

#[test]
fn writers_by_instant_in_opposite_orders_wait_for_each_other() {
    needs!(TwoConnections);
    for size in SIZES {
        let (db, mut conn) = TestDb::ready();
        let rows = events(size);
        // The chunk is there. What is new goes in twice, so that the second round finds every row.
        upsert(&mut conn, &[NewSensorEvent::new(start(), "room", "another", SensorType::MOTION, "on")]).unwrap();
        for round in 0..2 {
            let with_score = |score: f64| -> Vec<_> {
                rows.iter().map(|row| row.clone().with_confidence_score(f64::from(round) / 2.0 + score)).collect()
            };
            let (there, back) = (with_score(0.1), reversed(&with_score(0.2)));
            assert_no_deadlock(
                &db,
                &mut conn,
                &hold(&rows[size / 2]),
                [Box::new(|conn| upsert(conn, &there)), Box::new(|conn| upsert(conn, &back))],
            );
        }
    }
}

#[test]
fn a_writer_by_key_and_one_by_instant_wait_for_each_other() {
    needs!(TwoConnections);
    for size in SIZES {
        for is_stored in [false, true] {
            let (db, mut conn) = TestDb::ready();
            upsert(&mut conn, &[NewSensorEvent::new(start(), "room", "another", SensorType::MOTION, "on")]).unwrap();
            // By id and as given they go from the last to the first.
            let back = reversed(&keyed(&mut conn, events(size)));
            let there: Vec<_> = events(size).into_iter().map(|row| row.with_confidence_score(0.5)).collect();
            if is_stored {
                upsert_by_key(&mut conn, &back).unwrap();
            }
            // Rows that are stored as they are would not wait.
            let rescored = |row: &Keyed<NewSensorEvent<'static>>| {
                Keyed::new(row.key().id(), row.row().clone().with_confidence_score(0.25))
            };
            let back: Vec<_> = back.iter().map(rescored).collect();
            let held = hold(&there[size / 2]);
            let by_key: Work<'_> = Box::new(|conn| {
                // Somebody else may have given the sensors and instants other ids.
                match upsert_by_key(conn, &back) {
                    Err(error) if error.to_string().contains("duplicate key") => Ok(Report::default()),
                    result => result,
                }
            });
            assert_no_deadlock(&db, &mut conn, &held, [by_key, Box::new(|conn| upsert(conn, &there))]);
        }
    }
}

#[test]
fn writers_of_predictions_in_opposite_orders_wait_for_each_other() {
    needs!(TwoConnections);
    for size in SIZES {
        let (db, mut conn) = TestDb::ready();
        let rows = predicted(&mut conn, size);
        let held = format!(
            "INSERT INTO predictions (id, room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version)
             OVERRIDING SYSTEM VALUE VALUES ({}, 'held', now(), 'state_change', 0.5, 'm', '1')
             ON CONFLICT (id) DO UPDATE SET room_id = 'held'",
            rows[size / 2].id()
        );
        let back = reversed(&rows);
        for _ in 0..2 {
            assert_no_deadlock(
                &db,
                &mut conn,
                &held,
                [Box::new(|conn| upsert_predictions(conn, &rows)), Box::new(|conn| upsert_predictions(conn, &back))],
            );
        }
    }
}

/// By id alone, the trigger registers the events one after the other.
#[test]
fn writers_of_predictions_of_the_same_events_wait_for_each_other() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let rows = events(40);
    for with_ids in [false, true] {
        sql(&mut conn, "TRUNCATE predictions; TRUNCATE sensor_events");
        let keys = upsert_with_keys(&mut conn, &rows).1;
        let there: Vec<_> = keys
            .iter()
            .map(|key| {
                NewPrediction::new("room", start(), TransitionType::StateChange, 0.5, ModelType::HMM, "1")
                    .with_triggering_event_id(key.id())
            })
            .collect();
        let back = reversed(&there);
        let held = format!(
            "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
             VALUES ('held', now(), 'state_change', 0.5, 'm', '1', {})",
            keys[20].id()
        );
        let give_ids = |conn: &mut PgConnection, rows: &[NewPrediction<'static>]| -> Vec<_> {
            let ids = bulk::reserve_prediction_ids(40).call(conn).unwrap();
            ids.into_iter().zip(rows).map(|(id, row)| Keyed::new(id, row.clone())).collect()
        };
        let (keyed_there, keyed_back) = (give_ids(&mut conn, &there), give_ids(&mut conn, &back));
        let write =
            |rows: &[NewPrediction<'static>], keyed: &[Keyed<NewPrediction<'static>>], conn: &mut PgConnection| {
                if with_ids {
                    return upsert_predictions(conn, keyed);
                }
                Ok(bulk::insert_predictions(rows).call(conn)?)
            };
        assert_no_deadlock(
            &db,
            &mut conn,
            &held,
            [Box::new(|conn| write(&there, &keyed_there, conn)), Box::new(|conn| write(&back, &keyed_back, conn))],
        );
    }
}

/// New rows take their ids from the sequence when they are written, so the ids tell the order.
#[test]
fn new_rows_are_written_by_time_and_sensor() {
    let (_db, mut conn) = TestDb::ready();
    for size in [40, 499, 500, 1_000] {
        let mut rows = events(size);
        let sorted: Vec<String> = rows.iter().map(|row| row.state().to_string()).collect();
        rows.shuffle(&mut StdRng::seed_from_u64(1));
        upsert(&mut conn, &rows).unwrap();
        assert_eq!(values(&mut conn, "SELECT state FROM sensor_events ORDER BY id"), sorted, "{size}");
        sql(&mut conn, "TRUNCATE sensor_events");
        // Beside rows that are stored already.
        let (stored, new) = rows.split_at(size / 2);
        diesel::insert_into(sensor_events::table).values(stored.to_vec()).execute(&mut conn).unwrap();
        let last: i64 = sensor_events::table
            .select(diesel::dsl::max(sensor_events::id))
            .first::<Option<i64>>(&mut conn)
            .unwrap()
            .unwrap();
        upsert(&mut conn, &rows).unwrap();
        let expected: Vec<_> =
            sorted.iter().filter(|state| new.iter().any(|row| row.state().as_str() == **state)).cloned().collect();
        let found = values(&mut conn, &format!("SELECT state FROM sensor_events WHERE id > {last} ORDER BY id"));
        assert_eq!(found, expected, "{size}");
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

/// The order of texts is that of their bytes, whatever the database's collation: `a B` and `B a` differ in most others.
#[test]
fn the_order_does_not_depend_on_the_collation() {
    let (_db, mut conn) = TestDb::ready();
    let sensors = ["a", "B", "_", "é", "z", "Z", "10", "9"];
    let rows: Vec<_> =
        sensors.iter().map(|sensor| NewSensorEvent::new(start(), "room", *sensor, SensorType::MOTION, "on")).collect();
    upsert(&mut conn, &rows).unwrap();
    let mut sorted = sensors;
    sorted.sort_unstable();
    assert_eq!(values(&mut conn, "SELECT sensor_id FROM sensor_events ORDER BY id"), sorted);
}
