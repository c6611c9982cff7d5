//! Keys that are reserved first, and upserts by them.

use diesel::connection::SimpleConnection;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use occupancy_models::timescale::{self, ReferenceError};

use crate::fixtures::*;

#[test]
fn reserved_keys_are_distinct_and_in_order() {
    let (_db, mut conn) = TestDb::ready();
    let timestamps: Vec<_> = events("sensor", 1_000).iter().rev().map(NewSensorEvent::timestamp).collect();
    let first = bulk::reserve_keys(timestamps.iter().copied()).call(&mut conn).unwrap();
    let second = bulk::reserve_keys([start(), start()]).call(&mut conn).unwrap();
    assert_eq!(first.iter().map(SensorEventKey::timestamp).collect::<Vec<_>>(), timestamps);
    let ids: Vec<_> = first.iter().chain(&second).map(SensorEventKey::id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // Nor does anybody else get one of them.
    insert(&mut conn, &events("sensor", 1));
    assert!(stored_by_key(&mut conn, "sensor")[0].key().id() > ids[1_001]);
    assert_eq!(bulk::reserve_keys([]).call(&mut conn).unwrap(), []);

    let ids = bulk::reserve_prediction_ids(1_000).call(&mut conn).unwrap();
    assert!(ids.len() == 1_000 && ids.is_sorted_by(|a, b| a < b));
    assert_eq!(bulk::reserve_prediction_ids(0).call(&mut conn).unwrap(), [0_i64; 0]);
}

#[test]
fn a_batch_sent_twice_by_key_is_stored_once() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 1_000));
    assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [1_000, 0, 0, 0]);
    assert_eq!(counts(&upsert_by_key(&mut conn, &rows).unwrap()), [0, 0, 1_000, 0]);
    assert_eq!(stored_by_key(&mut conn, "sensor"), rows);
}

#[test]
fn an_id_with_another_timestamp_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 10));
    upsert_by_key(&mut conn, &rows).unwrap();
    let taken = rows[4].key().id();
    // An hour later in the same chunk, and in another one.
    for delta in [TimeDelta::hours(1) + TimeDelta::seconds(1), TimeDelta::days(30)] {
        let mut batch = keyed(&mut conn, events("another", 5));
        batch[2] = Keyed::new(
            taken,
            NewSensorEvent::new(rows[4].row().timestamp() + delta, "room", "another", SensorType::TEMPERATURE, "1"),
        );
        match upsert_by_key(&mut conn, &batch) {
            Err(Error::IdTaken { id, message, .. }) => {
                assert_eq!(id, taken);
                assert!(message.contains("2026-01-05 00:28:00+00"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored(&mut conn, "another"), []);
}

/// These are two events: neither is left out for the other.
#[test]
fn an_id_with_two_timestamps_in_one_batch_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 2));
    let both = [rows[0].clone(), Keyed::new(rows[0].key().id(), rows[1].row().clone())];
    match upsert_by_key(&mut conn, &both) {
        Err(Error::IdRepeated { id, .. }) => assert_eq!(id, rows[0].key().id()),
        other => panic!("{other:?}"),
    }
    assert_eq!(count(&mut conn), 0);
}

#[test]
fn an_id_that_was_never_handed_out_is_refused_by_name() {
    let (_db, mut conn) = TestDb::ready();
    let event = events("sensor", 1).remove(0);
    for (id, reserve) in [(1, false), (2, true), (0, true), (-1, true), (i64::MAX, true)] {
        if reserve && id == 2 {
            bulk::reserve_keys([start()]).call(&mut conn).unwrap();
        }
        match upsert_by_key(&mut conn, &[Keyed::new(id, event.clone())]) {
            Err(Error::IdNotHandedOut { id: named, .. }) => assert_eq!(named, id),
            other => panic!("{id}: {other:?}"),
        }
        match upsert_predictions(&mut conn, &[Keyed::new(id, predicted(1).remove(0))]) {
            Err(Error::IdNotHandedOut { id: named, .. }) => assert_eq!(named, id),
            other => panic!("{id}: {other:?}"),
        }
        bulk::reserve_prediction_ids(u32::from(id == 1)).call(&mut conn).unwrap();
    }
    assert_eq!(count(&mut conn), 0);
    // The first id that was handed out is stored.
    assert_eq!(upsert_by_key(&mut conn, &[Keyed::new(1, event)]).unwrap().inserted, 1);
}

#[test]
fn of_two_sessions_that_give_an_id_to_two_events_one_wins() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let event = |n: i64| {
        NewSensorEvent::new(start() + TimeDelta::days(n), "room", format!("sensor.{n}"), SensorType::TEMPERATURE, "1")
    };
    // One after the other has to wait for the end of the first.
    let id = bulk::reserve_keys([start()]).call(&mut conn).unwrap()[0].id();
    let second = std::thread::scope(|scope| {
        let second = conn.transaction(|conn| {
            upsert_by_key(conn, &[Keyed::new(id, event(0))])?;
            let second = scope.spawn(|| upsert_by_key(&mut db.connect(), &[Keyed::new(id, event(1))]));
            wait_until_blocked(conn, 1);
            Ok::<_, Error>(second)
        });
        second.unwrap().join().unwrap()
    });
    assert!(matches!(second, Err(Error::IdTaken { id: taken, .. }) if taken == id), "{second:?}");

    // All at once.
    for round in 1..=20 {
        let id = bulk::reserve_keys([start()]).call(&mut conn).unwrap()[0].id();
        let results: Vec<_> = std::thread::scope(|scope| {
            let sessions = [1, 2].map(|n| {
                let row = Keyed::new(id, event(10 * round + n));
                let db = &db;
                scope.spawn(move || upsert_by_key(&mut db.connect(), &[row]))
            });
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let refused = results.into_iter().find_map(Result::err);
        assert!(matches!(refused, Some(Error::IdTaken { .. })), "{refused:?}");
    }
    assert_eq!(value(&mut conn, "SELECT count(*) - count(DISTINCT id) FROM sensor_events"), "0");
}

#[test]
fn an_upsert_by_key_runs_under_read_committed_only() {
    let (db, mut conn) = TestDb::ready();
    let rows = keyed(&mut conn, events("sensor", 1));
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        let transaction = match isolation {
            "SERIALIZABLE" => conn.build_transaction().serializable(),
            _ => conn.build_transaction().repeatable_read(),
        };
        match { transaction }.run(|conn| upsert_by_key(conn, &rows)) {
            Err(Error::Timescale(timescale::Error::Reference(ReferenceError::IsolationTooHigh {
                message, ..
            }))) => {
                let schema = db.schema();
                assert_eq!(message, format!("an upsert by key of {schema}.sensor_events cannot run under {isolation}"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count(&mut conn), 0);
}

#[test]
fn another_event_of_the_sensor_and_instant_is_a_unique_violation() {
    let (_db, mut conn) = TestDb::ready();
    let first = keyed(&mut conn, events("sensor", 10));
    upsert_by_key(&mut conn, &first).unwrap();
    let mut rows = keyed(&mut conn, events("another", 10));
    rows[7] = Keyed::new(rows[7].key().id(), first[7].row().clone());
    let error = upsert_by_key(&mut conn, &rows).unwrap_err();
    assert!(matches!(kind(error), Some(DatabaseErrorKind::UniqueViolation)));
    // Nothing is left of the batch, and the event is what it was.
    assert_eq!(count(&mut conn), 10);
    assert_eq!(stored_by_key(&mut conn, "sensor"), first);
}

#[test]
fn an_insert_of_an_event_that_is_stored_stores_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let rows = events("sensor", 1_000);
    insert(&mut conn, &rows[999..]);
    let error = bulk::insert_sensor_events(&rows).call(&mut conn).unwrap_err();
    assert!(matches!(kind(error), Some(DatabaseErrorKind::UniqueViolation)));
    assert_eq!(count(&mut conn), 1);
}

fn event(n: i64) -> NewSensorEvent<'static> {
    let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    NewSensorEvent::new(start + chrono::TimeDelta::minutes(n), "room", "sensor", SensorType::MOTION, "on")
}

/// A role that can connect and has no rights on the tables.
#[test]
fn nobody_without_rights_holds_up_an_upsert_by_key() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    let role = format!("occupancy_stranger_{}", std::process::id());
    sql(&mut conn, &format!("CREATE ROLE {role}"));
    let mut stranger = db.connect();
    sql(&mut stranger, &format!("SET ROLE {role}"));
    // Every advisory lock that has to do with the tables or functions of the schema.
    sql(
        &mut stranger,
        "SELECT pg_advisory_lock(oid::int, slot), pg_advisory_lock(oid::bigint) FROM pg_class, generate_series(0, 63) AS slot
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'S')",
    );
    for lock in [
        "SELECT FROM sensor_event_id_locks FOR UPDATE",
        "SELECT FROM sensor_event_id_locks FOR KEY SHARE",
        "BEGIN; LOCK TABLE sensor_event_id_locks IN ACCESS SHARE MODE",
        "SELECT lock_sensor_event_ids('{1}')",
    ] {
        let error = stranger.batch_execute(lock).unwrap_err().to_string();
        assert_eq!(error, "permission denied for table sensor_event_id_locks", "{lock}");
        sql(&mut stranger, "ROLLBACK");
    }
    sql(&mut conn, "SET statement_timeout TO '10s'");
    let keys = bulk::reserve_keys([event(0).timestamp()]).call(&mut conn).unwrap();
    let rows = [Keyed::new(keys[0].id(), event(0))];
    conn.transaction(|conn| {
        bulk::upsert_sensor_events_by_key(&rows).call(conn)?;
        // It uses none at all.
        let mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
        assert_eq!(value(conn, mine), "0");
        Ok::<_, Error>(())
    })
    .unwrap();
    drop(stranger);
    sql(&mut conn, &format!("DROP ROLE {role}"));
}

/// Far from each other, ids do not wait for each other.
#[test]
fn upserts_of_other_ranges_of_ids_run_side_by_side() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::ready();
    sql(&mut conn, "ALTER SEQUENCE sensor_events_id_seq RESTART WITH 1000000; SELECT reserve_sensor_event_ids(1)");
    // Creates the chunk, which others would wait for.
    upsert_by_key(&mut conn, &[Keyed::new(5, event(0))]).unwrap();
    let mut other = db.connect();
    sql(&mut other, "SET lock_timeout TO '10s'");
    let far = NewSensorEvent::new(event(1).timestamp(), "room", "another", SensorType::MOTION, "on");
    conn.transaction(|conn| {
        upsert_by_key(conn, &[Keyed::new(6, event(2))])?;
        upsert_by_key(&mut other, &[Keyed::new(900_000, far)])?;
        // And near ones do.
        sql(&mut other, "SET lock_timeout TO '100ms'");
        let error = upsert_by_key(&mut other, &[Keyed::new(7, event(3))]).unwrap_err();
        assert!(error.to_string().contains("lock timeout"), "{error}");
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_copy_of_the_schema_without_its_data_says_what_it_lacks() {
    let (_db, mut conn) = TestDb::ready();
    sql(&mut conn, "DELETE FROM sensor_event_id_locks; SELECT reserve_sensor_event_ids(1)");
    let rows = [Keyed::new(1, event(0))];
    let error = upsert_by_key(&mut conn, &rows).unwrap_err();
    let Error::Database(DieselError::DatabaseError(_, information)) = error else { panic!("{error}") };
    let remedy = information.hint().unwrap().strip_prefix("Run: ").unwrap().to_owned();
    sql(&mut conn, &remedy);
    bulk::upsert_sensor_events_by_key(&rows).call(&mut conn).unwrap();
}
