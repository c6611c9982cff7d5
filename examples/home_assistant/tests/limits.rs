//! Files with far too much in a row: memory and time stay bounded, and the row is told of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use std::process::Command;
use std::time::{Duration, Instant};

use recorder::{File, MOTION, Run, TEMPERATURE, command, database};
use support::{TestDb, value};

const ID: &str = "binary_sensor.hall_motion";

/// Runs the importer with no more than 512 MiB of address space, and in no more than a minute.
fn bounded(db: &TestDb, file: &File) -> Run {
    let plain = command(Some(db), &file.path(), &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 524288; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let start = Instant::now();
    let output = limited.output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let run = Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    run
}

#[test]
fn a_state_of_100_megabytes_costs_its_row_alone() {
    let (db, file) = (database(), File::current());
    file.add(ID, 1_700_000_000.0, "on", MOTION);
    file.add(ID, 1_700_000_001.0, &"x".repeat(100 << 20), MOTION);
    file.add(ID, 1_700_000_002.0, "off", MOTION);
    let run = bounded(&db, &file);
    assert_eq!(run.counts(), [3, 2, 0, 0, 1], "{}", run.stdout);
    assert!(
        run.stderr.contains("row 2: bad state: 104857600 bytes, and 65536 are the most that is read"),
        "{}",
        run.stderr
    );
}

#[test]
fn attributes_of_20_megabytes_that_many_rows_share_cost_themselves_alone() {
    let (db, file) = (database(), File::current());
    let attributes = format!(r#"{{"device_class":"motion","big":"{}"}}"#, "x".repeat(20 << 20));
    file.add(ID, 1_700_000_000.0, "on", &attributes);
    file.sql(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
         INSERT INTO states (metadata_id, state, last_updated_ts, attributes_id)
         SELECT 1, n % 2, 1700000000 + n, 1 FROM n",
    );
    let run = bounded(&db, &file);
    // By its name it is a motion sensor, without a word of the attributes.
    assert_eq!((run.counts(), run.count("without attributes")), ([3_001, 3_001, 0, 0, 0], 3_001), "{}", run.stdout);
    let told = "row 1: without attributes: 20971554 bytes, and 1048576 are the most that is read";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

#[test]
fn attributes_of_a_megabyte_in_many_rows_make_smaller_batches() {
    let (db, file) = (database(), File::current());
    // Many small values take the most memory.
    let list = "0,".repeat(450_000);
    file.sql("BEGIN");
    for n in 0..40 {
        let attributes =
            format!(r#"{{"device_class":"temperature","unit_of_measurement":"°C","n":{n},"list":[{list}0]}}"#);
        file.add("sensor.hall_temperature", 1_700_000_000.0 + f64::from(n), "20", &attributes);
    }
    file.sql("COMMIT");
    let run = bounded(&db, &file);
    assert_eq!(run.counts(), [40, 40, 0, 0, 0], "{}", run.stdout);
    let lists = "SELECT count(*) FROM sensor_events WHERE jsonb_array_length(attributes -> 'list') = 450001";
    assert_eq!(value(&mut db.connect(), lists), "40");
}

#[test]
fn names_and_times_without_end_are_told_of() {
    let (db, file) = (database(), File::current());
    file.add("sensor.hall_temperature", 1_700_000_000.0, "20", TEMPERATURE);
    file.add(&format!("sensor.{}", "x".repeat(2_000)), 1_700_000_001.0, "20", TEMPERATURE);
    let id = file.add("sensor.hall_temperature", 1_700_000_002.0, "20", TEMPERATURE);
    let long = "1".repeat(5_000);
    file.sql(&format!("UPDATE states SET last_updated_ts = 'x{long}' WHERE state_id = {id}"));
    let run = bounded(&db, &file);
    assert_eq!(run.counts(), [3, 1, 0, 0, 2], "{}", run.stdout);
    for told in [
        "row 2: no entity: 2007 bytes, and 1024 are the most that is read",
        "row 3: bad timestamp: 5001 bytes, and 64 are the most that is read",
    ] {
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
}
