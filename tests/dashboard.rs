//! Every query of the dashboard for Grafana runs, with Grafana's macros replaced as Grafana replaces them, and finds
//! rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::predictions;
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, Prediction, SensorType, TransitionType, bulk, rollups,
};
use serde_json::Value;
use support::{TestDb, value};

/// `$__timeFilter(column)` as a range of time, and the variable of the room.
fn expand(query: &str) -> String {
    let mut parts = query.split("$__timeFilter(");
    let mut sql = parts.next().unwrap().to_owned();
    for part in parts {
        let (column, rest) = part.split_once(')').unwrap();
        sql += &format!("{column} BETWEEN now() - INTERVAL '7 days' AND now() + INTERVAL '1 day'{rest}");
    }
    let sql = sql.replace("$room", "office");
    assert!(!sql.contains('$'), "a macro that this test does not know: {sql}");
    sql
}

#[test]
fn every_query_of_the_dashboard_finds_rows() {
    let (_db, mut conn) = TestDb::ready();
    let now = Utc::now();
    let event = |sensor: &'static str, kind, state: &'static str| {
        NewSensorEvent::new(now - TimeDelta::minutes(5), "office", sensor, kind, state)
    };
    let events = [event("motion", SensorType::MOTION, "on"), event("light", SensorType::LIGHT, "320")];
    bulk::upsert_sensor_events(&events).call(&mut conn).unwrap();
    let at = now - TimeDelta::minutes(1);
    let prediction: Prediction = diesel::insert_into(predictions::table)
        .values(NewPrediction::new("office", at, TransitionType::VacantToOccupied, 1.0, ModelType::HMM, "1"))
        .returning(Prediction::as_returning())
        .get_result(&mut conn)
        .unwrap();
    let outcome = prediction.outcome(Some(at), TimeDelta::minutes(10));
    diesel::update(&prediction).set(outcome).execute(&mut conn).unwrap();
    rollups::hourly_activity().allow_plain_view().create().call(&mut conn).unwrap();
    rollups::hourly_statistics().allow_plain_view().create().call(&mut conn).unwrap();

    let dashboard: Value = serde_json::from_str(include_str!("../examples/grafana/dashboard.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let rooms = variables.filter(|variable| variable["type"] == "query").map(|variable| &variable["query"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()).map(|target| &target["rawSql"]);
    let queries: Vec<&str> = rooms.chain(targets).map(|query| query.as_str().unwrap()).collect();
    assert_eq!(queries.len(), panels.len() + 1);
    for query in queries {
        let count = value(&mut conn, &format!("SELECT count(*) FROM ({}) AS q", expand(query)));
        assert_ne!(count, "0", "{query}");
    }
}
