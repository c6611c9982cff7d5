//! Both sets of migrations.

use diesel::PgConnection;
use diesel_migrations::MigrationHarness;
use home_energy::setup::{self, MIGRATIONS};
use occupancy_models::timescale::setup::StepClass;
use occupancy_models::{Call, revert_migrations, run_migrations};

use crate::support::{assert_whole, empty_database, needs, values};

const TABLES: &str =
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ 'migrations$' ORDER BY 1";

#[test]
fn both_sets_of_migrations_run_and_revert_side_by_side() {
    needs!(TwoConnections);
    let (_db, mut conn) = empty_database();
    let ours = ["alerts", "energy_readings", "power_samples", "work_orders"];
    let apply = |conn: &mut PgConnection| {
        setup::hypertables().apply(StepClass::Locks).call(conn).unwrap();
        setup::hypertables().check().call(conn).unwrap();
    };
    for _ in 0..2 {
        assert!(!run_migrations(&mut conn).unwrap().is_empty());
        let before = values(&mut conn, TABLES);
        assert_eq!(conn.run_pending_migrations(MIGRATIONS).unwrap().len(), 5);
        apply(&mut conn);
        let all = values(&mut conn, TABLES);
        assert!(ours.iter().all(|table| all.iter().any(|name| name == table)), "{all:?}");
        assert_whole(&mut conn);

        // Neither migration history knows the other, so both are up to date.
        assert!(run_migrations(&mut conn).unwrap().is_empty());
        assert!(!conn.has_pending_migration(MIGRATIONS).unwrap());
        assert_eq!(values(&mut conn, "SELECT count(*) FROM __diesel_schema_migrations"), ["5"]);

        // The tables below do not go while one above refers to them, and nothing has changed then.
        revert_migrations(&mut conn).unwrap_err();
        assert_eq!(values(&mut conn, TABLES), all);
        assert_whole(&mut conn);

        assert_eq!(conn.revert_all_migrations(MIGRATIONS).unwrap().len(), 5);
        assert_eq!(values(&mut conn, TABLES), before);
        let left = "SELECT proname FROM pg_proc WHERE proname ~ 'energy_readings|power_samples|work_orders|alerts'";
        assert_eq!(values(&mut conn, left), [""; 0]);
        assert_whole(&mut conn);
        revert_migrations(&mut conn).unwrap();
        assert!(values(&mut conn, TABLES).is_empty());
    }
}
