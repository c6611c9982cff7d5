//! The hypertable as TimescaleDB's own views show it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, SmallInt, Text, Timestamptz};

use crate::reading::Scope;

#[derive(QueryableByName)]
pub struct Hypertable {
    #[diesel(sql_type = Text)]
    pub schema: String,
    #[diesel(sql_type = SmallInt)]
    pub dimensions: i16,
    #[diesel(sql_type = BigInt)]
    pub chunks: i64,
    #[diesel(sql_type = Text)]
    pub column: String,
    #[diesel(sql_type = Text)]
    pub column_type: String,
    #[diesel(sql_type = Text)]
    pub interval: String,
}

/// `sensor_events` in `timescaledb_information.hypertables` and `dimensions`.
pub fn hypertable(conn: &mut PgConnection) -> QueryResult<Hypertable> {
    diesel::sql_query(
        "SELECT
             h.hypertable_schema::text AS schema,
             h.num_dimensions AS dimensions,
             h.num_chunks AS chunks,
             d.column_name::text AS column,
             d.column_type::text AS column_type,
             d.time_interval::text AS interval
         FROM timescaledb_information.hypertables AS h
         JOIN timescaledb_information.dimensions AS d USING (hypertable_schema, hypertable_name)
         JOIN pg_class AS c ON c.oid = 'sensor_events'::regclass
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE h.hypertable_schema = n.nspname AND h.hypertable_name = c.relname AND d.dimension_number = 1",
    )
    .get_result(conn)
}

#[derive(QueryableByName)]
pub struct Chunk {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Timestamptz)]
    pub range_start: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub range_end: DateTime<Utc>,
    /// How many of this run's events are in it.
    #[diesel(sql_type = BigInt)]
    pub events: i64,
}

/// The chunks of `sensor_events` in `timescaledb_information.chunks` that this run's events are in.
pub fn chunks(conn: &mut PgConnection, scope: &Scope) -> QueryResult<Vec<Chunk>> {
    diesel::sql_query(
        "SELECT
             k.chunk_name::text AS name,
             k.range_start,
             k.range_end,
             (
                 SELECT count(*)
                 FROM sensor_events AS e
                 WHERE e.timestamp >= k.range_start AND e.timestamp < k.range_end
                     AND e.timestamp BETWEEN $2 AND $3
                     AND e.room_id = ANY ($1)
             ) AS events
         FROM timescaledb_information.chunks AS k
         JOIN pg_class AS c ON c.oid = 'sensor_events'::regclass
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE k.hypertable_schema = n.nspname AND k.hypertable_name = c.relname
             AND k.range_end > $2 AND k.range_start <= $3
         ORDER BY k.range_start",
    )
    .bind::<Array<Text>, _>(&scope.rooms)
    .bind::<Timestamptz, _>(scope.first)
    .bind::<Timestamptz, _>(scope.last)
    .load(conn)
}
