//! The same queries on diesel-async give the same, and their futures are `Send`.
#![cfg(feature = "async")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use occupancy_models::asynchronous::Call;
use occupancy_models::bulk;
use occupancy_models::queries::{self, ModelAccuracy, TransitionSequence};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Prediction, SensorEvent};
use support::{TestDb, sql};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_gives_the_same_on_an_async_connection() {
    let (db, mut conn) = sixty_days();
    // One after the other: not every server takes two connections.
    macro_rules! expected {
        ($query:expr, $row:ty) => {
            diesel::RunQueryDsl::load::<$row>($query, &mut conn).unwrap()
        };
    }
    let week = || day(20).start..day(26).end;
    let timeline = move || {
        SensorEvent::timeline(String::from("office"), week()).filter(queries::within(sensor_events::timestamp, day(21)))
    };
    let sequences = move || queries::sequences(SensorEvent::state_changes("office", week()), TimeDelta::hours(1), 3);
    let accuracy = move || queries::accuracy(Prediction::in_room("office", week()));
    let predicted = move || Prediction::in_room("office", week()).order(predictions::id);
    let events = expected!(timeline(), SensorEvent);
    let found_sequences = expected!(sequences(), TransitionSequence);
    let keys: Vec<_> = events.iter().map(SensorEvent::key).collect();
    let outcomes: Vec<_> = expected!(predicted(), Prediction).iter().map(|prediction| (prediction.id, None)).collect();
    let pairs = expected!(queries::with_events(predicted()), (Prediction, Option<SensorEvent>));
    assert!(!events.is_empty() && !found_sequences.is_empty() && !pairs.is_empty());
    drop(conn);

    let conn = db.connect_async().await;
    // On a task, so that every future is `Send`.
    tokio::spawn(async move {
        let mut conn = conn;
        assert_eq!(timeline().load::<SensorEvent>(&mut conn).await.unwrap(), events);
        assert_eq!(sequences().load::<TransitionSequence>(&mut conn).await.unwrap(), found_sequences);
        assert_eq!(SensorEvent::by_id(events[0].id).first::<SensorEvent>(&mut conn).await.unwrap(), events[0]);
        let looked_up = SensorEvent::find_in_order(&keys).load::<Option<SensorEvent>>(&mut conn).await.unwrap();
        assert_eq!(looked_up, events.iter().cloned().map(Some).collect::<Vec<_>>());
        assert_eq!(
            queries::with_events(predicted()).load::<(Prediction, Option<SensorEvent>)>(&mut conn).await.unwrap(),
            pairs
        );
        let report = bulk::record_outcomes(&outcomes, TimeDelta::minutes(5)).call(&mut conn).await.unwrap();
        assert_eq!(
            (report.recorded, report.accurate, report.missed),
            (outcomes.len() as i64, 0, outcomes.len() as i64)
        );
        let accuracy: Vec<ModelAccuracy> = accuracy().load(&mut conn).await.unwrap();
        assert_eq!((accuracy[0].missed, accuracy[0].rmse_minutes), (outcomes.len() as i64, None));
    })
    .await
    .unwrap();
}
