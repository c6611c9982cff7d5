//! Recorder files of every layout, made with the columns that Home Assistant's source documents (see
//! src/recorder/layout.rs), and the importer run on them.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, params};

use crate::support::TestDb;

/// Schema 43 to 51, as far as the import goes, as a new file has it.
pub const CURRENT: &str = "
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE);
    CREATE TABLE states (
        state_id INTEGER PRIMARY KEY,
        entity_id CHAR(0),
        state VARCHAR(255),
        attributes CHAR(0),
        event_id SMALLINT,
        last_changed CHAR(0),
        last_changed_ts FLOAT,
        last_reported_ts FLOAT,
        last_updated CHAR(0),
        last_updated_ts FLOAT,
        old_state_id INTEGER REFERENCES states (state_id),
        attributes_id INTEGER REFERENCES state_attributes (attributes_id),
        context_id CHAR(0),
        context_user_id CHAR(0),
        context_parent_id CHAR(0),
        origin_idx SMALLINT,
        context_id_bin BLOB,
        context_user_id_bin BLOB,
        context_parent_id_bin BLOB,
        metadata_id INTEGER REFERENCES states_meta (metadata_id)
    );
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME);";

/// Schema 9.
pub const OLD: &str = "
    CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,
        event_type VARCHAR(32),
        event_data TEXT,
        origin VARCHAR(32),
        time_fired DATETIME,
        created DATETIME,
        context_id VARCHAR(36),
        context_user_id VARCHAR(36),
        context_parent_id VARCHAR(36)
    );
    CREATE TABLE states (
        state_id INTEGER PRIMARY KEY,
        domain VARCHAR(64),
        entity_id VARCHAR(255),
        state VARCHAR(255),
        attributes TEXT,
        event_id INTEGER REFERENCES events (event_id),
        last_changed DATETIME,
        last_updated DATETIME,
        created DATETIME,
        old_state_id INTEGER REFERENCES states (state_id)
    );
    CREATE INDEX ix_states_entity_id_last_updated ON states (entity_id, last_updated);
    CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME);";

/// What Home Assistant's migrations add to schema 9 on its way to 43, keeping the old columns.
pub const ADDED_SINCE: &str = "
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE);
    ALTER TABLE states ADD COLUMN attributes_id INTEGER;
    ALTER TABLE states ADD COLUMN context_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN context_user_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN context_parent_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN origin_idx INTEGER;
    ALTER TABLE states ADD COLUMN last_updated_ts FLOAT;
    ALTER TABLE states ADD COLUMN last_changed_ts FLOAT;
    ALTER TABLE states ADD COLUMN context_id_bin BLOB;
    ALTER TABLE states ADD COLUMN context_user_id_bin BLOB;
    ALTER TABLE states ADD COLUMN context_parent_id_bin BLOB;
    ALTER TABLE states ADD COLUMN metadata_id INTEGER;
    ALTER TABLE states ADD COLUMN last_reported_ts FLOAT;
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    INSERT INTO schema_changes (schema_version, changed) VALUES (43, '2024-03-01 00:00:00.000000');";

/// A file in a folder of its own, gone when this is dropped.
pub struct File {
    folder: PathBuf,
    pub conn: Connection,
}

impl File {
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
        file.sql(&format!("INSERT INTO schema_changes VALUES (1, {version}, '2020-10-20 10:20:30.400500')"));
        file
    }

    pub fn current() -> Self {
        Self::new(CURRENT, 43)
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

/// A database that this test holds no connection to, as some servers take one at a time.
pub fn database() -> TestDb {
    TestDb::new().0
}
