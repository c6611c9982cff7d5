//! Rows of one batch with the same key, and the keys that come back.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::fixtures::*;

/// Every row of the second half is told to repeat the one of the first half that it stands for.
#[track_caller]
fn assert_repeats(error: BulkError, size: usize, columns: &str) {
    let found: Vec<_> = invalid_rows(error).into_iter().map(|row| (row.row, row.column, row.violation)).collect();
    let expected: Vec<_> = (0..size).map(|row| (size + row, columns.to_owned(), Violation::Repeats(row))).collect();
    assert_eq!(found, expected);
}

#[test]
fn repeats_are_resolved_as_told_for_every_target() {
    let (_db, mut conn) = TestDb::ready();
    for size in [2, 600] {
        let sensor = format!("sensor.{size}");
        let first = events(&sensor, size);
        let last: Vec<_> = first.iter().map(changed).collect();
        let rows = [first.clone(), last.clone()].concat();
        let deduplicated = n(size);
        for (repeats, expected) in [(OnDuplicate::KeepLast, &last), (OnDuplicate::KeepFirst, &first)] {
            let report = bulk::upsert_sensor_events(&rows).on_duplicate(repeats).call(&mut conn).unwrap();
            assert_eq!((report.deduplicated, report.rows()), (deduplicated, 2 * deduplicated));
            assert_eq!(&stored(&mut conn, &sensor), expected, "{repeats:?}");
        }
        let error = bulk::upsert_sensor_events(&rows).on_duplicate(OnDuplicate::Fail).call(&mut conn).unwrap_err();
        assert_repeats(error, size, "sensor_id, timestamp");

        let first = stored_by_key(&mut conn, &sensor);
        let last: Vec<_> = first.iter().map(|row| Keyed::new(row.key().id(), changed(row.row()))).collect();
        let rows = [first.clone(), last.clone()].concat();
        for (repeats, expected) in [(OnDuplicate::KeepLast, &last), (OnDuplicate::KeepFirst, &first)] {
            let report = bulk::upsert_sensor_events_by_key(&rows).on_duplicate(repeats).call(&mut conn).unwrap();
            assert_eq!(report.deduplicated, deduplicated);
            assert_eq!(&stored_by_key(&mut conn, &sensor), expected, "{repeats:?}");
        }
        let error =
            bulk::upsert_sensor_events_by_key(&rows).on_duplicate(OnDuplicate::Fail).call(&mut conn).unwrap_err();
        assert_repeats(error, size, "id, timestamp");

        let first = with_ids(&mut conn, predicted(size));
        let other = NewPrediction::new("r", start(), TransitionType::OccupiedToVacant, 1.0, ModelType::LSTM, "x")
            .with_prediction_time(start());
        let last: Vec<_> = first.iter().map(|row| Keyed::new(row.id(), other.clone())).collect();
        let rows = [first.clone(), last.clone()].concat();
        for (repeats, expected) in [(OnDuplicate::KeepLast, &last), (OnDuplicate::KeepFirst, &first)] {
            let report = bulk::upsert_predictions(&rows).on_duplicate(repeats).call(&mut conn).unwrap();
            assert_eq!(report.deduplicated, deduplicated);
            assert_eq!(&stored_predictions(&mut conn, first[0].id()), expected, "{repeats:?}");
        }
        let error = bulk::upsert_predictions(&rows).on_duplicate(OnDuplicate::Fail).call(&mut conn).unwrap_err();
        assert_repeats(error, size, "id");
    }
}

#[test]
fn instants_that_differ_in_nanoseconds_only_are_repeats() {
    let (_db, mut conn) = TestDb::ready();
    let reading = |nanos| {
        NewSensorEvent::new(start() + TimeDelta::nanoseconds(nanos), "room", "sensor", SensorType::TEMPERATURE, "1")
    };
    assert_eq!(counts(&upsert(&mut conn, &[reading(0), reading(999), reading(1_000)])), [2, 0, 0, 1]);
}

#[test]
fn keys_come_in_input_order_with_repeats_and_rows_already_stored() {
    let (_db, mut conn) = TestDb::ready();
    for size in SIZES {
        let sensor = format!("sensor.{size}");
        let mut rows = events(&sensor, size);
        insert(&mut conn, &rows[..size / 2]);
        rows.extend(rows.iter().step_by(3).map(changed).collect::<Vec<_>>());
        rows.shuffle(&mut StdRng::seed_from_u64(1));
        let (report, keys) = upsert_with_keys(&mut conn, &rows);
        assert_eq!(report.rows(), n(rows.len()));
        let ids: BTreeMap<_, _> =
            stored_by_key(&mut conn, &sensor).into_iter().map(|row| (row.key().timestamp(), row.key())).collect();
        let expected: Vec<SensorEventKey> = rows.iter().map(|row| ids[&row.timestamp()]).collect();
        assert_eq!(keys, expected, "{size}");
        assert_eq!(ids.len(), size);
    }
    assert_eq!(upsert_with_keys(&mut conn, &[]), (Report::default(), vec![]));
}
