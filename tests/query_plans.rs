//! Queries read only the chunks that they are about, and are prepared once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use occupancy_models::bulk;
use occupancy_models::queries::{
    self, ModelAccuracy, RoomSummary, SensorEfficiency, TemporalPattern, TransitionSequence, before, newest_first,
};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::states::{Calendar, IntervalRule, StateInterval, StateSpan, TimeInState};
use occupancy_models::{Call, NewSensorEvent, Prediction, SensorEvent, SensorEventKey, SensorType};
use support::{TestDb, needs, sql, value};

const DAYS: i64 = 60;

/// The first of sixty days, of which the last is yesterday.
fn start() -> DateTime<Utc> {
    Utc::now().date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc() - TimeDelta::days(DAYS)
}

fn day(n: i64) -> Range<DateTime<Utc>> {
    let from = start() + TimeDelta::days(n);
    from..from + TimeDelta::days(1)
}

/// An event each hour, in sixty daily chunks; a prediction for every tenth.
fn sixty_days() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    let start = start().to_rfc3339();
    sql(
        &mut conn,
        &format!(
            "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
             SELECT timestamptz '{start}' + n * interval '1 hour', 'office', 'sensor_' || n % 3, 'motion', n % 2
             FROM generate_series(0, {DAYS} * 24 - 1) AS n;
             INSERT INTO referenced_events SELECT id, timestamp FROM sensor_events WHERE id % 10 = 0;
             INSERT INTO predictions (room_id, prediction_time, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
             SELECT 'office', timestamp, timestamp, 'state_change', 0.5, 'hmm', '1', id FROM referenced_events ORDER BY timestamp"
        ),
    );
    (db, conn)
}

/// How many chunks work locks, which are those that its plans have.
fn chunks(conn: &mut PgConnection, work: impl FnOnce(&mut PgConnection)) -> String {
    sql(conn, "BEGIN");
    work(conn);
    let locked = value(
        conn,
        "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
         WHERE coalesce(pid, 0) = pg_backend_pid() AND relkind = 'r' AND relname LIKE '_hyper_%_chunk'",
    );
    sql(conn, "ROLLBACK");
    locked
}

fn keys(conn: &mut PgConnection, range: Range<DateTime<Utc>>) -> Vec<SensorEventKey> {
    let events: Vec<SensorEvent> = SensorEvent::timeline("office", range).load(conn).unwrap();
    events.iter().map(SensorEvent::key).collect()
}

#[test]
fn only_the_chunks_of_the_range_are_planned() {
    needs!(Timescale);
    let (_db, mut conn) = sixty_days();
    let conn = &mut conn;
    let two_days = || day(30).start..day(31).end;
    macro_rules! assert_chunks {
        ($expected:literal, $query:expr, $row:ty) => {
            let found = chunks(conn, |conn| assert!(!$query.load::<$row>(conn).unwrap().is_empty()));
            assert_eq!(found, $expected, "{}", stringify!($query));
        };
    }
    assert_chunks!("2", SensorEvent::timeline("office", two_days()), SensorEvent);
    assert_chunks!("2", SensorEvent::timeline("office", two_days()).order(newest_first()).limit(10), SensorEvent);
    assert_chunks!("1", SensorEvent::timeline("office", day(59).start..), SensorEvent);
    assert_chunks!("2", SensorEvent::state_changes("office", two_days()), SensorEvent);
    assert_chunks!("2", SensorEvent::latest_per_sensor(two_days()), SensorEvent);
    // And those of the look-back.
    let states = || SensorEvent::states().look_back(TimeDelta::days(3));
    assert_chunks!("5", states().time_in_state(two_days(), Calendar::days("UTC")), TimeInState);
    assert_chunks!("5", states().named(["sensor_0"]).spans(two_days()), StateSpan);
    let rule = || IntervalRule::any_of(["1"]);
    assert_chunks!("5", states().intervals(sensor_events::room_id, rule(), two_days()), StateInterval);
    assert_chunks!("2", queries::summarize_rooms(SensorEvent::in_room("office", two_days())), RoomSummary);
    assert_chunks!("2", queries::sensor_efficiency(SensorEvent::in_room("office", two_days())), SensorEfficiency);
    assert_chunks!("2", queries::by_hour_of_day(SensorEvent::in_room("office", two_days()), "UTC"), TemporalPattern);
    assert_chunks!(
        "2",
        queries::sequences(SensorEvent::state_changes("office", two_days()), TimeDelta::hours(2), 3),
        TransitionSequence
    );
    // A page that ends at a key leaves out what is beyond it.
    let last = keys(conn, day(30))[5];
    assert_chunks!(
        "6",
        SensorEvent::timeline("office", day(25).start..day(40).end).order(newest_first()).filter(before(last)),
        SensorEvent
    );
    let three_days = keys(conn, day(10).start..day(12).end);
    assert_chunks!("3", SensorEvent::by_keys(&three_days), SensorEvent);
    // Stored now, so that it is of the last day at whatever hour this runs.
    let by_id = chunks(conn, |conn| {
        let now = NewSensorEvent::new(Utc::now(), "office", "sensor_0", SensorType::MOTION, "on");
        let id: i64 = diesel::insert_into(sensor_events::table)
            .values(now)
            .returning(sensor_events::id)
            .get_result(conn)
            .unwrap();
        assert_eq!(SensorEvent::by_id(id).first::<SensorEvent>(conn).unwrap().id, id);
    });
    assert!(by_id.parse::<i64>().unwrap() <= 2, "{by_id} chunks for an event of the last day");
    // An older one is searched, on whichever day.
    for hour in (0..DAYS * 24 - 25).step_by(97) {
        let key = keys(conn, day(hour / 24))[hour as usize % 24];
        let by_id = chunks(conn, |conn| {
            assert_eq!(SensorEvent::by_id(key.id()).first::<SensorEvent>(conn).unwrap().key(), key);
        });
        assert!(by_id.parse::<i64>().unwrap() <= 10, "{by_id} chunks for the event of hour {hour}");
    }

    // Far apart: only those days.
    let apart = [keys(conn, day(2)), keys(conn, day(50))].concat();
    let found = chunks(conn, |conn| {
        assert_eq!(SensorEvent::find_in_order(&apart).load::<Option<SensorEvent>>(conn).unwrap().len(), 48)
    });
    assert_eq!(found, "2");
    let recent = || Prediction::in_room("office", day(40)).order(predictions::id);
    let predicted: Vec<Prediction> = recent().load(conn).unwrap();
    assert_eq!(
        chunks(conn, |conn| assert!(
            queries::with_events(recent()).load::<(Prediction, Option<SensorEvent>)>(conn).unwrap()[0].1.is_some()
        )),
        "1"
    );
    let found = chunks(conn, |conn| {
        assert!(Prediction::triggering_events(&predicted).load::<Option<SensorEvent>>(conn).unwrap()[0].is_some())
    });
    assert_eq!(found, "1");
    // And this is what they are compared with.
    let all = chunks(conn, |conn| {
        assert!(!SensorEvent::timeline("office", ..).load::<SensorEvent>(conn).unwrap().is_empty())
    });
    assert_eq!(all, DAYS.to_string());
}

#[test]
fn a_statement_is_prepared_once_for_different_arguments() {
    let (_db, mut conn) = sixty_days();
    let conn = &mut conn;
    let keys: Vec<_> = SensorEvent::query().load(conn).unwrap().iter().map(SensorEvent::key).collect();
    let prepared = Arc::new(AtomicUsize::new(0));
    let counter = prepared.clone();
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::CacheQuery { .. } = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut assert_once = |name: &str, query: &dyn Fn(&mut PgConnection, i64)| {
        let before = prepared.load(Ordering::Relaxed);
        for n in 1..=8 {
            query(conn, n);
        }
        assert_eq!(prepared.load(Ordering::Relaxed) - before, 1, "{name}");
    };
    let room = |n: i64| if n % 2 == 0 { "office" } else { "attic" };
    let some = |n: i64| &keys[..usize::try_from(n * 2).unwrap()];
    assert_once("timeline", &|conn, n| drop(SensorEvent::timeline(room(n), day(n)).load::<SensorEvent>(conn).unwrap()));
    assert_once("page", &|conn, n| {
        drop(
            SensorEvent::timeline(room(n), day(n))
                .filter(before(keys[n as usize]))
                .order(newest_first())
                .limit(n)
                .load::<SensorEvent>(conn)
                .unwrap(),
        );
    });
    assert_once("changes", &|conn, n| {
        drop(SensorEvent::state_changes(room(n), day(n)).load::<SensorEvent>(conn).unwrap())
    });
    assert_once("sequences", &|conn, n| {
        let changes = SensorEvent::state_changes(room(n), day(n));
        drop(queries::sequences(changes, TimeDelta::minutes(n), n).load::<TransitionSequence>(conn).unwrap());
    });
    assert_once("last", &|conn, n| drop(SensorEvent::latest_per_sensor(day(n)).load::<SensorEvent>(conn).unwrap()));
    assert_once("series", &|conn, n| {
        drop(SensorEvent::series(room(n), day(n)).load::<(DateTime<Utc>, f64)>(conn).unwrap());
    });
    assert_once("summary", &|conn, n| {
        drop(queries::summarize_rooms(SensorEvent::in_room(room(n), day(n))).load::<RoomSummary>(conn).unwrap());
    });
    assert_once("efficiency", &|conn, n| {
        drop(queries::sensor_efficiency(SensorEvent::in_room(room(n), day(n))).load::<SensorEfficiency>(conn).unwrap());
    });
    let zones = ["UTC", "Europe/Berlin"];
    assert_once("hours", &|conn, n| {
        let events = SensorEvent::in_room(room(n), day(n));
        drop(queries::by_hour_of_day(events, zones[n as usize % 2]).load::<TemporalPattern>(conn).unwrap());
    });
    assert_once("time in state", &|conn, n| {
        let states = SensorEvent::states().named([room(n)]).look_back(TimeDelta::days(n));
        let buckets = if n % 2 == 0 { Calendar::hours("UTC") } else { Calendar::days("Europe/Berlin") };
        drop(states.time_in_state(day(n), buckets).load::<TimeInState>(conn).unwrap());
    });
    // Not the statement for hours.
    assert_once("days", &|conn, n| {
        let events = SensorEvent::in_room(room(n), day(n));
        drop(queries::by_day_of_week(events, zones[n as usize % 2]).load::<TemporalPattern>(conn).unwrap());
    });
    assert_once("keys", &|conn, n| drop(SensorEvent::by_keys(some(n)).load::<SensorEvent>(conn).unwrap()));
    assert_once("find_in_order", &|conn, n| {
        drop(SensorEvent::find_in_order(some(n)).load::<Option<SensorEvent>>(conn).unwrap())
    });
    assert_once("id", &|conn, n| drop(SensorEvent::by_id(n).load::<SensorEvent>(conn).unwrap()));
    assert_once("predictions", &|conn, n| drop(Prediction::in_room(room(n), day(n)).load::<Prediction>(conn).unwrap()));
    assert_once("pending", &|conn, n| drop(Prediction::pending(day(n)).load::<Prediction>(conn).unwrap()));
    assert_once("with events", &|conn, n| {
        drop(
            queries::with_events(Prediction::in_room(room(n), day(n)).limit(n))
                .load::<(Prediction, Option<SensorEvent>)>(conn)
                .unwrap(),
        );
    });
    assert_once("accuracy", &|conn, n| {
        drop(queries::accuracy(Prediction::in_room(room(n), day(n))).load::<ModelAccuracy>(conn).unwrap());
    });
    assert_once("outcomes", &|conn, n| {
        let outcomes: Vec<_> = (0..n).map(|id| (id, None)).collect();
        drop(bulk::record_outcomes(&outcomes, TimeDelta::minutes(n)).call(conn).unwrap());
    });
}
