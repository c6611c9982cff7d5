//! What a call stores and counts, whatever was stored before.

use crate::fixtures::*;

#[test]
fn every_mixture_is_counted_and_stored_by_sensor_and_instant() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 600] {
        let sensor = |mixture| format!("sensor.{group}.{mixture}");
        for (number, mixture) in (0..).zip(mixtures(group, |n, rows| events(&sensor(n), rows), changed)) {
            insert(&mut conn, &mixture.before);
            assert_eq!(counts(&upsert(&mut conn, &mixture.batch)), mixture.counts, "{}", sensor(number));
            assert_eq!(stored(&mut conn, &sensor(number)), mixture.after, "{}", sensor(number));
        }
    }
}

#[test]
fn every_mixture_is_counted_and_stored_by_key() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 300] {
        let sensor = |mixture| format!("sensor.{group}.{mixture}");
        let rows = |n, rows| keyed(&mut conn, events(&sensor(n), rows));
        let change = |row: &Keyed<NewSensorEvent<'static>>| Keyed::new(row.key().id(), changed(row.row()));
        for (number, mixture) in (0..).zip(mixtures(group, rows, change)) {
            upsert_by_key(&mut conn, &mixture.before).unwrap();
            let report = upsert_by_key(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{}", sensor(number));
            assert_eq!(stored_by_key(&mut conn, &sensor(number)), mixture.after, "{}", sensor(number));
        }
    }
}

#[test]
fn every_mixture_is_counted_and_stored_of_predictions() {
    let (_db, mut conn) = TestDb::ready();
    for group in [3, 300] {
        let rows = |_, rows| with_ids(&mut conn, predicted(rows));
        let change = |row: &Keyed<NewPrediction<'static>>| {
            let other = NewPrediction::new("r", start(), TransitionType::OccupiedToVacant, 1.0, ModelType::LSTM, "x");
            Keyed::new(row.id(), other.with_prediction_time(start()))
        };
        for (n, mixture) in mixtures(group, rows, change).into_iter().enumerate() {
            upsert_predictions(&mut conn, &mixture.before).unwrap();
            let report = upsert_predictions(&mut conn, &mixture.batch).unwrap();
            assert_eq!(counts(&report), mixture.counts, "{n}");
            let first = mixture.after.first().map_or(i64::MAX, Keyed::id);
            assert_eq!(stored_predictions(&mut conn, first), mixture.after, "{n}");
            sql(&mut conn, "DELETE FROM predictions");
        }
    }
}

#[test]
fn a_reimport_keeps_processed_at_and_clears_every_other_column() {
    let (_db, mut conn) = TestDb::ready();
    for size in SIZES {
        let sensor = format!("sensor.{size}");
        let bare = events(&sensor, size);
        let processed = |at| bare.iter().map(|row| row.clone().with_processed_at(at)).collect::<Vec<_>>();
        let full: Vec<_> = processed(start())
            .into_iter()
            .map(|row| {
                row.with_previous_state("before")
                    .with_numeric_value(-1.0)
                    .with_confidence_score(0.5)
                    .with_human_triggered(false)
                    .with_attributes(json!({ "unit": "ppm" }))
            })
            .collect();
        insert(&mut conn, &full);
        assert_eq!(upsert(&mut conn, &bare).updated, n(size));
        assert_eq!(stored(&mut conn, &sensor), processed(start()), "{size}");
        // What only lacks processed_at is no change; another processed_at is one.
        assert_eq!(upsert(&mut conn, &bare).unchanged, n(size));
        let later = processed(start() + TimeDelta::hours(1));
        assert_eq!(upsert(&mut conn, &later).updated, n(size));
        assert_eq!(stored(&mut conn, &sensor), later, "{size}");

        let ids: Vec<_> = stored_by_key(&mut conn, &sensor).iter().map(|row| row.key().id()).collect();
        let by_key = |rows: &[NewSensorEvent<'static>]| -> Vec<_> {
            ids.iter().zip(rows).map(|(id, row)| Keyed::new(*id, row.clone())).collect()
        };
        assert_eq!(upsert_by_key(&mut conn, &by_key(&full)).unwrap().updated, n(size));
        assert_eq!(upsert_by_key(&mut conn, &by_key(&bare)).unwrap().updated, n(size));
        assert_eq!(stored(&mut conn, &sensor), processed(start()), "{size} by key");
    }
}

#[test]
fn a_column_that_becomes_null_or_stops_to_be_is_a_change() {
    let (_db, mut conn) = TestDb::ready();
    for size in [1, 600] {
        let sensor = format!("sensor.{size}");
        let rows = events(&sensor, size);
        upsert(&mut conn, &rows);
        for change in [
            (|row| row.with_numeric_value(None)) as fn(NewSensorEvent<'static>) -> NewSensorEvent<'static>,
            |row| row.with_previous_state("before"),
            |row| row.with_confidence_score(0.0),
            |row| row.with_attributes(json!([])),
            |row| row.with_human_triggered(false),
        ] {
            let mut changed = rows.clone();
            changed[size / 2] = change(rows[size / 2].clone());
            for rows in [&changed, &rows] {
                let report = upsert(&mut conn, rows);
                assert_eq!((report.updated, report.unchanged), (1, n(size - 1)));
                assert_eq!(&stored(&mut conn, &sensor), rows);
            }
        }
    }
}

/// Rows that share attributes send them once.
#[test]
fn each_row_keeps_its_own_attributes_whatever_others_share_them() {
    let (_db, mut conn) = TestDb::ready();
    let with_attributes = |rows: &[NewSensorEvent<'static>], step: usize| -> Vec<_> {
        rows.iter()
            .enumerate()
            .map(|(n, row)| match n * step % 7 {
                0 => row.clone(),
                kind => row.clone().with_attributes(json!({ "kind": kind, "own": if kind == 1 { n } else { 0 } })),
            })
            .collect()
    };
    for size in SIZES {
        let rows = events("sensor", size);
        let size = n(size);
        let first = with_attributes(&rows, 1);
        assert_eq!(counts(&upsert(&mut conn, &first)), [size, 0, 0, 0]);
        assert_eq!(stored(&mut conn, "sensor"), first);
        assert_eq!(counts(&upsert(&mut conn, &first)), [0, 0, size, 0]);

        // The same ones go to other rows; where n and 2n leave the same rest, to the same.
        let other = with_attributes(&rows, 2);
        let updated = u64::try_from(first.iter().zip(&other).filter(|(a, b)| a != b).count()).unwrap();
        assert_eq!(counts(&upsert(&mut conn, &other)), [0, updated, size - updated, 0]);
        assert_eq!(stored(&mut conn, "sensor"), other);

        let by_key: Vec<_> = stored_by_key(&mut conn, "sensor")
            .iter()
            .zip(&first)
            .map(|(row, event)| Keyed::new(row.key().id(), event.clone()))
            .collect();
        assert_eq!(counts(&upsert_by_key(&mut conn, &by_key).unwrap()), [0, updated, size - updated, 0]);
        assert_eq!(stored_by_key(&mut conn, "sensor"), by_key);
        sql(&mut conn, "TRUNCATE sensor_events");
    }
}

#[test]
fn every_column_is_stored_by_every_call() {
    let (_db, mut conn) = TestDb::ready();
    let full = |sensor: &'static str| {
        NewSensorEvent::new(start(), "room", sensor, SensorType::new("vibration"), "0.25 g")
            .with_numeric_value(0.25)
            .with_previous_state("quiet")
            .with_attributes(json!({ "axis": "z", "nested": [1, null, "ü", "a,b\"{}\\"] }))
            .with_human_triggered(false)
            .with_confidence_score(0.75)
            .with_processed_at(start() + TimeDelta::microseconds(1))
    };
    assert_eq!(upsert(&mut conn, &[full("by instant")]).inserted, 1);
    let rows = keyed(&mut conn, vec![full("by key")]);
    assert_eq!(upsert_by_key(&mut conn, &rows).unwrap().inserted, 1);
    assert_eq!(stored(&mut conn, "by instant"), [full("by instant")]);
    assert_eq!(stored_by_key(&mut conn, "by key"), rows);
    bulk::insert_sensor_events(&[full("inserted")]).call(&mut conn).unwrap();
    assert_eq!(stored(&mut conn, "inserted"), [full("inserted")]);
    // Through COPY, where there is one.
    let mut rows = events("copied", 600);
    rows.insert(300, full("by copy"));
    bulk::insert_sensor_events(&rows).call(&mut conn).unwrap();
    assert_eq!(stored(&mut conn, "by copy"), [full("by copy")]);
    // Among enough others for the look ahead, fresh and not.
    for extra in 0..2 {
        let mut rows = events("filler", 600 + extra);
        rows.insert(300, full("in a large batch"));
        upsert(&mut conn, &rows);
        assert_eq!(stored(&mut conn, "in a large batch"), [full("in a large batch")]);
        sql(&mut conn, "DELETE FROM sensor_events WHERE sensor_id = 'in a large batch'");
    }
}
