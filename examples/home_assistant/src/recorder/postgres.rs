//! The recorder's database on PostgreSQL, which some give Home Assistant instead of its file. Read only.

use std::cell::RefCell;
use std::collections::HashMap;

use diesel::connection::SimpleConnection;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};

use super::field::{Field, LONGEST_ATTRIBUTES, LONGEST_NAME, LONGEST_STATE, LONGEST_TIME};
use super::layout::{Columns, Dialect, Layout, TABLES};
use super::statistics::{Period, Statistic};
use super::{MOST_BYTES, Recorder, Row};
use crate::Result;

pub struct Database {
    conn: RefCell<PgConnection>,
    layout: Layout,
    name: String,
    version: Option<i64>,
    identity: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    of_type: String,
}

#[derive(QueryableByName)]
struct Origin {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    identity: Option<String>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    entity_id: String,
}

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = BigInt)]
    state_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    entity_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    entity_id_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    state_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    time: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    time_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    attributes: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    attributes_size: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    metadata_id: Option<i64>,
    #[diesel(sql_type = Bool)]
    has_user: bool,
}

#[derive(QueryableByName)]
struct StatisticRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    name_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    start: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    start_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    unit: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    unit_size: Option<i64>,
    #[diesel(sql_type = Nullable<Double>)]
    mean: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    min: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    max: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    state: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    sum: Option<f64>,
}

impl Database {
    /// Connects to a database.
    ///
    /// # Errors
    /// If it cannot be reached or is no recorder's; the error names what is missing.
    pub fn connect(url: &str) -> Result<Self> {
        let mut conn = PgConnection::establish(url)
            .map_err(|error| format!("the recorder's database cannot be reached: {error}"))?;
        conn.batch_execute("SET default_transaction_read_only = on; SET lock_timeout = '30s'")?;
        let layout = layout(&mut conn)?;
        let missing = layout.missing();
        if !missing.is_empty() {
            return Err(
                format!("this is no recorder's database of Home Assistant: it lacks {}", missing.join(", ")).into()
            );
        }
        // When it was made, as a file has it: Home Assistant writes that row first and never purges it.
        let Origin { name, version, identity } = diesel::sql_query(
            "SELECT current_database()::text AS name,
                 (SELECT max(schema_version) FROM schema_changes)::bigint AS version,
                 (
                     SELECT to_char(changed AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
                     FROM schema_changes ORDER BY change_id LIMIT 1
                 ) AS identity",
        )
        .get_result(&mut conn)?;
        let identity = identity.unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { conn: RefCell::new(conn), layout, name, version, identity })
    }

    /// The rows of a query, as they come, until they have many bytes.
    fn rows(&self, sql: &str, after: i64, limit: usize) -> Result<Vec<Row>> {
        let query =
            diesel::sql_query(sql).bind::<BigInt, _>(after).bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX));
        let conn = &mut *self.conn.borrow_mut();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in query.load_iter::<StateRow, PgRowByRowLoadingMode>(conn)? {
            let row = Row::from(row?);
            bytes += row.size();
            rows.push(row);
            if bytes >= MOST_BYTES {
                break;
            }
        }
        Ok(rows)
    }
}

impl Recorder for Database {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn describe(&self) -> String {
        format!("database {} of PostgreSQL, {}", self.name, self.layout.describe(self.version))
    }

    fn note(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn last_state_id(&self) -> Result<i64> {
        let query = diesel::sql_query("SELECT coalesce(max(state_id), 0)::bigint AS number FROM states");
        Ok(query.get_result::<Number>(&mut *self.conn.borrow_mut())?.number)
    }

    fn rows_after(&self, state_id: i64, limit: usize) -> Result<Vec<Row>> {
        self.rows(
            &format!("{} WHERE s.state_id > $1 ORDER BY s.state_id LIMIT $2", self.layout.select()),
            state_id,
            limit,
        )
    }

    fn row(&self, state_id: i64) -> Result<Option<Row>> {
        let sql = format!("{} WHERE s.state_id = $1 LIMIT $2", self.layout.select());
        Ok(self.rows(&sql, state_id, 1)?.pop())
    }

    fn entities(&self) -> Result<Vec<String>> {
        let names: Vec<Name> = diesel::sql_query(self.layout.entities()).load(&mut *self.conn.borrow_mut())?;
        Ok(names.into_iter().map(|name| name.entity_id).collect())
    }

    fn last_row_of(&self, entity_id: &str) -> Result<Option<Row>> {
        for sql in self.layout.select_last_of_entity() {
            let query = diesel::sql_query(sql).bind::<Text, _>(entity_id);
            let row = query.get_result::<StateRow>(&mut *self.conn.borrow_mut()).optional()?;
            if let Some(row) = row {
                return Ok(Some(row.into()));
            }
        }
        Ok(None)
    }

    fn statistics_after(&self, period: Period, id: i64, limit: usize) -> Result<Vec<Statistic>> {
        let Some(sql) = self.layout.select_statistics(period.table()) else { return Ok(Vec::new()) };
        let query =
            diesel::sql_query(sql).bind::<BigInt, _>(id).bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<StatisticRow> = query.load(&mut *self.conn.borrow_mut())?;
        Ok(rows.into_iter().map(Statistic::from).collect())
    }
}

fn layout(conn: &mut PgConnection) -> Result<Layout> {
    let mut columns = HashMap::new();
    for table in TABLES {
        let found: Vec<Column> = diesel::sql_query(
            "SELECT attname::text AS name, format_type(atttypid, NULL) AS of_type
             FROM pg_attribute
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
        )
        .bind::<Text, _>(table)
        .load(conn)?;
        columns.insert(table, found.into_iter().map(|column| (column.name, column.of_type)).collect::<Columns>());
    }
    let indexes: Number = diesel::sql_query(
        "SELECT count(*) AS number
         FROM pg_index AS i
         JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = to_regclass('states') AND a.attname = 'entity_id'",
    )
    .get_result(conn)?;
    Ok(Layout::new(Dialect::Postgres, columns, indexes.number > 0))
}

impl From<StateRow> for Row {
    fn from(row: StateRow) -> Self {
        Self {
            state_id: row.state_id,
            entity_id: text(row.entity_id, row.entity_id_size, LONGEST_NAME),
            state: text(row.state, row.state_size, LONGEST_STATE),
            time: time(row.time, row.time_size),
            attributes: text(row.attributes, row.attributes_size, LONGEST_ATTRIBUTES),
            metadata_id: row.metadata_id,
            has_user: row.has_user,
        }
    }
}

impl From<StatisticRow> for Statistic {
    fn from(row: StatisticRow) -> Self {
        let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
        Self {
            id: row.id,
            name: text(row.name, row.name_size, LONGEST_NAME),
            start: time(row.start, row.start_size),
            unit: text(row.unit, row.unit_size, LONGEST_NAME),
            mean: finite(row.mean),
            min: finite(row.min),
            max: finite(row.max),
            state: finite(row.state),
            sum: finite(row.sum),
        }
    }
}

fn text(value: Option<String>, size: Option<i64>, longest: u32) -> Field {
    match (value, size) {
        (_, Some(size)) if size > i64::from(longest) => Field::TooLong(size, longest),
        (Some(text), _) => Field::Text(text),
        (None, _) => Field::Null,
    }
}

/// A time: the text of a number, which has all its digits, is one.
fn time(value: Option<String>, size: Option<i64>) -> Field {
    match text(value, size, LONGEST_TIME) {
        Field::Text(text) => text.parse().map_or(Field::Text(text), Field::Real),
        other => other,
    }
}
