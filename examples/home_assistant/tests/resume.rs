//! Going on where an import stopped: after an end, a kill or a failure, with a file that grew, was purged or replaced.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use recorder::{File, TEMPERATURE, command, database, import, run};
use support::{TestDb, sql, value, values};

/// Every event of a file that is imported whole, in a database of its own.
fn all_events(file: &File) -> Vec<String> {
    let db = database();
    import(&db, file, &[]);
    events(&db)
}

fn events(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', sensor_id, timestamp, state, previous_state, attributes) FROM sensor_events ORDER BY 1",
    )
}

fn last_state_id(db: &TestDb) -> String {
    value(&mut db.connect(), "SELECT last_state_id FROM home_assistant_imports")
}

#[test]
fn a_second_import_reads_nothing_and_a_later_one_only_what_is_new() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    assert_eq!(import(&db, &file, &["--batch", "20"]).counts(), [50, 50, 0, 0, 0]);
    let second = import(&db, &file, &[]);
    assert_eq!(second.counts(), [0, 0, 0, 0, 0]);
    assert!(second.stdout.contains("goes on after row 50\n"), "{}", second.stdout);
    file.add_many(50, 10);
    assert_eq!(import(&db, &file, &[]).counts(), [10, 10, 0, 0, 0]);
    assert_eq!(import(&db, &file, &["--again"]).counts(), [60, 0, 0, 60, 0]);
    assert_eq!(events(&db), all_events(&file));
}

#[test]
fn it_stops_after_some_batches_and_goes_on() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    let part = import(&db, &file, &["--batch", "20", "--batches", "2"]);
    assert_eq!(part.counts(), [40, 40, 0, 0, 0]);
    assert!(part.stdout.ends_with("rows remain: run this again to go on\n"), "{}", part.stdout);
    let rest = import(&db, &file, &["--batch", "20", "--batches", "2"]);
    assert_eq!(rest.counts(), [10, 10, 0, 0, 0]);
    assert!(!rest.stdout.contains("rows remain"), "{}", rest.stdout);
    assert_eq!(events(&db), all_events(&file));
}

#[test]
fn what_a_killed_import_left_is_whole_and_is_gone_on_from() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 3_000);
    let mut child = command(Some(&db), &file.path(), &["--batch", "10"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A line on stderr tells of the first batch.
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, "read up to row 10 of 3000\n");

    // The server may still be at what it was sent last.
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let mut conn = db.connect();
    while value(&mut conn, others) != "0" {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stored: usize = value(&mut conn, "SELECT count(*) FROM sensor_events").parse().unwrap();
    drop(conn);
    assert!((10..3_000).contains(&stored), "{stored} events");
    assert_eq!(last_state_id(&db), stored.to_string());
    let rest = u64::try_from(3_000 - stored).unwrap();
    assert_eq!(import(&db, &file, &[]).counts(), [rest, rest, 0, 0, 0]);
    assert_eq!(value(&mut db.connect(), "SELECT count(*) FROM sensor_events"), "3000");
    assert_eq!(events(&db), all_events(&file));
}

#[test]
fn events_and_the_place_in_the_file_are_stored_together_or_not_at_all() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    import(&db, &file, &["--batch", "20", "--batches", "1"]);
    sql(&mut db.connect(), "ALTER TABLE home_assistant_imports ADD CONSTRAINT too_far CHECK (last_state_id < 41)");
    let failed = run(Some(&db), &file.path(), &["--batch", "20"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("too_far"), "{}", failed.stderr);
    let mut conn = db.connect();
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "40");
    sql(&mut conn, "ALTER TABLE home_assistant_imports DROP CONSTRAINT too_far");
    drop(conn);
    assert_eq!(last_state_id(&db), "40");
    assert_eq!(import(&db, &file, &[]).counts(), [10, 10, 0, 0, 0]);
    assert_eq!(events(&db), all_events(&file));
}

#[test]
fn a_purge_of_old_rows_loses_nothing() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    import(&db, &file, &[]);
    let before = events(&db);
    // As Home Assistant purges: the references to what goes are cleared first.
    file.sql("UPDATE states SET old_state_id = NULL WHERE old_state_id <= 40; DELETE FROM states WHERE state_id <= 40");
    assert_eq!(import(&db, &file, &[]).counts(), [0, 0, 0, 0, 0]);
    // The events know the state before, although the file does not any more.
    assert_eq!(import(&db, &file, &["--again"]).counts(), [10, 0, 0, 10, 0]);
    assert_eq!(events(&db), before);

    // Purged as far as the last row that was read.
    file.add_many(50, 10);
    file.sql("UPDATE states SET old_state_id = NULL WHERE old_state_id <= 50; DELETE FROM states WHERE state_id <= 50");
    let run = import(&db, &file, &[]);
    assert_eq!(run.counts(), [10, 10, 0, 0, 0]);
    assert!(run.stdout.contains("row 50, the last one read before, is gone"), "{}", run.stdout);
    assert_eq!(value(&mut db.connect(), "SELECT count(*) FROM sensor_events WHERE previous_state IS NULL"), "5");
}

#[test]
fn numbers_that_are_given_again_are_noticed() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    import(&db, &file, &[]);
    // SQLite gives the numbers of the last rows again: 46 to 50 are other rows now, and 51 to 55 are new.
    file.sql("DELETE FROM states WHERE state_id > 45");
    file.add_many(100, 10);
    let run = import(&db, &file, &[]);
    assert_eq!(run.counts(), [55, 10, 0, 45, 0], "{}", run.stdout);
    assert!(run.stdout.contains("row 50, the last one read before, is another one now"), "{}", run.stdout);
}

#[test]
fn a_new_file_in_the_place_of_the_old_one_is_read_from_its_start() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    import(&db, &file, &[]);
    file.sql("DELETE FROM states; UPDATE schema_changes SET changed = '2026-01-01 00:00:00.000000'");
    file.add_many(100, 60);
    let run = import(&db, &file, &[]);
    assert_eq!(run.counts(), [60, 60, 0, 0, 0]);
    assert!(run.stdout.contains("the first import of this file"), "{}", run.stdout);
}

#[test]
fn an_entity_that_was_renamed_goes_on_as_the_sensor_that_the_mapping_names() {
    let (db, file) = (database(), File::current());
    file.add("sensor.hall_temperature", 1_700_000_000.0, "20", TEMPERATURE);
    import(&db, &file, &[]);
    // Home Assistant renames it for all its rows.
    file.sql("UPDATE states_meta SET entity_id = 'sensor.stairs_temperature'");
    let unmapped = import(&db, &file, &[]);
    assert_eq!(unmapped.counts(), [0, 0, 0, 0, 0], "{}", unmapped.stdout);
    file.add("sensor.stairs_temperature", 1_700_000_001.0, "21", TEMPERATURE);
    let text = "[entities.\"sensor.stairs_temperature\"]\nroom = \"hall\"\nsensor = \"sensor.hall_temperature\"";
    let mapping = file.beside("rooms.toml", text);
    assert_eq!(import(&db, &file, &["--mapping", mapping.to_str().unwrap()]).counts(), [2, 1, 0, 1, 0]);
    let states = "SELECT state || ' after ' || coalesce(previous_state, '-') FROM sensor_events ORDER BY timestamp";
    assert_eq!(values(&mut db.connect(), states), ["20 after -", "21 after 20"]);
}

#[test]
fn a_copy_elsewhere_goes_on_as_the_same_file() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 50);
    import(&db, &file, &[]);
    file.add_many(50, 5);
    let copy = file.beside("copy.db", "");
    std::fs::remove_file(&copy).unwrap();
    file.sql(&format!("VACUUM INTO '{}'", copy.display()));
    let run = run(Some(&db), &copy, &[]);
    assert_eq!(run.counts(), [5, 5, 0, 0, 0], "{}", run.stderr);
}

#[test]
fn another_mapping_reads_all_rows_again() {
    let (db, file) = (database(), File::current());
    file.add("sensor.hall_temperature", 1_700_000_000.0, "20", TEMPERATURE);
    file.add("light.hall", 1_700_000_001.0, "on", "{}");
    assert_eq!(import(&db, &file, &[]).counts(), [2, 1, 0, 0, 1]);
    let text = "[rooms]\nhallway = [\"*.hall*\"]\n[entities.\"light.hall\"]\ntype = \"lamp\"";
    let mapping = file.beside("rooms.toml", text);
    let arguments = ["--mapping", mapping.to_str().unwrap()];
    let run = import(&db, &file, &arguments);
    assert_eq!(run.counts(), [2, 1, 1, 0, 0]);
    assert!(run.stdout.contains("the mapping or the areas have changed"), "{}", run.stdout);
    assert_eq!(values(&mut db.connect(), "SELECT DISTINCT room_id FROM sensor_events"), ["hallway"]);
    // A comment changes nothing.
    file.beside("rooms.toml", &format!("# rooms\n{text}"));
    assert_eq!(import(&db, &file, &arguments).counts(), [0, 0, 0, 0, 0]);
}

#[test]
fn the_file_is_read_while_it_is_written() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 20);
    // Home Assistant has a transaction open: what it has committed is in the WAL, and is read.
    file.sql("BEGIN IMMEDIATE");
    file.add("sensor.hall_temperature", 1_800_000_000.0, "20", TEMPERATURE);
    assert_eq!(import(&db, &file, &[]).counts(), [20, 20, 0, 0, 0]);
    file.sql("COMMIT");
    assert_eq!(import(&db, &file, &[]).counts(), [1, 1, 0, 0, 0]);
}

#[test]
fn a_file_stays_as_it_is_and_what_is_in_its_wal_is_read() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 20);
    // A copy that nobody else has open: whoever could write would move the WAL into it when closing it.
    let (copy, wal) = (file.beside("copy.db", ""), file.beside("copy.db-wal", ""));
    std::fs::copy(file.path(), &copy).unwrap();
    std::fs::copy(file.path().with_extension("db-wal"), &wal).unwrap();
    let bytes = || (std::fs::read(&copy).unwrap(), std::fs::read(&wal).unwrap());
    let before = bytes();
    let run = run(Some(&db), &copy, &[]);
    assert_eq!(run.counts(), [20, 20, 0, 0, 0], "{}", run.stderr);
    assert!(bytes() == before, "the file has changed");
}

#[test]
fn the_migration_can_be_taken_back() {
    let (db, file) = (database(), File::current());
    file.add_many(0, 20);
    import(&db, &file, &[]);
    let mut conn = db.connect();
    sql(&mut conn, include_str!("../migrations/2026-11-25-000000_home_assistant_imports/down.sql"));
    assert_eq!(
        value(
            &mut conn,
            "SELECT count(*) FROM pg_class WHERE relname = 'home_assistant_imports' AND relnamespace = current_schema()::regnamespace"
        ),
        "0"
    );
    sql(&mut conn, "DELETE FROM __diesel_schema_migrations");
    drop(conn);
    // It is made anew, and what was known of the file is gone with it.
    assert_eq!(import(&db, &file, &[]).counts(), [20, 0, 0, 20, 0]);
    let undescribed =
        "SELECT attname FROM pg_attribute WHERE attrelid = 'home_assistant_imports'::regclass AND attnum > 0
        AND col_description(attrelid, attnum) IS NULL";
    assert_eq!(values(&mut db.connect(), undescribed), [""; 0]);
}
