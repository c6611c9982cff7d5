//! Which tables and columns a recorder file has, and the queries that read them.
//!
//! The layouts, by the version in `schema_changes`, as Home Assistant's source has them
//! (github.com/home-assistant/core: homeassistant/components/recorder/db_schema.py and migration.py, and the earlier
//! ones kept in tests/components/recorder/db_schema_9.py, _16.py, _25.py, _30.py, _32.py, _42.py and _51.py; the
//! meaning of the columns: data.home-assistant.io/docs/states and …/statistics):
//!
//! | version | entity | attributes | time | user |
//! |---|---|---|---|---|
//! | 9 to 24 | `states.entity_id` | JSON in `states.attributes` | text, UTC | `events.context_user_id`, by `event_id` |
//! | 25 | | `attributes_id` leads to `state_attributes.shared_attrs` | | |
//! | from 28 | | | | `states.context_user_id` |
//! | from 31 | | | `last_updated_ts`, seconds since 1970 | |
//! | from 36 | | | | `context_user_id_bin`, in `states` and `events` |
//! | from 38 | `metadata_id` leads to `states_meta.entity_id` | | | |
//! | from 43 | | | and `last_reported_ts`, not read | |
//!
//! Home Assistant moves rows to the new columns in the background, and keeps the old columns: so one file may have
//! rows of several layouts. That is why the columns decide, row by row, and not the version.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::field::{LONGEST_ATTRIBUTES, LONGEST_NAME, LONGEST_STATE, LONGEST_TIME};

/// The columns of the tables that matter.
#[derive(Debug)]
pub struct Layout {
    columns: HashMap<&'static str, HashSet<String>>,
    /// Whether rows are found by `states.entity_id`: Home Assistant drops that index when no row has an entity there
    /// any more.
    has_entity_index: bool,
}

const TABLES: [&str; 9] = [
    "states",
    "states_meta",
    "state_attributes",
    "events",
    "schema_changes",
    "recorder_runs",
    "statistics",
    "statistics_short_term",
    "statistics_meta",
];

impl Layout {
    pub fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let mut columns = HashMap::new();
        let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        for table in TABLES {
            let names = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            columns.insert(table, names);
        }
        let has_entity_index = conn.query_row(
            "SELECT EXISTS (
                 SELECT 1 FROM pragma_index_list('states') AS l, pragma_index_info(l.name) AS i
                 WHERE i.seqno = 0 AND i.name = 'entity_id'
             )",
            [],
            |row| row.get(0),
        )?;
        Ok(Self { columns, has_entity_index })
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
        // Home Assistant adds the column and the table that it leads to together.
        for (column, table, found) in [
            ("metadata_id", "states_meta", self.has_meta()),
            ("attributes_id", "state_attributes", self.has_shared_attributes()),
        ] {
            if self.has("states", column) && !found {
                missing.push(format!("the table {table}, which states.{column} leads to"));
            }
        }
        if !self.has("states", "entity_id") && !self.has("states", "metadata_id") {
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

    /// `state_id`, then entity, state, time and attributes, each followed by the number of its bytes, then
    /// `metadata_id` and whether a user is known; each NULL where there is none.
    ///
    /// A value with more bytes than allowed is NULL, and SQLite does not load it: it has the length of a column without
    /// the column.
    pub fn select(&self) -> String {
        let states = |column| self.has("states", column).then(|| format!("s.{column}"));
        let meta = self.has_meta().then(|| "m.entity_id".to_owned());
        let entity = first(&[meta, states("entity_id")], LONGEST_NAME);
        let state = first(&[states("state")], LONGEST_STATE);
        // The text first: while a row has both, the number was made of it, and not always well (see `moved`).
        let time = first(&[states("last_updated"), states("last_updated_ts")], LONGEST_TIME);
        let shared = self.has_shared_attributes().then(|| "a.shared_attrs".to_owned());
        let attributes = first(&[shared, states("attributes")], LONGEST_ATTRIBUTES);
        let metadata_id = states("metadata_id").unwrap_or_else(|| "NULL".to_owned());

        let event = |column| self.has_event(column).then(|| format!("e.{column}"));
        let users = [
            states("context_user_id_bin"),
            states("context_user_id"),
            event("context_user_id_bin"),
            event("context_user_id"),
        ];
        let users: Vec<String> =
            users.into_iter().flatten().map(|user| format!("coalesce({user}, '') <> ''")).collect();
        let user = if users.is_empty() { "false".to_owned() } else { users.join(" OR ") };

        let mut sql = format!(
            "SELECT s.state_id, {entity}, {state}, {time}, {attributes}, {metadata_id}, {user} FROM states AS s"
        );
        for (is_there, join) in [
            (self.has_meta(), "states_meta AS m ON m.metadata_id = s.metadata_id"),
            (self.has_shared_attributes(), "state_attributes AS a ON a.attributes_id = s.attributes_id"),
            (event("event_id").is_some(), "events AS e ON e.event_id = s.event_id"),
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
        [(self.has_meta(), meta), (self.has_entities_in_states(), "s.entity_id = ?1")]
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, is_of_entity)| {
                format!("{} WHERE {is_of_entity} AND s.state <> '' ORDER BY s.{time} DESC LIMIT 1", self.select())
            })
            .collect()
    }

    /// A query for the names of all entities, each once.
    pub fn entities(&self) -> String {
        let mut parts = Vec::new();
        if self.has_meta() {
            parts.push("SELECT entity_id FROM states_meta WHERE entity_id <> ''");
        }
        if self.has_entities_in_states() {
            parts.push("SELECT DISTINCT entity_id FROM states WHERE entity_id <> ''");
        }
        format!("{} ORDER BY 1", parts.join(" UNION "))
    }

    /// The query for the rows after `?1` of one of the tables of statistics, if the file has it: `id`, then the name and
    /// the start, each followed by the number of its bytes, the unit likewise, mean, min, max, state, sum.
    pub fn select_statistics(&self, table: &'static str) -> Option<String> {
        let has = |column: &str| self.has(table, column);
        let name = match (has("metadata_id") && self.has("statistics_meta", "statistic_id"), has("statistic_id")) {
            (true, _) => "m.statistic_id",
            (false, true) => "t.statistic_id",
            (false, false) => return None,
        };
        let column = |name: &str| has(name).then(|| format!("t.{name}"));
        let start = first(&[column("start"), column("start_ts")], LONGEST_TIME);
        let joins = name.starts_with("m.");
        let unit = joins.then(|| "m.unit_of_measurement".to_owned());
        let numbers =
            ["mean", "min", "max", "state", "sum"].map(|name| column(name).unwrap_or_else(|| "NULL".to_owned()));
        Some(format!(
            "SELECT t.id, {}, {start}, {}, {} FROM {table} AS t {} WHERE t.id > ?1 ORDER BY t.id LIMIT ?2",
            first(&[Some(name.to_owned())], LONGEST_NAME),
            first(&[unit], LONGEST_NAME),
            numbers.join(", "),
            if joins { "LEFT JOIN statistics_meta AS m ON m.id = t.metadata_id" } else { "" },
        ))
    }

    pub fn has_table(&self, table: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| !columns.is_empty())
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    fn has_meta(&self) -> bool {
        self.has("states", "metadata_id") && self.has("states_meta", "entity_id")
    }

    fn has_entities_in_states(&self) -> bool {
        self.has("states", "entity_id") && (self.has_entity_index || !self.has_meta())
    }

    fn has_shared_attributes(&self) -> bool {
        self.has("states", "attributes_id") && self.has("state_attributes", "shared_attrs")
    }

    fn has_event(&self, column: &str) -> bool {
        self.has("states", "event_id") && self.has("events", column)
    }
}

/// The first of the columns that has a value, and the number of its bytes. The empty text is none.
fn first(columns: &[Option<String>], longest: u32) -> String {
    let (mut values, mut sizes) = (String::new(), String::new());
    for column in columns.iter().flatten() {
        values.push_str(&format!(
            " WHEN octet_length({column}) > {longest} THEN NULL WHEN octet_length({column}) > 0 THEN {column}"
        ));
        sizes.push_str(&format!(" WHEN octet_length({column}) > 0 THEN octet_length({column})"));
    }
    if values.is_empty() { "NULL, NULL".to_owned() } else { format!("CASE{values} END, CASE{sizes} END") }
}
