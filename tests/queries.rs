//! Every query gives what a straightforward computation on the same rows gives, and takes further clauses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::pg::Pg;
use diesel::prelude::*;
use occupancy_models::bulk;
use occupancy_models::queries::{
    self, ModelAccuracy, RoomSummary, SensorEfficiency, TemporalPattern, TransitionSequence, after, before,
    model_accuracies, newest_first, oldest_first, sensor_efficiencies, temporal_patterns, transition_sequences,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType,
    TransitionType, drop_sensor_events_before,
};
use support::{TestDb, sql};

fn start() -> DateTime<Utc> {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Ten days of two rooms with three sensors each, in daily chunks; several at one instant, gaps of all lengths.
fn home() -> (TestDb, PgConnection, Vec<SensorEvent>) {
    let (db, mut conn) = TestDb::ready();
    let mut at = start();
    let mut rows = Vec::new();
    for n in 0..600_i64 {
        // Pseudo-random, the same each time.
        let random = (n * 7919 + n * n * 104_729) % 97;
        if random % 3 > 0 {
            at += TimeDelta::minutes(random % 50) + TimeDelta::microseconds(n);
        }
        let sensor = n % 6;
        let room = if sensor < 3 { "office" } else { "kitchen" };
        let (sensor_type, state) = match sensor % 3 {
            0 => (SensorType::MOTION, if random % 2 == 0 { "on" } else { "off" }.to_owned()),
            1 => (SensorType::DOOR, if random % 5 < 2 { "open" } else { "closed" }.to_owned()),
            _ => (SensorType::TEMPERATURE, format!("{}.5", 18 + random % 4)),
        };
        let mut row = NewSensorEvent::new(at, room, format!("{room}.{sensor}"), sensor_type, state)
            .with_human_triggered(random % 4 > 0);
        if random % 7 > 0 {
            row = row.with_confidence_score((random % 11) as f64 / 10.0);
        }
        if random % 5 == 0 {
            row = row.with_previous_state(if random % 2 == 0 { "off" } else { "on" });
        }
        rows.push(row);
    }
    bulk::upsert_sensor_events(&rows).call(&mut conn).unwrap();
    let mut events: Vec<SensorEvent> = SensorEvent::query().load(&mut conn).unwrap();
    events.sort_by_key(|event| (event.timestamp, event.id));
    assert!(events.last().unwrap().timestamp > start() + TimeDelta::days(6));
    (db, conn, events)
}

fn range() -> std::ops::Range<DateTime<Utc>> {
    start() + TimeDelta::hours(30)..start() + TimeDelta::days(5)
}

fn office(events: &[SensorEvent]) -> Vec<SensorEvent> {
    events.iter().filter(|event| event.room_id == "office" && range().contains(&event.timestamp)).cloned().collect()
}

/// The state before each event, as `state_changes` documents it.
fn changes(events: &[SensorEvent]) -> Vec<SensorEvent> {
    let mut before = BTreeMap::new();
    let mut changes = Vec::new();
    for event in events {
        let earlier = before.insert(event.sensor_id.clone(), event.state.clone());
        if event.previous_state.clone().or(earlier).is_some_and(|state| state != event.state) {
            changes.push(event.clone());
        }
    }
    changes
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[track_caller]
fn assert_close(actual: Option<f64>, expected: Option<f64>) {
    match (actual, expected) {
        (Some(actual), Some(expected)) => assert!((actual - expected).abs() < 1e-9, "{actual} is not {expected}"),
        _ => assert_eq!(actual, expected),
    }
}

fn confidences<'a>(events: impl IntoIterator<Item = &'a SensorEvent>) -> Vec<f64> {
    events.into_iter().filter_map(|event| event.confidence_score).collect()
}

#[test]
fn a_timeline_has_every_event_of_the_room_in_the_range_in_order() {
    let (_db, mut conn, events) = home();
    let expected = office(&events);
    let found: Vec<SensorEvent> = SensorEvent::timeline("office", range()).load(&mut conn).unwrap();
    assert_eq!(found, expected);
    let found: Vec<SensorEvent> =
        SensorEvent::timeline("office".to_owned(), range()).order(newest_first()).load(&mut conn).unwrap();
    assert_eq!(found, expected.iter().rev().cloned().collect::<Vec<_>>());

    // Every kind of range, on the edge of an event.
    let (first, last) = (expected[5].timestamp, expected[20].timestamp);
    type Timeline<'a> = sensor_events::BoxedQuery<'a, Pg, SqlTypeOf<AsSelect<SensorEvent, Pg>>>;
    let times = |conn: &mut PgConnection, query: Timeline<'_>| -> Vec<DateTime<Utc>> {
        query.select(sensor_events::timestamp).load(conn).unwrap()
    };
    let timestamps: Vec<_> =
        events.iter().filter(|event| event.room_id == "office").map(|event| event.timestamp).collect();
    let inside = |range: &dyn Fn(&DateTime<Utc>) -> bool| -> Vec<_> {
        timestamps.iter().copied().filter(|at| range(at)).collect()
    };
    let conn = &mut conn;
    assert_eq!(times(conn, SensorEvent::timeline("office", first..last)), inside(&|at| (first..last).contains(at)));
    assert_eq!(times(conn, SensorEvent::timeline("office", first..=last)), inside(&|at| (first..=last).contains(at)));
    assert_eq!(times(conn, SensorEvent::timeline("office", first..)), inside(&|at| *at >= first));
    assert_eq!(times(conn, SensorEvent::timeline("office", ..last)), inside(&|at| *at < last));
    assert_eq!(times(conn, SensorEvent::timeline("office", ..)), timestamps);
    use std::ops::Bound::{Excluded, Unbounded};
    assert_eq!(times(conn, SensorEvent::timeline("office", (Excluded(first), Unbounded))), inside(&|at| *at > first));
}

#[test]
fn a_timeline_takes_any_further_clause_and_joins() {
    let (_db, mut conn, events) = home();
    let types = [SensorType::MOTION, SensorType::DOOR];
    let found: Vec<i64> = SensorEvent::timeline("office", range())
        .filter(sensor_events::sensor_type.eq_any(&types))
        .select(sensor_events::id)
        .limit(7)
        .offset(2)
        .load(&mut conn)
        .unwrap();
    let expected: Vec<i64> = office(&events)
        .iter()
        .filter(|event| types.contains(&event.sensor_type))
        .map(|e| e.id)
        .skip(2)
        .take(7)
        .collect();
    assert_eq!(found, expected);

    diesel::table! {
        rooms (id) { id -> Text, floor -> Int4 }
    }
    occupancy_models::allow_in_same_query!(rooms);
    sql(
        &mut conn,
        "CREATE TABLE rooms (id TEXT PRIMARY KEY, floor INT NOT NULL); INSERT INTO rooms VALUES ('office', 3)",
    );
    for floor in [3, 4] {
        let joined: Vec<(SensorEvent, i32)> = SensorEvent::in_room("office", range())
            .inner_join(rooms::table.on(rooms::id.eq(sensor_events::room_id)))
            .filter(rooms::floor.eq(floor))
            .order(oldest_first())
            .select((SensorEvent::as_select(), rooms::floor))
            .load(&mut conn)
            .unwrap();
        let expected: Vec<_> = office(&events).into_iter().map(|event| (event, 3)).collect();
        assert_eq!(joined, if floor == 3 { expected } else { vec![] });
        let boxed: Vec<i32> = SensorEvent::timeline("office", range())
            .inner_join(rooms::table.on(rooms::id.eq(sensor_events::room_id)))
            .filter(rooms::floor.eq(floor))
            .select(rooms::floor)
            .load(&mut conn)
            .unwrap();
        assert_eq!(boxed.len(), joined.len());
    }
}

#[test]
fn pages_by_key_are_the_whole_without_gaps_or_repeats() {
    let (_db, mut conn, _) = home();
    // Ties across sensors, longer than a page.
    let at = range().start + TimeDelta::hours(1);
    let ties: Vec<_> =
        (0..9).map(|n| NewSensorEvent::new(at, "office", format!("tie.{n}"), SensorType::MOTION, "on")).collect();
    bulk::upsert_sensor_events(&ties).call(&mut conn).unwrap();
    let whole: Vec<SensorEvent> = SensorEvent::timeline("office", range()).load(&mut conn).unwrap();
    for size in [1, 4, 1_000] {
        for newest in [false, true] {
            let mut pages: Vec<SensorEvent> = Vec::new();
            loop {
                let mut page = SensorEvent::timeline("office", range()).limit(size);
                if newest {
                    page = page.order(newest_first());
                }
                if let Some(last) = pages.last() {
                    page = if newest { page.filter(before(last.key())) } else { page.filter(after(last.key())) };
                }
                let page: Vec<SensorEvent> = page.load(&mut conn).unwrap();
                if page.is_empty() {
                    break;
                }
                pages.extend(page);
            }
            if newest {
                pages.reverse();
            }
            assert!(pages == whole, "pages of {size}");
        }
    }
}

#[test]
fn state_changes_differ_from_the_recorded_state_before_or_that_of_the_sensors_event_before() {
    let (_db, mut conn, events) = home();
    let expected = changes(&office(&events));
    assert!(expected.len() > 20 && expected.len() < office(&events).len());
    let found: Vec<SensorEvent> =
        SensorEvent::state_changes("office", range()).order(oldest_first()).load(&mut conn).unwrap();
    assert_eq!(found, expected);
    // A further filter chooses among the changes, and changes nothing about what was before.
    let found: i64 = SensorEvent::state_changes("office", range())
        .filter(sensor_events::state.eq("on"))
        .count()
        .get_result(&mut conn)
        .unwrap();
    assert_eq!(found as usize, expected.iter().filter(|event| event.state == "on").count());
    // Without bounds.
    let all: Vec<SensorEvent> =
        SensorEvent::state_changes("kitchen", ..).order(oldest_first()).load(&mut conn).unwrap();
    let kitchen: Vec<_> = events.iter().filter(|event| event.room_id == "kitchen").cloned().collect();
    assert_eq!(all, changes(&kitchen));
}

fn sequences(events: &[SensorEvent], gap: TimeDelta, min_length: usize) -> Vec<Vec<SensorEventKey>> {
    let mut sequences: Vec<Vec<SensorEventKey>> = Vec::new();
    for event in events {
        match sequences.last_mut() {
            Some(last) if event.timestamp - last.last().unwrap().timestamp() <= gap => last.push(event.key()),
            _ => sequences.push(vec![event.key()]),
        }
    }
    sequences.retain(|sequence| sequence.len() >= min_length);
    sequences
}

#[test]
fn sequences_are_split_at_gaps_and_have_a_minimum_length() {
    let (_db, mut conn, events) = home();
    let expected_changes = changes(&office(&events));
    for (gap, min_length) in [
        (queries::DEFAULT_GAP, queries::DEFAULT_MIN_LENGTH),
        (TimeDelta::minutes(90), 2),
        (TimeDelta::zero(), 1),
        // Exactly the gap is none.
        (expected_changes[4].timestamp - expected_changes[3].timestamp, 1),
        (TimeDelta::MAX, 1),
    ] {
        let found: Vec<TransitionSequence> =
            queries::sequences(SensorEvent::state_changes("office", range()), gap, min_length)
                .order(transition_sequences::number)
                .load(&mut conn)
                .unwrap();
        let expected = sequences(&expected_changes, gap, usize::try_from(min_length).unwrap());
        assert!(!expected.is_empty());
        assert_eq!(found.iter().map(TransitionSequence::keys).collect::<Vec<_>>(), expected);
        for (index, sequence) in found.iter().enumerate() {
            let keys = sequence.keys();
            assert_eq!(sequence.room_id, "office");
            assert_eq!(sequence.number, index as i64 + 1);
            assert_eq!(sequence.events, keys.len() as i64);
            assert_eq!(sequence.started_at, keys[0].timestamp());
            assert_eq!(sequence.ended_at, keys.last().unwrap().timestamp());
        }
    }
    // The inside takes clauses, and so does the outside.
    let motions = SensorEvent::in_room("office", range()).filter(sensor_events::sensor_type.eq(SensorType::MOTION));
    let found: Vec<i64> = queries::sequences(motions, TimeDelta::hours(3), 2)
        .filter(transition_sequences::events.ge(4))
        .order(transition_sequences::started_at.desc())
        .select(transition_sequences::events)
        .limit(3)
        .load(&mut conn)
        .unwrap();
    let only: Vec<_> = office(&events).into_iter().filter(|event| event.sensor_type == SensorType::MOTION).collect();
    let mut expected: Vec<i64> =
        sequences(&only, TimeDelta::hours(3), 4).iter().map(|sequence| sequence.len() as i64).collect();
    expected.reverse();
    expected.truncate(3);
    assert_eq!(found, expected);
}

#[test]
fn the_last_event_of_each_sensor_and_a_series() {
    let (_db, mut conn, events) = home();
    let in_range = || events.iter().filter(|event| range().contains(&event.timestamp));
    let last: BTreeMap<_, _> = in_range().map(|event| (event.sensor_id.clone(), event.clone())).collect();
    let found: Vec<SensorEvent> = SensorEvent::latest_per_sensor(range()).load(&mut conn).unwrap();
    assert_eq!(found, last.values().cloned().collect::<Vec<_>>());
    let found: Vec<SensorEvent> =
        SensorEvent::latest_per_sensor(range()).filter(sensor_events::room_id.eq("kitchen")).load(&mut conn).unwrap();
    assert_eq!(found, last.values().filter(|event| event.room_id == "kitchen").cloned().collect::<Vec<_>>());

    let expected: Vec<_> = in_range()
        .filter(|event| event.sensor_id == "office.2")
        .map(|event| (event.timestamp, event.numeric_value.unwrap()))
        .collect();
    let found: Vec<(DateTime<Utc>, f64)> = SensorEvent::series("office.2", range()).load(&mut conn).unwrap();
    assert_eq!(found, expected);
    let none: Vec<(DateTime<Utc>, f64)> = SensorEvent::series("office.1", range()).load(&mut conn).unwrap();
    assert_eq!(none, []);
}

#[test]
fn a_room_is_summarized() {
    let (_db, mut conn, events) = home();
    let events = office(&events);
    let summary: RoomSummary =
        queries::summarize_rooms(SensorEvent::in_room("office", range())).get_result(&mut conn).unwrap();
    let values = confidences(&events);
    assert_eq!(summary.room_id, "office");
    assert_eq!(summary.events, events.len() as i64);
    assert_eq!(summary.sensors, 3);
    assert_eq!((summary.first_event, summary.last_event), (events[0].timestamp, events.last().unwrap().timestamp));
    let human = events.iter().filter(|event| event.is_human_triggered).count() as i64;
    assert_eq!((summary.human_triggered, summary.automatic), (human, events.len() as i64 - human));
    assert_close(summary.mean_confidence, mean(&values));
    assert_close(summary.median_confidence, median(&values));
    let centre = mean(&values).unwrap();
    let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    assert_close(summary.stddev_confidence, Some(variance.sqrt()));
    // Of every room; and of none.
    let rooms: Vec<RoomSummary> = queries::summarize_rooms(SensorEvent::within(range())).load(&mut conn).unwrap();
    assert_eq!(rooms.len(), 2);
    let none: Vec<RoomSummary> = queries::summarize_rooms(SensorEvent::in_room("attic", ..)).load(&mut conn).unwrap();
    assert_eq!(none, []);
}

#[test]
fn sensors_are_told_apart_by_what_they_have_to_say() {
    let (_db, mut conn, events) = home();
    let events = office(&events);
    let found: Vec<SensorEfficiency> = queries::sensor_efficiency(SensorEvent::in_room("office", range()))
        .order(sensor_efficiencies::sensor_id)
        .load(&mut conn)
        .unwrap();
    assert_eq!(found.len(), 3);
    for sensor in found {
        let own: Vec<_> = events.iter().filter(|event| event.sensor_id == sensor.sensor_id).cloned().collect();
        let changed = changes(&own).len();
        assert_eq!((sensor.events, sensor.state_changes), (own.len() as i64, changed as i64));
        assert_close(Some(sensor.change_ratio), Some(changed as f64 / own.len() as f64));
        assert_close(sensor.mean_confidence, mean(&confidences(&own)));
        let intervals: Vec<_> =
            own.windows(2).map(|pair| (pair[1].timestamp - pair[0].timestamp).as_seconds_f64()).collect();
        assert!((sensor.mean_interval_seconds.unwrap() - mean(&intervals).unwrap()).abs() < 1e-6);
    }
}

#[test]
fn patterns_by_hour_and_by_day_follow_the_time_zone() {
    let (_db, mut conn, events) = home();
    let events = office(&events);
    // In January Berlin is one hour ahead, and Newfoundland three and a half behind.
    for (time_zone, minutes) in [("UTC", 0), ("Europe/Berlin", 60), ("America/St_Johns", -210)] {
        let local = |event: &SensorEvent| event.timestamp + TimeDelta::minutes(minutes);
        let mut hours: BTreeMap<i32, Vec<&SensorEvent>> = BTreeMap::new();
        let mut days: BTreeMap<i32, Vec<&SensorEvent>> = BTreeMap::new();
        for event in &events {
            hours.entry(local(event).hour() as i32).or_default().push(event);
            days.entry(local(event).weekday().number_from_monday() as i32).or_default().push(event);
        }
        let by_hour = queries::by_hour_of_day(SensorEvent::in_room("office", range()), time_zone)
            .order(temporal_patterns::part)
            .load::<TemporalPattern>(&mut conn)
            .unwrap();
        let by_day = queries::by_day_of_week(SensorEvent::in_room("office", range()), time_zone)
            .order(temporal_patterns::part)
            .load::<TemporalPattern>(&mut conn)
            .unwrap();
        for (found, expected) in [(by_hour, hours), (by_day, days)] {
            assert_eq!(
                found.iter().map(|row| row.part).collect::<Vec<_>>(),
                expected.keys().copied().collect::<Vec<_>>()
            );
            for (row, events) in found.iter().zip(expected.values()) {
                assert_eq!(row.events, events.len() as i64);
                assert_eq!(
                    row.sensors,
                    events.iter().map(|event| &event.sensor_id).collect::<BTreeSet<_>>().len() as i64
                );
                assert_eq!(row.human_triggered, events.iter().filter(|event| event.is_human_triggered).count() as i64);
                assert_close(row.mean_confidence, mean(&confidences(events.iter().copied())));
            }
        }
    }
    let error = queries::by_hour_of_day(SensorEvent::in_room("office", range()), "Mars/Olympus")
        .load::<TemporalPattern>(&mut conn)
        .unwrap_err();
    assert!(error.to_string().contains("Mars/Olympus"), "{error}");
}

#[test]
fn events_are_found_by_key_and_by_id() {
    let (_db, mut conn, events) = home();
    let wanted: Vec<_> = events.iter().rev().step_by(17).collect();
    let mut keys: Vec<_> = wanted.iter().map(|event| event.key()).collect();
    let mut found: Vec<SensorEvent> = SensorEvent::by_keys(&keys).load(&mut conn).unwrap();
    found.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.id)));
    assert_eq!(found.iter().collect::<Vec<_>>(), wanted);
    let states: i64 =
        SensorEvent::by_keys(&keys).filter(sensor_events::room_id.eq("office")).count().get_result(&mut conn).unwrap();
    assert_eq!(states as usize, wanted.iter().filter(|event| event.room_id == "office").count());

    // In order, also what is repeated, gone, or has another timestamp.
    keys.push(keys[0]);
    keys.push(SensorEventKey::new(1_000_000, start()));
    keys.push(SensorEventKey::new(keys[1].id(), keys[1].timestamp() + TimeDelta::microseconds(1)));
    let looked_up = SensorEvent::find_in_order(&keys).load::<Option<SensorEvent>>(&mut conn).unwrap();
    let expected: Vec<_> =
        wanted.iter().map(|event| Some((*event).clone())).chain([Some(wanted[0].clone()), None, None]).collect();
    assert_eq!(looked_up, expected);
    assert_eq!(SensorEvent::find_in_order(&[]).load::<Option<SensorEvent>>(&mut conn).unwrap(), []);
    let none: Vec<SensorEvent> = SensorEvent::by_keys(&[]).load(&mut conn).unwrap();
    assert_eq!(none, []);

    // By id: today, in the last days, long ago; and gone.
    let mut ids = vec![events[0].id];
    for days in [0, 20] {
        let at = Utc::now() - TimeDelta::days(days);
        let row = NewSensorEvent::new(at, "office", "clock", SensorType::MOTION, "on");
        ids.push(
            diesel::insert_into(sensor_events::table)
                .values(row)
                .returning(sensor_events::id)
                .get_result(&mut conn)
                .unwrap(),
        );
    }
    for id in ids {
        let event: SensorEvent = SensorEvent::by_id(id).get_result(&mut conn).unwrap();
        assert_eq!(event.id, id);
        let none = SensorEvent::by_id(id).filter(sensor_events::room_id.eq("attic")).first::<SensorEvent>(&mut conn);
        assert_eq!(none.optional().unwrap(), None);
    }
    assert_eq!(SensorEvent::by_id(1_000_000).first::<SensorEvent>(&mut conn).optional().unwrap(), None);
}

/// Ids and times that rise together, with gaps and with wrong clocks, and those that don't.
#[test]
fn an_event_is_found_by_its_id_in_whatever_order_the_ids_are() {
    let (_db, mut conn) = TestDb::ready();
    let conn = &mut conn;
    for (order, days) in [
        ("n", "n / 20"),
        ("n", "n / 20 + n / 200 * 300"),
        ("n", "CASE n WHEN 11 THEN -9000 WHEN 290 THEN -20000 WHEN 13 THEN 9000 ELSE n / 20 END"),
        ("n", "n * n / 8000"),
        // Imported later: the old half came last.
        ("(n + 200) % 400", "n / 20"),
        ("md5(n::text)", "n / 20"),
    ] {
        sql(
            conn,
            &format!(
                "TRUNCATE sensor_events RESTART IDENTITY;
                 INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
                 SELECT TIMESTAMPTZ '2024-03-01 00:00Z' + ({days}) * INTERVAL '1 day' + n * INTERVAL '1 second',
                     'office', 'sensor', 'motion', n
                 FROM generate_series(0, 399) AS n
                 ORDER BY {order};
                 DELETE FROM sensor_events WHERE state::INT BETWEEN 100 AND 119 OR state::INT % 7 = 0"
            ),
        );
        let different = support::value(
            conn,
            "SELECT count(*)
             FROM generate_series(0, 403, 13) AS wanted
             LEFT JOIN sensor_events AS stored ON stored.id = wanted
             WHERE (SELECT f FROM sensor_event_by_id(wanted) AS f) IS DISTINCT FROM stored",
        );
        assert_eq!(different, "0", "{order}, {days}");
    }
}

/// A prediction for every fifth event, the last ones first, and two without.
fn predict(conn: &mut PgConnection, events: &[SensorEvent]) -> Vec<Prediction> {
    let models = [ModelType::HMM, ModelType::LSTM];
    let mut rows: Vec<_> = events
        .iter()
        .rev()
        .step_by(5)
        .enumerate()
        .map(|(n, event)| {
            let at = event.timestamp + TimeDelta::minutes(20);
            NewPrediction::new(event.room_id.clone(), at, TransitionType::StateChange, 0.5, models[n % 2].clone(), "1")
                .with_prediction_time(event.timestamp)
                .with_triggering_event(event.key())
        })
        .collect();
    rows.insert(3, rows[0].clone().with_triggering_event_id(None));
    rows.push(rows[1].clone());
    let (_, ids): (_, Vec<i64>) = bulk::insert_predictions(&rows).returning(predictions::id).call(conn).unwrap();
    Prediction::query().filter(predictions::id.eq_any(ids)).order(predictions::id).load(conn).unwrap()
}

#[test]
fn predictions_come_with_their_events_and_events_with_their_predictions() {
    let (_db, mut conn, events) = home();
    let predictions = predict(&mut conn, &events);
    let event_of = |events: &[SensorEvent], prediction: &Prediction| {
        events.iter().find(|event| Some(event.id) == prediction.triggering_event_id).cloned()
    };
    let expected: Vec<_> = predictions.iter().map(|prediction| event_of(&events, prediction)).collect();
    assert_eq!(expected.iter().filter(|event| event.is_none()).count(), 1);
    assert_eq!(Prediction::triggering_events(&predictions).load::<Option<SensorEvent>>(&mut conn).unwrap(), expected);

    // Of a query, in its order.
    let query = Prediction::in_room("office", range())
        .filter(predictions::model_type.eq(ModelType::HMM))
        .order((predictions::prediction_time.desc(), predictions::id))
        .limit(9);
    let found: Vec<Prediction> = query.clone().load(&mut conn).unwrap();
    assert_eq!(found.len(), 9);
    let pairs: Vec<_> =
        found.into_iter().map(|prediction| (prediction.clone(), event_of(&events, &prediction))).collect();
    assert_eq!(queries::with_events(query).load::<(Prediction, Option<SensorEvent>)>(&mut conn).unwrap(), pairs);
    let boxed = Prediction::query().order(predictions::id).into_boxed();
    let pairs: Vec<_> = predictions.iter().cloned().zip(expected).collect();
    assert_eq!(queries::with_events(boxed).load::<(Prediction, Option<SensorEvent>)>(&mut conn).unwrap(), pairs);

    // The other way round, for a whole slice.
    let loaded: Vec<Prediction> = Prediction::triggered_by(&events).load(&mut conn).unwrap();
    let grouped = SensorEvent::group_predictions(&events, loaded);
    assert_eq!(grouped.len(), events.len());
    for (event, own) in events.iter().zip(grouped) {
        let expected: Vec<_> =
            predictions.iter().filter(|prediction| prediction.triggering_event_id == Some(event.id)).cloned().collect();
        assert_eq!(own, expected);
    }

    // Retention takes the events of the first days: they are gone, which is no error.
    drop_sensor_events_before(start() + TimeDelta::days(3)).call(&mut conn).unwrap();
    let now = Prediction::triggering_events(&predictions).load::<Option<SensorEvent>>(&mut conn).unwrap();
    for (prediction, event) in predictions.iter().zip(now) {
        let is_kept =
            prediction.triggering_event_id.is_some() && prediction.prediction_time >= start() + TimeDelta::days(3);
        assert_eq!(event.is_some(), is_kept, "{prediction:?}");
    }
    let keys: Vec<_> = events.iter().map(SensorEvent::key).collect();
    let found = SensorEvent::find_in_order(&keys).load::<Option<SensorEvent>>(&mut conn).unwrap();
    assert!(found[0].is_none() && found.last().unwrap().is_some());
}

#[test]
fn outcomes_are_recorded_at_once_as_one_by_one() {
    let (_db, mut conn, events) = home();
    let predictions = predict(&mut conn, &events);
    let tolerance = TimeDelta::minutes(10);
    let mut outcomes: Vec<_> = predictions
        .iter()
        .enumerate()
        .skip(10)
        .map(|(n, prediction)| {
            // On both sides of the tolerance, and just on it.
            let off = TimeDelta::seconds(n as i64 * 60 - 900) + TimeDelta::microseconds(i64::from(n % 3 == 0));
            (prediction.id, (n % 7 > 0).then(|| prediction.predicted_transition_time + off))
        })
        .collect();
    let outcome = |prediction: &Prediction| {
        let (_, actual) = outcomes.iter().find(|(id, _)| *id == prediction.id)?;
        Some(prediction.outcome(*actual, tolerance))
    };
    let expected: Vec<_> = predictions.iter().map(outcome).collect();
    outcomes.push((1_000_001, None));
    outcomes.push((1_000_000, None));
    let report = bulk::record_outcomes(&outcomes, tolerance).call(&mut conn).unwrap();
    let known: Vec<_> = expected.iter().flatten().collect();
    assert_eq!(report.recorded, known.len() as i64);
    assert_eq!(report.accurate, known.iter().filter(|outcome| outcome.is_accurate == Some(Some(true))).count() as i64);
    assert!(report.accurate > 5 && report.accurate < report.recorded);
    assert_eq!(
        report.missed,
        known.iter().filter(|outcome| outcome.actual_transition_time == Some(None)).count() as i64
    );
    assert_eq!(report.unknown_ids, [1_000_000, 1_000_001]);

    let stored: Vec<Prediction> = Prediction::query().order(predictions::id).load(&mut conn).unwrap();
    for (stored, expected) in stored.iter().zip(&expected) {
        match expected {
            Some(expected) => {
                assert_eq!(Some(stored.actual_transition_time), expected.actual_transition_time);
                assert_eq!(Some(stored.is_accurate), expected.is_accurate);
                assert_close(stored.accuracy_minutes, expected.accuracy_minutes.unwrap());
                assert!(stored.validation_timestamp.is_some());
            }
            None => assert_eq!(stored.validation_timestamp, None),
        }
    }
    let again = bulk::record_outcomes(&[outcomes[0], outcomes[1], outcomes[0]], tolerance);
    match again.call(&mut conn) {
        Err(Error::IdRepeated { id, .. }) => assert_eq!(id, outcomes[0].0),
        other => panic!("{other:?}"),
    }
    let none = bulk::record_outcomes(&[], tolerance).call(&mut conn).unwrap();
    assert_eq!((none.recorded, none.unknown_ids), (0, vec![]));

    // What is pending, from a cutoff on, of any room.
    let cutoff = predictions[5].prediction_time;
    let pending: Vec<i64> =
        Prediction::pending(cutoff..).order(predictions::id).select(predictions::id).load(&mut conn).unwrap();
    let expected_pending: Vec<_> = stored
        .iter()
        .filter(|prediction| prediction.validation_timestamp.is_none() && prediction.prediction_time >= cutoff)
        .map(|prediction| prediction.id)
        .collect();
    assert!(!expected_pending.is_empty() && expected_pending.len() < 10);
    assert_eq!(pending, expected_pending);

    // The accuracy of each model in each room.
    let found: Vec<ModelAccuracy> = queries::accuracy(Prediction::within(range()))
        .order((model_accuracies::room_id, model_accuracies::model_type))
        .load(&mut conn)
        .unwrap();
    let mut groups: BTreeMap<(String, String), Vec<&Prediction>> = BTreeMap::new();
    for prediction in stored
        .iter()
        .filter(|prediction| prediction.validation_timestamp.is_some() && range().contains(&prediction.prediction_time))
    {
        let key = (prediction.room_id.clone(), prediction.model_type.as_str().to_owned());
        groups.entry(key).or_default().push(prediction);
    }
    assert_eq!(groups.len(), 4);
    assert_eq!(found.len(), 4);
    for (found, ((room, model), group)) in found.iter().zip(&groups) {
        let errors: Vec<_> = group.iter().filter_map(|prediction| prediction.accuracy_minutes).collect();
        let accurate = group.iter().filter(|prediction| prediction.is_accurate == Some(true)).count();
        assert_eq!((&found.room_id, found.model_type.as_str()), (room, model.as_str()));
        assert_eq!((found.validated, found.accurate), (group.len() as i64, accurate as i64));
        assert_eq!(found.missed, (group.len() - errors.len()) as i64);
        assert_close(Some(found.accurate_share), Some(accurate as f64 / group.len() as f64));
        assert_close(found.mean_error_minutes, mean(&errors));
        assert_close(found.median_error_minutes, median(&errors));
        let squares: Vec<_> = errors.iter().map(|error| error * error).collect();
        assert_close(found.rmse_minutes, mean(&squares).map(f64::sqrt));
    }
    let hmm: Vec<ModelAccuracy> = queries::accuracy(Prediction::in_room("office", range()))
        .filter(model_accuracies::model_type.eq(ModelType::HMM))
        .load(&mut conn)
        .unwrap();
    assert_eq!(hmm.len(), 1);
}
