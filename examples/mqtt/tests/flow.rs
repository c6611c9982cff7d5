//! Messages flow from a real broker into a real database, while the database server and the program are killed: each is
//! stored once.
//!
//!     dev/db cargo test -p mqtt-ingest -- --nocapture
//!     MESSAGES=100000 KILLS=20 dev/db cargo test -p mqtt-ingest --test flow -- --nocapture
//!
//! `MESSAGES` (default 20,000) are sent; `KILLS` (default 3) kill the server, the program and both in turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod home;
#[allow(dead_code, reason = "not all of it is used")]
#[path = "../../../tests/torture/server.rs"]
mod server;
#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::prelude::*;
use home::{Broker, Ingest, eventually};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Call, Prediction, TransitionType, verify};
use server::OwnServer;
use support::needs;
use url::Url;

const SENSORS: usize = 50;
const ROOMS: usize = 10;
/// The light changes so often, between bright and dark.
const PERIODS: usize = 10;

const TOPICS: &str = r#"
    [writer]
    connections = 2

    [predictions]
    topic = "occupancy/{room}"

    [[topics]]
    topic = "home/{room}/{sensor}/illuminance"
    type = "light"
    state = "/lux"
    time = "/at"
"#;

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

/// The light of one message, and its time. The first period is dark.
fn reading(start: DateTime<Utc>, messages: usize, n: usize) -> (DateTime<Utc>, usize) {
    let (step, steps) = (n / SENSORS, messages.div_ceil(SENSORS));
    let is_bright = step * PERIODS / steps % 2 == 1;
    // No two messages have the same light.
    (start + TimeDelta::milliseconds(step as i64), if is_bright { 1_000_000 + n } else { 0 })
}

fn message(start: DateTime<Utc>, messages: usize, n: usize) -> (String, Vec<u8>) {
    let (at, lux) = reading(start, messages, n);
    let sensor = n % SENSORS;
    let payload = format!(r#"{{"at": "{}", "lux": {lux}, "n": {n}}}"#, at.to_rfc3339_opts(SecondsFormat::Micros, true));
    (format!("home/room_{}/light_{sensor}/illuminance", sensor % ROOMS), payload.into_bytes())
}

/// How many events are stored; none while the server or the table is away.
fn count(url: &Url) -> usize {
    let Ok(mut conn) = PgConnection::establish(url.as_str()) else { return 0 };
    sensor_events::table.count().get_result::<i64>(&mut conn).map_or(0, |count| count.try_into().unwrap())
}

#[test]
fn each_message_is_stored_once_though_server_and_program_are_killed() {
    let Some(mut server) = OwnServer::start("mqtt", &[], None) else { return };
    let (messages, kills) = (number("MESSAGES", 20_000), number("KILLS", 3));
    drop(server.database("home"));
    let broker = Broker::start("flow");
    let file = broker.file(TOPICS);
    let heard = broker.listen("listener", Some("occupancy/#"));
    let mut ingest = Ingest::start(&file, &server.url("home"));
    // The broker knows the program before the first message is sent.
    eventually("the tables are there", || {
        PgConnection::establish(server.url("home").as_str())
            .is_ok_and(|mut conn| sensor_events::table.count().get_result::<i64>(&mut conn).is_ok())
    });
    std::thread::sleep(Duration::from_millis(500));

    let start = Utc::now() - TimeDelta::hours(1);
    let start = DateTime::from_timestamp_micros(start.timestamp_micros()).unwrap();
    let began = Instant::now();
    let mut at_kills = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| broker.publish((0..messages).map(|n| message(start, messages, n))));
        for kill in 0..kills {
            let enough = messages * (kill + 1) / (kills + 2);
            eventually("messages are stored", || count(&server.url("home")) >= enough);
            if kill % 3 != 1 {
                server.kill();
            }
            if kill % 3 != 0 {
                ingest.kill();
                ingest = Ingest::start(&file, &server.url("home"));
            }
            if kill % 3 != 1 {
                // It is away for a while.
                std::thread::sleep(Duration::from_millis(300));
                server.start_again();
            }
            at_kills.push(count(&server.url("home")));
        }
    });
    eventually("all are stored", || count(&server.url("home")) >= messages);
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    // The rule reads a moment later.
    std::thread::sleep(Duration::from_secs(1));
    assert!(ingest.stop());
    assert!(at_kills.iter().all(|count| *count < messages), "a kill after the last message: {at_kills:?}");

    let mut conn = server.connect("home");
    let mut stored: Vec<(String, DateTime<Utc>, String)> = sensor_events::table
        .select((sensor_events::sensor_id, sensor_events::timestamp, sensor_events::state))
        .load(&mut conn)
        .unwrap();
    stored.sort();
    let mut expected: Vec<_> = (0..messages)
        .map(|n| {
            let (at, lux) = reading(start, messages, n);
            (format!("light_{}", n % SENSORS), at, lux.to_string())
        })
        .collect();
    expected.sort();
    assert!(stored == expected, "{} of {messages} stored", stored.len());
    assert_eq!(verify().allow_plain_table().call(&mut conn).unwrap(), []);

    // The broker keeps nothing for the program.
    let left = broker.listen("ingest", None);
    assert!(left.recv_timeout(Duration::from_millis(500)).is_err(), "a message that was not acknowledged");
    check_predictions(&mut conn, &heard.try_iter().collect::<Vec<_>>());
    println!("mqtt: {messages} messages stored once, {kills} kills (at {at_kills:?}), {rate:.0} messages/s with them");
}

/// Those of a room take turns, are stored once, and were published as they are stored.
fn check_predictions(conn: &mut PgConnection, heard: &[rumqttc::Publish]) {
    let stored: Vec<Prediction> =
        Prediction::query().order((predictions::prediction_time, predictions::id)).load(conn).unwrap();
    let published: BTreeMap<i64, Prediction> = heard
        .iter()
        .map(|message| serde_json::from_slice::<Prediction>(&message.payload).unwrap())
        .map(|prediction| (prediction.id, prediction))
        .collect();
    for room in 0..ROOMS {
        let room = format!("room_{room}");
        let of_room: Vec<_> = stored.iter().filter(|prediction| prediction.room_id == room).collect();
        assert!(!of_room.is_empty(), "{room} has no prediction");
        for (n, prediction) in of_room.iter().enumerate() {
            let expected = [TransitionType::VacantToOccupied, TransitionType::OccupiedToVacant][n % 2];
            assert_eq!(prediction.transition_type, expected, "{room}: {n}");
        }
        // The last period is bright, and its prediction was published, whatever was killed.
        let last = of_room[of_room.len() - 1];
        assert_eq!(last.transition_type, TransitionType::VacantToOccupied, "{room}");
        assert_eq!(published.get(&last.id), Some(last), "{room}");
    }
    assert!(published.values().all(|prediction| stored.contains(prediction)), "published, and not stored");
}

#[test]
fn what_can_never_be_stored_is_told_and_holds_up_nothing() {
    needs!(TwoConnections);
    let (db, mut conn) = support::TestDb::migrated();
    let broker = Broker::start("rejected");
    let file = broker.file(
        r#"
        [[topics]]
        topic = "json/{room}/{sensor}/{type}"
        state = "/state"
        time = "/at"
        attributes = ""

        [[topics]]
        topic = "text/{room}/{sensor}"
        type = "door"
        time = "arrival"
        "#,
    );
    let heard = broker.listen("listener", Some("occupancy/rejected"));
    let ingest = Ingest::start(&file, &db.url());
    std::thread::sleep(Duration::from_secs(1));
    let json = |state: &str| format!(r#"{{"at": 1767607200.25, "state": {state}}}"#).into_bytes();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let refused = [
        ("json/hall/door/door", json("null"), "is no state"),
        ("json/hall/door/door", b"{\"at\": 5}".to_vec(), "nothing at /state"),
        ("json/hall/door/door", b"open".to_vec(), "no JSON"),
        ("json/hall/door/door", json("\"\\ud800\""), "no JSON"),
        ("json/hall/door/door", json("\"\\u0000\""), "state"),
        ("json//door/door", json("\"open\""), "room_id"),
        ("json/hall/door/door", deep, "no JSON"),
        ("text/hall/door", vec![0xff], "no text"),
    ];
    let good = [("json/hall/door/door", json("true")), ("text/hall/door", b"open".to_vec())];
    let all = refused.iter().map(|(topic, payload, _)| (*topic, payload.clone())).chain(good);
    broker.publish(all.map(|(topic, payload)| (topic.to_owned(), payload)));
    for (topic, _, reason) in &refused {
        let told = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told.payload).unwrap();
        assert_eq!(told["topic"], *topic);
        assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
    }
    let mut states = Vec::new();
    eventually("the others are stored", || {
        states = sensor_events::table.select(sensor_events::state).load::<String>(&mut conn).unwrap();
        states.len() == 2
    });
    states.sort();
    assert_eq!(states, ["on", "open"]);
    assert!(ingest.stop());
    let left = broker.listen("ingest", None);
    assert!(left.recv_timeout(Duration::from_millis(300)).is_err(), "a message that was not acknowledged");
}
