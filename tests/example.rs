//! The example, run as its users run it: what it stores, prints and refuses, and what it leaves as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{TestDb, sql, value, values};

const HEADER: &str = r#""date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy""#;

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the example; without a database there is no DATABASE_URL.
fn run(db: Option<&TestDb>, arguments: &[&str]) -> Run {
    let mut command = Command::new(example());
    command.args(arguments).env_remove("DATABASE_URL");
    if let Some(db) = db {
        command.env("DATABASE_URL", db.url_for_child().as_str());
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn example() -> PathBuf {
    // From target/<profile>/deps/<this test>.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let example = profile.join("examples").join(format!("occupancy{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is missing: run `cargo build --example occupancy`", example.display());
    example
}

/// A database that this test holds no connection to, as some servers take one at a time.
fn database() -> TestDb {
    TestDb::new().0
}

/// Runs the example, which must succeed, and gives what it prints.
fn report(db: &TestDb, arguments: &[&str]) -> String {
    let run = run(Some(db), arguments);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{}", run.stdout);
    run.stdout
}

/// The part of a report that does not depend on what was there before.
fn from_hypertable_on(report: &str) -> &str {
    report.split_once("already there\n").expect("a line that counts the events").1
}

/// A file that is gone when this is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}.txt", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Four hours around a midnight, with someone there, and the lamps on, before and after it.
fn evening() -> String {
    let mut text = format!("{HEADER}\n");
    for minute in 0..240 {
        let (day, hour) = if minute < 120 { (2, 22 + minute / 60) } else { (3, minute / 60 - 2) };
        let date = format!("2015-02-{day:02} {hour:02}:{:02}:00", minute % 60);
        let date = if minute % 2 == 0 { format!("\"{date}\"") } else { date };
        let (light, occupancy) = if matches!(minute, 30..60 | 150..210) { ("433.5", 1) } else { ("0", 0) };
        writeln!(text, "\"{minute}\",{date},21.{minute},27.2,{light},721.25,0.0047,{occupancy}").unwrap();
    }
    text
}

const PREDICTIONS_WITHOUT_EVENT: &str = "SELECT count(*) FROM predictions WHERE triggering_event_id IS NULL";
const DANGLING: &str = "SELECT count(*) FROM predictions AS p WHERE triggering_event_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM sensor_events AS e WHERE e.id = p.triggering_event_id)";

#[test]
fn a_reading_becomes_five_events() {
    let db = database();
    let file = File::new(
        "five",
        &format!(
            "{HEADER}\n\
             \"1\",\"2015-02-04 17:51:00\",23.18,27.272,426,721.25,0.00479298817650529,1\n\
             2,2015-02-04 17:51:59,23.15,27.2675,429.5,714,0.00478344094931065,1\n"
        ),
    );
    report(&db, &["--data", file.path(), "--room", "office"]);
    let columns = "sensor_id, sensor_type, numeric_value, state, previous_state, attributes ->> 'unit', \
                   is_human_triggered, room_id, timestamp AT TIME ZONE 'UTC'";
    assert_eq!(
        values(
            &mut db.connect(),
            &format!(
                "SELECT concat_ws(' ', {columns}) FROM sensor_events WHERE previous_state IS NOT NULL ORDER BY sensor_id"
            )
        ),
        [
            "office.air_quality air_quality 714 714 721.25 ppm CO2 f office 2015-02-04 17:51:59",
            "office.humidity humidity 27.2675 27.2675 27.272 % f office 2015-02-04 17:51:59",
            "office.humidity_ratio humidity_ratio 0.00478344094931065 0.00478344094931065 0.00479298817650529 kg/kg f \
             office 2015-02-04 17:51:59",
            "office.light light 429.5 429.5 426 lx f office 2015-02-04 17:51:59",
            "office.temperature temperature 23.15 23.15 23.18 °C f office 2015-02-04 17:51:59",
        ]
    );
    assert_eq!(value(&mut db.connect(), "SELECT count(*) FROM sensor_events"), "10");
}

#[test]
fn malformed_lines_are_reported_and_left_out() {
    let db = database();
    let good = |time: &str| format!("1,2015-02-04 {time},23.18,27.272,426,721.25,0.0047,1");
    let lines = [
        good("17:51:00"),
        "2,2015-02-04 17:52:00,23.18,27.272".to_owned(),
        "3,2015-02-30 17:53:00,23.18,27.272,426,721.25,0.0047,1".to_owned(),
        "4,\"2015-02-04 17:54:00,23.18,27.272,426,721.25,0.0047,1".to_owned(),
        "5,2015-02-04 17:55:00,warm,27.272,426,721.25,0.0047,1".to_owned(),
        "6,2015-02-04 17:56:00,23.18,27.272,NaN,721.25,0.0047,1".to_owned(),
        "7,2015-02-04 17:57:00,23.18,27.272,426,1e999,0.0047,1".to_owned(),
        "8,2015-02-04 17:58:00,23.18,27.272,426,721.25,0.0047,2".to_owned(),
        String::new(),
        good("17:51:00"),
        good("17:50:00"),
    ];
    let file = File::new("malformed", &format!("{HEADER}\r\n{}\r\n", lines.join("\r\n")));
    let run = run(Some(&db), &["--data", file.path(), "--room", "office"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let reasons: Vec<String> = run.stderr.lines().map(|line| line.replace(file.path(), "FILE")).collect();
    assert_eq!(
        reasons,
        [
            "FILE: line 3: 4 fields instead of 8: left out",
            "FILE: line 4: \"2015-02-30 17:53:00\" is no date such as 2015-02-04 17:51:59: left out",
            "FILE: line 5: \"\\\"2015-02-04 17:54:00\" is no date such as 2015-02-04 17:51:59: left out",
            "FILE: line 6: Temperature is \"warm\", which is no number: left out",
            "FILE: line 7: Light is \"NaN\", which is not finite: left out",
            "FILE: line 8: CO2 is \"1e999\", which is not finite: left out",
            "FILE: line 9: Occupancy is \"2\" instead of 0 or 1: left out",
            "FILE: line 11: line 2 has the same date: left out",
        ]
    );
    // The good lines are not in the order of time.
    let instants = "SELECT concat(timestamp AT TIME ZONE 'UTC', ' after ', previous_state) FROM sensor_events
                    WHERE sensor_type = 'light' ORDER BY timestamp";
    assert_eq!(values(&mut db.connect(), instants), ["2015-02-04 17:50:00 after ", "2015-02-04 17:51:00 after 426"]);
}

#[test]
fn the_training_data_is_stored_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/occupancy/datatraining.txt");
    if !path.exists() {
        // Past libtest's capture, so that it shows.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("left out: the_training_data_is_stored_whole: there is no {}\n", path.display()).as_bytes(),
        );
        return;
    }
    let db = database();
    let report = report(&db, &["--data", path.to_str().unwrap()]);
    assert!(report.contains("sensor_events  40,715 events\n"), "{report}");
    assert!(report.ends_with("\nverified: no violations\n"), "{report}");
    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events WHERE room_id = 'datatraining'"), "40715");
    assert_eq!(value(&mut conn, "SELECT count(DISTINCT sensor_id) FROM sensor_events"), "5");
    assert_eq!(value(&mut conn, DANGLING), "0");
}

#[test]
fn a_second_run_doubles_nothing() {
    let db = database();
    let file = File::new("twice", &evening());
    let arguments = ["--data", file.path()];
    let first = report(&db, &arguments);
    let second = report(&db, &arguments);
    assert!(first.contains("1,200 new, 0 already there"), "{first}");
    assert!(second.contains("0 new, 1,200 already there"), "{second}");
    assert_eq!(from_hypertable_on(&second), from_hypertable_on(&first));

    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "1200");
    let predictions = "SELECT concat_ws(' ', p.transition_type, p.prediction_time AT TIME ZONE 'UTC', e.sensor_type, \
                       p.predicted_transition_time AT TIME ZONE 'UTC', p.accuracy_minutes, p.is_accurate)
                       FROM predictions AS p
                       JOIN sensor_events AS e ON e.id = p.triggering_event_id AND e.timestamp = p.prediction_time
                       ORDER BY p.prediction_time";
    assert_eq!(
        values(&mut conn, predictions),
        [
            "vacant_to_occupied 2015-02-02 22:32:00 light 2015-02-02 22:30:00 0 t",
            "occupied_to_vacant 2015-02-02 23:02:00 light 2015-02-02 23:00:00 0 t",
            "vacant_to_occupied 2015-02-03 00:32:00 light 2015-02-03 00:30:00 0 t",
            "occupied_to_vacant 2015-02-03 01:32:00 light 2015-02-03 01:30:00 0 t",
        ]
    );
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions"), "4");
}

#[test]
fn retention_that_is_kept_leaves_predictions_without_their_event() {
    let db = database();
    let file = File::new("kept", &evening());
    let rolled_back = report(&db, &["--data", file.path()]);
    assert!(rolled_back.contains("Rolled back"), "{rolled_back}");
    assert_eq!(value(&mut db.connect(), "SELECT count(*) FROM sensor_events"), "1200");

    let kept = report(&db, &["--data", file.path(), "--keep-retention"]);
    assert!(kept.contains("Committed"), "{kept}");
    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "600");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions"), "4");
    assert_eq!(value(&mut conn, PREDICTIONS_WITHOUT_EVENT), "2");
    assert_eq!(value(&mut conn, DANGLING), "0");
    drop(conn);

    // The events come back with new ids, and the predictions find them.
    let again = report(&db, &["--data", file.path()]);
    assert!(again.contains("600 new, 600 already there"), "{again}");
    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM predictions"), "4");
    assert_eq!(value(&mut conn, PREDICTIONS_WITHOUT_EVENT), "0");
}

#[test]
fn a_simulated_home_is_the_same_every_time() {
    let db = database();
    let first = report(&db, &["--days", "1"]);
    assert!(first.contains("sensor_events  28,800 events\n"), "{first}");
    assert!(first.ends_with("\nverified: no violations\n"), "{first}");
    assert_eq!(from_hypertable_on(&report(&db, &["--days", "1"])), from_hypertable_on(&first));

    let other = report(&db, &["--days", "1", "--seed", "2"]);
    assert!(other.contains("28,800 new, 0 already there"), "{other}");
    assert_ne!(from_hypertable_on(&other), from_hypertable_on(&first));
    assert_eq!(value(&mut db.connect(), "SELECT count(DISTINCT room_id) FROM sensor_events"), "8");
}

#[test]
fn violations_are_printed_and_fail_the_run() {
    let db = database();
    let file = File::new("violations", &evening());
    report(&db, &["--data", file.path()]);
    sql(&mut db.connect(), "DROP TRIGGER sensor_events_key_is_fixed ON sensor_events");
    let run = run(Some(&db), &["--data", file.path()]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.contains("\nverified: 1 violation\n  sensor_events_key_is_fixed: "), "{}", run.stdout);
}

#[test]
fn what_stops_it_is_said_in_one_line() {
    let db = database();
    let header = File::new("header", "time,light\n");
    let empty = File::new("empty", &format!("{HEADER}\n"));
    let missing = "no/such/file.txt";
    for (db, arguments, message) in [
        (None, vec![], "DATABASE_URL is not set: run this as `dev/db cargo run --example occupancy`\n".to_owned()),
        (Some(&db), vec!["--data", missing], format!("{missing}: No such file or directory (os error 2)\n")),
        (
            Some(&db),
            vec!["--data", header.path()],
            format!("{}: line 1 is not the header {}\n", header.path(), HEADER.replace('"', "")),
        ),
        (Some(&db), vec!["--data", empty.path()], format!("{}: there are no readings\n", empty.path())),
    ] {
        let run = run(db, &arguments);
        assert_eq!((run.code, &*run.stdout, run.stderr), (Some(1), "", message));
    }

    // What libpq says has several lines.
    let output = Command::new(example()).env("DATABASE_URL", "postgres://127.0.0.1:1/none").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && message.lines().count() == 1, "{message}");
}
