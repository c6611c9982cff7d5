//! A schema for each tenant: the tables of each stand by themselves, on one installation of the functions below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::{Feature, Server, bucketed, chunks};
use occupancy_models::{
    Call, ModelType, NewPrediction, NewSensorEvent, SensorEvent, SensorType, TransitionType, bulk,
    drop_sensor_events_before, revert_migrations, rollups, run_migrations, verify,
};
use support::{TestDb, sql, value, values};

struct Tenants {
    names: [String; 2],
}

impl Tenants {
    fn new(db: &TestDb, conn: &mut PgConnection) -> Self {
        let names = ["one", "Two's"].map(|name| format!("\"tenant {name} of {}\"", db.schema()));
        let tenants = Self { names };
        for tenant in 0..2 {
            sql(conn, &format!("CREATE SCHEMA {}", tenants.names[tenant]));
            tenants.switch_to(tenant, conn);
            assert!(!run_migrations(conn).unwrap().is_empty());
            SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn).unwrap();
        }
        tenants
    }

    /// One connection goes from tenant to tenant.
    fn switch_to(&self, tenant: usize, conn: &mut PgConnection) {
        sql(conn, &format!("SET search_path TO {}", self.names[tenant]));
    }
}

impl Tenants {
    fn drop(self, conn: &mut PgConnection) {
        for name in self.names {
            sql(conn, &format!("DROP SCHEMA {name} CASCADE"));
        }
    }
}

/// Inserts an event of so many days ago, and a prediction that it triggered.
fn insert(conn: &mut PgConnection, room: &'static str, days: i64) {
    let event: SensorEvent = diesel::insert_into(sensor_events::table)
        .values(NewSensorEvent::new(Utc::now() - TimeDelta::days(days), room, "door", SensorType::MOTION, "on"))
        .returning(SensorEvent::as_returning())
        .get_result(conn)
        .unwrap();
    let at = Utc::now() + TimeDelta::minutes(5);
    let prediction = NewPrediction::new(room, at, TransitionType::VacantToOccupied, 0.5, ModelType::HMM, "1")
        .with_triggering_event(event.key());
    diesel::insert_into(predictions::table).values(prediction).execute(conn).unwrap();
}

fn rooms(conn: &mut PgConnection) -> Vec<String> {
    sensor_events::table.select(sensor_events::room_id).order(sensor_events::timestamp).load(conn).unwrap()
}

fn references(conn: &mut PgConnection) -> i64 {
    predictions::table.filter(predictions::triggering_event_id.is_not_null()).count().get_result(conn).unwrap()
}

#[test]
fn each_tenant_has_tables_references_and_retention_of_its_own_on_one_installation() {
    let (db, mut conn) = TestDb::new();
    let conn = &mut conn;
    let tenants = Tenants::new(&db, conn);
    for (tenant, room) in ["kitchen", "office"].into_iter().enumerate() {
        tenants.switch_to(tenant, conn);
        insert(conn, room, 40);
        insert(conn, room, 1);
        assert_eq!(rooms(conn), [room, room]);
    }

    tenants.switch_to(0, conn);
    let report = drop_sensor_events_before(Utc::now() - TimeDelta::days(30)).call(conn).unwrap();
    assert_eq!(report.rows_released, 1);
    assert_eq!((rooms(conn), references(conn)), (vec!["kitchen".to_owned()], 1));
    tenants.switch_to(1, conn);
    assert_eq!((rooms(conn).len(), references(conn)), (2, 2), "the other tenant after retention of the first");

    let server = Server::query().call(conn).unwrap();
    for (tenant, expected) in [(0, 1), (1, 2)] {
        tenants.switch_to(tenant, conn);
        if server.has(Feature::Hypertables) {
            let chunks = chunks(sensor_events::timestamp, ..).call(conn).unwrap();
            assert_eq!(chunks.len(), expected, "chunks of tenant {tenant}");
        }
        assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
    }

    // What is named by its name alone is the tenant's as well.
    for tenant in 0..2 {
        tenants.switch_to(tenant, conn);
        let aggregate = rollups::hourly_activity().allow_plain_view().create();
        aggregate.clone().call(conn).unwrap();
        aggregate.call(conn).unwrap();
    }
    let views = "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                 WHERE relname = 'hourly_activity' AND relkind = 'v' ORDER BY 1";
    assert_eq!(values(conn, views).len(), 2);
    tenants.switch_to(0, conn);
    assert!(occupancy_models::timescale::drop_continuous_aggregate("hourly_activity").call(conn).unwrap());
    assert!(!occupancy_models::timescale::drop_continuous_aggregate("hourly_activity").call(conn).unwrap());
    assert_eq!(values(conn, views).len(), 1, "the other tenant keeps its view");

    let installations = "SELECT count(DISTINCT pronamespace) FROM pg_proc WHERE proname = 'setup_hypertable'";
    assert_eq!(value(conn, installations), "1");

    // One goes, the other stays whole.
    assert!(!revert_migrations(conn).unwrap().is_empty());
    tenants.switch_to(1, conn);
    insert(conn, "office", 2);
    assert_eq!(references(conn), 3);
    assert!(occupancy_models::timescale::drop_continuous_aggregate("hourly_activity").call(conn).unwrap());
    tenants.drop(conn);
}

/// Events of a room, in a batch that is large enough to be looked up and written in several steps.
fn batch(room: &'static str, state: &'static str) -> impl Iterator<Item = NewSensorEvent<'static>> {
    let start = occupancy_models::testing::start();
    (0..700).map(move |n| NewSensorEvent::new(start + TimeDelta::minutes(n), room, "door", SensorType::MOTION, state))
}

#[test]
fn prepared_statements_follow_the_tenant() {
    let (db, mut conn) = TestDb::new();
    let conn = &mut conn;
    let tenants = Tenants::new(&db, conn);
    // Each statement is prepared for the first tenant, and runs again for the other one.
    for (round, state) in ["on", "off", "off"].into_iter().enumerate() {
        for (tenant, room) in ["kitchen", "office"].into_iter().enumerate() {
            tenants.switch_to(tenant, conn);
            let report = bulk::upsert_sensor_events(batch(room, state)).call(conn).unwrap();
            let expected = [(700, 0, 0), (0, 700, 0), (0, 0, 700)][round];
            assert_eq!((report.inserted, report.updated, report.unchanged), expected, "{room}, {state}");
            insert(conn, room, round as i64);
            assert_eq!(references(conn), round as i64 + 1, "references of {room}");
            let rooms: Vec<String> = sensor_events::table.select(sensor_events::room_id).distinct().load(conn).unwrap();
            assert_eq!(rooms, [room]);
        }
    }
    if Server::query().call(conn).unwrap().has(Feature::Hypertables) {
        sql(conn, &format!("SET search_path TO {}, public", tenants.names[0]));
        let hourly = bucketed(TimeDelta::hours(1), sensor_events::timestamp);
        let hours: Vec<(chrono::DateTime<Utc>, i64)> = sensor_events::table
            .filter(sensor_events::timestamp.lt(Utc::now() - TimeDelta::days(20)))
            .group_by(hourly.clone())
            .select(hourly.clone().row(diesel::dsl::count_star()))
            .order(hourly.start())
            .load(conn)
            .unwrap();
        assert_eq!((hours.len(), hours[0].1), (12, 60));
    }
    tenants.drop(conn);
}

#[test]
fn a_switch_within_a_transaction_can_end_with_it() {
    let (db, mut conn) = TestDb::new();
    let conn = &mut conn;
    let tenants = Tenants::new(&db, conn);
    for (tenant, room) in ["kitchen", "office"].into_iter().enumerate() {
        tenants.switch_to(tenant, conn);
        insert(conn, room, 1);
    }
    let local = format!("SET LOCAL search_path TO {}", tenants.names[0]);
    conn.transaction(|conn| {
        sql(conn, &local);
        bulk::upsert_sensor_events(batch("kitchen", "on")).call(conn).unwrap();
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(rooms(conn), ["office"], "SET LOCAL ends with the transaction");
    let switched = conn.transaction(|conn| {
        tenants.switch_to(0, conn);
        assert_eq!(rooms(conn).len(), 701);
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    switched.unwrap_err();
    assert_eq!(rooms(conn), ["office"], "a rollback takes the switch back");
    tenants.drop(conn);
}
