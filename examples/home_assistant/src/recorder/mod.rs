//! The recorder's SQLite file, read only.
//!
//! Home Assistant may be running and writing meanwhile (its file is in WAL mode): a batch is one short read
//! transaction, which neither holds up the writer nor keeps it from checkpointing, and a lock is waited for. In WAL
//! mode SQLite wants to create `FILE-shm` beside a file that nobody has open: copy the file somewhere writable if it
//! is not. The file is never opened as immutable, because then what is in the WAL would be missed.

mod layout;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use self::layout::Layout;
use crate::Result;

/// How long to wait for a lock.
const BUSY: Duration = Duration::from_secs(30);

pub struct Recorder {
    conn: Connection,
    layout: Layout,
    version: Option<i64>,
    identity: String,
    path: PathBuf,
}

/// A row of `states` as it is; what it means is `reading`'s concern. Text that is no UTF-8 comes as a blob.
#[derive(Debug)]
pub struct Row {
    pub state_id: i64,
    pub entity_id: Value,
    pub state: Value,
    pub time: Value,
    pub attributes: Value,
    pub old_state: Value,
    pub has_user: bool,
}

impl Recorder {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read or is no recorder's file; the error names what is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let explain = |error: rusqlite::Error| format!("{}: {}", path.display(), describe(&error));
        if !path.is_file() {
            return Err(format!("{}: there is no such file", path.display()).into());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(explain)?;
        conn.busy_timeout(BUSY).map_err(explain)?;
        let layout = Layout::of(&conn).map_err(explain)?;
        let missing = layout.missing();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(format!("{} is no recorder file of Home Assistant: it lacks {missing}", path.display()).into());
        }
        let version =
            conn.query_row("SELECT max(schema_version) FROM schema_changes", [], |row| row.get(0)).map_err(explain)?;
        // When the file was made: Home Assistant writes this row first and never purges it.
        let identity = conn
            .query_row("SELECT CAST(changed AS TEXT) FROM schema_changes ORDER BY change_id LIMIT 1", [], |row| {
                row.get::<_, Option<String>>(0)
            })
            .optional()
            .map_err(explain)?
            .flatten()
            .unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { conn, layout, version, identity, path: path.to_owned() })
    }

    /// What stays the same when the file is moved, copied or purged, and differs from any other file.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The file and its layout, for people.
    pub fn describe(&self) -> String {
        let version = self.version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
        format!("{}, recorder schema {version} ({})", self.path.display(), self.layout.describe())
    }

    /// The largest `state_id`, 0 if there is none.
    pub fn last_state_id(&self) -> Result<i64> {
        self.told(self.conn.query_row("SELECT coalesce(max(state_id), 0) FROM states", [], |row| row.get(0)))
    }

    /// The next rows by `state_id`, no more than `limit`.
    ///
    /// The recorder writes from one thread, so no row with a smaller id can still appear.
    pub fn rows_after(&self, state_id: i64, limit: usize) -> Result<Vec<Row>> {
        let read = || {
            let sql = format!("{} WHERE s.state_id > ?1 ORDER BY s.state_id LIMIT ?2", self.layout.select());
            let mut statement = self.conn.prepare_cached(&sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map([state_id, limit], row)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.told(read())
    }

    /// The row with this `state_id`.
    pub fn row(&self, state_id: i64) -> Result<Option<Row>> {
        let sql = format!("{} WHERE s.state_id = ?1", self.layout.select());
        self.told(self.conn.query_row(&sql, [state_id], row).optional())
    }

    /// The names of all entities.
    pub fn entities(&self) -> Result<Vec<String>> {
        let read = || {
            let mut statement = self.conn.prepare(&self.layout.entities())?;
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.told(read())
    }

    /// The entity's last row that says something of the entity: a removed one has no attributes.
    pub fn last_row_of(&self, entity_id: &str) -> Result<Option<Row>> {
        for sql in self.layout.select_last_of_entity() {
            let read = || self.conn.prepare_cached(&sql)?.query_row([entity_id], row).optional();
            if let Some(row) = self.told(read())? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| format!("{}: {}", self.path.display(), describe(&error)).into())
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let value = |index| {
        row.get_ref(index).map(|value| match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Blob(bytes.to_owned()),
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
        })
    };
    Ok(Row {
        state_id: row.get(0)?,
        entity_id: value(1)?,
        state: value(2)?,
        time: value(3)?,
        attributes: value(4)?,
        old_state: value(5)?,
        has_user: row.get(6)?,
    })
}

/// SQLite's message, and what to do where that is known.
fn describe(error: &rusqlite::Error) -> String {
    let remedy = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly) => {
            ": SQLite may need to create a file beside it; copy it, with its -wal file, to a folder that you may write to"
        }
        Some(rusqlite::ErrorCode::DatabaseBusy) => ": another program keeps it locked; try again later",
        Some(rusqlite::ErrorCode::NotADatabase) => ", such as home-assistant_v2.db",
        _ => "",
    };
    format!("{error}{remedy}")
}
