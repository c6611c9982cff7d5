//! Recorder files of the layouts that Home Assistant has written, and the importer run on them.
#![allow(dead_code, reason = "no test file uses all of it")]

pub mod schemas;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, params};

use self::schemas::{SCHEMA_42, SINCE_42};
use crate::support::{TestDb, value};

/// A file in a folder of its own, gone when this is dropped.
pub struct File {
    folder: PathBuf,
    pub conn: Connection,
}

impl File {
    /// A file of a new installation, with Home Assistant running.
    pub fn new(schema: &str, version: i64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("home-assistant-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let conn = Connection::open(folder.join("home-assistant_v2.db")).unwrap();
        // As Home Assistant does.
        conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)).unwrap();
        conn.execute_batch(schema).unwrap();
        let file = Self { folder, conn };
        file.sql(&format!(
            "INSERT INTO schema_changes VALUES (1, {version}, '2020-10-20 10:20:30.400500');
             INSERT INTO recorder_runs (start, closed_incorrect, created)
             VALUES ('2020-10-20 10:20:30.300000', 0, '2020-10-20 10:20:30.400000')"
        ));
        file
    }

    /// A file of schema 53.
    pub fn current() -> Self {
        Self::new(&format!("{SCHEMA_42}{SINCE_42}"), 53)
    }

    /// Home Assistant ends, and says so in the file.
    pub fn end_run(&self) {
        self.sql("UPDATE recorder_runs SET \"end\" = '2026-11-25 23:07:33.164145'");
    }

    /// A copy of the file alone, as someone makes it who does not know of the -wal file.
    pub fn copy_without_wal(&self) -> PathBuf {
        let copy = self.folder.join("copy.db");
        std::fs::copy(self.path(), &copy).unwrap();
        copy
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("home-assistant_v2.db")
    }

    /// A file of this name beside it.
    pub fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn sql(&self, statements: &str) {
        self.conn.execute_batch(statements).unwrap();
    }

    /// A state in the current layout, as the recorder writes it: each distinct text of attributes once, and the
    /// entity's state before.
    pub fn add(&self, entity_id: &str, seconds: f64, state: &str, attributes: &str) -> i64 {
        let conn = &self.conn;
        conn.prepare_cached("INSERT OR IGNORE INTO states_meta (entity_id) VALUES (?1)")
            .unwrap()
            .execute([entity_id])
            .unwrap();
        conn.prepare_cached(
            "INSERT INTO state_attributes (shared_attrs) SELECT ?1
             WHERE NOT EXISTS (SELECT 1 FROM state_attributes WHERE shared_attrs = ?1)",
        )
        .unwrap()
        .execute([attributes])
        .unwrap();
        conn.prepare_cached(
            "INSERT INTO states (metadata_id, state, last_updated_ts, attributes_id, old_state_id)
             SELECT metadata_id, ?2, ?3, (SELECT attributes_id FROM state_attributes WHERE shared_attrs = ?4),
                 (SELECT max(state_id) FROM states AS old WHERE old.metadata_id = m.metadata_id)
             FROM states_meta AS m WHERE entity_id = ?1",
        )
        .unwrap()
        .execute(params![entity_id, state, seconds, attributes])
        .unwrap();
        conn.last_insert_rowid()
    }

    /// A state by `add`, or the row that tells that the entity was removed: Home Assistant writes NULL for its state,
    /// no attributes, and after it no state before.
    pub fn add_or_remove(&self, entity_id: &str, seconds: f64, state: Option<&str>, attributes: &str) -> i64 {
        let id = self.add(entity_id, seconds, state.unwrap_or_default(), attributes);
        if state.is_none() {
            self.sql(&format!("UPDATE states SET state = NULL, attributes_id = NULL WHERE state_id = {id}"));
        }
        id
    }

    /// Many readings of a few sensors in one transaction.
    pub fn add_many(&self, first: u32, count: u32) {
        self.sql("BEGIN");
        for n in first..first + count {
            let entity_id = format!("sensor.room_{}_temperature", [b'a' + (n % 5) as u8].escape_ascii());
            self.add(&entity_id, f64::from(n) + 1_700_000_000.25, &format!("{}.5", n % 30), TEMPERATURE);
        }
        self.sql("COMMIT");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub const TEMPERATURE: &str = r#"{"device_class":"temperature","unit_of_measurement":"°C"}"#;
pub const MOTION: &str = r#"{"device_class":"motion"}"#;

pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// A count in the report.
    #[track_caller]
    pub fn count(&self, label: &str) -> u64 {
        let of = |line: &str| line.trim().strip_prefix(label)?.trim().parse().ok();
        self.stdout.lines().find_map(of).unwrap_or_else(|| panic!("no {label:?} in\n{}", self.stdout))
    }

    /// Rows read, inserted, updated, unchanged, and left out.
    #[track_caller]
    pub fn counts(&self) -> [u64; 5] {
        ["rows read", "inserted", "updated", "unchanged", "left out"].map(|label| self.count(label))
    }
}

/// The importer, to run with these arguments; without a database there is no DATABASE_URL.
pub fn command(db: Option<&TestDb>, path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_home_assistant"));
    command.arg(path).args(arguments).env_remove("DATABASE_URL");
    if let Some(db) = db {
        command.env("DATABASE_URL", db.url_for_child().as_str());
    }
    command
}

pub fn run(db: Option<&TestDb>, path: &Path, arguments: &[&str]) -> Run {
    let Output { status, stdout, stderr } = command(db, path, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs the importer, which must succeed.
#[track_caller]
pub fn import(db: &TestDb, file: &File, arguments: &[&str]) -> Run {
    let run = run(Some(db), &file.path(), arguments);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    run
}

/// That each event has the state of its sensor's event before it.
#[track_caller]
pub fn assert_linked(db: &TestDb) {
    let wrong = "SELECT count(*)
        FROM (
            SELECT previous_state, lag(state) OVER (PARTITION BY sensor_id ORDER BY timestamp) AS before FROM sensor_events
        ) AS e
        WHERE previous_state IS DISTINCT FROM before";
    assert_eq!(value(&mut db.connect(), wrong), "0", "events with a wrong state before");
}

/// A database that this test holds no connection to, as some servers take one at a time.
pub fn database() -> TestDb {
    TestDb::new().0
}
