//! Which tables and columns a recorder has, and the queries that read them.
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

use std::collections::HashMap;

use super::field::{LONGEST_ATTRIBUTES, LONGEST_NAME, LONGEST_STATE, LONGEST_TIME};

/// The newest version that is known. What is newer is read by its columns as well.
const NEWEST: i64 = 53;

/// The tables that matter.
pub const TABLES: [&str; 9] = [
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

/// The types of the columns of a table, by their names.
pub type Columns = HashMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A column has values of any type.
    Sqlite,
    /// All is read as text.
    Postgres,
}

/// The columns of the tables that matter.
#[derive(Debug)]
pub struct Layout {
    dialect: Dialect,
    columns: HashMap<&'static str, Columns>,
    /// Whether rows are found by `states.entity_id`: Home Assistant drops that index when no row has an entity there
    /// any more.
    has_entity_index: bool,
}

impl Layout {
    pub fn new(dialect: Dialect, columns: HashMap<&'static str, Columns>, has_entity_index: bool) -> Self {
        Self { dialect, columns, has_entity_index }
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
    pub fn describe(&self, version: Option<i64>) -> String {
        let version = match version {
            Some(version) if version > NEWEST => format!("{version}, newer than {NEWEST}, the newest that is known"),
            Some(version) => version.to_string(),
            None => "unknown".to_owned(),
        };
        let entities = if self.has_meta() { "entities in states_meta" } else { "entities in states" };
        let time = if self.has("states", "last_updated_ts") { "times as numbers" } else { "times as text" };
        format!("recorder schema {version} ({entities}, {time})")
    }

    /// `state_id`, then entity, state, time and attributes, each followed by the number of its bytes, then
    /// `metadata_id` and whether a user is known; each NULL where there is none.
    ///
    /// A value with more bytes than allowed is NULL, and SQLite does not load it: it has the length of a column without
    /// the column.
    pub fn select(&self) -> String {
        let states = |column| self.text("states", "s", column);
        let meta = if self.has_meta() { self.text("states_meta", "m", "entity_id") } else { None };
        let entity = first("entity_id", &[meta, states("entity_id")], LONGEST_NAME);
        // Here the empty text is a value.
        let state = states("state").unwrap_or_else(|| "NULL".to_owned());
        let state = format!(
            "CASE WHEN octet_length({state}) <= {LONGEST_STATE} THEN {state} END AS state, \
             CAST(octet_length({state}) AS BIGINT) AS state_size"
        );
        // The text first: while a row has both, the number was made of it, and not always well (see `moved`).
        let time = first("time", &[states("last_updated"), states("last_updated_ts")], LONGEST_TIME);
        let shared =
            if self.has_shared_attributes() { self.text("state_attributes", "a", "shared_attrs") } else { None };
        let attributes = first("attributes", &[shared, states("attributes")], LONGEST_ATTRIBUTES);
        let metadata_id = if self.has("states", "metadata_id") { "s.metadata_id" } else { "NULL" };

        let states = |column| self.has("states", column).then(|| format!("s.{column}"));
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
            "SELECT CAST(s.state_id AS BIGINT) AS state_id, {entity}, {state}, {time}, {attributes},
                 CAST({metadata_id} AS BIGINT) AS metadata_id, ({user}) AS has_user
             FROM states AS s"
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

    /// The queries for the last row of the entity `$1` that has a state, to be tried in this order.
    ///
    /// The first ones find it at the end of an index; rows without a number for their time are few and soon moved.
    pub fn select_last_of_entity(&self) -> Vec<String> {
        let meta = "s.metadata_id = (SELECT metadata_id FROM states_meta WHERE entity_id = $1)";
        let mut queries = Vec::new();
        for (has_entity, is_of_entity) in [(self.has_meta(), meta), (self.has_entities_in_states(), "s.entity_id = $1")]
        {
            for time in ["last_updated_ts", "last_updated"] {
                if has_entity && self.has("states", time) {
                    queries.push(format!(
                        "{} WHERE {is_of_entity} AND s.state IS NOT NULL AND s.{time} IS NOT NULL ORDER BY s.{time} DESC LIMIT 1",
                        self.select()
                    ));
                }
            }
        }
        queries
    }

    /// A query for the names of all entities, each once.
    pub fn entities(&self) -> String {
        let mut parts = Vec::new();
        if self.has_meta() {
            parts.push(format!(
                "SELECT entity_id FROM states_meta WHERE octet_length(entity_id) BETWEEN 1 AND {LONGEST_NAME}"
            ));
        }
        if self.has_entities_in_states() {
            parts.push(format!(
                "SELECT DISTINCT entity_id FROM states WHERE octet_length(entity_id) BETWEEN 1 AND {LONGEST_NAME}"
            ));
        }
        format!("{} ORDER BY 1", parts.join(" UNION "))
    }

    /// The query for the rows after `$1` of one of the tables of statistics, if the file has it: `id`, then the name and
    /// the start, each followed by the number of its bytes, the unit likewise, mean, min, max, state, sum.
    pub fn select_statistics(&self, table: &'static str) -> Option<String> {
        let joins = self.has(table, "metadata_id") && self.has("statistics_meta", "statistic_id");
        let column = |name| self.text(table, "t", name);
        let meta = |name| if joins { self.text("statistics_meta", "m", name) } else { None };
        let name = meta("statistic_id").or_else(|| column("statistic_id"))?;
        let number = |name: &str| if self.has(table, name) { format!("t.{name}") } else { "NULL".to_owned() };
        let numbers = ["mean", "min", "max", "state", "sum"].map(|name| match self.dialect {
            Dialect::Sqlite => number(name),
            Dialect::Postgres => format!("{}::double precision AS {name}", number(name)),
        });
        Some(format!(
            "SELECT CAST(t.id AS BIGINT) AS id, {}, {}, {}, {}
             FROM {table} AS t {} WHERE t.id > $1 ORDER BY t.id LIMIT $2",
            first("name", &[Some(name)], LONGEST_NAME),
            first("start", &[column("start"), column("start_ts")], LONGEST_TIME),
            first("unit", &[meta("unit_of_measurement")], LONGEST_NAME),
            numbers.join(", "),
            if joins { "LEFT JOIN statistics_meta AS m ON m.id = t.metadata_id" } else { "" },
        ))
    }

    /// A column of the table, which has the alias; for PostgreSQL as a text, of times in UTC.
    fn text(&self, table: &str, alias: &str, column: &str) -> Option<String> {
        let of_type = self.columns.get(table)?.get(column)?;
        Some(match self.dialect {
            Dialect::Sqlite => format!("{alias}.{column}"),
            Dialect::Postgres if of_type == "timestamp with time zone" => {
                format!("to_char({alias}.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
            }
            Dialect::Postgres => format!("{alias}.{column}::text"),
        })
    }

    pub fn has_table(&self, table: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| !columns.is_empty())
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains_key(column))
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

/// The first of the columns that has a value, under this name, and the number of its bytes. The empty text is none.
fn first(name: &str, columns: &[Option<String>], longest: u32) -> String {
    let (mut values, mut sizes) = (String::new(), String::new());
    for column in columns.iter().flatten() {
        values.push_str(&format!(
            " WHEN octet_length({column}) > {longest} THEN NULL WHEN octet_length({column}) > 0 THEN {column}"
        ));
        sizes.push_str(&format!(" WHEN octet_length({column}) > 0 THEN octet_length({column})"));
    }
    if values.is_empty() {
        return format!("NULL AS {name}, CAST(NULL AS BIGINT) AS {name}_size");
    }
    format!("CASE{values} END AS {name}, CAST(CASE{sizes} END AS BIGINT) AS {name}_size")
}
