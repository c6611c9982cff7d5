//! Dump and restore by the server's own pg_dump, and logical replication as far as it goes.

use diesel::prelude::*;
use occupancy_models::bulk;
use occupancy_models::queries::with_events;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorEvent, SensorType, TransitionType, ViolationKind,
    verify,
};
use url::Url;

use crate::server::OwnServer;
use crate::support::{Needs, has_quietly, sql, value};

type Row = (Prediction, Option<SensorEvent>);

fn is_hypertable() -> bool {
    has_quietly(Needs::Timescale)
}

/// A migrated database; its events in daily chunks, where the server has them.
fn migrated(server: &OwnServer, name: &str) -> PgConnection {
    let mut conn = server.database(name);
    occupancy_models::run_migrations(&mut conn).unwrap();
    SensorEvent::hypertable().chunk_interval(chrono::TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    conn
}

fn fill(conn: &mut PgConnection) {
    let start: chrono::DateTime<chrono::Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    let events: Vec<_> = (0..200)
        .map(|n| {
            let at = start + chrono::TimeDelta::hours(n);
            NewSensorEvent::new(at, "office", format!("sensor.{}", n % 5), SensorType::MOTION, "on")
        })
        .collect();
    bulk::upsert_sensor_events(&events).call(conn).unwrap();
    let events: Vec<SensorEvent> = SensorEvent::within(..).load(conn).unwrap();
    let predictions: Vec<_> = events
        .iter()
        .step_by(3)
        .map(|event| {
            NewPrediction::new("office", event.timestamp, TransitionType::StateChange, 0.5, ModelType::HMM, "1")
                .with_prediction_time(event.timestamp)
                .with_triggering_event(event.key())
        })
        .collect();
    bulk::insert_predictions(&predictions).call(conn).unwrap();
}

fn content(conn: &mut PgConnection) -> (Vec<SensorEvent>, Vec<Row>) {
    let events = SensorEvent::within(..).order(sensor_events::id).load(conn).unwrap();
    (events, with_events(Prediction::within(..).order(predictions::id)).load(conn).unwrap())
}

/// All is there, is sound, and goes on: new ids, references that are released, deletes.
fn assert_is_whole(conn: &mut PgConnection, expected: &(Vec<SensorEvent>, Vec<Row>)) {
    assert_eq!(&content(conn), expected);
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
    let row = NewSensorEvent::new(chrono::Utc::now(), "office", "sensor.new", SensorType::MOTION, "on");
    bulk::upsert_sensor_events(&[row]).call(conn).unwrap();
    let newest: i64 =
        sensor_events::table.select(sensor_events::id).order(sensor_events::id.desc()).first(conn).unwrap();
    assert!(newest > expected.0.last().unwrap().id, "an id was handed out again");
    let referenced = expected.1[0].0.triggering_event_id.unwrap();
    diesel::delete(sensor_events::table.filter(sensor_events::id.eq(referenced))).execute(conn).unwrap();
    let left: Option<i64> =
        predictions::table.find(expected.1[0].0.id).select(predictions::triggering_event_id).first(conn).unwrap();
    assert_eq!(left, None, "the reference went with its event");
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
}

fn run(server: &OwnServer, program: &str, arguments: &[&str]) -> String {
    let (success, output) = server.run(program, arguments);
    assert!(success, "{program} {arguments:?}: {output}");
    output
}

#[test]
fn a_dump_in_any_format_restores_whole() {
    let Some(server) = OwnServer::start("dump", &[], None) else { return };
    let mut conn = migrated(&server, "original");
    fill(&mut conn);
    let expected = content(&mut conn);
    for format in ["custom", "plain", "directory"] {
        let (file, copy) = (format!("/tmp/{}.{format}", server.name()), format!("copy_{format}"));
        run(&server, "pg_dump", &["--format", format, "--file", &file, "original"]);
        let mut conn = server.database(&copy);
        // As TimescaleDB's documentation has it: no background job, no trigger of its own meanwhile.
        let around = |conn: &mut PgConnection, function: &str| {
            if is_hypertable() {
                sql(conn, &format!("SELECT {function}()"));
            }
        };
        around(&mut conn, "timescaledb_pre_restore");
        if format == "plain" {
            run(&server, "psql", &["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", &copy, "--file", &file]);
        } else {
            run(&server, "pg_restore", &["--exit-on-error", "--dbname", &copy, &file]);
        }
        around(&mut conn, "timescaledb_post_restore");
        drop(conn);
        run(&server, "rm", &["-r", &file]);
        assert_is_whole(&mut server.connect(&copy), &expected);
    }
}

/// pg_dump takes the rows of a hypertable from its chunks, which the other database does not have: the events go by COPY,
/// everything else by `--data-only` after them.
#[test]
fn data_alone_restores_into_a_migrated_database() {
    let Some(server) = OwnServer::start("data", &[], None) else { return };
    let mut conn = migrated(&server, "original");
    fill(&mut conn);
    let expected = content(&mut conn);
    let file = format!("/tmp/{}", server.name());
    let dump = |exclude_events: bool| {
        let mut arguments = vec![
            "--data-only",
            "--format=custom",
            "--file",
            &file,
            "--exclude-schema=_timescaledb_*",
            "--exclude-table=*.*_migrations",
            "original",
        ];
        if exclude_events {
            arguments.push("--exclude-table-data=sensor_events");
        }
        run(&server, "pg_dump", &arguments);
    };
    let restore = |database: &str| {
        run(&server, "pg_restore", &["--data-only", "--single-transaction", "--dbname", database, &file]);
    };

    if is_hypertable() {
        // Without its chunks a dump has no events, and says nothing: verification does.
        dump(false);
        let mut conn = migrated(&server, "without_events");
        restore("without_events");
        let found = verify().call(&mut conn).unwrap();
        assert!(found.iter().any(|found| found.kind == ViolationKind::DanglingReference), "{found:?}");
        // Its remedy leaves predictions without their events, and nothing that dangles.
        drop(conn);
    }

    let mut conn = migrated(&server, "copied");
    let csv = format!("{file}.csv");
    run(
        &server,
        "psql",
        &["--dbname=original", "--command", &format!("COPY (SELECT * FROM sensor_events) TO '{csv}'")],
    );
    run(&server, "psql", &["--dbname=copied", "--command", &format!("COPY sensor_events FROM '{csv}'")]);
    dump(true);
    restore("copied");
    assert_is_whole(&mut conn, &expected);
    run(&server, "rm", &["-r", &file, &csv]);
}

/// What is plain replicates; a hypertable does not, because a publication names its chunks one by one.
#[test]
fn plain_tables_replicate_and_what_is_missing_is_found() {
    let Some(server) = OwnServer::start("replication", &["wal_level=logical"], None) else { return };
    let mut publisher = migrated(&server, "publisher");
    fill(&mut publisher);
    let mut subscriber = migrated(&server, "subscriber");
    let from: Url = server.url("publisher");
    // Every table of the schema, with those that only get locked or marked. (In one cluster the slot is made first.)
    sql(&mut publisher, "CREATE PUBLICATION everything FOR TABLES IN SCHEMA public");
    sql(&mut publisher, "SELECT pg_create_logical_replication_slot('everything', 'pgoutput')");
    sql(&mut subscriber, "TRUNCATE occupancy_models_migrations");
    sql(
        &mut subscriber,
        &format!(
            "CREATE SUBSCRIPTION everything CONNECTION 'host=127.0.0.1 port={} user=postgres dbname=publisher'
             PUBLICATION everything WITH (create_slot = false, slot_name = 'everything')",
            from.port().unwrap()
        ),
    );
    let ready = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while value(&mut subscriber, ready) != "0" {
        let tables = "SELECT string_agg(format('%s %s', srrelid::regclass, srsubstate), ', ') FROM pg_subscription_rel";
        assert!(std::time::Instant::now() < deadline, "{}", value(&mut subscriber, tables));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let count = |conn: &mut PgConnection, table: &str| value(conn, &format!("SELECT count(*) FROM {table}"));
    assert_eq!(count(&mut subscriber, "predictions"), count(&mut publisher, "predictions"));
    assert_eq!(count(&mut subscriber, "referenced_events_epoch"), "16");
    let found = verify().allow_plain_table().call(&mut subscriber).unwrap();
    if is_hypertable() {
        assert_eq!(count(&mut subscriber, "sensor_events"), "0");
        assert!(found.iter().any(|found| found.kind == ViolationKind::DanglingReference), "{found:?}");
    } else {
        assert_eq!(content(&mut subscriber), content(&mut publisher));
    }
    sql(
        &mut subscriber,
        "ALTER SUBSCRIPTION everything DISABLE; ALTER SUBSCRIPTION everything SET (slot_name = NONE); DROP SUBSCRIPTION everything",
    );
    drop((publisher, subscriber));
}
