//! Rooms by Home Assistant's areas, units, and statistics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use std::path::PathBuf;

use recorder::schemas::SCHEMA_30;
use recorder::{File, MOTION, assert_linked, database, import, run};
use serde_json::json;
use support::{TestDb, values};

const FAHRENHEIT: &str = r#"{"device_class":"temperature","unit_of_measurement":"°F"}"#;
const CELSIUS: &str = r#"{"device_class":"temperature","unit_of_measurement":"°C"}"#;

/// The registries of a German home, in a folder of this name beside the file, with the cellar's sensor in this area.
fn registries(file: &File, folder: &str, cellar: Option<&str>) -> PathBuf {
    let path = file.path().with_file_name(folder);
    std::fs::create_dir_all(&path).unwrap();
    let entity = |entity_id: &str, area: Option<&str>, device: Option<&str>, class: Option<&str>| {
        json!({ "entity_id": entity_id, "area_id": area, "device_id": device, "device_class": null,
            "original_device_class": class, "name": null, "options": {} })
    };
    for (name, data) in [
        (
            "core.area_registry",
            json!({ "areas": [
                { "id": "kuche", "name": "Küche" },
                { "id": "keller", "name": "Keller" },
                { "id": "flur", "name": "Flur" },
                { "id": "0123456789abcdef0123456789abcdef", "name": "Gäste WC" },
            ] }),
        ),
        (
            "core.device_registry",
            json!({ "devices": [
                { "id": "d1", "area_id": "flur", "name": "Bewegungsmelder" },
                { "id": "d2", "area_id": null, "name": "Klima" },
            ], "deleted_devices": [] }),
        ),
        (
            "core.entity_registry",
            json!({ "entities": [
                entity("binary_sensor.melder_bewegung", None, Some("d1"), Some("motion")),
                entity("sensor.melder_temperatur", Some("kuche"), Some("d1"), Some("temperature")),
                entity("sensor.klima_temperatur", None, Some("d2"), Some("temperature")),
                entity("sensor.wc_luftfeuchtigkeit", Some("0123456789abcdef0123456789abcdef"), None, Some("humidity")),
                entity("sensor.keller_kohlendioxid", cellar, None, Some("carbon_dioxide")),
                entity("sensor.altbau_temperatur", Some("gone"), None, Some("temperature")),
            ], "deleted_entities": [] }),
        ),
    ] {
        std::fs::write(path.join(name), json!({ "version": 1, "key": name, "data": data }).to_string()).unwrap();
    }
    path
}

fn german() -> File {
    let file = File::current();
    file.add("binary_sensor.melder_bewegung", 1_700_000_000.0, "on", MOTION);
    file.add("sensor.melder_temperatur", 1_700_000_001.0, "20", CELSIUS);
    file.add("sensor.klima_temperatur", 1_700_000_002.0, "21", CELSIUS);
    file.add("sensor.wc_luftfeuchtigkeit", 1_700_000_003.0, "50", r#"{"device_class":"humidity"}"#);
    // The last attributes do not say what it is; the registry does.
    file.add("sensor.keller_kohlendioxid", 1_700_000_004.0, "500", "{}");
    file.add("sensor.altbau_temperatur", 1_700_000_005.0, "19", CELSIUS);
    file.add("sensor.nirgends_temperatur", 1_700_000_006.0, "18", CELSIUS);
    file
}

fn rooms(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', sensor_id, room_id, sensor_type) FROM sensor_events ORDER BY timestamp",
    )
}

#[test]
fn rooms_are_the_areas_of_home_assistant() {
    let (db, file) = (database(), german());
    registries(&file, ".storage", Some("keller"));
    let run = import(&db, &file, &[]);
    assert_eq!((run.counts(), run.count("no area")), ([7, 4, 0, 0, 3], 3), "{}", run.stdout);
    assert!(run.stdout.contains("rooms: 4 entities in 4 areas, by "), "{}", run.stdout);
    assert!(run.stdout.contains("\n  sensor.klima_temperatur\n"), "{}", run.stdout);
    assert_eq!(
        rooms(&db),
        [
            "binary_sensor.melder_bewegung flur motion",
            "sensor.melder_temperatur kuche temperature",
            "sensor.wc_luftfeuchtigkeit gäste_wc humidity",
            "sensor.keller_kohlendioxid keller carbon_dioxide",
        ]
    );
}

#[test]
fn the_mapping_comes_before_the_areas_and_is_printed_with_them() {
    let (db, file) = (database(), german());
    let folder = registries(&file, "elsewhere", Some("keller"));
    let text = "[rooms]\noben = [\"*.klima_*\"]\n[entities.\"sensor.melder_temperatur\"]\nroom = \"unten\"";
    let mapping = file.beside("m.toml", text);
    let arguments = ["--storage", folder.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
    let guess = run(None, &file.path(), &[&arguments[..], &["--guess"]].concat());
    assert!(
        guess.stdout.contains("[entities.\"binary_sensor.melder_bewegung\"]\nroom = \"flur\"\n"),
        "{}",
        guess.stdout
    );
    assert!(guess.stdout.contains("# in no area: [entities.\"sensor.nirgends_temperatur\"]\n"), "{}", guess.stdout);
    let written = file.beside("guess.toml", &guess.stdout);

    assert_eq!(import(&db, &file, &arguments).counts(), [7, 5, 0, 0, 2]);
    let expected = [
        "binary_sensor.melder_bewegung flur motion",
        "sensor.melder_temperatur unten temperature",
        "sensor.klima_temperatur oben temperature",
        "sensor.wc_luftfeuchtigkeit gäste_wc humidity",
        "sensor.keller_kohlendioxid keller carbon_dioxide",
    ];
    assert_eq!(rooms(&db), expected);
    let by_list = import(&db, &file, &["--mapping", written.to_str().unwrap()]);
    assert_eq!(by_list.counts(), [7, 0, 0, 5, 2], "{}", by_list.stdout);
}

#[test]
fn an_area_that_has_changed_reads_all_rows_again() {
    let (db, file) = (database(), german());
    registries(&file, ".storage", None);
    assert_eq!(import(&db, &file, &[]).counts(), [7, 3, 0, 0, 4]);
    assert_eq!(import(&db, &file, &[]).counts(), [0, 0, 0, 0, 0]);
    registries(&file, ".storage", Some("keller"));
    let changed = import(&db, &file, &[]);
    assert_eq!(changed.counts(), [7, 1, 0, 3, 3], "{}", changed.stdout);
    assert!(changed.stdout.contains("the mapping or the areas have changed"), "{}", changed.stdout);
    registries(&file, ".storage", Some("flur"));
    assert_eq!(import(&db, &file, &[]).counts(), [7, 0, 1, 3, 3]);
}

#[test]
fn registries_that_cannot_be_read_are_named() {
    let file = german();
    let folder = registries(&file, "storage", Some("keller"));
    let error = |folder: &std::path::Path| {
        let run = run(None, &file.path(), &["--guess", "--storage", folder.to_str().unwrap()]);
        assert_eq!((run.code, &*run.stdout), (Some(1), ""));
        run.stderr
    };
    std::fs::write(folder.join("core.device_registry"), "{\"data\":{\"devices\":[{}]}}").unwrap();
    let broken = error(&folder);
    assert!(broken.contains("core.device_registry is no registry of Home Assistant: missing field `id`"), "{broken}");
    let missing = error(&folder.join("nothing"));
    assert!(missing.contains("there is no core.entity_registry; name Home Assistant's folder .storage"), "{missing}");
    // Home Assistant has no file of areas before the first one.
    std::fs::remove_file(folder.join("core.device_registry")).unwrap();
    std::fs::remove_file(folder.join("core.area_registry")).unwrap();
    let bare = run(None, &file.path(), &["--guess", "--storage", folder.to_str().unwrap()]);
    assert_eq!((bare.code, bare.stdout.matches("# in no area: ").count()), (Some(0), 7), "{}", bare.stdout);
}

/// Sensor, state, number and unit of each event.
fn readings(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', sensor_id, state, numeric_value, attributes ->> 'unit_of_measurement')
         FROM sensor_events ORDER BY timestamp",
    )
}

/// Two sensors in one unit and one in another, which was in the first unit once.
fn mixed() -> File {
    let file = File::current();
    file.add("sensor.attic_temperature", 1_700_000_000.0, "68", FAHRENHEIT);
    file.add("sensor.hall_temperature", 1_700_000_001.0, "20", CELSIUS);
    file.add("sensor.office_temperature", 1_700_000_002.0, "21", CELSIUS);
    file.add("sensor.bath_temperature", 1_700_000_003.0, "22", CELSIUS);
    file.add("sensor.bath_temperature", 1_700_000_004.0, "72.5", FAHRENHEIT);
    file.add("sensor.bath_temperature", 1_700_000_005.0, "unknown", FAHRENHEIT);
    file.sql(
        "UPDATE states_meta SET entity_id = 'sensor.cellar_temperature' WHERE entity_id = 'sensor.attic_temperature'",
    );
    file.add("sensor.attic_temperature", 1_700_000_006.0, "23", CELSIUS);
    file
}

#[test]
fn another_unit_of_a_type_is_refused_by_name() {
    let (db, file) = (database(), mixed());
    let run = import(&db, &file, &[]);
    assert_eq!((run.counts(), run.count("another unit")), ([7, 5, 0, 0, 2], 2), "{}", run.stdout);
    assert!(run.stdout.contains("\nunits: temperature °C\n"), "{}", run.stdout);
    let why = "°F, and temperature is in °C: [units] temperature = \"°C\" in the mapping converts it";
    assert!(run.stderr.contains(&format!("row 5: another unit: sensor.bath_temperature: {why}\n")), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("\n  sensor.cellar_temperature: {why}\n")), "{}", run.stdout);
    assert_eq!(
        readings(&db),
        [
            "sensor.hall_temperature 20 20 °C",
            "sensor.office_temperature 21 21 °C",
            "sensor.bath_temperature 22 22 °C",
            "sensor.bath_temperature unknown °F",
            "sensor.attic_temperature 23 23 °C",
        ]
    );
}

#[test]
fn another_unit_is_converted_when_asked() {
    let (db, file) = (database(), mixed());
    import(&db, &file, &[]);
    let mapping = file.beside("m.toml", "[units]\ntemperature = \"°C\"");
    let arguments = ["--mapping", mapping.to_str().unwrap()];
    assert_eq!(import(&db, &file, &arguments).counts(), [7, 2, 1, 4, 0]);
    assert_linked(&db);
    assert_eq!(
        readings(&db)[..6],
        [
            "sensor.cellar_temperature 20 20 °C",
            "sensor.hall_temperature 20 20 °C",
            "sensor.office_temperature 21 21 °C",
            "sensor.bath_temperature 22 22 °C",
            "sensor.bath_temperature 22.5 22.5 °C",
            "sensor.bath_temperature unknown °F",
        ]
    );
    assert_eq!(import(&db, &file, &["--again", arguments[0], arguments[1]]).counts(), [7, 0, 0, 7, 0]);

    let kelvin = file.beside("m.toml", "[units]\ntemperature = \"K\"");
    let refused = run(Some(&db), &file.path(), &["--mapping", kelvin.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.starts_with("the mapping asks for temperature in K, and the database has it in °C: "),
        "{}",
        refused.stderr
    );
    // Before anything is stored it may be any.
    let other = database();
    import(&other, &file, &["--mapping", kelvin.to_str().unwrap()]);
    assert_eq!(readings(&other)[0], "sensor.cellar_temperature 293.15 293.15 K");
}

#[test]
fn another_file_has_the_units_of_the_database() {
    let (db, file) = (database(), mixed());
    import(&db, &file, &[]);
    let american = File::current();
    american.sql("UPDATE schema_changes SET changed = '2026-01-01 00:00:00.000000'");
    american.add("sensor.porch_temperature", 1_700_000_000.0, "68", FAHRENHEIT);
    american.add(
        "sensor.porch_pm25",
        1_700_000_000.0,
        "9",
        "{\"device_class\":\"pm25\",\"unit_of_measurement\":\"µg/m³\"}",
    );
    american.add(
        "sensor.porch_2_pm25",
        1_700_000_000.0,
        "9",
        "{\"device_class\":\"pm25\",\"unit_of_measurement\":\"μg/m³\"}",
    );
    let run = import(&db, &american, &[]);
    assert_eq!((run.counts(), run.count("another unit")), ([3, 2, 0, 0, 1], 1), "{}", run.stdout);
    // Alone it is in its own.
    let alone = database();
    assert_eq!(import(&alone, &american, &[]).counts(), [3, 3, 0, 0, 0]);
}

/// Sensor, period, start, the five numbers, room and type.
fn statistics(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', sensor_id, period, to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), mean, min, max,
             state, sum, room_id, sensor_type)
         FROM home_assistant_statistics ORDER BY sensor_id, period, start",
    )
}

const METERS: &str = "
    INSERT INTO statistics_meta (id, statistic_id, source, unit_of_measurement, has_mean, has_sum) VALUES
        (1, 'sensor.hall_temperature', 'recorder', '°C', 1, 0),
        (2, 'sensor.hall_energy', 'recorder', 'kWh', 0, 1),
        (3, 'tibber:price', 'tibber', 'EUR', 1, 0);";

#[test]
fn statistics_are_imported_beside_the_states() {
    let (db, file) = (database(), File::current());
    file.add("sensor.hall_temperature", 1_700_000_000.0, "20", CELSIUS);
    file.sql(METERS);
    file.sql(
        "INSERT INTO statistics (metadata_id, start_ts, mean, min, max, state, sum) VALUES
             (1, 1690000000, 20.5, 20, 21, NULL, NULL),
             (2, 1690000000, NULL, NULL, NULL, 17.5, 3.25),
             (3, 1690000000, 0.3, 0.2, 0.4, NULL, NULL),
             (1, 1690003600, NULL, NULL, NULL, NULL, NULL),
             (NULL, 1690003600, 1, 1, 1, NULL, NULL);
         INSERT INTO statistics_short_term (metadata_id, start_ts, mean, min, max) VALUES (1, 1699999800, 20.25, 20, 20.5);",
    );
    let text = "[entities.\"sensor.hall_energy\"]\nroom = \"hall\"\ntype = \"energy\"";
    let mapping = file.beside("m.toml", text);
    let arguments = ["--mapping", mapping.to_str().unwrap()];
    let first = import(&db, &file, &arguments);
    assert_eq!((first.count("statistics read"), first.count("stored")), (6, 3), "{}", first.stdout);
    assert!(first.stderr.contains("statistics row 4: bad state: no number"), "{}", first.stderr);
    assert!(first.stderr.contains("statistics row 5: no entity: NULL"), "{}", first.stderr);
    let expected = [
        "sensor.hall_energy 01:00:00 2023-07-22 04:26 17.5 3.25 hall energy",
        "sensor.hall_temperature 00:05:00 2023-11-14 22:10 20.25 20 20.5 hall temperature",
        "sensor.hall_temperature 01:00:00 2023-07-22 04:26 20.5 20 21 hall temperature",
    ];
    assert_eq!(statistics(&db), expected);
    assert!(!import(&db, &file, &arguments).stdout.contains("statistics read"));

    // New rows, and a sum that Home Assistant has put right in its place, which --again finds.
    file.sql(
        "INSERT INTO statistics (metadata_id, start_ts, mean, min, max) VALUES (1, 1700000000, 21, 21, 21);
         UPDATE statistics SET sum = 4 WHERE metadata_id = 2;",
    );
    let new = import(&db, &file, &arguments);
    assert_eq!((new.count("statistics read"), new.count("stored")), (1, 1), "{}", new.stdout);
    let again = import(&db, &file, &["--again", arguments[0], arguments[1]]);
    assert_eq!((again.count("statistics read"), again.count("stored")), (7, 1), "{}", again.stdout);

    // The numbers of short terms are purged, and SQLite gives their numbers again.
    file.sql(
        "DELETE FROM statistics_short_term;
         INSERT INTO statistics_short_term (metadata_id, start_ts, mean, min, max) VALUES (1, 1701999800, 1, 1, 1);",
    );
    assert_eq!(import(&db, &file, &arguments).count("statistics read"), 1);
    assert_eq!(statistics(&db).len(), 5);
}

#[test]
fn statistics_with_times_as_text_and_of_sensors_without_states() {
    let (db, file) = (database(), File::new(SCHEMA_30, 30));
    file.sql(METERS);
    // Two entities that are one sensor, in two units.
    file.sql(
        "INSERT INTO statistics_meta (id, statistic_id, source, unit_of_measurement) VALUES (4, 'sensor.stairs_temperature', 'recorder', '°F');
         INSERT INTO statistics (metadata_id, start, mean, min, max) VALUES
             (1, '2022-12-01 10:00:00.000000', 20, 19, 21),
             (4, '2022-12-01 10:00:00.000000', 68, 50, 86),
             (4, '2022-12-01 11:00:00.000000', 68, 50, 86);",
    );
    let text = "[units]\ntemperature = \"°C\"\n[entities.\"sensor.stairs_temperature\"]\nsensor = \"sensor.hall_temperature\"\nroom = \"hall\"";
    let mapping = file.beside("m.toml", text);
    let run = import(&db, &file, &["--mapping", mapping.to_str().unwrap(), "--batch", "2"]);
    assert_eq!((run.count("statistics read"), run.count("stored")), (3, 2), "{}", run.stdout);
    assert_eq!(
        statistics(&db),
        [
            "sensor.hall_temperature 01:00:00 2022-12-01 10:00 20 10 30 hall temperature",
            "sensor.hall_temperature 01:00:00 2022-12-01 11:00 20 10 30 hall temperature",
        ]
    );
}
