//! Recorder files of Home Assistant itself, which are not in this project: `HOME_ASSISTANT_FILES` names some, with colons
//! between them, each with its folder `.storage` after a comma if it has one. Without it this test does nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

mod recorder;

use std::io::Write;
use std::path::Path;

use recorder::{assert_linked, database, run};
use rusqlite::Connection;
use support::value;

#[test]
fn every_row_is_stored_or_told_of_once() {
    let Ok(files) = std::env::var("HOME_ASSISTANT_FILES") else {
        let _ = writeln!(std::io::stderr(), "left out: no HOME_ASSISTANT_FILES");
        return;
    };
    for file in files.split(':') {
        let (path, storage) = file.split_once(',').map_or((file, None), |(path, storage)| (path, Some(storage)));
        let rows: u64 = Connection::open(path)
            .unwrap()
            .query_row("SELECT count(*) FROM states", [], |row| row.get::<_, i64>(0))
            .unwrap()
            .try_into()
            .unwrap();
        let db = database();
        let mut arguments = storage.map_or(Vec::new(), |storage| vec!["--storage", storage]);
        let first = run(Some(&db), Path::new(path), &arguments);
        assert_eq!(first.code, Some(0), "{file}: {}", first.stderr);
        let [read, inserted, updated, unchanged, left_out] = first.counts();
        assert_eq!((read, updated, unchanged), (rows, 0, 0), "{file}: {}", first.stdout);
        assert_eq!(inserted + first.count("deduplicated") + left_out, rows, "{file}: {}", first.stdout);
        assert_eq!(value(&mut db.connect(), "SELECT count(*) FROM sensor_events"), inserted.to_string());
        assert_linked(&db);
        arguments.extend(["--again", "--batch", "777"]);
        let again = run(Some(&db), Path::new(path), &arguments);
        assert_eq!((again.count("inserted"), again.count("updated")), (0, 0), "{file}: {}", again.stdout);
    }
}
