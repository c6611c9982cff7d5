//! The example program, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{TestDb, has_quietly, sql};

fn program() -> PathBuf {
    // From target/<profile>/deps/<this test>.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(format!("setup{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: run `cargo build -p diesel-timescale --example setup`",
        program.display()
    );
    program
}

fn declared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/setup/readings.toml")
}

/// The exit status and what is printed.
#[track_caller]
fn run(db: &TestDb, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(program());
    let output = command.args(arguments).env("DATABASE_URL", db.url_for_child().as_str()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A database with the tables of the file, which this test holds no connection to.
fn ready() -> TestDb {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (
             sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL, value DOUBLE PRECISION, PRIMARY KEY (sensor, time)
         );
         CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sensor TEXT, time TIMESTAMPTZ)",
    );
    db
}

#[test]
fn a_file_is_planned_applied_and_checked() {
    let db = ready();
    let file = declared();
    let file = file.to_str().unwrap();
    let (status, text) = run(&db, &["plan", file, "--color", "never"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("alerts: (sensor, time) does not reference readings\n    SELECT"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");

    let (status, text) = run(&db, &["check", file, "--json"]);
    let plan: Value = serde_json::from_str(&text).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!((status, steps.len() >= 3), (1, true), "{text}");
    assert!(steps.iter().all(|step| step["sql"].is_string() && step["obstacle"].is_null()), "{text}");

    let (status, text) = run(&db, &["apply", file, "--up-to", "safe"]);
    assert_eq!(status, 1, "{text}");
    let (status, text) = run(&db, &["apply", file, "--up-to", "locks", "--color", "always"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("\x1b[32mdone\x1b[0m"), "{text}");
    let (status, text) = run(&db, &["check", file]);
    assert_eq!(status, 0, "{text}");
    let has_jobs = has_quietly(support::Needs::Community);
    assert_eq!(text.contains("left out"), !has_jobs, "{text}");
    if has_jobs {
        // A job that is left would keep a shared database from being reverted.
        sql(&mut db.connect(), "SELECT diesel_timescale.remove_reference_retention('readings')");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let db = ready();
    let file = std::env::temp_dir().join(format!("setup-{}.toml", std::process::id()));
    std::fs::write(&file, "[tables.readings]\nhypertable = { times = \"time\" }\n").unwrap();
    let (status, text) = run(&db, &["plan", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status, 2, "{text}");
    assert!(text.contains(".toml:") && text.contains("unknown field `times`"), "{text}");
}
