//! The state before, whatever the order of the rows and wherever an import stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use std::process::Stdio;
use std::time::Duration;

use recorder::{File, TEMPERATURE, assert_linked, command, database, import};
use support::{TestDb, needs, sql, value, values};

fn events(db: &TestDb) -> Vec<String> {
    values(
        &mut db.connect(),
        "SELECT concat_ws(' ', sensor_id, extract(epoch FROM timestamp), state, previous_state) FROM sensor_events ORDER BY 1",
    )
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A file as Home Assistant writes it: the rows of one commit are of some seconds, and their ids in another order than
/// their times. One row in eight tells that the entity was removed.
fn shuffled(commits: usize) -> File {
    let (file, mut random) = (File::current(), Random(1));
    let mut seconds = 1_700_000_000.000_1;
    for _ in 0..commits {
        let mut rows: Vec<(String, f64, Option<String>)> = (0..20)
            .map(|_| {
                seconds += 0.037;
                let state = (random.below(8) > 0).then(|| random.below(30).to_string());
                (format!("sensor.room_{}_temperature", [b'a' + random.below(3) as u8].escape_ascii()), seconds, state)
            })
            .collect();
        for n in (1..rows.len()).rev() {
            rows.swap(n, random.below(n + 1));
        }
        file.sql("BEGIN");
        for (entity_id, seconds, state) in rows {
            file.add_or_remove(&entity_id, seconds, state.as_deref(), TEMPERATURE);
        }
        file.sql("COMMIT");
    }
    file
}

#[test]
fn an_entity_that_is_removed_and_comes_back_in_one_commit() {
    let file = File::current();
    let id = "sensor.hall_temperature";
    file.add(id, 1_700_000_000.0, "1", TEMPERATURE);
    // The row without a state before is stored first, whenever it was made.
    for (seconds, state) in [(3.5, Some("4")), (3.25, None), (2.0, Some("3")), (1.0, Some("2"))] {
        file.add_or_remove(id, 1_700_000_000.0 + seconds, state, TEMPERATURE);
    }
    for batch in ["1", "2", "3", "10"] {
        let db = database();
        for _ in 0..5 {
            import(&db, &file, &["--batch", batch, "--batches", "1"]);
            assert_linked(&db);
        }
        let states = "SELECT state || ' after ' || coalesce(previous_state, '-') FROM sensor_events ORDER BY timestamp";
        assert_eq!(
            values(&mut db.connect(), states),
            ["1 after -", "2 after 1", "3 after 2", "4 after 3"],
            "batches of {batch}"
        );
        let again = import(&db, &file, &["--again", "--batch", batch]);
        assert_eq!(again.counts(), [5, 0, 0, 4, 1], "{}", again.stdout);
        assert!(!again.stdout.contains("new state before"), "{}", again.stdout);
    }
}

#[test]
fn every_order_and_every_place_to_go_on_from_give_the_same_events() {
    let file = shuffled(15);
    let whole = database();
    import(&whole, &file, &[]);
    assert_linked(&whole);
    let expected = events(&whole);
    assert!(expected.len() > 200, "{} events", expected.len());
    for batch in ["7", "33"] {
        let db = database();
        loop {
            let run = import(&db, &file, &["--batch", batch, "--batches", "5"]);
            assert_linked(&db);
            if !run.stdout.contains("rows remain") {
                break;
            }
        }
        assert_eq!(events(&db), expected, "batches of {batch}");
        let again = import(&db, &file, &["--again", "--batch", batch]);
        assert_eq!((again.count("inserted"), again.count("updated")), (0, 0), "{}", again.stdout);
        assert!(!again.stdout.contains("new state before"), "{}", again.stdout);
    }
}

#[test]
fn an_import_that_is_killed_again_and_again_ends_as_any_other() {
    needs!(TwoConnections);
    let file = shuffled(60);
    let whole = database();
    import(&whole, &file, &[]);
    let expected = events(&whole);
    let db = database();
    import(&db, &file, &["--batch", "1", "--batches", "1"]);
    let mut conn = db.connect();
    let mut stored = 0;
    for kill_at in [60, 150, 151, 400, 700, 950] {
        let mut child = command(Some(&db), &file.path(), &["--batch", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let reached = format!("SELECT last_state_id >= {kill_at} FROM home_assistant_imports");
        while value(&mut conn, &reached) != "true" && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        // The server may still be at what it was sent last.
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while value(&mut conn, others) != "0" {
            std::thread::sleep(Duration::from_millis(10));
        }
        let now: usize = value(&mut conn, "SELECT count(*) FROM sensor_events").parse().unwrap();
        assert!((stored..expected.len()).contains(&now), "{now} events after {stored}, of {}", expected.len());
        stored = now;
        assert_linked(&db);
    }
    drop(conn);
    import(&db, &file, &["--batch", "9"]);
    assert_eq!(events(&db), expected);
    assert_linked(&db);
}

#[test]
fn three_imports_at_once_store_each_event_once() {
    let file = shuffled(20);
    let whole = database();
    import(&whole, &file, &[]);
    let db = database();
    // They make the tables at once as well.
    let children: Vec<_> = ["11", "7", "5"]
        .map(|batch| {
            let mut command = command(Some(&db), &file.path(), &["--batch", batch]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    for output in children {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(events(&db), events(&whole));
    assert_linked(&db);
}

#[test]
fn an_import_waits_for_the_batch_of_another_one() {
    needs!(TwoConnections);
    let (db, file) = (database(), File::current());
    let id = "sensor.hall_temperature";
    file.add(id, 1_700_000_000.0, "0", TEMPERATURE);
    import(&db, &file, &[]);
    file.add(id, 1_700_000_009.0, "9", TEMPERATURE);
    // Another import has stored an event, and has not ended its transaction.
    let mut other = db.connect();
    sql(
        &mut other,
        "BEGIN;
         LOCK TABLE home_assistant_imports IN SHARE ROW EXCLUSIVE MODE;
         INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state, previous_state)
         VALUES (to_timestamp(1700000005), 'hall', 'sensor.hall_temperature', 'temperature', '5', '0')",
    );
    let child = command(Some(&db), &file.path(), &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut conn = db.connect();
    for _ in 0..500 {
        if value(&mut conn, waits) != "0" {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    sql(&mut other, "COMMIT");
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "3");
    assert_linked(&db);
}

#[test]
fn an_event_between_two_that_are_stored_gives_the_later_one_its_state() {
    let (db, file) = (database(), File::current());
    let id = "sensor.hall_temperature";
    for (seconds, state) in [(0.0, "1"), (9.0, "9")] {
        file.add(id, 1_700_000_000.0 + seconds, state, TEMPERATURE);
    }
    import(&db, &file, &[]);
    // A clock that went back: later rows with earlier times. And a row of years ago, so that much lies between.
    for (seconds, state) in [(5.0, "5"), (7.0, "7"), (-200_000_000.0, "0"), (2.0, "2")] {
        file.add(id, 1_700_000_000.0 + seconds, state, TEMPERATURE);
    }
    let run = import(&db, &file, &["--batch", "2"]);
    assert_eq!((run.counts(), run.count("new state before")), ([4, 4, 0, 0, 0], 3), "{}", run.stdout);
    assert_linked(&db);

    // Events that the file has no rows of any more are between others too.
    file.sql("UPDATE states SET old_state_id = NULL; DELETE FROM states WHERE state IN ('5', '0')");
    let again = import(&db, &file, &["--again"]);
    assert_eq!(again.counts(), [4, 0, 0, 4, 0], "{}", again.stdout);
    assert_linked(&db);

    // What someone has put wrong is right again.
    sql(&mut db.connect(), "UPDATE sensor_events SET previous_state = 'nonsense' WHERE state <> '0'");
    import(&db, &file, &["--again"]);
    assert_linked(&db);
}
