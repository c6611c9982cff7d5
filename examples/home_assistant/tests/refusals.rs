//! What is refused, and the mapping that is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use recorder::schemas::{SCHEMA_11, SCHEMA_30};
use recorder::{File, MOTION, TEMPERATURE, database, import, run};
use rusqlite::Connection;

/// The error that a file which is no recorder's gives.
fn error(schema: &str) -> String {
    let file = File::current();
    let path = file.beside("other.db", "");
    Connection::open(&path).unwrap().execute_batch(schema).unwrap();
    let run = run(None, &path, &["--guess"]);
    assert_eq!((run.code, &*run.stdout), (Some(1), ""));
    run.stderr
}

#[test]
fn a_file_that_is_no_recorders_is_told_what_it_lacks() {
    let lacks = |schema: &str| error(schema).split_once("it lacks ").expect("what it lacks").1.trim_end().to_owned();
    assert_eq!(lacks("CREATE TABLE notes (id)"), "the table states, the table schema_changes");
    let changes = "CREATE TABLE schema_changes (change_id, schema_version, changed);";
    assert_eq!(
        lacks(&format!("{changes} CREATE TABLE states (state_id, last_updated)")),
        "the column states.state, the entity (states.metadata_id with the table states_meta, or states.entity_id)"
    );
    assert_eq!(
        lacks(&format!("{changes} CREATE TABLE states (state_id, state, entity_id)")),
        "the time (states.last_updated_ts or states.last_updated)"
    );
}

#[test]
fn a_file_that_is_no_database_or_is_not_there() {
    let file = File::current();
    let text = file.beside(
        "notes.txt",
        "This is a text, and long enough to be taken for a header of a database file.\n\n\n\n\n\n\n\n\n\n",
    );
    let no_database = run(None, &text, &["--guess"]);
    assert_eq!(no_database.code, Some(1));
    assert!(no_database.stderr.contains("notes.txt: file is not a database"), "{}", no_database.stderr);
    let missing = file.path().with_file_name("missing.db");
    let run = run(None, &missing, &["--guess"]);
    assert!(run.stderr.ends_with("missing.db: there is no such file\n"), "{}", run.stderr);
    assert!(!missing.exists());
}

#[test]
fn a_folder_is_no_file() {
    let file = File::current();
    let folder = file.path().parent().unwrap().to_owned();
    let run = run(None, &folder, &["--guess"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains(" is a folder: name the file in it, such as "), "{}", run.stderr);
    assert!(run.stderr.ends_with("/home-assistant_v2.db\n"), "{}", run.stderr);
}

#[test]
fn a_file_without_the_table_that_its_rows_lead_to_is_refused() {
    for (table, column) in [("states_meta", "metadata_id"), ("state_attributes", "attributes_id")] {
        let (db, file) = (database(), File::current());
        file.add_many(0, 20);
        file.sql(&format!("PRAGMA foreign_keys = OFF; DROP TABLE {table}"));
        let run = run(Some(&db), &file.path(), &[]);
        assert_eq!((run.code, &*run.stdout), (Some(1), ""));
        let lacks = format!("it lacks the table {table}, which states.{column} leads to\n");
        assert!(run.stderr.ends_with(&lacks), "{}", run.stderr);
    }
}

#[test]
fn a_file_without_its_wal_says_what_it_may_lack() {
    let file = File::current();
    file.add_many(0, 20);
    file.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    file.add_many(20, 20);
    let (db, running) = (database(), file.copy_without_wal());
    let lacks = run(Some(&db), &running, &[]);
    assert_eq!(lacks.counts(), [20, 20, 0, 0, 0], "{}", lacks.stdout);
    assert!(
        lacks.stderr.contains("note: ") && lacks.stderr.contains("the newest rows are probably missing"),
        "{}",
        lacks.stderr
    );
    // With it nothing is missing, and nothing is said.
    let whole = run(Some(&db), &file.path(), &[]);
    assert_eq!(whole.counts(), [20, 20, 0, 0, 0], "{}", whole.stdout);
    assert!(!whole.stderr.contains("note: "), "{}", whole.stderr);

    file.end_run();
    file.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let ended = run(None, &file.copy_without_wal(), &["--guess"]);
    assert!(
        ended.stderr.contains("it is complete only if Home Assistant had ended when it was copied"),
        "{}",
        ended.stderr
    );

    // Before the first checkpoint there is hardly anything in the file itself.
    let young = File::current();
    let refused = run(None, &young.copy_without_wal(), &["--guess"]);
    assert!(refused.stderr.ends_with("; its -wal file is missing, which may have it\n"), "{}", refused.stderr);

    // A file that is not in WAL mode has none.
    file.conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    let plain = run(None, &file.copy_without_wal(), &["--guess"]);
    assert!(!plain.stderr.contains("-wal"), "{}", plain.stderr);
}

#[test]
fn an_old_file_has_each_entity_once_in_the_mapping() {
    for (schema, version) in [(SCHEMA_11, 11), (SCHEMA_30, 30)] {
        let db = database();
        let file = File::new(schema, version);
        for n in 0..9 {
            file.sql(&format!(
                "INSERT INTO states (entity_id, state, attributes, last_updated) VALUES
                    ('sensor.hall_temperature', '{n}', NULL, '2021-02-01 10:00:0{n}.000000'),
                    ('binary_sensor.hall_motion', 'on', NULL, '2021-02-01 10:00:0{n}.000000')"
            ));
        }
        let guess = run(None, &file.path(), &["--guess"]);
        assert_eq!(guess.stdout.matches("[entities.").count(), 2, "{}", guess.stdout);
        let mapping = file.beside("rooms.toml", &guess.stdout);
        let run = run(Some(&db), &file.path(), &["--mapping", mapping.to_str().unwrap()]);
        assert_eq!((run.code, run.count("rows read"), run.count("left out")), (Some(0), 18, 0), "{}", run.stderr);
    }
}

#[test]
fn a_database_is_needed() {
    let file = File::current();
    let run = run(None, &file.path(), &[]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.starts_with("DATABASE_URL is not set: run this as `dev/db cargo run "), "{}", run.stderr);
}

#[test]
fn a_mapping_with_a_mistake_names_the_line_and_the_key() {
    let file = File::current();
    for (text, expected) in [
        ("guess = true\nignored = []", ["line 2", "unknown field `ignored`"]),
        ("[entities.\"light.x\"]\nroom = \"a\"\nkind = \"lamp\"", ["line 3", "unknown field `kind`"]),
        ("[entities.\"light.x\"]\nroom = \"\"", ["line 2", "a name is empty"]),
        ("\n[entities.kitchen]\nroom = \"a\"", ["line 2", "\"kitchen\" is no entity such as"]),
        ("unavailable = \"store\"", ["line 1", "unknown variant `store`"]),
        ("ignore = [\"\"]", ["line 1", "a pattern is empty"]),
        ("[rooms]\nhall = \"*.hall\"", ["line 2", "expected a sequence"]),
        ("[rooms", ["line 1", "unclosed table"]),
    ] {
        let mapping = file.beside("rooms.toml", text);
        let run = run(None, &file.path(), &["--mapping", mapping.to_str().unwrap(), "--guess"]);
        assert_eq!(run.code, Some(1), "{text}");
        for expected in ["rooms.toml: ", expected[0], expected[1]] {
            assert!(run.stderr.contains(expected), "{text}\nno {expected:?} in\n{}", run.stderr);
        }
    }
}

#[test]
fn the_guesses_are_printed_as_a_mapping_that_can_be_used() {
    let file = File::current();
    file.add("binary_sensor.living_room_motion", 1_700_000_000.0, "on", r#"{"device_class":"motion"}"#);
    file.add_or_remove("binary_sensor.living_room_motion", 1_700_000_001.0, None, "{}");
    file.add(
        "sensor.0x00158d0001a2b3c4_temperature",
        1_700_000_001.0,
        "20",
        r#"{"device_class":"temperature","friendly_name":"Guest room temperature"}"#,
    );
    file.add("sensor.hall_temperature", 1_700_000_002.0, "20", TEMPERATURE);
    file.add("sensor.hall_battery", 1_700_000_003.0, "70", r#"{"device_class":"battery"}"#);
    // The empty state is a state, which has attributes.
    file.add(
        "sensor.0x00158d0001a2b3c5",
        1_700_000_003.0,
        "",
        r#"{"device_class":"humidity","friendly_name":"Kitchen humidity"}"#,
    );
    file.add("update.core", 1_700_000_004.0, "off", "{}");
    let start = file.beside(
        "start.toml",
        "ignore = [\"update.*\"]\n[entities.\"sensor.hall_temperature\"]\nsensor = \"the \\\"hall\\\"\"",
    );
    let guess = run(None, &file.path(), &["--guess", "--mapping", start.to_str().unwrap()]);
    assert_eq!((guess.code, &*guess.stderr), (Some(0), ""));
    let listing = guess.stdout.split_once("guess = false\n").expect("a setting").1;
    assert_eq!(
        listing,
        r#"
[entities."binary_sensor.living_room_motion"]
room = "living_room"
type = "motion"
human_triggered = true

[entities."sensor.0x00158d0001a2b3c4_temperature"]
room = "guest_room"
type = "temperature"
human_triggered = false

[entities."sensor.0x00158d0001a2b3c5"]
room = "kitchen"
type = "humidity"
human_triggered = false

# [entities."sensor.hall_battery"]
# room = ""
# type = ""

[entities."sensor.hall_temperature"]
room = "hall"
type = "temperature"
sensor = "the \"hall\""
human_triggered = false

# ignored: [entities."update.core"]
"#
    );

    let db = database();
    let mapping = file.beside("rooms.toml", &guess.stdout);
    let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!(run.counts(), [7, 4, 0, 0, 3], "{}", run.stdout);
    // An entity that is new is not imported, as only what is listed is.
    file.add("binary_sensor.attic_motion", 1_700_000_005.0, "on", MOTION);
    assert_eq!(import(&db, &file, &["--mapping", mapping.to_str().unwrap()]).counts(), [1, 0, 0, 0, 1]);
}
