//! What is in the database: one statement, one document.

use std::collections::BTreeMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Array, Jsonb, Nullable, Text};
use serde::Deserialize;
use serde_json::Value;

use super::length::Length;
use crate::call::{Statement, single};
use crate::error::{Error, Result};
use crate::server::{Edition, Server};

#[derive(Debug)]
pub(super) struct Facts {
    pub server: Server,
    /// Quoted.
    pub extension_schema: Option<String>,
    pub database: String,
    pub jobs: Vec<Job>,
    /// In the order that they were asked for; `None` where there is none.
    pub relations: Vec<Option<Relation>>,
}

#[derive(Debug, Deserialize)]
struct ServerFacts {
    postgres_version: i32,
    timescaledb: Option<String>,
    license: Option<String>,
    available: Option<String>,
    toolkit: Option<String>,
    extension_schema: Option<String>,
    database: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub id: i32,
    pub procedure: String,
    pub schema: Option<String>,
    pub relation: Option<String>,
    pub schedule: LengthFact,
    pub scheduled: bool,
    pub config: Option<Value>,
    pub lengths: BTreeMap<String, Option<LengthFact>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Relation {
    pub schema: String,
    pub name: String,
    /// With its schema, quoted.
    pub qualified: String,
    /// Of the table itself, without chunks and indexes.
    pub bytes: i64,
    pub hypertable: Option<Hypertable>,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    /// Why it cannot become a hypertable.
    pub obstacle: Option<String>,
    pub has_rows: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hypertable {
    pub chunks: i64,
    pub columnstore: bool,
    pub segment_by: Option<String>,
    pub order_by: Option<String>,
    pub dimensions: Vec<Dimension>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dimension {
    pub column: String,
    pub interval: Option<LengthFact>,
    pub partitions: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub full_type: String,
    pub not_null: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub name: String,
    pub schema: String,
    pub method: String,
    pub unique: bool,
    pub valid: bool,
    pub predicate: Option<String>,
    pub columns: Vec<IndexColumn>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IndexColumn {
    pub name: String,
    pub descending: bool,
}

/// A length as the server tells it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum LengthFact {
    Integer(i64),
    Interval { months: i32, microseconds: i64 },
}

impl From<LengthFact> for Length {
    fn from(fact: LengthFact) -> Self {
        match fact {
            LengthFact::Integer(units) => Self::Integer(units),
            LengthFact::Interval { months, microseconds } => Self::Interval { months, microseconds },
        }
    }
}

/// Asks for the facts about relations, each with the time column of the hypertable that it is to be.
#[derive(Debug, Clone, QueryId)]
pub(super) struct QueryFacts {
    pub names: Vec<String>,
    pub time_columns: Vec<Option<String>>,
}

impl Statement for QueryFacts {
    type SqlType = (Jsonb, Jsonb, Jsonb);
    type Row = (Value, Value, Value);
    type Output = Facts;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Names are looked up by the caller's search_path.
        out.push_sql(
            "SELECT diesel_timescale.server_facts(), diesel_timescale.job_facts(), coalesce((\
                 SELECT jsonb_agg(diesel_timescale.relation_facts(to_regclass(asked.name), asked.time_column) ORDER BY n) \
                 FROM unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.names)?;
        out.push_sql(", CAST(");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.time_columns)?;
        out.push_sql(" AS name[])) WITH ORDINALITY AS asked (name, time_column, n)), '[]')");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Facts> {
        let (server, jobs, relations) = single::<_, Error>(rows)?;
        let server: ServerFacts = document(server)?;
        Ok(Facts {
            server: Server {
                postgres_version: server.postgres_version,
                timescaledb: server.timescaledb.map(|version| version.parse()).transpose().map_err(unreadable)?,
                edition: match server.license.as_deref() {
                    Some("apache") => Some(Edition::Apache),
                    Some("timescale") => Some(Edition::Community),
                    _ => None,
                },
                available: server.available.map(|version| version.parse()).transpose().map_err(unreadable)?,
                toolkit: server.toolkit.map(|version| version.parse()).transpose().map_err(unreadable)?,
            },
            extension_schema: server.extension_schema,
            database: server.database,
            jobs: document(jobs)?,
            relations: document(relations)?,
        })
    }
}

fn document<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Database(diesel::result::Error::DeserializationError(Box::new(error)))
}
