//! The events of a home, made on the server: once in this crate's tables, once in the known recipe's, and the last
//! day alone in a hypertable of one chunk.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::SensorEvent;
use occupancy_models::queries::newest_first;
use occupancy_models::schema::sensor_events;

use crate::support::{TestDb, server, sql};

/// How many events, evenly over how many days.
pub struct Events {
    pub rows: usize,
    pub days: usize,
}

/// The days end at the next midnight, so that the last 24 hours are one chunk.
pub fn end() -> DateTime<Utc> {
    let midnight = Utc::now().date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    midnight + TimeDelta::days(1)
}

impl Events {
    /// The events from this one on, of fifty sensors in ten rooms.
    fn sql(&self, from: usize) -> String {
        let start = (end() - TimeDelta::days(self.days as i64)).to_rfc3339();
        let step = self.days as f64 * 86_400.0 / self.rows as f64;
        let last = self.rows - 1;
        format!(
            "SELECT timestamptz '{start}' + n * interval '{step} seconds', 'room_' || n % 50 / 5, 'sensor_' || n % 50,
                 CASE n % 5 WHEN 0 THEN 'motion' WHEN 1 THEN 'presence' WHEN 2 THEN 'door' WHEN 3 THEN 'temperature' ELSE 'light' END,
                 CASE WHEN n % 5 > 2 THEN (18 + n / 50 % 7)::text WHEN n / 50 % 3 = 0 THEN 'on' ELSE 'off' END,
                 CASE WHEN n % 5 > 2 THEN 18 + n / 50 % 7 END,
                 CASE WHEN n % 5 > 2 THEN (18 + (n / 50 + 6) % 7)::text WHEN n / 50 % 3 = 1 THEN 'on' ELSE 'off' END,
                 '{{\"battery\": 90}}'::jsonb, n % 4 > 0, (n % 11) / 10.0
             FROM generate_series({from}, {last}) AS n"
        )
    }
}

const COLUMNS: &str = "timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes, is_human_triggered, confidence_score";

pub struct Home {
    // Dropped first: a server that takes one connection at a time lets `db` connect after that.
    pub conn: PgConnection,
    pub db: TestDb,
}

impl Home {
    /// This crate's tables, with all the rows, and predictions of the events that are evenly spread among them.
    pub fn ours(events: &Events, predictions: usize) -> Self {
        let (db, mut conn) = TestDb::ready();
        sql(&mut conn, &format!("INSERT INTO sensor_events ({COLUMNS}) {}", events.sql(0)));
        // Registered here, because the trigger would do it one by one: a look-up of a bare id for each.
        let every = (events.rows / predictions).max(1);
        sql(
            &mut conn,
            &format!(
                "INSERT INTO referenced_events (id, timestamp) SELECT id, timestamp FROM sensor_events WHERE id % {every} = id / {every} % {every};
                 INSERT INTO predictions (room_id, prediction_time, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
                 SELECT e.room_id, e.timestamp, e.timestamp + interval '20 minutes', 'state_change', 0.5, CASE e.id / {every} % 2 WHEN 0 THEN 'hmm' ELSE 'lstm' END, '1', e.id
                 FROM referenced_events JOIN sensor_events AS e USING (id, timestamp)
                 ORDER BY e.timestamp;
                 UPDATE predictions SET actual_transition_time = predicted_transition_time + id % 30 * interval '1 minute',
                     accuracy_minutes = id % 30, is_accurate = id % 30 <= 15, validation_timestamp = predicted_transition_time
                 WHERE id % 5 > 0;
                 ANALYZE"
            ),
        );
        Self { db, conn }
    }

    /// The same last day, with the same ids, and no other chunk.
    pub fn one_chunk(events: &Events, ids: i64) -> Self {
        let (db, mut conn) = TestDb::ready();
        let day = events.rows.saturating_sub(events.rows / events.days + 1);
        sql(
            &mut conn,
            &format!(
                "INSERT INTO sensor_events (id, {COLUMNS}) OVERRIDING SYSTEM VALUE SELECT row_number() OVER () + {ids}, * FROM ({}) AS r (at) WHERE at >= timestamptz '{}'; ANALYZE",
                events.sql(day),
                (end() - TimeDelta::days(1)).to_rfc3339()
            ),
        );
        Self { db, conn }
    }

    /// The known recipe's table with its ten indexes, under the name that the queries have.
    pub fn recipe(events: &Events) -> Self {
        let (db, mut conn) = TestDb::new();
        // The queries compare the type with a text, which PostgreSQL does not do with an enum.
        sql(&mut conn, &include_str!("../recipe.sql").replace("sensor_type recipe_sensor_type", "sensor_type TEXT"));
        if server().available.is_some() {
            sql(
                &mut conn,
                "SELECT create_hypertable('recipe_events', by_range('timestamp', interval '1 day'), create_default_indexes => false)",
            );
        }
        sql(&mut conn, &format!("INSERT INTO recipe_events ({COLUMNS}) {}", events.sql(0)));
        sql(&mut conn, "ALTER TABLE recipe_events RENAME TO sensor_events; ANALYZE");
        Self { db, conn }
    }

    /// The newest events of the last day.
    pub fn newest(&mut self, limit: i64) -> Vec<SensorEvent> {
        SensorEvent::within(end() - TimeDelta::days(1)..end())
            .order(newest_first())
            .limit(limit)
            .load(&mut self.conn)
            .unwrap()
    }

    /// Events spread over the last week.
    pub fn of_the_week(&mut self, count: usize) -> Vec<SensorEvent> {
        let week: Vec<SensorEvent> = SensorEvent::within(end() - TimeDelta::days(7)..end())
            .order(sensor_events::id)
            .load(&mut self.conn)
            .unwrap();
        let step = (week.len() / count).max(1);
        week.into_iter().step_by(step).take(count).collect()
    }
}
