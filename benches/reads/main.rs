//! Reads among 730 daily chunks: by key against by bare id, across the reference, and the known recipe's reads on this
//! crate's three indexes and on its ten.
//!
//!     dev/db cargo bench --bench reads
//!
//! Every round runs all candidates one after the other; a ratio is the median over the rounds of the ratio of times in
//! each. `ROWS` (2000000), `CHUNKS` (730, one a day), `PREDICTIONS` (20000) and `ROUNDS` (15) choose less. `ONLY=listen`
//! is only the ingest while somebody listens, `ONLY=lookups` only what reads by keys and ids.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]

mod daily;
mod data;
mod listen;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../peers/mod.rs"]
mod peers;
mod recipe;
mod states;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use chrono::TimeDelta;
use data::{Events, Home, end};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Timestamptz};
use measure::{Measurements, size};
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::{Prediction, SensorEvent, SensorEventKey, queries};
use support::{sql, value};

fn main() {
    let events = Events { rows: size("ROWS", 2_000_000), days: size("CHUNKS", 730) };
    let count = size("PREDICTIONS", 20_000);
    let rounds = size("ROUNDS", 15);
    println!(
        "{}, {} events in {} days, {count} predictions, {rounds} rounds",
        support::server(),
        events.rows,
        events.days
    );
    if !support::has(support::Needs::TwoConnections) {
        // One connection at a time: no comparison of databases.
        daily::reads(&mut Home::ours(&events, count), events.days, rounds);
        return;
    }
    if measure::wanted("listen") {
        listen::ingest(rounds);
    }
    if !measure::wanted("reads lookups") {
        return;
    }
    let start = Instant::now();
    let mut home = Home::ours(&events, count);
    lookups(&mut home, rounds);
    if !measure::wanted("reads") {
        return;
    }
    let ids: i64 = SensorEvent::within(..end() - TimeDelta::days(1)).count().get_result(&mut home.conn).unwrap();
    let mut day = Home::one_chunk(&events, ids);
    let mut recipe = Home::recipe(&events);
    println!("loaded in {:.0} s", start.elapsed().as_secs_f64());
    last_day(&mut home, &mut day, rounds);
    recipe::reads(&mut home, &mut recipe, rounds);
    states::reads(&mut home, rounds);
    daily::reads(&mut home, events.days, rounds);
}

/// How often something quick is repeated, so that one hiccup is not the measurement.
const REPEATS: usize = 20;

fn lookups(home: &mut Home, rounds: usize) {
    let events = home.newest(REPEATS as i64);
    let keys: Vec<SensorEventKey> = events.iter().map(SensorEvent::key).collect();
    let week: Vec<SensorEventKey> = home.of_the_week(1_000).iter().map(SensorEvent::key).collect();
    let week_ids: Vec<i64> = week.iter().map(SensorEventKey::id).collect();
    let conn = &mut home.conn;
    let chunk = value(
        conn,
        &format!(
            "SELECT tableoid::regclass FROM sensor_events WHERE id = {} AND timestamp = '{}'",
            keys[0].id(),
            keys[0].timestamp()
        ),
    );
    // The rows of the week, which need no search: no way to read them by their keys takes less time than this.
    let ids = week_ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let (first, last) =
        (week.iter().map(SensorEventKey::timestamp).min(), week.iter().map(SensorEventKey::timestamp).max());
    let range = format!("timestamp BETWEEN '{}' AND '{}'", first.unwrap(), last.unwrap());
    sql(conn, &format!("CREATE TEMP TABLE of_the_week AS SELECT * FROM sensor_events WHERE id IN ({ids}) AND {range}"));
    let predicted = || Prediction::query().order(predictions::id.desc()).limit(1_000);
    let last = predictions::table.count().get_result::<i64>(conn).unwrap().min(1_000) as usize;

    let mut measured = Measurements::new();
    for _ in 0..rounds {
        measured.time("chunk_lookup", REPEATS, || {
            for key in &keys {
                let found: Vec<SensorEvent> = ChunkLookup { chunk: chunk.clone(), key: *key }.load(conn).unwrap();
                assert_eq!(found.len(), 1);
            }
        });
        measured.time("key_lookup", REPEATS, || {
            for key in &keys {
                let event: SensorEvent = SensorEvent::query().find((key.id(), key.timestamp())).first(conn).unwrap();
                assert_eq!(event.id, key.id());
            }
        });
        measured.time("id_lookup", REPEATS, || {
            for key in &keys {
                let event: SensorEvent = SensorEvent::by_id(key.id()).first(conn).unwrap();
                assert_eq!(event.id, key.id());
            }
        });
        measured.time("where_id", 3, || {
            for key in &keys[..3] {
                let event: SensorEvent =
                    SensorEvent::query().filter(sensor_events::id.eq(key.id())).first(conn).unwrap();
                assert_eq!(event.id, key.id());
            }
        });
        measured.time("by_keys", week.len(), || {
            let found: Vec<SensorEvent> = SensorEvent::by_keys(&week).load(conn).unwrap();
            assert_eq!(found.len(), week.len());
        });
        measured.time("whole_table", week.len(), || {
            let found: Vec<SensorEvent> = WholeTable("of_the_week").load(conn).unwrap();
            assert_eq!(found.len(), week.len());
        });
        measured.time("lookup_in_order", week.len(), || {
            let found = SensorEvent::find_in_order(&week).load::<Option<SensorEvent>>(conn).unwrap();
            assert!(found.iter().all(Option::is_some));
        });
        measured.time("where_id_any", week.len(), || {
            let found: Vec<SensorEvent> =
                SensorEvent::query().filter(sensor_events::id.eq_any(&week_ids)).load(conn).unwrap();
            assert_eq!(found.len(), week.len());
        });
        measured.time("predictions_with_events", last, || {
            let found = queries::with_events(predicted()).load::<(Prediction, Option<SensorEvent>)>(conn).unwrap();
            assert!(found.len() == last && found.iter().all(|(_, event)| event.is_some()));
        });
        measured.time("triggering_events", last, || {
            let found: Vec<Prediction> = predicted().load(conn).unwrap();
            let events = Prediction::triggering_events(&found).load::<Option<SensorEvent>>(conn).unwrap();
            assert!(events.len() == last && events.iter().all(Option::is_some));
        });
        measured.time("plain_join", last, || {
            let ids: Vec<i64> = predicted().select(predictions::id).load(conn).unwrap();
            let found: Vec<(Prediction, SensorEvent)> = predictions::table
                .inner_join(sensor_events::table.on(predictions::triggering_event_id.eq(sensor_events::id.nullable())))
                .filter(predictions::id.eq_any(ids))
                .select((Prediction::as_select(), SensorEvent::as_select()))
                .load(conn)
                .unwrap();
            assert_eq!(found.len(), last);
        });
    }
    println!();
    measured.print();
    // A rate is the inverse of a time.
    measured.ratio_as("key_lookup/chunk_lookup", "chunk_lookup", "key_lookup");
    measured.ratio_as("where_id/id_lookup", "id_lookup", "where_id");
    measured.ratio_as("where_id_any/by_keys", "by_keys", "where_id_any");
    measured.ratio_as("where_id_any/whole_table", "whole_table", "where_id_any");
    measured.ratio_as("by_keys/whole_table", "whole_table", "by_keys");
    measured.ratio_as("where_id_any/lookup_in_order", "lookup_in_order", "where_id_any");
    measured.ratio_as("plain_join/predictions_with_events", "predictions_with_events", "plain_join");
}

/// A row straight from its chunk, prepared as Diesel prepares its own queries.
struct ChunkLookup {
    chunk: String,
    key: SensorEventKey,
}

impl QueryId for ChunkLookup {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for ChunkLookup {
    type SqlType = sensor_events::SqlType;
}

impl QueryFragment<Pg> for ChunkLookup {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (id, timestamp) = Identifiable::id(&self.key);
        // The columns are in the order of the model.
        out.push_sql("SELECT * FROM ");
        out.push_sql(&self.chunk);
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<BigInt, _>(id)?;
        out.push_sql(" AND timestamp = ");
        out.push_bind_param::<Timestamptz, _>(timestamp)?;
        out.push_sql(" LIMIT 1");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for ChunkLookup {}

/// The rows of a table that has the columns of events.
#[derive(QueryId)]
struct WholeTable(&'static str);

impl Query for WholeTable {
    type SqlType = sensor_events::SqlType;
}

impl QueryFragment<Pg> for WholeTable {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT * FROM ");
        out.push_sql(self.0);
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for WholeTable {}

/// A room's last 24 hours, where there are many chunks and where there is one.
///
/// PostgreSQL plans a prepared statement once and for all where that looks as cheap as planning it for its values: with
/// one chunk it is, with hundreds never. So one side plans each time and the other does not, unless the session says
/// `plan_cache_mode = force_custom_plan`, which also spares it the plan for all chunks that PostgreSQL otherwise
/// makes for the comparison, at the sixth run.
fn last_day(home: &mut Home, day: &mut Home, rounds: usize) {
    let range = end() - TimeDelta::days(1)..end();
    let read = |conn: &mut PgConnection| -> usize {
        SensorEvent::timeline("room_3", range.clone()).load::<SensorEvent>(conn).unwrap().len()
    };
    let rows = read(&mut home.conn);
    println!("\na room's last 24 hours: {rows} events");
    for (mode, suffix) in [("force_custom_plan", ""), ("auto", "_with_default_plans")] {
        let mut measured = Measurements::new();
        for side in [&mut *home, &mut *day] {
            // A new connection, so that no statement is prepared.
            side.conn = side.db.connect();
            sql(&mut side.conn, &format!("SET plan_cache_mode = {mode}"));
            // Past the sixth run.
            let times: Vec<f64> = (0..10)
                .map(|_| {
                    let start = Instant::now();
                    assert_eq!(read(&mut side.conn), rows, "the same rows on both sides");
                    start.elapsed().as_secs_f64() * 1_000.0
                })
                .collect();
            println!("  first runs, {mode}: {times:.1?} ms");
        }
        for round in 0..rounds * 4 {
            // In turn first.
            let mut sides = [("day_of_many_chunks", &mut *home), ("day_of_one_chunk", &mut *day)];
            if round % 2 == 1 {
                sides.reverse();
            }
            for (name, side) in sides {
                measured.time(name, REPEATS, || {
                    for _ in 0..REPEATS {
                        read(&mut side.conn);
                    }
                });
            }
        }
        println!("plan_cache_mode = {mode}, reads/s");
        measured.print();
        measured.ratio_as(
            &format!("day_of_many_chunks/day_of_one_chunk{suffix}"),
            "day_of_one_chunk",
            "day_of_many_chunks",
        );
    }
}
