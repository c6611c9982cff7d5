//! How far a recorder file has been imported: a row in the database that the events go to.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::Result;
use crate::mapping::Mapping;
use crate::reading;
use crate::recorder::{Recorder, Row};

/// An application's own migrations, in Diesel's own books, beside those of occupancy-models.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

diesel::table! {
    home_assistant_imports (source) {
        source -> Text,
        last_state_id -> BigInt,
        last_timestamp -> Nullable<Timestamptz>,
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
    mapping: serde_json::Value,
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
            Self::MappingChanged => f.write_str("reads all rows again: the mapping has changed"),
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

pub fn migrate(conn: &mut PgConnection) -> Result<()> {
    conn.run_pending_migrations(MIGRATIONS).map_err(|error| format!("migration failed: {error}"))?;
    Ok(())
}

impl Cursor {
    pub fn new(recorder: &Recorder, mapping: &Mapping) -> Result<Self> {
        Ok(Self {
            source: recorder.identity().to_owned(),
            last_state_id: 0,
            last_timestamp: None,
            mapping: serde_json::to_value(mapping)?,
        })
    }

    /// Where to begin.
    ///
    /// Reading all rows again is always right, as each event is stored once; it only takes time. So it is done
    /// whenever the rows before are not certain to be the ones that were read: SQLite gives the numbers of the last
    /// rows again when those were purged. The instant tells them apart; the entity may just have been renamed.
    pub fn start(&self, conn: &mut PgConnection, recorder: &Recorder, again: bool) -> Result<Start> {
        let Some(stored) = Self::query().find(&self.source).first(conn).optional()? else { return Ok(Start::First) };
        if again {
            return Ok(Start::Asked);
        }
        if stored.mapping != self.mapping {
            return Ok(Start::MappingChanged);
        }
        let state_id = stored.last_state_id;
        Ok(match recorder.row(state_id)? {
            None => Start::RowGone(state_id),
            Some(row) if stored == self.clone().at(&row) => Start::After(state_id),
            Some(_) => Start::RowDiffers(state_id),
        })
    }

    /// The cursor at this row.
    pub fn at(mut self, row: &Row) -> Self {
        self.last_state_id = row.state_id;
        self.last_timestamp = reading::instant(&row.time).ok();
        self
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
