//! The state before: of each event that of the sensor's event before it, by time.
//!
//! Home Assistant's rows are not in the order of time, and an import may have stopped anywhere between them. So the
//! state before is found in the batch and in the database together, and an event that is stored already gets another one
//! if an event of the batch comes between it and the one before.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};

use crate::store::Event;

/// `$1` to `$3` are the events of the batch, each sensor and instant once; `$4` and `$5` the first and last instant, so
/// that the chunks of other times are left out.
const FIND: &str = "
    WITH batch AS MATERIALIZED (
        SELECT b.sensor_id, b.timestamp, b.state, b.n
        FROM unnest($1, $2, $3) WITH ORDINALITY AS b (sensor_id, timestamp, state, n)
    ),
    spans AS (
        SELECT sensor_id, min(timestamp) AS first, max(timestamp) AS last FROM batch GROUP BY sensor_id
    ),
    stored AS (
        SELECT e.id, e.sensor_id, e.timestamp, e.state, e.previous_state
        FROM spans AS s
        CROSS JOIN LATERAL (
            SELECT * FROM sensor_events AS e
            WHERE e.sensor_id = s.sensor_id AND e.timestamp BETWEEN s.first AND s.last AND e.timestamp BETWEEN $4 AND $5
            UNION ALL
            (
                SELECT * FROM sensor_events AS e
                WHERE e.sensor_id = s.sensor_id AND e.timestamp < s.first AND e.timestamp < $5
                ORDER BY e.timestamp DESC
                LIMIT 1
            )
            UNION ALL
            (
                SELECT * FROM sensor_events AS e
                WHERE e.sensor_id = s.sensor_id AND e.timestamp > s.last AND e.timestamp > $4
                ORDER BY e.timestamp
                LIMIT 1
            )
        ) AS e
    ),
    events AS (
        SELECT sensor_id, timestamp, state, n, NULL::bigint AS id, NULL::text AS previous_state FROM batch
        UNION ALL
        SELECT sensor_id, timestamp, state, NULL, id, previous_state
        FROM stored AS s
        WHERE NOT EXISTS (SELECT FROM batch AS b WHERE b.sensor_id = s.sensor_id AND b.timestamp = s.timestamp)
    ),
    linked AS (
        SELECT *, lag(state) OVER by_time AS before, row_number() OVER by_time AS place
        FROM events
        WINDOW by_time AS (PARTITION BY sensor_id ORDER BY timestamp)
    )
    -- A stored event in the first place is the one before the batch: what is before it was not read.
    SELECT n, id, timestamp, before
    FROM linked
    WHERE n IS NOT NULL OR (place > 1 AND previous_state IS DISTINCT FROM before)
    ORDER BY n";

const SAVE: &str = "
    UPDATE sensor_events AS e
    SET previous_state = c.before
    FROM unnest($1, $2, $3) AS c (id, timestamp, before)
    WHERE e.id = c.id AND e.timestamp = c.timestamp AND e.timestamp BETWEEN $4 AND $5";

/// The states before.
pub struct Links {
    /// Of the events of the batch, in their order.
    pub before: Vec<Option<String>>,
    /// Of events that are stored with another one.
    changed: Vec<Linked>,
}

#[derive(QueryableByName)]
struct Linked {
    #[diesel(sql_type = Nullable<BigInt>)]
    n: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Timestamptz)]
    timestamp: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    before: Option<String>,
}

/// Finds the states before, of these events and of those that come after them.
pub fn find(conn: &mut PgConnection, events: &[Event]) -> QueryResult<Links> {
    let instants: Vec<_> = events.iter().map(|event| event.at).collect();
    let (Some(first), Some(last)) = (instants.iter().min(), instants.iter().max()) else {
        return Ok(Links { before: Vec::new(), changed: Vec::new() });
    };
    let linked: Vec<Linked> = diesel::sql_query(FIND)
        .bind::<Array<Text>, _>(events.iter().map(|event| &*event.sensor.id).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(&instants)
        .bind::<Array<Text>, _>(events.iter().map(|event| &*event.state).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(first)
        .bind::<Timestamptz, _>(last)
        .load(conn)?;
    let (batch, changed): (Vec<_>, Vec<_>) = linked.into_iter().partition(|linked| linked.n.is_some());
    Ok(Links { before: batch.into_iter().map(|linked| linked.before).collect(), changed })
}

impl Links {
    /// Gives the stored events the states before that they have now; gives how many.
    pub fn save(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        let instants: Vec<_> = self.changed.iter().map(|linked| linked.timestamp).collect();
        let (Some(first), Some(last)) = (instants.iter().min(), instants.iter().max()) else { return Ok(0) };
        diesel::sql_query(SAVE)
            .bind::<Array<Nullable<BigInt>>, _>(self.changed.iter().map(|linked| linked.id).collect::<Vec<_>>())
            .bind::<Array<Timestamptz>, _>(&instants)
            .bind::<Array<Nullable<Text>>, _>(self.changed.iter().map(|linked| &linked.before).collect::<Vec<_>>())
            .bind::<Timestamptz, _>(first)
            .bind::<Timestamptz, _>(last)
            .execute(conn)
    }
}
