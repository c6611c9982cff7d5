//! What becomes of the recorder's rows, in every layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use recorder::schemas::{SCHEMA_11, SCHEMA_30, SCHEMA_42, SINCE_11, moved_since_11};
use recorder::{File, MOTION, TEMPERATURE, database, import, run};
use support::{TestDb, values};

/// All events: when, which sensor, room, type, state, number, state before, unit or nothing, a person's or not.
fn events(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), sensor_id, room_id,
             sensor_type, state, coalesce(numeric_value::text, '-'), coalesce(previous_state, '-'),
             attributes ->> 'unit_of_measurement', is_human_triggered)
         FROM sensor_events
         ORDER BY timestamp, sensor_id",
    )
}

#[test]
fn a_newer_file_is_read_by_its_columns() {
    let (db, file) = (database(), File::current());
    file.sql("UPDATE schema_changes SET schema_version = 60");
    file.add("sensor.office_temperature", 1_700_000_000.0, "21.5", TEMPERATURE);
    // The empty state is a state; only none at all tells that the entity was removed.
    file.add("sensor.office_temperature", 1_700_000_001.0, "", TEMPERATURE);
    let run = import(&db, &file, &[]);
    assert_eq!(run.counts(), [2, 2, 0, 0, 0], "{}", run.stdout);
    let told =
        "recorder schema 60, newer than 53, the newest that is known (entities in states_meta, times as numbers)";
    assert!(run.stdout.contains(told), "{}", run.stdout);
    assert_eq!(
        events(&db),
        [
            "2023-11-14 22:13:20.000000 sensor.office_temperature office temperature 21.5 21.5 - °C f",
            "2023-11-14 22:13:21.000000 sensor.office_temperature office temperature  - 21.5 °C f",
        ]
    );
}

#[test]
fn a_current_file() {
    let (db, file) = (database(), File::current());
    file.add("binary_sensor.living_room_motion", 1_700_000_000.567_891, "on", MOTION);
    file.add("sensor.office_temperature", 1_700_000_001.0, "21.5", TEMPERATURE);
    file.add("binary_sensor.living_room_motion", 1_700_000_002.000_001, "off", MOTION);
    file.add("sensor.office_temperature", 1_700_000_003.0, "22", TEMPERATURE);
    file.add("sensor.sun_next_rising", 1_700_000_004.0, "2023-11-15T06:00:00+00:00", r#"{"device_class":"timestamp"}"#);
    let run = import(&db, &file, &[]);
    assert_eq!(run.counts(), [5, 4, 0, 0, 1], "{}", run.stdout);
    assert_eq!(run.count("not mapped"), 1);
    assert!(run.stdout.contains("recorder schema 53 (entities in states_meta, times as numbers)"), "{}", run.stdout);
    assert!(run.stdout.contains("\nsensor_events: "), "{}", run.stdout);
    assert_eq!(
        events(&db),
        [
            "2023-11-14 22:13:20.567891 binary_sensor.living_room_motion living_room motion on - - t",
            "2023-11-14 22:13:21.000000 sensor.office_temperature office temperature 21.5 21.5 - °C f",
            "2023-11-14 22:13:22.000001 binary_sensor.living_room_motion living_room motion off - on t",
            "2023-11-14 22:13:23.000000 sensor.office_temperature office temperature 22 22 21.5 °C f",
        ]
    );
}

#[test]
fn an_old_file() {
    let (db, file) = (database(), File::new(SCHEMA_11, 11));
    file.sql(
        r#"INSERT INTO events (event_id, context_user_id) VALUES (1, NULL), (2, '0123456789abcdef0123456789abcdef');
           INSERT INTO states (state_id, entity_id, state, attributes, event_id, last_updated, old_state_id) VALUES
               (1, 'sensor.office_temperature', '21.5', '{"device_class":"temperature"}', 1, '2020-11-01 10:00:00.123456', NULL),
               (2, 'light.office', 'on', '{"friendly_name":"Office"}', 2, '2020-11-01 10:00:01', NULL),
               (3, 'light.office', 'off', '{"friendly_name":"Office"}', 1, '2020-11-01 10:00:02.000000', 2),
               (4, 'sensor.office_temperature', '21.7', NULL, NULL, '2020-11-01 10:00:03.000000', 1);"#,
    );
    let mapping = file.beside("rooms.toml", "[entities.\"light.office\"]\nroom = \"office\"\ntype = \"lamp\"");
    let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!(run.counts(), [4, 4, 0, 0, 0], "{}", run.stdout);
    assert!(run.stdout.contains("recorder schema 11 (entities in states, times as text)"), "{}", run.stdout);
    assert_eq!(
        events(&db),
        [
            "2020-11-01 10:00:00.123456 sensor.office_temperature office temperature 21.5 21.5 - f",
            "2020-11-01 10:00:01.000000 light.office office lamp on - - t",
            "2020-11-01 10:00:02.000000 light.office office lamp off - on f",
            "2020-11-01 10:00:03.000000 sensor.office_temperature office temperature 21.7 21.7 21.5 f",
        ]
    );
}

#[test]
fn a_file_whose_rows_home_assistant_is_still_moving() {
    let (db, file) = (database(), File::new(SCHEMA_11, 11));
    file.sql(SINCE_11);
    file.sql(
        r#"INSERT INTO state_attributes VALUES (7, 0, '{"device_class":"motion"}');
           INSERT INTO states_meta VALUES (5, 'binary_sensor.hall_motion');
           INSERT INTO states (state_id, entity_id, state, attributes, attributes_id, last_updated, last_updated_ts,
               metadata_id, old_state_id, context_user_id, context_user_id_bin) VALUES
           (1, 'binary_sensor.hall_motion', 'on', '{"device_class":"motion"}', NULL, '2020-11-01 10:00:00.123457', NULL, NULL, NULL, NULL, NULL),
           (2, 'binary_sensor.hall_motion', 'off', NULL, 7, '2020-11-01 10:00:01.5', NULL, NULL, 1, '', NULL),
           (3, 'binary_sensor.hall_motion', 'on', '', 7, NULL, 1604224802.25, NULL, 2, 'a person', NULL),
           (4, NULL, 'off', NULL, 7, NULL, 1604224803.000001, 5, 3, NULL, x'00112233445566778899aabbccddeeff'),
           (5, NULL, 'on', NULL, 7, NULL, 1604224804.0, 5, 4, NULL, NULL);"#,
    );
    let mapping = file.beside("m.toml", "[entities.\"binary_sensor.hall_motion\"]\nhuman_triggered = false");
    let arguments = ["--mapping", mapping.to_str().unwrap()];
    assert_eq!(import(&db, &file, &arguments).counts(), [5, 5, 0, 0, 0]);
    let moved = [
        "2020-11-01 10:00:00.123457 binary_sensor.hall_motion hall motion on - - f",
        "2020-11-01 10:00:01.500000 binary_sensor.hall_motion hall motion off - on f",
        "2020-11-01 10:00:02.250000 binary_sensor.hall_motion hall motion on - off t",
        "2020-11-01 10:00:03.000001 binary_sensor.hall_motion hall motion off - on t",
        "2020-11-01 10:00:04.000000 binary_sensor.hall_motion hall motion on - off f",
    ];
    assert_eq!(events(&db), moved);

    // The same rows once they are moved are the same events.
    file.sql(
        "UPDATE states SET last_updated_ts = strftime('%s', last_updated) + CAST(substr(last_updated, 20) AS FLOAT),
             last_updated = NULL WHERE last_updated_ts IS NULL;
         UPDATE states SET metadata_id = 5, entity_id = NULL, attributes = NULL, attributes_id = 7;",
    );
    let mut again = arguments.to_vec();
    again.push("--again");
    assert_eq!(import(&db, &file, &again).counts(), [5, 0, 0, 5, 0]);
    assert_eq!(events(&db), moved);
}

#[test]
fn rows_that_are_no_readings_are_counted_and_told() {
    let (db, file) = (database(), File::current());
    let id = "binary_sensor.hall_motion";
    file.add(id, 1_700_000_000.0, "on", MOTION);
    file.add(id, 1_700_000_001.0, "unavailable", MOTION);
    file.add(id, 1_700_000_002.0, "unknown", MOTION);
    file.add(id, 1_700_000_003.0, "off", "{nonsense");
    file.add(id, 1_700_000_004.0, "on", r#"{"device_class":"motion","note":"a\u0000b"}"#);
    file.add(id, 1_700_000_005.0, "", "{}");
    file.add("sensor.hall_battery", 1_700_000_006.0, "70", r#"{"device_class":"battery"}"#);
    let of_hall = "FROM states_meta WHERE entity_id = 'binary_sensor.hall_motion'";
    file.sql(&format!(
        "INSERT INTO states (state, last_updated_ts, metadata_id) SELECT NULL, 1700000010, metadata_id {of_hall}"
    ));
    file.sql(&format!("INSERT INTO states (state, last_updated_ts, metadata_id) SELECT 'a' || char(0), 1700000011, metadata_id {of_hall}"));
    file.sql(&format!("INSERT INTO states (state, last_updated_ts, metadata_id) SELECT CAST(x'ff' AS TEXT), 1700000012, metadata_id {of_hall}"));
    file.sql(&format!("INSERT INTO states (state, metadata_id) SELECT 'on', metadata_id {of_hall}"));
    file.sql(&format!(
        "INSERT INTO states (state, last_updated_ts, metadata_id) SELECT 'on', 'soon', metadata_id {of_hall}"
    ));
    file.sql("PRAGMA foreign_keys = OFF; INSERT INTO states (state, last_updated_ts, metadata_id) VALUES ('on', 1700000013, 999)");
    file.add(id, 1_700_000_020.0, "off", MOTION);

    let run = import(&db, &file, &["--batch", "3"]);
    assert_eq!(run.counts(), [14, 6, 0, 0, 8], "{}", run.stdout);
    for (reason, count) in [
        ("unavailable", 1),
        ("entity removed", 1),
        ("not mapped", 1),
        ("no entity", 1),
        ("bad timestamp", 2),
        ("bad state", 2),
        ("without attributes", 2),
    ] {
        assert_eq!(run.count(reason), count, "{reason}");
    }
    for line in [
        "row 4: without attributes: no JSON: key must be a string at line 1 column 2",
        "row 5: without attributes: \\u0000 in a text",
        "row 9: bad state: \"a\\0\"",
        "row 10: bad state: 1 bytes that are no text",
        "row 11: bad timestamp: NULL",
        "row 12: bad timestamp: \"soon\"",
        "row 13: no entity: states_meta has no name for metadata_id 999",
    ] {
        assert!(run.stderr.lines().any(|told| told == line), "no {line:?} in\n{}", run.stderr);
    }
    // The state before skips what is no reading.
    let states = "SELECT state || ' after ' || coalesce(previous_state, '-') FROM sensor_events ORDER BY timestamp";
    assert_eq!(
        values(&mut db.connect(), states),
        ["on after -", "unknown after on", "off after unknown", "on after off", " after on", "off after "]
    );
}

#[test]
fn unavailable_can_be_stored_as_unknown() {
    let (db, file) = (database(), File::current());
    file.add("binary_sensor.hall_motion", 1_700_000_000.0, "unavailable", MOTION);
    file.add("binary_sensor.hall_motion", 1_700_000_001.0, "on", MOTION);
    let mapping = file.beside("m.toml", "unavailable = \"unknown\"");
    assert_eq!(import(&db, &file, &["--mapping", mapping.to_str().unwrap()]).counts(), [2, 2, 0, 0, 0]);
    let states = "SELECT state || ' after ' || coalesce(previous_state, '-') FROM sensor_events ORDER BY timestamp";
    assert_eq!(values(&mut db.connect(), states), ["unknown after -", "on after unknown"]);
}

#[test]
fn many_bad_rows_are_not_all_told() {
    let (db, file) = (database(), File::current());
    file.sql("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50) INSERT INTO states (state) SELECT 'on' FROM n");
    let run = import(&db, &file, &[]);
    assert_eq!(run.count("no entity"), 50);
    assert_eq!(run.stderr.lines().filter(|line| line.contains("no entity: NULL")).count(), 20);
    assert!(run.stderr.contains("no entity: further rows are only counted"), "{}", run.stderr);
}

#[test]
fn one_batch_may_have_an_instant_twice() {
    let (db, file) = (database(), File::current());
    file.add("sensor.hall_temperature", 1_700_000_000.0, "20", TEMPERATURE);
    file.add("sensor.hall_temperature", 1_700_000_000.0, "21", TEMPERATURE);
    let run = import(&db, &file, &[]);
    assert_eq!((run.count("inserted"), run.count("deduplicated")), (1, 1));
    assert_eq!(values(&mut db.connect(), "SELECT state FROM sensor_events"), ["21"]);
}

#[test]
fn a_removed_entity_is_no_fault_and_its_state_can_be_ended() {
    let (db, file) = (database(), File::current());
    let id = "binary_sensor.hall_motion";
    for (n, state) in (0..4).zip([Some("on"), None, Some("off"), Some("on")]) {
        file.add_or_remove(id, 1_700_000_000.0 + f64::from(n), state, MOTION);
    }
    let run = import(&db, &file, &[]);
    assert_eq!((run.counts(), run.count("entity removed")), ([4, 3, 0, 0, 1], 1), "{}", run.stdout);
    assert!(!run.stderr.contains("row 2"), "{}", run.stderr);
    let states = "SELECT state || ' after ' || coalesce(previous_state, '-') FROM sensor_events ORDER BY timestamp";
    assert_eq!(values(&mut db.connect(), states), ["on after -", "off after on", "on after off"]);

    let mapping = file.beside("m.toml", "removed = \"unknown\"");
    let ended = import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!(ended.counts(), [4, 1, 1, 2, 0], "{}", ended.stdout);
    let ended = ["on after -", "unknown after on", "off after unknown", "on after off"];
    assert_eq!(values(&mut db.connect(), states), ended);
}

#[test]
fn numbers_of_home_assistant_are_the_microseconds_and_attributes_that_it_had() {
    let (db, file) = (database(), File::current());
    // As 2026.2.3 has them: a product of the whole number would be a microsecond more. The right sides are Python's.
    let numbers =
        [(1_795_647_955.924_608_5, 1_795_647_955_924_608_i64), (1_795_647_955.947_891_5, 1_795_647_955_947_891)];
    // A number that is read with another last digit by default.
    let attributes = r#"{"device_class":"temperature","raw":0.11909343724707233}"#;
    for (seconds, _) in numbers {
        file.add("sensor.hall_temperature", seconds, "20", attributes);
    }
    import(&db, &file, &[]);
    let micros = "SELECT (extract(epoch FROM timestamp) * 1000000)::bigint FROM sensor_events ORDER BY timestamp";
    assert_eq!(values(&mut db.connect(), micros), numbers.map(|(_, micros)| micros.to_string()));
    let raw = "SELECT DISTINCT attributes ->> 'raw' FROM sensor_events";
    assert_eq!(values(&mut db.connect(), raw), ["0.11909343724707233"]);
}

#[test]
fn what_json_has_no_words_for_is_null_in_old_attributes() {
    let (db, file) = (database(), File::new(SCHEMA_11, 11));
    file.sql(
        r#"INSERT INTO states (entity_id, state, attributes, last_updated) VALUES
            ('sensor.hall_temperature', '20', '{"device_class":"temperature","a":NaN,"b":"NaN"}', '2021-02-01 10:00:00.000000');"#,
    );
    let run = import(&db, &file, &[]);
    assert_eq!((run.counts(), run.count("NaN stored as null")), ([1, 1, 0, 0, 0], 1), "{}", run.stdout);
    assert!(
        run.stderr.contains("row 1: NaN or infinite, stored as null: 1 of the attributes' numbers"),
        "{}",
        run.stderr
    );
    let attributes = "SELECT (attributes -> 'a')::text || (attributes -> 'b') FROM sensor_events";
    assert_eq!(values(&mut db.connect(), attributes), ["null\"NaN\""]);
}

#[test]
fn each_row_that_is_left_out_is_named_in_a_file() {
    let (db, file) = (database(), File::current());
    let id = "binary_sensor.hall_motion";
    for n in 0..50 {
        file.add_or_remove(id, 1_700_000_000.0 + f64::from(n), Some("on").filter(|_| n % 2 == 0), MOTION);
    }
    file.add("update.core", 1_700_000_060.0, "off", "{}");
    file.add(id, 1_700_000_061.0, "on", "{\tnonsense");
    let path = file.beside("left_out.tsv", "");
    let run = import(&db, &file, &["--left-out", path.to_str().unwrap(), "--batch", "7"]);
    assert_eq!(run.count("left out"), 26, "{}", run.stdout);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 27);
    assert_eq!(lines[0], "states\t2\tbinary_sensor.hall_motion\tentity removed\t");
    assert_eq!(lines[25], "states\t51\tupdate.core\tnot mapped\t");
    assert!(lines[26].starts_with("states\t52\t\twithout attributes\tno JSON: "), "{}", lines[26]);
}

#[test]
fn a_file_of_home_assistant_2023() {
    let (db, file) = (database(), File::new(SCHEMA_30, 30));
    file.sql(
        r#"INSERT INTO state_attributes VALUES (1, 7, '{"device_class":"motion"}');
           INSERT INTO states (state_id, entity_id, state, attributes, last_updated, old_state_id, attributes_id, context_user_id) VALUES
               (1, 'binary_sensor.hall_motion', 'on', NULL, '2023-01-10 10:00:00.123456', NULL, 1, NULL),
               (2, 'light.hall', 'on', NULL, '2023-01-10 10:00:00.223456', NULL, NULL, '0123456789abcdef0123456789abcdef'),
               (3, 'light.hall', 'off', NULL, '2023-01-10 10:00:01.000000', 2, NULL, NULL),
               (4, 'binary_sensor.hall_motion', NULL, NULL, '2023-01-10 10:00:02.000000', 1, NULL, NULL),
               (5, 'binary_sensor.hall_motion', 'off', NULL, '2023-01-10 10:00:03.000000', NULL, 1, NULL);"#,
    );
    let mapping = file.beside("m.toml", "[entities.\"light.hall\"]\nroom = \"hall\"\ntype = \"lamp\"");
    let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!((run.counts(), run.count("entity removed")), ([5, 4, 0, 0, 1], 1), "{}", run.stdout);
    assert!(run.stdout.contains("recorder schema 30 (entities in states, times as text)"), "{}", run.stdout);
    assert_eq!(
        events(&db),
        [
            "2023-01-10 10:00:00.123456 binary_sensor.hall_motion hall motion on - - t",
            "2023-01-10 10:00:00.223456 light.hall hall lamp on - - t",
            "2023-01-10 10:00:01.000000 light.hall hall lamp off - on f",
            "2023-01-10 10:00:03.000000 binary_sensor.hall_motion hall motion off - on t",
        ]
    );
}

#[test]
fn a_file_of_home_assistant_2024() {
    let (db, file) = (database(), File::new(SCHEMA_42, 42));
    file.add("light.hall", 1_700_000_000.5, "on", "{}");
    file.sql("UPDATE states SET context_user_id_bin = x'00112233445566778899aabbccddeeff'");
    file.add("light.hall", 1_700_000_001.5, "off", "{}");
    let mapping = file.beside("m.toml", "[entities.\"light.hall\"]\nroom = \"hall\"\ntype = \"lamp\"");
    let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert!(run.stdout.contains("recorder schema 42 (entities in states_meta, times as numbers)"), "{}", run.stdout);
    assert_eq!(
        events(&db),
        [
            "2023-11-14 22:13:20.500000 light.hall hall lamp on - - t",
            "2023-11-14 22:13:21.500000 light.hall hall lamp off - on f",
        ]
    );
}

/// A file of schema 11 whose fractions of a second are such that Home Assistant moves some of them.
fn before_the_upgrade() -> File {
    let file = File::new(SCHEMA_11, 11);
    file.sql(
        "INSERT INTO events (event_id, context_user_id) VALUES (1, '0123456789abcdef0123456789abcdef'), (2, NULL)",
    );
    for (n, fraction) in (0..).zip(["999600", "999500", "999499", "123456", "999999"]) {
        file.sql(&format!(
            "INSERT INTO states (domain, entity_id, state, attributes, event_id, last_updated) VALUES
                ('light', 'light.hall', '{n}', '{{}}', {}, '2021-02-01 10:00:0{n}.{fraction}')",
            if n == 1 { 1 } else { 2 }
        ));
    }
    file
}

#[test]
fn an_upgrade_of_home_assistant_changes_no_event() {
    for moves in [true, false] {
        let (db, file) = (database(), before_the_upgrade());
        let mapping = file.beside("m.toml", "[entities.\"light.hall\"]\nroom = \"hall\"\ntype = \"lamp\"");
        let arguments = ["--mapping", mapping.to_str().unwrap(), "--batch", "2"];
        assert_eq!(import(&db, &file, &arguments).counts(), [5, 5, 0, 0, 0]);
        let before = events(&db);
        assert!(before[1].ends_with(" 1 1 0 t"), "{before:?}");

        file.sql(SINCE_11);
        file.sql(&moved_since_11(moves));
        for _ in 0..2 {
            let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap(), "--again"]);
            assert_eq!(run.counts(), [5, 0, 0, 5, 0], "{}", run.stdout);
            assert_eq!(run.stdout.contains("moved by a second") && run.count("moved by a second") == 3, moves);
            assert_eq!(events(&db), before, "moved: {moves}");
        }
    }
}

#[test]
fn a_file_that_is_imported_after_its_upgrade_is_taken_as_it_is() {
    let (db, file) = (database(), before_the_upgrade());
    file.sql(SINCE_11);
    file.sql(&moved_since_11(true));
    let mapping = file.beside("m.toml", "[entities.\"light.hall\"]\nroom = \"hall\"\ntype = \"lamp\"");
    let arguments = ["--mapping", mapping.to_str().unwrap()];
    assert_eq!(import(&db, &file, &arguments).counts(), [5, 5, 0, 0, 0]);
    let again = run(Some(&db), &file.path(), &["--mapping", mapping.to_str().unwrap(), "--again"]);
    assert_eq!(again.counts(), [5, 0, 0, 5, 0], "{}", again.stdout);
    assert!(!again.stdout.contains("moved"), "{}", again.stdout);
}

#[test]
fn a_row_with_both_times_has_that_of_its_text() {
    let (db, file) = (database(), before_the_upgrade());
    file.sql(SINCE_11);
    // Numbers are made of all texts before the texts are removed.
    file.sql(
        "UPDATE states SET last_updated_ts = strftime('%s', substr(last_updated, 1, 19)) + 1.9996 WHERE state_id = 1",
    );
    let mapping = file.beside("m.toml", "[entities.\"light.hall\"]\nroom = \"hall\"\ntype = \"lamp\"");
    import(&db, &file, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!(events(&db)[0], "2021-02-01 10:00:00.999600 light.hall hall lamp 0 0 - f");
}
