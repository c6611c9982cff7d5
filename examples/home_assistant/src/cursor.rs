//! How far a recorder file has been imported: a row in the database that the events go to.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::{Map, Value, json};

use crate::Result;
use crate::mapping::Mapping;
use crate::reading;
use crate::recorder::{Field, Recorder, Row};
use crate::registry::Registry;

diesel::table! {
    home_assistant_imports (source) {
        source -> Text,
        last_state_id -> BigInt,
        last_timestamp -> Nullable<Timestamptz>,
        last_text_state_id -> Nullable<BigInt>,
        mapping -> Jsonb,
        imported_at -> Timestamptz,
    }
}

/// The last row that was read, and what tells whether the file still has the same one.
#[derive(Debug, Clone, PartialEq, Insertable, AsChangeset, HasQuery)]
#[diesel(table_name = home_assistant_imports, treat_none_as_null = true)]
pub struct Cursor {
    source: String,
    last_state_id: i64,
    last_timestamp: Option<DateTime<Utc>>,
    last_text_state_id: Option<i64>,
    mapping: Value,
}

/// Where to begin, and why.
#[derive(Debug, PartialEq)]
pub enum Start {
    After(i64),
    First,
    Asked,
    MappingChanged,
    RowGone(i64),
    RowDiffers(i64),
}

impl Start {
    /// The `state_id` to read after.
    pub fn after(&self) -> i64 {
        match self {
            Self::After(state_id) => *state_id,
            _ => i64::MIN,
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(state_id) => write!(f, "goes on after row {state_id}"),
            Self::First => f.write_str("reads all rows: the first import of this file"),
            Self::Asked => f.write_str("reads all rows again: asked for"),
            Self::MappingChanged => f.write_str("reads all rows again: the mapping or the areas have changed"),
            Self::RowGone(state_id) => {
                write!(
                    f,
                    "reads all rows again: row {state_id}, the last one read before, is gone (purged, or an older file)"
                )
            }
            Self::RowDiffers(state_id) => {
                write!(f, "reads all rows again: row {state_id}, the last one read before, is another one now")
            }
        }
    }
}

/// Lets one import at a time store a batch, until the end of the transaction: what an event's state before is depends on
/// what others store.
pub fn lock(conn: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query("LOCK TABLE home_assistant_imports IN SHARE ROW EXCLUSIVE MODE").execute(conn)?;
    Ok(())
}

impl Cursor {
    pub fn new(recorder: &dyn Recorder, mapping: &Mapping, registry: Option<&Registry>) -> Result<Self> {
        // The rooms that the mapping leaves to the registries.
        let areas = registry.map(|registry| {
            registry
                .rooms()
                .filter(|(entity_id, _)| mapping.room(entity_id).is_none())
                .map(|(entity_id, room)| (entity_id.to_owned(), json!(room)))
                .collect::<Map<_, _>>()
        });
        Ok(Self {
            source: recorder.identity().to_owned(),
            last_state_id: 0,
            last_timestamp: None,
            last_text_state_id: None,
            mapping: json!({ "mapping": mapping, "areas": areas }),
        })
    }

    /// Where to begin.
    ///
    /// Reading all rows again is always right, as each event is stored once; it only takes time. So it is done
    /// whenever the rows before are not certain to be the ones that were read: SQLite gives the numbers of the last
    /// rows again when those were purged. The instant tells them apart; the entity may just have been renamed.
    pub fn start(&mut self, conn: &mut PgConnection, recorder: &dyn Recorder, again: bool) -> Result<Start> {
        let Some(stored) = Self::query().find(&self.source).first(conn).optional()? else { return Ok(Start::First) };
        self.last_text_state_id = stored.last_text_state_id;
        if again {
            return Ok(Start::Asked);
        }
        if !is_same_mapping(&stored.mapping, &self.mapping) {
            return Ok(Start::MappingChanged);
        }
        let state_id = stored.last_state_id;
        Ok(match recorder.row(state_id)? {
            None => Start::RowGone(state_id),
            Some(row) if reading::instant(&row.time).ok() == stored.last_timestamp => Start::After(state_id),
            Some(_) => Start::RowDiffers(state_id),
        })
    }

    /// The cursor at the last of these rows, which come after those that it is at.
    pub fn at(mut self, rows: &[Row]) -> Self {
        if let Some(last) = rows.last() {
            self.last_state_id = last.state_id;
            self.last_timestamp = reading::instant(&last.time).ok();
        }
        let text = rows.iter().rev().find(|row| matches!(row.time, Field::Text(_)));
        self.last_text_state_id = self.last_text_state_id.max(text.map(|row| row.state_id));
        self
    }

    /// The largest number of a row that was read when its time was a text.
    pub fn last_text_state_id(&self) -> Option<i64> {
        self.last_text_state_id
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// To be called in the transaction that stores the events up to here.
    pub fn save(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        diesel::insert_into(home_assistant_imports::table)
            .values(self)
            .on_conflict(home_assistant_imports::source)
            .do_update()
            .set((self, home_assistant_imports::imported_at.eq(diesel::dsl::now)))
            .execute(conn)
    }
}

/// Whether rows that were imported with one mapping are as they would be with the other one.
///
/// Entities that were registered or removed since change nothing for those that were there.
fn is_same_mapping(stored: &Value, new: &Value) -> bool {
    stored["mapping"] == new["mapping"]
        && match (&stored["areas"], &new["areas"]) {
            (Value::Object(stored), Value::Object(new)) => {
                stored.iter().all(|(entity_id, room)| new.get(entity_id).is_none_or(|new| new == room))
            }
            (stored, new) => stored == new,
        }
}
