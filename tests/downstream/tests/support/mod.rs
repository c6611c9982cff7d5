//! A database of its own for every test, by the kit `diesel_timescale::testing`.
#![allow(dead_code, unused_macros, unused_imports, unexpected_cfgs, reason = "the other crate's tests use all of it")]

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use diesel_migrations::MigrationHarness;
use home_energy::setup::{self, MIGRATIONS};
use occupancy_models::timescale::setup::StepClass;
use occupancy_models::timescale::testing::TestDatabase;
use occupancy_models::{Call, run_migrations, verify};

// Only for `needs!`: this repository also tests on a server that has one database and one connection, where the kit can
// make no databases. Tests of your own need neither this file nor the macro.
#[path = "../../../support/database.rs"]
mod database;

pub(crate) use database::{Needs, has, has_quietly, needs, server, values};

/// A database as the service sets it up. The set-up runs once; each test gets a copy of what it makes.
pub fn database() -> (TestDatabase, PgConnection) {
    let db = TestDatabase::create(|conn| {
        run_migrations(conn)?;
        conn.run_pending_migrations(MIGRATIONS)?;
        setup::hypertables().apply(StepClass::Locks).call(conn)?;
        setup::hypertables().check().call(conn)?;
        Ok(())
    })
    .unwrap();
    let conn = db.connect().unwrap();
    (db, conn)
}

/// A database with nothing of ours.
pub fn empty_database() -> (TestDatabase, PgConnection) {
    let db = TestDatabase::create(|_| Ok(())).unwrap();
    let conn = db.connect().unwrap();
    (db, conn)
}

/// When the rows of the tests start: a Monday.
pub fn start() -> DateTime<Utc> {
    occupancy_models::testing::start()
}

#[track_caller]
pub fn assert_whole(conn: &mut PgConnection) {
    assert_eq!(verify().allow_plain_table().call(conn).unwrap(), []);
}
