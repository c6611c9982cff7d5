//! Which tables and columns a recorder file has, and the query that reads them.
//!
//! The layouts, by the version in `schema_changes`, as Home Assistant's source has them
//! (github.com/home-assistant/core: homeassistant/components/recorder/db_schema.py and migration.py, and the earlier
//! ones kept in tests/components/recorder/db_schema_9.py, _25.py, _32.py and _51.py; the meaning of the columns:
//! data.home-assistant.io/docs/states):
//!
//! | version | entity | attributes | time | user |
//! |---|---|---|---|---|
//! | 9 to 24 | `states.entity_id` | JSON in `states.attributes` | text, UTC | `events.context_user_id`, by `event_id` |
//! | 25 | | `attributes_id` leads to `state_attributes.shared_attrs` | | |
//! | from 28 | | | | `states.context_user_id` |
//! | from 31 | | | `last_updated_ts`, seconds since 1970 | |
//! | from 36 | | | | `context_user_id_bin` |
//! | from 38 | `metadata_id` leads to `states_meta.entity_id` | | | |
//! | from 43 | | | and `last_reported_ts`, not read | |
//!
//! Home Assistant moves rows to the new columns in the background, and keeps the old columns: so one file may have
//! rows of several layouts. That is why the columns decide, row by row, and not the version.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

/// The columns of the tables that matter.
#[derive(Debug)]
pub struct Layout {
    columns: HashMap<&'static str, HashSet<String>>,
}

const TABLES: [&str; 5] = ["states", "states_meta", "state_attributes", "events", "schema_changes"];

impl Layout {
    pub fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let mut columns = HashMap::new();
        let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        for table in TABLES {
            let names = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            columns.insert(table, names);
        }
        Ok(Self { columns })
    }

    /// What a recorder file would have and this one has not.
    pub fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = ["states", "schema_changes"]
            .into_iter()
            .filter(|table| !self.has_table(table))
            .map(|table| format!("the table {table}"))
            .collect();
        if !self.has_table("states") {
            return missing;
        }
        for column in ["state_id", "state"] {
            if !self.has("states", column) {
                missing.push(format!("the column states.{column}"));
            }
        }
        if !self.has("states", "entity_id") && !self.has_meta() {
            missing.push("the entity (states.metadata_id with the table states_meta, or states.entity_id)".to_owned());
        }
        if !self.has("states", "last_updated_ts") && !self.has("states", "last_updated") {
            missing.push("the time (states.last_updated_ts or states.last_updated)".to_owned());
        }
        missing
    }

    /// The layout in words.
    pub fn describe(&self) -> String {
        let entities = if self.has_meta() { "entities in states_meta" } else { "entities in states" };
        let time = if self.has("states", "last_updated_ts") { "times as numbers" } else { "times as text" };
        format!("{entities}, {time}")
    }

    /// `state_id`, entity, state, time, attributes, state before, whether a user is known; each NULL where there is
    /// none.
    pub fn select(&self) -> String {
        let states = |column| self.has("states", column).then(|| format!("s.{column}"));
        let entity =
            first(["m.entity_id".to_owned()].into_iter().filter(|_| self.has_meta()).chain(states("entity_id")));
        let time = first(states("last_updated_ts").into_iter().chain(states("last_updated")));
        let shared = self.has_shared_attributes().then(|| "a.shared_attrs".to_owned());
        let attributes = first(shared.into_iter().chain(states("attributes")));
        let old_state = if self.has("states", "old_state_id") { "o.state" } else { "NULL" };
        let event_user = self.has_event_user().then(|| "e.context_user_id".to_owned());
        let user = first(states("context_user_id_bin").into_iter().chain(states("context_user_id")).chain(event_user));

        let mut sql = format!(
            "SELECT s.state_id, {entity}, s.state, {time}, {attributes}, {old_state}, {user} IS NOT NULL FROM states AS s"
        );
        for (is_there, join) in [
            (self.has_meta(), "states_meta AS m ON m.metadata_id = s.metadata_id"),
            (self.has_shared_attributes(), "state_attributes AS a ON a.attributes_id = s.attributes_id"),
            (self.has("states", "old_state_id"), "states AS o ON o.state_id = s.old_state_id"),
            (self.has_event_user(), "events AS e ON e.event_id = s.event_id"),
        ] {
            if is_there {
                sql.push_str(" LEFT JOIN ");
                sql.push_str(join);
            }
        }
        sql
    }

    /// The queries for the last row of the entity `?1` that has a state, each by an index of its own.
    pub fn select_last_of_entity(&self) -> Vec<String> {
        let time = if self.has("states", "last_updated_ts") { "last_updated_ts" } else { "last_updated" };
        let meta = "s.metadata_id = (SELECT metadata_id FROM states_meta WHERE entity_id = ?1)";
        [(self.has_meta(), meta), (self.has("states", "entity_id"), "s.entity_id = ?1")]
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, is_of_entity)| {
                format!("{} WHERE {is_of_entity} AND s.state <> '' ORDER BY s.{time} DESC LIMIT 1", self.select())
            })
            .collect()
    }

    /// A query for the names of all entities.
    pub fn entities(&self) -> String {
        let mut parts = Vec::new();
        if self.has_meta() {
            parts.push("SELECT entity_id FROM states_meta WHERE entity_id IS NOT NULL");
        }
        if self.has("states", "entity_id") {
            parts.push("SELECT entity_id FROM states WHERE entity_id <> ''");
        }
        format!("{} ORDER BY 1", parts.join(" UNION "))
    }

    fn has_table(&self, table: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| !columns.is_empty())
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    fn has_meta(&self) -> bool {
        self.has("states", "metadata_id") && self.has("states_meta", "entity_id")
    }

    fn has_shared_attributes(&self) -> bool {
        self.has("states", "attributes_id") && self.has("state_attributes", "shared_attrs")
    }

    fn has_event_user(&self) -> bool {
        self.has("states", "event_id") && self.has("events", "context_user_id")
    }
}

/// The first of the columns that has a value. The empty text is none.
fn first(columns: impl IntoIterator<Item = String>) -> String {
    let columns: Vec<String> = columns.into_iter().map(|column| format!("NULLIF({column}, '')")).collect();
    match &columns[..] {
        [] => "NULL".to_owned(),
        [column] => column.clone(),
        _ => format!("COALESCE({})", columns.join(", ")),
    }
}
