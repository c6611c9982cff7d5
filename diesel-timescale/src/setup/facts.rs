//! What is in the database: one statement, one document.

mod hypertable;
mod request;
mod tier;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::Jsonb;
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::hypertable::{Aggregate, GranularRefresh, Hypertable};
pub(super) use self::request::{ProcedureRequest, ReferenceRequest, RelationRequest};
pub(super) use self::tier::{Reader, TargetRetention, Tier};
pub(super) use super::length::LengthFact;
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
    /// In the order that they were asked for; `None` where the target is none.
    pub references: Vec<Option<Reference>>,
    /// In the order that they were asked for; `None` where there is none.
    pub procedures: Vec<Option<Procedure>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Procedure {
    pub body: String,
    /// The example; `None` where something else has made the procedure.
    pub config: Option<Value>,
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

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Job {
    pub id: i32,
    pub procedure_schema: String,
    pub procedure: String,
    pub schema: Option<String>,
    pub relation: Option<String>,
    pub schedule: LengthFact,
    pub fixed: bool,
    pub start: Option<DateTime<Utc>>,
    pub time_zone: Option<String>,
    pub max_runtime: LengthFact,
    pub max_retries: i32,
    pub retry_period: LengthFact,
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
    pub comment: Option<String>,
    pub aggregate: Option<Aggregate>,
    pub target: Option<Target>,
    /// Asked of tiers alone.
    pub tier: Option<Tier>,
    pub notifications: Option<Notifications>,
    /// Of the table itself, without chunks and indexes.
    pub bytes: i64,
    pub hypertable: Option<Hypertable>,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    /// What keeps rows from going into a columnstore directly.
    pub direct_compress_obstacle: Option<String>,
    /// Why it cannot become a hypertable.
    pub obstacle: Option<String>,
    pub has_rows: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub full_type: String,
    pub type_oid: u32,
    pub not_null: bool,
    pub comment: Option<String>,
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

#[derive(Debug, Deserialize)]
pub(super) struct Target {
    /// With its schema, quoted.
    pub registry: String,
    pub registry_is_there: bool,
    pub key: Option<Vec<String>>,
    pub retention: Option<TargetRetention>,
    pub missing_triggers: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Notifications {
    pub time: String,
    pub group: Option<String>,
    pub is_enabled: bool,
    pub is_right: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    pub constraint: Option<Constraint>,
    pub trigger_is_right: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Constraint {
    pub name: String,
    /// As in `pg_constraint`.
    pub on_delete: String,
    pub validated: bool,
}

/// Asks for the facts about relations, and about references from one to another.
#[derive(Debug, Clone, QueryId)]
pub(super) struct QueryFacts {
    /// A [`RelationRequest`] each.
    pub relations: Value,
    /// A [`ReferenceRequest`] each.
    pub references: Value,
    /// A [`ProcedureRequest`] each.
    pub procedures: Value,
}

impl Statement for QueryFacts {
    type SqlType = (Jsonb, Jsonb, Jsonb, Jsonb, Jsonb);
    type Row = (Value, Value, Value, Value, Value);
    type Output = Facts;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Names are looked up by the caller's search_path.
        out.push_sql(
            "SELECT diesel_timescale.server_facts(), diesel_timescale.job_facts(), coalesce((\
                 SELECT jsonb_agg(\
                     diesel_timescale.relation_facts(\
                         to_regclass(r.name), r.time_column, r.registry, r.direct_compress, r.is_tier, r.kept_for\
                     ) || jsonb_build_object('notifications', diesel_timescale.notification_facts(to_regclass(r.name))) \
                     ORDER BY n\
                 ) FROM ROWS FROM (jsonb_to_recordset(",
        );
        out.push_bind_param::<Jsonb, _>(&self.relations)?;
        out.push_sql(
            ") AS (name text, time_column name, registry name, direct_compress boolean, is_tier boolean, kept_for text)) \
             WITH ORDINALITY AS r (name, time_column, registry, direct_compress, is_tier, kept_for, n)\
             ), '[]'), coalesce((\
                 SELECT jsonb_agg(\
                     diesel_timescale.reference_facts(to_regclass(f.name), f.columns, to_regclass(f.target)) ORDER BY n\
                 ) FROM ROWS FROM (jsonb_to_recordset(",
        );
        out.push_bind_param::<Jsonb, _>(&self.references)?;
        out.push_sql(
            ") AS (name text, columns name[], target text)) WITH ORDINALITY AS f (name, columns, target, n)\
             ), '[]'), coalesce((\
                 SELECT jsonb_agg(\
                     diesel_timescale.job_procedure_facts(p.name, coalesce(p.place, current_schema())) ORDER BY n\
                 ) FROM ROWS FROM (jsonb_to_recordset(",
        );
        out.push_bind_param::<Jsonb, _>(&self.procedures)?;
        out.push_sql(") AS (name name, schema name)) WITH ORDINALITY AS p (name, place, n)), '[]')");
        Ok(())
    }

    fn output(rows: Vec<Self::Row>) -> Result<Facts> {
        let (server, jobs, relations, references, procedures) = single::<_, Error>(rows)?;
        let server: ServerFacts = document(server)?;
        let release = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(unreadable);
        Ok(Facts {
            server: Server {
                postgres_version: server.postgres_version,
                timescaledb: release(server.timescaledb)?,
                edition: match server.license.as_deref() {
                    Some("apache") => Some(Edition::Apache),
                    Some("timescale") => Some(Edition::Community),
                    _ => None,
                },
                available: release(server.available)?,
                toolkit: release(server.toolkit)?,
            },
            extension_schema: server.extension_schema,
            database: server.database,
            jobs: document(jobs)?,
            relations: document(relations)?,
            references: document(references)?,
            procedures: document(procedures)?,
        })
    }
}

fn document<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Database(diesel::result::Error::DeserializationError(Box::new(error)))
}
