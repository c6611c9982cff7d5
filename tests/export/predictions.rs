//! Predictions from one database to another one, whose ids differ.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::ReferenceError;
use occupancy_models::{
    Call, Error, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorType, TransitionType, bulk,
    export, queries, timescale,
};
use serde_json::{Value, json};

use super::support::{Needs, TestDb, has_quietly, needs, sql, value, values};
use super::{events, instant};

/// Files of the events and predictions of a database.
struct Files {
    events: Bytes,
    parquet: Bytes,
    csv: Vec<u8>,
    /// As [`stored`] gives them.
    predictions: Vec<String>,
    /// Of the triggering events.
    ids: HashSet<i64>,
}

type Row = (Prediction, Option<SensorEvent>);
pub type Given = Result<(Prediction, Option<(String, DateTime<Utc>)>), Error>;

fn all(conn: &mut PgConnection) -> Vec<Row> {
    queries::with_events(Prediction::within(..).order(predictions::prediction_time)).load(conn).unwrap()
}

/// What is stored, but for what the database assigns, to the last bit: `0.0` and `-0.0` are two texts.
fn stored(conn: &mut PgConnection) -> Vec<String> {
    let text = |(prediction, event): Row| {
        let event = event.map(|event| (event.sensor_id, event.timestamp));
        assert_eq!(event.is_some(), prediction.triggering_event_id.is_some());
        let at = DateTime::UNIX_EPOCH;
        format!("{:?}", (Prediction { id: 0, created_at: at, triggering_event_id: None, ..prediction }, event))
    };
    all(conn).into_iter().map(text).collect()
}

/// Predictions with every kind of value that a file could lose.
fn predicted(events: &[SensorEvent]) -> Vec<NewPrediction<'static>> {
    let models: Vec<ModelType<'static>> =
        ModelType::KNOWN.iter().cloned().chain([ModelType::from("Modell, \"neu\"\n☕")]).collect();
    let scores = [0.0, -0.0, 1.0, 5e-324, 0.1 + 0.2];
    let documents = [json!({"a": 0.1, "ä\"\n": [1, null, "x,y"]}), Value::Null, json!([]), json!("")];
    // To the ends of what can be stored.
    let times = ["-4713-11-24T00:00:00Z", "-0001-01-01T00:00:00.000001Z", "+262142-12-30T23:59:59.999999Z"];
    (0..240)
        .map(|n: usize| {
            let at = match n.checked_sub(237) {
                Some(last) => instant(times[last]),
                None => instant("2026-03-01T00:00:00.000001Z") + TimeDelta::microseconds(n as i64 * 7_000_000_001),
            };
            let rooms = ["office", "Küche, \"oben\"", "two\nlines", "NULL"];
            let transition = TransitionType::ALL[n % 3];
            let mut new = NewPrediction::new(
                rooms[n % 4],
                at + TimeDelta::minutes(15),
                transition,
                scores[n % 5],
                models[n % models.len()].clone(),
                ["", "1.2.0", "null"][n % 3],
            )
            .with_prediction_time(at);
            if n % 2 == 0 {
                new = new.with_prediction_interval(at, at + TimeDelta::microseconds(n as i64));
            }
            if n % 5 > 0 {
                new = new.with_feature_importance(documents[n % 4].clone());
                new = new.with_alternatives(documents[(n + 1) % 4].clone());
                new = new.with_processing_time_ms([0.0, 12.5, 1e300][n % 3]);
            }
            if n % 3 > 0 {
                new = new.with_triggering_event(events[n * 2].key());
            }
            new
        })
        .collect()
}

fn files() -> Files {
    let (_db, mut conn) = TestDb::ready();
    bulk::insert_sensor_events(&events()).call(&mut conn).unwrap();
    let stored_events = SensorEvent::query().order(queries::oldest_first()).load(&mut conn).unwrap();
    let rows = predicted(&stored_events);
    assert_eq!(bulk::insert_predictions(&rows).call(&mut conn).unwrap().inserted, 240);
    // Late, missed, pending; and what only SQL can store.
    sql(
        &mut conn,
        "UPDATE predictions SET validation_timestamp = prediction_time + interval '1 h', is_accurate = id % 8 > 2,
             actual_transition_time = CASE WHEN id % 8 > 1 THEN predicted_transition_time + interval '1 min' END,
             accuracy_minutes = CASE WHEN id % 8 > 1 THEN (ARRAY[0, 1.0, 1e-300, 'Infinity', 'NaN']::float8[])[id % 5 + 1] END
         WHERE id % 8 < 5 AND prediction_time < '2100-01-01'",
    );
    let query = || Prediction::within(..).order(predictions::prediction_time);
    let mut parquet = Vec::new();
    let count = export::predictions(query()).rows(64).write_parquet(&mut conn, &mut parquet).unwrap();
    assert_eq!(count, 240);
    let mut csv = Vec::new();
    let rows = queries::with_events(query()).load_iter::<Row, PgRowByRowLoadingMode>(&mut conn).unwrap();
    assert_eq!(export::predictions_to_csv(rows, &mut csv).unwrap(), 240);
    let mut events = Vec::new();
    export::sensor_events(SensorEvent::within(..)).write_parquet(&mut conn, &mut events).unwrap();
    let ids = all(&mut conn).into_iter().filter_map(|(prediction, _)| prediction.triggering_event_id).collect();
    let predictions = stored(&mut conn);
    Files { events: events.into(), parquet: parquet.into(), csv, predictions, ids }
}

impl Files {
    fn import_events(&self, conn: &mut PgConnection) {
        let rows = export::sensor_events_from_parquet(self.events.clone()).unwrap();
        assert_eq!(export::import_sensor_events(rows).call(conn).unwrap().inserted, 700);
    }

    fn read(&self, name: &str) -> Box<dyn Iterator<Item = Given> + Send + '_> {
        match name {
            "parquet" => Box::new(export::predictions_from_parquet(self.parquet.clone()).unwrap()),
            _ => Box::new(export::predictions_from_csv(self.csv.as_slice()).unwrap()),
        }
    }

    fn import(&self, conn: &mut PgConnection) -> bulk::Report {
        export::import_predictions(self.read("parquet")).call(conn).unwrap()
    }
}

/// A database that has other events, so that its ids are others.
fn target() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    let at = instant("2026-02-01T00:00:00Z");
    let others = (0..1000).map(|n| {
        NewSensorEvent::new(at + TimeDelta::minutes(n), "hall", format!("other {}", n % 3), SensorType::DOOR, "open")
    });
    bulk::insert_sensor_events(others).call(&mut conn).unwrap();
    (db, conn)
}

fn counts(report: bulk::Report) -> (u64, u64, u64, u64) {
    (report.inserted, report.updated, report.unchanged, report.deduplicated)
}

#[test]
fn predictions_come_with_their_events_and_outcomes_and_a_second_time_nothing_changes() {
    let files = files();
    let (_db, mut conn) = target();
    files.import_events(&mut conn);
    for name in ["parquet", "csv"] {
        sql(&mut conn, "DELETE FROM predictions");
        if name == "csv" && has_quietly(Needs::Community) {
            SensorEvent::columnstore().enable().call(&mut conn).unwrap();
            assert!(values(&mut conn, "SELECT compress_chunk(c) FROM show_chunks('sensor_events') AS c").len() > 5);
        }
        let report = export::import_predictions(files.read(name)).call(&mut conn).unwrap();
        assert_eq!(counts(report), (240, 0, 0, 0), "{name}");
        let found = stored(&mut conn);
        assert_eq!(found.len(), 240);
        for (found, expected) in found.iter().zip(&files.predictions) {
            assert_eq!(found, expected, "{name}");
        }
        let events: HashSet<_> = all(&mut conn).into_iter().filter_map(|row| row.0.triggering_event_id).collect();
        assert_eq!(events.len(), 160);
        assert!(events.is_disjoint(&files.ids), "the ids differ");
        for again in ["parquet", "csv"] {
            let report = export::import_predictions(files.read(again)).call(&mut conn).unwrap();
            assert_eq!(counts(report), (0, 0, 240, 0), "{name}, then {again}");
        }
        assert_eq!(stored(&mut conn), files.predictions);
    }
}

#[test]
fn what_a_stored_prediction_has_stays_and_what_it_lacks_is_added() {
    let files = files();
    let (_db, mut conn) = target();
    files.import_events(&mut conn);
    files.import(&mut conn);
    // Two of those whose outcome is in the file, and one without.
    let ids: Vec<i64> = predictions::table
        .filter(predictions::validation_timestamp.is_not_null())
        .order(predictions::prediction_time)
        .select(predictions::id)
        .limit(2)
        .load(&mut conn)
        .unwrap();
    let pending: i64 = Prediction::pending(instant("2026-01-01T00:00:00Z")..)
        .select(predictions::id)
        .order(predictions::id)
        .first(&mut conn)
        .unwrap();
    let at = instant("2026-07-01T00:00:00Z");
    bulk::record_outcomes(&[(ids[0], Some(at)), (pending, None)], TimeDelta::minutes(1)).call(&mut conn).unwrap();
    sql(
        &mut conn,
        &format!(
            "UPDATE predictions SET validation_timestamp = NULL, is_accurate = NULL, actual_transition_time = NULL,
                 accuracy_minutes = NULL WHERE id = {};
             UPDATE predictions SET confidence_score = 0.125 WHERE id = {}",
            ids[1], ids[0]
        ),
    );
    assert_eq!(counts(files.import(&mut conn)), (0, 1, 239, 0));
    let [first, second, third] = [ids[0], ids[1], pending]
        .map(|id| Prediction::query().filter(predictions::id.eq(id)).first::<Prediction>(&mut conn).unwrap());
    assert_eq!((first.actual_transition_time, first.confidence_score), (Some(at), 0.125));
    assert_eq!((third.actual_transition_time, third.is_accurate), (None, Some(false)));
    let text = format!("validation_timestamp: {:?}", second.validation_timestamp);
    assert!(second.validation_timestamp.is_some());
    assert!(files.predictions.iter().any(|row| row.contains(&text) && row.contains("is_accurate: Some")), "{text}");

    // An event that is removed and comes again.
    let (prediction, event) = all(&mut conn).into_iter().rfind(|row| row.1.is_some()).unwrap();
    let key = event.unwrap().key();
    diesel::delete(sensor_events::table.find((key.id(), key.timestamp()))).execute(&mut conn).unwrap();
    // The prediction is stored, so that nothing is missing.
    assert_eq!(counts(files.import(&mut conn)), (0, 0, 240, 0));
    let rows = export::sensor_events_from_parquet(files.events.clone()).unwrap();
    assert_eq!(export::import_sensor_events(rows).call(&mut conn).unwrap().inserted, 1);
    assert_eq!(counts(files.import(&mut conn)), (0, 1, 239, 0));
    let now = Prediction::query().filter(predictions::id.eq(prediction.id)).first::<Prediction>(&mut conn).unwrap();
    assert!(now.triggering_event_id.is_some_and(|id| id != key.id()));
}

#[test]
fn events_that_are_not_there_are_told_by_row() {
    let files = files();
    let (_db, mut conn) = target();
    let error = export::import_predictions(files.read("csv")).call(&mut conn).unwrap_err();
    // In the order of time; what comes before it is stored.
    let first = files.predictions.iter().position(|row| !row.ends_with("None)")).unwrap();
    match &error {
        Error::NoTriggeringEvent { row, sensor_id, timestamp } => {
            assert_eq!(*row, first as u64 + 1);
            assert!(files.predictions[first].ends_with(&format!("Some(({sensor_id:?}, {timestamp:?})))")), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(error.to_string().contains("Import the events first"), "{error}");
    assert_eq!(stored(&mut conn), files.predictions[..first]);

    let call = export::import_predictions_allowing_missing_events(files.read("csv"));
    let (report, without_event) = call.call(&mut conn).unwrap();
    assert_eq!((counts(report), without_event), ((240 - first as u64, 0, first as u64, 0), 160));
    files.import_events(&mut conn);
    assert_eq!(counts(files.import(&mut conn)), (0, 160, 80, 0));
    assert_eq!(stored(&mut conn), files.predictions);
}

#[test]
fn files_from_before_they_had_the_sensor_of_the_event() {
    let (_db, mut conn) = target();
    let head =
        "room_id,prediction_time,predicted_transition_time,transition_type,confidence_score,model_type,model_version";
    let row = "office,2026-01-05T09:00:00Z,2026-01-05T09:15:00Z,state_change,0.5,hmm,1";
    let other = "office,2026-01-05T09:00:01Z,2026-01-05T09:15:00Z,state_change,0.5,hmm,1";
    let old = format!("{head},triggering_event_id\n{row},\n{other},7\n");
    let read = || export::predictions_from_csv(old.as_bytes()).unwrap();
    // What the database has by that id is another event.
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events WHERE id = 7"), "1");
    let error = export::import_predictions(read()).call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::OnlyTriggeringEventId { row: 2, id: 7 }), "{error:?}");
    assert!(error.to_string().contains("triggering_sensor_id"), "{error}");
    let (report, without_event) = export::import_predictions_allowing_missing_events(read()).call(&mut conn).unwrap();
    assert_eq!((counts(report), without_event), ((1, 0, 1, 0), 1));
    // Without that column there is no event.
    let without = format!("{head}\n{row}\n{other}\n");
    let rows = export::predictions_from_csv(without.as_bytes()).unwrap();
    assert_eq!(counts(export::import_predictions(rows).call(&mut conn).unwrap()), (0, 0, 2, 0));
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions WHERE triggering_event_id IS NULL"), "2");
}

#[test]
fn of_equal_rows_the_first_one_counts_and_is_completed() {
    let (_db, mut conn) = TestDb::ready();
    let event = NewSensorEvent::new(instant("2026-01-05T08:59:00Z"), "office", "s", SensorType::MOTION, "on");
    bulk::upsert_sensor_events([event]).call(&mut conn).unwrap();
    let given = |n: i64, score: f64| {
        let at = instant("2026-01-05T09:00:00Z") + TimeDelta::seconds(n);
        let text = format!(
            "room_id,prediction_time,predicted_transition_time,transition_type,confidence_score,model_type,model_version\n\
             office,{},{},state_change,{score},hmm,1\n",
            at.to_rfc3339(),
            (at + TimeDelta::minutes(15)).to_rfc3339(),
        );
        export::predictions_from_csv(text.as_bytes()).unwrap().next().unwrap().unwrap()
    };
    let mut rows: Vec<_> = (0..5_003).map(|n| given(n, 0.5)).collect();
    // In the first batch with an outcome and with an event; and in the second one.
    rows[10] = given(1, 0.75);
    rows[10].0.validation_timestamp = Some(instant("2026-01-05T10:00:00Z"));
    rows[10].0.is_accurate = Some(false);
    rows[11] = given(1, 0.25);
    rows[11].1 = Some(("s".to_owned(), instant("2026-01-05T08:59:00Z")));
    rows[5_000] = given(1, 0.125);
    rows[5_001] = given(2, 0.125);
    rows[5_001].0.validation_timestamp = Some(instant("2026-01-05T11:00:00Z"));
    // Less than PostgreSQL keeps: the same prediction as well.
    rows[5_002] = given(3, 0.125);
    rows[5_002].0.prediction_time += TimeDelta::nanoseconds(999);
    let import = |conn: &mut PgConnection| export::import_predictions(rows.iter().cloned().map(Ok)).call(conn).unwrap();
    assert_eq!(counts(import(&mut conn)), (4_998, 1, 2, 2));
    assert_eq!(counts(import(&mut conn)), (0, 0, 5_001, 2));
    let found: Vec<Prediction> = Prediction::query()
        .filter(predictions::prediction_time.eq_any([1, 2].map(|n| given(n, 0.5).0.prediction_time)))
        .order(predictions::prediction_time)
        .load(&mut conn)
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|row| (row.confidence_score, row.is_accurate, row.triggering_event_id, row.validation_timestamp))
        .collect();
    let outcomes = ["2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z"].map(|text| Some(instant(text)));
    assert_eq!(found, [(0.5, Some(false), Some(1), outcomes[0]), (0.5, None, None, outcomes[1])]);
}

#[test]
fn imports_side_by_side_store_each_prediction_once() {
    needs!(TwoConnections);
    let files = files();
    let (db, mut conn) = target();
    files.import_events(&mut conn);
    // Ten files of the same predictions and of others, in two orders.
    let given: Vec<_> = files.read("parquet").map(Result::unwrap).collect();
    let rows: Vec<_> = (0..10)
        .flat_map(|n| {
            given
                .iter()
                .cloned()
                .map(move |(prediction, event)| (Prediction { model_version: n.to_string(), ..prediction }, event))
        })
        .collect();
    let imported = std::thread::scope(|scope| {
        let imports = [false, true, false].map(|backwards| {
            let (db, mut rows) = (&db, rows.clone());
            scope.spawn(move || {
                if backwards {
                    rows.reverse();
                }
                let mut conn = db.connect();
                rows.chunks(240)
                    .map(|rows| export::import_predictions(rows.iter().cloned().map(Ok)).call(&mut conn).unwrap())
                    .map(|report| report.inserted)
                    .sum::<u64>()
            })
        });
        imports.map(|import| import.join().unwrap()).into_iter().sum::<u64>()
    });
    assert_eq!((imported, value(&mut conn, "SELECT count(*) FROM predictions")), (2_400, "2400".to_owned()));
}

#[test]
fn an_outcome_that_is_recorded_during_an_import_stays() {
    needs!(TwoConnections);
    let files = files();
    let (db, mut conn) = target();
    files.import_events(&mut conn);
    files.import(&mut conn);
    let id: i64 = predictions::table
        .filter(predictions::validation_timestamp.is_not_null())
        .select(predictions::id)
        .order(predictions::id.desc())
        .first(&mut conn)
        .unwrap();
    sql(&mut conn, &format!("UPDATE predictions SET validation_timestamp = NULL WHERE id = {id}"));
    let at = instant("2026-07-01T00:00:00Z");
    std::thread::scope(|scope| {
        let mut other = db.connect();
        sql(&mut other, "BEGIN");
        bulk::record_outcomes(&[(id, Some(at))], TimeDelta::minutes(1)).call(&mut other).unwrap();
        let (db, files) = (&db, &files);
        let import = scope.spawn(move || files.import(&mut db.connect()));
        let waits = "SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%predictions_to_import%'";
        let deadline = Instant::now() + Duration::from_secs(60);
        while value(&mut conn, waits) != "true" {
            assert!(!import.is_finished() && Instant::now() < deadline, "the import does not wait for the outcome");
            std::thread::sleep(Duration::from_millis(10));
        }
        sql(&mut other, "COMMIT");
        assert_eq!(counts(import.join().unwrap()), (0, 0, 240, 0));
    });
    let found = predictions::table.find(id).select(predictions::actual_transition_time);
    assert_eq!(found.first::<Option<DateTime<Utc>>>(&mut conn).unwrap(), Some(at));
}

#[test]
fn an_import_runs_in_a_transaction_under_read_committed() {
    let files = files();
    let (_db, mut conn) = target();
    files.import_events(&mut conn);
    let rolled_back = conn.transaction::<(), Error, _>(|conn| {
        assert_eq!(files.import(conn).inserted, 240);
        Err(Error::Database(diesel::result::Error::RollbackTransaction))
    });
    assert!(rolled_back.is_err());
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions"), "0");
    let error = conn
        .build_transaction()
        .repeatable_read()
        .run(|conn| export::import_predictions(files.read("csv")).call(conn))
        .unwrap_err();
    let is_typed = matches!(
        &error,
        Error::Timescale(timescale::Error::Reference(ReferenceError::IsolationTooHigh { message, .. }))
            if message == "an import of predictions cannot run under REPEATABLE READ"
    );
    assert!(is_typed, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_an_async_connection() {
    use occupancy_models::asynchronous;

    let files = tokio::task::spawn_blocking(files).await.unwrap();
    let (db, mut conn) = target();
    files.import_events(&mut conn);
    drop(conn);
    let mut conn = db.connect_async().await;
    let rows = || export::predictions_from_parquet(files.parquet.clone()).unwrap();
    let (first, again) = (rows(), rows());
    // The future is `Send`.
    let reports = tokio::spawn(async move {
        let first = asynchronous::Call::call(export::import_predictions(first), &mut conn).await;
        let call = export::import_predictions_allowing_missing_events(again);
        (first.unwrap(), asynchronous::Call::call(call, &mut conn).await.unwrap())
    });
    let (first, (again, without_event)) = reports.await.unwrap();
    assert_eq!((counts(first), counts(again), without_event), ((240, 0, 0, 0), (0, 0, 240, 0), 0));
    assert_eq!(stored(&mut db.connect()), files.predictions);
}

/// A key that no event has.
#[test]
fn a_row_that_refers_to_what_cannot_be_an_event() {
    let (_db, mut conn) = TestDb::ready();
    let at = instant("2026-01-05T09:00:00Z");
    let row = NewPrediction::new("office", at, TransitionType::StateChange, 0.5, ModelType::HMM, "1");
    bulk::insert_predictions([row]).call(&mut conn).unwrap();
    let prediction = Prediction { model_version: "2".to_owned(), ..all(&mut conn).remove(0).0 };
    for (sensor, at) in [("s\0", at), ("s", DateTime::<Utc>::MIN_UTC), ("s", DateTime::<Utc>::MAX_UTC), ("", at)] {
        let rows = [Ok((prediction.clone(), Some((sensor.to_owned(), at))))];
        let error = export::import_predictions(rows).call(&mut conn).unwrap_err();
        assert!(matches!(error, Error::NoTriggeringEvent { row: 1, .. }), "{error:?}");
    }
}
