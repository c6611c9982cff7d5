//! Predictions, and their references to events.

use std::collections::{BTreeMap, BTreeSet};

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
        let ids: Vec<_> = rows.iter().map(KeyedPrediction::id).collect();
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
        let given: Vec<_> = ids.into_iter().zip(rows).map(|(id, row)| KeyedPrediction::new(id, row)).collect();
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
    assert_eq!(stored_predictions(&mut conn, ids[0]), [KeyedPrediction::new(ids[0], full)]);

    let outcome = prediction.outcome(Some(start() + TimeDelta::minutes(1)), TimeDelta::minutes(5));
    let validated: Prediction =
        diesel::update(&prediction).set(&outcome).returning(Prediction::as_returning()).get_result(&mut conn).unwrap();
    assert_eq!(counts(&upsert_predictions(&mut conn, &rows).unwrap()), [0, 0, 1, 0]);
    let bare = [KeyedPrediction::new(id, predicted(1).remove(0))];
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
