//! The recorder's SQLite file, read only.
//!
//! Home Assistant may be running and writing meanwhile (its file is in WAL mode): a batch is one short read
//! transaction, which neither holds up the writer nor keeps it from checkpointing, and a lock is waited for. In WAL
//! mode SQLite wants to create `FILE-shm` beside a file that nobody has open: copy the file somewhere writable if it
//! is not. The file is never opened as immutable, because then what is in the WAL would be missed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::field::{Field, LONGEST_ATTRIBUTES, LONGEST_NAME, LONGEST_STATE, LONGEST_TIME};
use super::layout::{Dialect, Layout, TABLES};
use super::statistics::{Period, Statistic};
use super::{MOST_BYTES, Recorder, Row, wal};
use crate::Result;

/// How long to wait for a lock.
const BUSY: Duration = Duration::from_secs(30);

pub struct File {
    conn: Connection,
    layout: Layout,
    version: Option<i64>,
    identity: String,
    path: PathBuf,
    is_wal_missing: bool,
}

impl File {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read or is no recorder's file; the error names what is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let explain = |error: rusqlite::Error| format!("{}: {}", path.display(), describe(&error));
        if path.is_dir() {
            let example = path.join("home-assistant_v2.db");
            return Err(
                format!("{} is a folder: name the file in it, such as {}", path.display(), example.display()).into()
            );
        }
        if !path.is_file() {
            return Err(format!("{}: there is no such file", path.display()).into());
        }
        // SQLite makes an empty one when it opens the file.
        let is_wal_missing = wal::is_missing(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(explain)?;
        conn.busy_timeout(BUSY).map_err(explain)?;
        let layout = layout(&conn).map_err(explain)?;
        let missing = layout.missing();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let wal = if is_wal_missing { "; its -wal file is missing, which may have it" } else { "" };
            return Err(
                format!("{} is no recorder file of Home Assistant: it lacks {missing}{wal}", path.display()).into()
            );
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
        Ok(Self { conn, layout, version, identity, path: path.to_owned(), is_wal_missing })
    }

    fn explained<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| format!("{}: {}", self.path.display(), describe(&error)).into())
    }
}

impl Recorder for File {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.path.display(), self.layout.describe(self.version))
    }

    fn note(&self) -> Result<Option<String>> {
        if !self.is_wal_missing {
            return Ok(None);
        }
        let sql = "SELECT \"end\" IS NULL FROM recorder_runs ORDER BY run_id DESC LIMIT 1";
        let is_open = self.layout.has_table("recorder_runs")
            && self.explained(self.conn.query_row(sql, [], |row| row.get(0)).optional())? == Some(true);
        let path = self.path.display();
        Ok(Some(if is_open {
            format!(
                "Home Assistant had not ended when {path} was written, and there is no -wal file beside it, or an empty \
                 one: the newest rows are probably missing. Copy the -wal file as well"
            )
        } else {
            format!(
                "{path} has no -wal file beside it, or an empty one: it is complete only if Home Assistant had ended \
                 when it was copied"
            )
        }))
    }

    fn last_state_id(&self) -> Result<i64> {
        self.explained(self.conn.query_row("SELECT coalesce(max(state_id), 0) FROM states", [], |row| row.get(0)))
    }

    fn rows_after(&self, state_id: i64, limit: usize) -> Result<Vec<Row>> {
        let read = || {
            let sql = format!("{} WHERE s.state_id > $1 ORDER BY s.state_id LIMIT $2", self.layout.select());
            let mut statement = self.conn.prepare_cached(&sql)?;
            let mut found = statement.query([state_id, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while bytes < MOST_BYTES {
                let Some(next) = found.next()? else { break };
                let next = row(next)?;
                bytes += next.size();
                rows.push(next);
            }
            Ok(rows)
        };
        self.explained(read())
    }

    fn row(&self, state_id: i64) -> Result<Option<Row>> {
        let sql = format!("{} WHERE s.state_id = $1", self.layout.select());
        self.explained(self.conn.query_row(&sql, [state_id], row).optional())
    }

    fn entities(&self) -> Result<Vec<String>> {
        let read = || {
            let mut statement = self.conn.prepare(&self.layout.entities())?;
            let names = statement.query_map([], |row| Ok(Field::from(row.get_ref(0)?)))?;
            // What is no text is no entity; the import tells of its rows.
            let text = |name| match name {
                Ok(Field::Text(name)) => Some(Ok(name)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            names.filter_map(text).collect::<rusqlite::Result<Vec<_>>>()
        };
        self.explained(read())
    }

    fn last_row_of(&self, entity_id: &str) -> Result<Option<Row>> {
        for sql in self.layout.select_last_of_entity() {
            let read = || self.conn.prepare_cached(&sql)?.query_row([entity_id], row).optional();
            if let Some(row) = self.explained(read())? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn statistics_after(&self, period: Period, id: i64, limit: usize) -> Result<Vec<Statistic>> {
        let Some(sql) = self.layout.select_statistics(period.table()) else { return Ok(Vec::new()) };
        let read = || {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map([id, i64::try_from(limit).unwrap_or(i64::MAX)], statistic)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.explained(read())
    }
}

fn layout(conn: &Connection) -> rusqlite::Result<Layout> {
    let mut columns = HashMap::new();
    let mut statement = conn.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
    for table in TABLES {
        let of_table = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
        columns.insert(table, of_table.collect::<rusqlite::Result<_>>()?);
    }
    let has_entity_index = conn.query_row(
        "SELECT EXISTS (
             SELECT 1 FROM pragma_index_list('states') AS l, pragma_index_info(l.name) AS i
             WHERE i.seqno = 0 AND i.name = 'entity_id'
         )",
        [],
        |row| row.get(0),
    )?;
    Ok(Layout::new(Dialect::Sqlite, columns, has_entity_index))
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        state_id: row.get(0)?,
        entity_id: sized(row, 1, LONGEST_NAME)?,
        state: sized(row, 3, LONGEST_STATE)?,
        time: sized(row, 5, LONGEST_TIME)?,
        attributes: sized(row, 7, LONGEST_ATTRIBUTES)?,
        metadata_id: row.get(9)?,
        has_user: row.get(10)?,
    })
}

fn statistic(row: &rusqlite::Row<'_>) -> rusqlite::Result<Statistic> {
    // What is no finite number is none: a column of SQLite takes anything.
    let number = |index| {
        Ok::<_, rusqlite::Error>(match Field::from(row.get_ref(index)?) {
            Field::Real(number) if number.is_finite() => Some(number),
            Field::Integer(number) => Some(number as f64),
            _ => None,
        })
    };
    Ok(Statistic {
        id: row.get(0)?,
        name: sized(row, 1, LONGEST_NAME)?,
        start: sized(row, 3, LONGEST_TIME)?,
        unit: sized(row, 5, LONGEST_NAME)?,
        mean: number(7)?,
        min: number(8)?,
        max: number(9)?,
        state: number(10)?,
        sum: number(11)?,
    })
}

/// A value that is followed by the number of its bytes.
fn sized(row: &rusqlite::Row<'_>, index: usize, longest: u32) -> rusqlite::Result<Field> {
    Ok(match row.get::<_, Option<i64>>(index + 1)? {
        Some(bytes) if bytes > i64::from(longest) => Field::TooLong(bytes, longest),
        _ => Field::from(row.get_ref(index)?),
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
