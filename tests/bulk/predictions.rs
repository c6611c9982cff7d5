//! Predictions, and their references to events.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use diesel::result::DatabaseErrorKind;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::fixtures::*;

/// The event of each of these predictions, in their order, by what the database has.
fn triggers(conn: &mut PgConnection, ids: &[i64]) -> Vec<Option<i64>> {
    let by_id: BTreeMap<i64, Option<i64>> = predictions::table
        .filter(predictions::id.eq_any(ids))
        .select((predictions::id, predictions::triggering_event_id))
        .load(conn)
        .unwrap()
        .into_iter()
        .collect();
    ids.iter().map(|id| by_id[id]).collect()
}

#[test]
fn predictions_refer_to_events_of_any_chunk_by_key_or_by_id() {
    let (_db, mut conn) = TestDb::ready();
    let mut keys = sixty_days(&mut conn);
    keys.shuffle(&mut StdRng::seed_from_u64(1));
    let by_key: Vec<_> =
        predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event(*key)).collect();
    let by_id: Vec<_> =
        predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event_id(key.id())).collect();
    // The timestamp only leads to the chunk: one that leads nowhere leaves the look to the trigger.
    let by_wrong_key: Vec<_> = predicted(60)
        .into_iter()
        .zip(&keys)
        .map(|(row, key)| {
            row.with_triggering_event(SensorEventKey::new(key.id(), key.timestamp() + TimeDelta::days(100)))
        })
        .collect();
    let without = predicted(60);
    let every_way: Vec<_> =
        [&by_id, &without, &by_key, &by_key, &by_wrong_key].into_iter().flatten().cloned().collect();
    for rows in [&by_key, &by_id, &by_wrong_key, &without, &every_way] {
        let ids = insert_predictions(&mut conn, rows).unwrap();
        let expected: Vec<Option<i64>> = rows.iter().map(|row| json!(row)["triggering_event_id"].as_i64()).collect();
        assert_eq!(triggers(&mut conn, &ids), expected);
        assert_eq!(registered(&mut conn), expected.iter().flatten().collect::<BTreeSet<_>>().len() as i64);
        sql(&mut conn, "DELETE FROM predictions; DELETE FROM referenced_events");

        let rows = with_ids(&mut conn, rows.clone());
        assert_eq!(upsert_predictions(&mut conn, &rows).unwrap().inserted, n(rows.len()));
        let ids: Vec<_> = rows.iter().map(Keyed::id).collect();
        assert_eq!(triggers(&mut conn, &ids), expected);
        sql(&mut conn, "DELETE FROM predictions; DELETE FROM referenced_events");
    }
}

#[test]
fn ids_of_predictions_come_in_input_order() {
    let (_db, mut conn) = TestDb::ready();
    for size in [0, 1, 2_000] {
        let mut rows = predicted(size);
        rows.shuffle(&mut StdRng::seed_from_u64(1));
        let ids = insert_predictions(&mut conn, &rows).unwrap();
        let found = stored_predictions(&mut conn, ids.first().copied().unwrap_or(i64::MAX));
        let given: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| Keyed::new(id, row)).collect();
        assert_eq!(found, given);
    }
}

#[test]
fn a_prediction_of_an_event_that_does_not_exist_stores_nothing() {
    let (_db, mut conn) = TestDb::ready();
    let keys = sixty_days(&mut conn);
    let nobody = SensorEventKey::new(1_000_000, keys[30].timestamp());
    for wrong in [
        predicted(1).remove(0).with_triggering_event(nobody),
        predicted(1).remove(0).with_triggering_event_id(nobody.id()),
    ] {
        let mut rows: Vec<_> =
            predicted(60).into_iter().zip(&keys).map(|(row, key)| row.with_triggering_event(*key)).collect();
        rows[30] = wrong;
        let error = insert_predictions(&mut conn, &rows).unwrap_err();
        assert!(matches!(kind(error), Some(DatabaseErrorKind::ForeignKeyViolation)));
        let rows = with_ids(&mut conn, rows);
        let error = upsert_predictions(&mut conn, &rows).unwrap_err();
        assert!(matches!(kind(error), Some(DatabaseErrorKind::ForeignKeyViolation)));
        assert_eq!((stored_predictions(&mut conn, 0).len(), registered(&mut conn)), (0, 0));
    }
}

#[test]
fn every_column_of_a_prediction_is_stored_and_validation_is_kept() {
    let (_db, mut conn) = TestDb::ready();
    let key = sixty_days(&mut conn)[7];
    let full = NewPrediction::new("room", start(), TransitionType::VacantToOccupied, 0.25, ModelType::new("mine"), "1")
        .with_prediction_time(start() + TimeDelta::seconds(1))
        .with_prediction_interval(start() + TimeDelta::seconds(2), start() + TimeDelta::seconds(3))
        .with_feature_importance(json!({ "light": 0.9 }))
        .with_alternatives(json!([1, "a,b"]))
        .with_processing_time_ms(1.5)
        .with_triggering_event_id(key.id());
    let rows = with_ids(&mut conn, vec![full.clone()]);
    let id = rows[0].id();
    assert_eq!(counts(&upsert_predictions(&mut conn, &rows).unwrap()), [1, 0, 0, 0]);
    let prediction: Prediction = Prediction::query().find(id).first(&mut conn).unwrap();
    assert_eq!(stored_predictions(&mut conn, 0), rows);
    let ids = insert_predictions(&mut conn, std::slice::from_ref(&full)).unwrap();
    assert_eq!(stored_predictions(&mut conn, ids[0]), [Keyed::new(ids[0], full)]);

    let outcome = prediction.outcome(Some(start() + TimeDelta::minutes(1)), TimeDelta::minutes(5));
    let validated: Prediction =
        diesel::update(&prediction).set(&outcome).returning(Prediction::as_returning()).get_result(&mut conn).unwrap();
    assert_eq!(counts(&upsert_predictions(&mut conn, &rows).unwrap()), [0, 0, 1, 0]);
    let bare = [Keyed::new(id, predicted(1).remove(0))];
    assert_eq!(counts(&upsert_predictions(&mut conn, &bare).unwrap()), [0, 1, 0, 0]);
    let after: Prediction = Prediction::query().find(id).first(&mut conn).unwrap();
    assert_eq!(after.model_type, ModelType::HMM);
    assert_eq!((after.triggering_event_id, &after.feature_importance), (None, &None));
    assert_eq!(after.created_at, validated.created_at);
    assert_eq!(
        (after.actual_transition_time, after.accuracy_minutes, after.is_accurate, after.validation_timestamp),
        (
            validated.actual_transition_time,
            validated.accuracy_minutes,
            validated.is_accurate,
            validated.validation_timestamp
        ),
    );
    assert_eq!(after.is_accurate, Some(true));
}

/// Who has looked into a chunk has it locked to the end of the transaction.
fn locked_chunks(conn: &mut PgConnection) -> String {
    let locked = "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_inherits ON inhrelid = relation
                  WHERE coalesce(pid, 0) = pg_backend_pid() AND inhparent = 'sensor_events'::regclass";
    value(conn, locked)
}

#[test]
fn an_event_given_by_key_is_found_in_its_chunk_alone() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    let keys = sixty_days(&mut conn);
    let by_key = |n: usize| predicted(1).remove(0).with_triggering_event(keys[n]);
    type Insert<'a> = &'a dyn Fn(&mut PgConnection) -> Result<usize, Error>;
    let one = by_key(10);
    let many = [by_key(10), by_key(20), by_key(20), predicted(1).remove(0)];
    let by_id = predicted(1).remove(0).with_triggering_event_id(keys[10].id());
    let inserts: [(Insert<'_>, RangeInclusive<i64>); 6] = [
        (&|conn| Ok(diesel::insert_into(predictions::table).values(&one).execute(conn)?), 1..=1),
        (&|conn| Ok(diesel::insert_into(predictions::table).values(many.to_vec()).execute(conn)?), 2..=2),
        (&|conn| insert_predictions(conn, &many).map(|ids| ids.len()), 2..=2),
        (&|conn| Ok(bulk::insert_predictions(&many).call(conn)?.inserted.try_into().unwrap()), 2..=2),
        (
            &|conn| {
                let rows = with_ids(conn, many.to_vec());
                Ok(upsert_predictions(conn, &rows)?.inserted.try_into().unwrap())
            },
            2..=2,
        ),
        // By its id alone its chunk is searched.
        (&|conn| Ok(diesel::insert_into(predictions::table).values(&by_id).execute(conn)?), 3..=10),
    ];
    for (n, (insert, chunks)) in inserts.into_iter().enumerate() {
        conn.test_transaction::<_, Error, _>(|conn| {
            assert!(insert(conn)? > 0);
            let locked: i64 = locked_chunks(conn).parse().unwrap();
            assert!(chunks.contains(&locked), "{n}: {locked}");
            let ids: Vec<i64> = predictions::table.select(predictions::id).order(predictions::id).load(conn)?;
            let referenced: BTreeSet<_> = triggers(conn, &ids).into_iter().flatten().collect();
            let expected = if *chunks.start() == 2 { vec![keys[10].id(), keys[20].id()] } else { vec![keys[10].id()] };
            assert_eq!(referenced, expected.into_iter().collect());
            Ok(())
        });
    }
}

/// A time that another statement has left counts for its id alone.
#[test]
fn a_time_that_is_left_over_or_wrong_does_no_harm() {
    let (_db, mut conn) = TestDb::ready();
    let keys = sixty_days(&mut conn);
    conn.transaction(|conn| {
        let insert = |conn: &mut PgConnection, row: NewPrediction<'static>| {
            diesel::insert_into(predictions::table).values(&row).execute(conn)
        };
        insert(conn, predicted(1).remove(0).with_triggering_event(keys[1]))?;
        insert(conn, predicted(1).remove(0).with_triggering_event_id(keys[2].id()))?;
        let elsewhere = SensorEventKey::new(keys[3].id(), keys[40].timestamp());
        insert(conn, predicted(1).remove(0).with_triggering_event(elsewhere))?;
        let ids: Vec<i64> = predictions::table.select(predictions::id).order(predictions::id).load(conn)?;
        assert_eq!(triggers(conn, &ids), [1, 2, 3].map(|n: usize| Some(keys[n].id())));
        Ok::<_, Error>(())
    })
    .unwrap();
    let registered: Vec<(i64, DateTime<Utc>)> = referenced_events::table
        .order(referenced_events::id)
        .select((referenced_events::id, referenced_events::timestamp))
        .load(&mut conn)
        .unwrap();
    assert_eq!(registered, [1, 2, 3].map(|n: usize| (keys[n].id(), keys[n].timestamp())));
}

#[test]
fn the_time_of_a_triggering_event_is_checked() {
    let (_db, mut conn) = TestDb::ready();
    let too_early: DateTime<Utc> = "-4713-11-23T23:59:59Z".parse().unwrap();
    let rows =
        [predicted(1).remove(0), predicted(1).remove(0).with_triggering_event(SensorEventKey::new(1, too_early))];
    let [found] = &invalid_rows(bulk::insert_predictions(&rows).call(&mut conn).unwrap_err())[..] else { panic!() };
    assert_eq!((found.row, found.column.as_str()), (1, "triggering_event_id"));
}
