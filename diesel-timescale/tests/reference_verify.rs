//! Verification of targets and of what references them: each violation is found once, and its remedy fixes it. It looks at
//! the whole database, so a server that has one for all tests leaves these out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::prelude::*;
use diesel_timescale::ViolationKind::{self, *};
use diesel_timescale::references;
use diesel_timescale::{Call, Error, ReferenceError, Violation, verify};
use support::{Needs, TestDb, needs, sql, value};

/// Out of the search_path, with names that need quotes: readings by their whole key, events by an id.
const TABLES: &str = r#"
CREATE SCHEMA "A house";
CREATE TABLE "A house"."Readings" (sensor TEXT, "at" BIGINT, value FLOAT8, PRIMARY KEY (sensor, "at"));
CREATE TABLE "A house"."Orders" (part INT, "a sensor" TEXT, "read at" BIGINT) PARTITION BY LIST (part);
CREATE TABLE "A house"."Orders 1" PARTITION OF "A house"."Orders" FOR VALUES IN (1);
CREATE TABLE "A house"."Orders 2" PARTITION OF "A house"."Orders" FOR VALUES IN (2);
CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMPTZ, PRIMARY KEY (id, at));
CREATE TABLE alerts (event BIGINT NOT NULL);
SELECT diesel_timescale.create_reference_target('"A house"."Readings"', 'at', registry_name => 'Referable');
SELECT diesel_timescale.create_reference_target('events', 'at', 'id');
SELECT diesel_timescale.add_reference('"A house"."Orders"', '{a sensor,read at}', '"A house"."Readings"', 'SET NULL');
SELECT diesel_timescale.add_reference('alerts', '{event}', 'events', 'RESTRICT');
"#;

const ROWS: &str = r#"
INSERT INTO "A house"."Readings" SELECT 's' || n % 2, n * 10, n FROM generate_series(0, 9) AS n;
INSERT INTO "A house"."Orders" SELECT 1 + n % 2, 's' || n % 2, n * 10 FROM generate_series(0, 9) AS n;
INSERT INTO events (at) SELECT timestamptz '2026-01-05 00:00Z' + n * interval '1 day' FROM generate_series(0, 9) AS n;
INSERT INTO alerts SELECT id FROM events;
"#;

fn healthy() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(&mut conn, TABLES);
    if support::has_quietly(Needs::Timescale) {
        sql(
            &mut conn,
            r#"SELECT create_hypertable('"A house"."Readings"', by_range('at', 50)); SELECT create_hypertable('events', by_range('at', interval '5 days'))"#,
        );
    }
    sql(&mut conn, ROWS);
    assert_eq!(violations(&mut conn), []);
    (db, conn)
}

fn violations(conn: &mut PgConnection) -> Vec<Violation> {
    let found = verify().call(conn).unwrap();
    found.into_iter().filter(|violation| violation.kind != JobsReportedFailed).collect()
}

struct Seed {
    needs: Option<Needs>,
    kind: ViolationKind,
    /// What the object and the detail must say.
    named: &'static str,
    seed: &'static str,
}

const fn seed(kind: ViolationKind, named: &'static str, seed: &'static str) -> Seed {
    Seed { needs: None, kind, named, seed }
}

const fn on_timescale(seed: Seed) -> Seed {
    Seed { needs: Some(Needs::Timescale), ..seed }
}

const SEEDS: &[Seed] = &[
    seed(MissingTrigger, "Readings_release_references", r#"DROP TRIGGER "Readings_release_references" ON "A house"."Readings""#),
    seed(MissingTrigger, "Readings_key_is_fixed", r#"DROP TRIGGER "Readings_key_is_fixed" ON "A house"."Readings""#),
    seed(MissingTrigger, "events_release_all_references", "DROP TRIGGER events_release_all_references ON events"),
    // A hypertable refuses to disable a trigger; the catalog does not.
    on_timescale(seed(
        DisabledTrigger,
        "1 chunk",
        r#"UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'Readings_release_references'
           AND tgrelid = (SELECT min(chunk::oid) FROM show_chunks('"A house"."Readings"') AS chunk)"#,
    )),
    seed(DisabledTrigger, "is disabled", r#"ALTER TABLE "A house"."Orders" DISABLE TRIGGER "reference_a sensor_read at""#),
    seed(DisabledTrigger, "on 1 of its partitions", r#"ALTER TABLE "A house"."Orders 1" DISABLE TRIGGER "reference_a sensor_read at""#),
    seed(DisabledTrigger, "is disabled", "ALTER TABLE alerts ENABLE REPLICA TRIGGER reference_event"),
    seed(MissingTrigger, "alerts.event", "DROP TRIGGER reference_event ON alerts"),
    seed(WrongTrigger, "earlier name", r#"ALTER TABLE "A house"."Orders" RENAME COLUMN "read at" TO "seen at""#),
    seed(WrongTrigger, r#"earlier name "A house"."Readings""#, r#"ALTER TABLE "A house"."Readings" RENAME TO "Measure'ments""#),
    seed(WrongTrigger, "earlier name public.events", "ALTER TABLE events RENAME TO \"it's so\""),
    seed(WrongTrigger, "events", "CREATE SCHEMA elsewhere; ALTER TABLE events SET SCHEMA elsewhere"),
    seed(WrongTrigger, r#"earlier name "A house""#, r#"ALTER SCHEMA "A house" RENAME TO home"#),
    seed(WrongTrigger, "events.number", "ALTER TABLE events RENAME id TO number"),
    seed(WrongTrigger, r#""A house"."Readings".moment"#, r#"ALTER TABLE "A house"."Readings" RENAME "at" TO moment"#),
    seed(MissingForeignKey, "alerts.event", "ALTER TABLE alerts DROP CONSTRAINT alerts_event_fkey"),
    seed(
        MissingForeignKey,
        r#""A house"."Orders" ("a sensor", "read at")"#,
        r#"DO $$ BEGIN EXECUTE format('ALTER TABLE "A house"."Orders" DROP CONSTRAINT %I', (SELECT conname FROM pg_constraint WHERE conrelid = '"A house"."Orders"'::regclass AND contype = 'f')); END $$"#,
    ),
    seed(
        WrongForeignKey,
        "not validated",
        "ALTER TABLE alerts DROP CONSTRAINT alerts_event_fkey, ADD CONSTRAINT again FOREIGN KEY (event) REFERENCES referenced_events ON DELETE CASCADE NOT VALID",
    ),
    seed(
        WrongForeignKey,
        "NOT NULL",
        "ALTER TABLE alerts DROP CONSTRAINT alerts_event_fkey, ADD CONSTRAINT again FOREIGN KEY (event) REFERENCES referenced_events ON DELETE SET NULL",
    ),
    seed(
        DisabledTrigger,
        "2 disabled trigger(s)",
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgisinternal AND tgrelid = 'alerts'::regclass",
    ),
    seed(
        NativeForeignKey,
        "rivals_fk",
        r#"CREATE TABLE rivals (moment BIGINT, sensor TEXT, CONSTRAINT rivals_fk FOREIGN KEY (moment, sensor) REFERENCES "A house"."Readings" ("at", sensor))"#,
    ),
    // Of a hypertable that is no target.
    on_timescale(seed(
        NativeForeignKey,
        "notes_fk",
        "CREATE TABLE samples (at DATE, n INT, PRIMARY KEY (n, at)); SELECT create_hypertable('samples', by_range('at'));
         CREATE TABLE notes (n INT NOT NULL, at DATE NOT NULL, CONSTRAINT notes_fk FOREIGN KEY (n, at) REFERENCES samples)",
    )),
    on_timescale(seed(
        DanglingReference,
        r#""A house"."Referable""#,
        r#"SELECT drop_chunks('"A house"."Readings"', older_than => 50)"#,
    )),
    seed(
        DanglingReference,
        r#""A house"."Orders" ("a sensor", "read at")"#,
        r#"SET session_replication_role TO replica; UPDATE "A house"."Orders" SET "read at" = 11 WHERE "read at" = 10; SET session_replication_role TO origin"#,
    ),
    seed(
        UnregisteredReference,
        "alerts.event",
        "INSERT INTO events (at) VALUES ('2026-01-20 00:00Z'); SET session_replication_role TO replica; INSERT INTO alerts SELECT max(id) FROM events; SET session_replication_role TO origin",
    ),
    seed(PublicFunction, "\"register_Readings\"(text, bigint)", r#"GRANT EXECUTE ON FUNCTION "A house"."register_Readings"(TEXT, BIGINT) TO PUBLIC"#),
    seed(PublicFunction, "register_events(bigint[]", "GRANT EXECUTE ON FUNCTION register_events(BIGINT[], TIMESTAMPTZ[]) TO PUBLIC"),
    seed(PublicFunction, "reference_alerts.event", "GRANT EXECUTE ON FUNCTION \"reference_alerts.event\"() TO PUBLIC"),
    seed(PublicFunction, "release_events()", "GRANT EXECUTE ON FUNCTION release_events() TO PUBLIC"),
];

#[test]
fn each_seeded_violation_is_found_once_and_its_remedy_fixes_it() {
    needs!(TwoConnections);
    let (_db, mut conn) = healthy();
    for seed in SEEDS {
        if !seed.needs.is_none_or(support::has) {
            continue;
        }
        conn.test_transaction::<_, Error, _>(|conn| {
            sql(conn, seed.seed);
            let found = violations(conn);
            let [violation] = found.as_slice() else { panic!("{}: {found:#?}", seed.seed) };
            assert_eq!(violation.kind, seed.kind, "{violation}");
            assert!(violation.to_string().contains(seed.named), "{violation}");
            // Whatever the search_path of whoever runs it.
            let search_path = value(conn, "SELECT current_setting('search_path')");
            sql(conn, "SET LOCAL search_path TO pg_catalog");
            diesel::sql_query(&violation.remedy)
                .execute(conn)
                .unwrap_or_else(|error| panic!("{error}\nin: {violation}"));
            sql(conn, &format!("SET LOCAL search_path TO {search_path}"));
            assert_eq!(violations(conn), [], "after the remedy of {violation}");
            assert_works(conn, seed.seed);
            Ok(())
        });
    }
}

/// References are registered, checked and cleared, and the RESTRICT key of alerts holds its events.
fn assert_works(conn: &mut PgConnection, seed: &str) {
    let column = value(
        conn,
        r#"SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '"A house"."Orders"'::regclass AND attnum = 3"#,
    );
    sql(
        conn,
        r#"INSERT INTO "A house"."Readings" VALUES ('new', 95, 0); INSERT INTO "A house"."Orders" VALUES (1, 'new', 95), (2, 'new', 95)"#,
    );
    sql(conn, r#"DELETE FROM "A house"."Readings" WHERE sensor = 'new'"#);
    let left = format!(r#"SELECT count(*) FROM "A house"."Orders" WHERE {column} = 95"#);
    assert_eq!(value(conn, &left), "0", "after {seed}");
    sql(conn, "INSERT INTO events (at) VALUES ('2026-01-30 00:00Z'); INSERT INTO alerts SELECT max(id) FROM events");
    let events = "SELECT count(*) FROM events WHERE at = '2026-01-30 00:00Z'";
    assert_eq!(value(conn, events), "1", "after {seed}");
}

#[test]
fn one_target_is_verified_by_itself() {
    needs!(TwoConnections);
    diesel::table! { events (id, at) { id -> Int8, at -> Timestamptz } }
    diesel::table! { alerts (event) { event -> Int8 } }
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        r#"DROP TRIGGER reference_event ON alerts; DROP TRIGGER "Readings_key_is_fixed" ON "A house"."Readings""#,
    );
    assert_eq!(violations(&mut conn).len(), 2);
    let found = references::verify(events::table).call(&mut conn).unwrap();
    let found: Vec<_> = found.iter().filter(|violation| violation.kind != JobsReportedFailed).collect();
    let [violation] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(violation.kind, MissingTrigger, "{violation}");
    let error = references::verify(alerts::table).call(&mut conn).unwrap_err();
    assert!(matches!(error, Error::Reference(ReferenceError::NotATarget { .. })), "{error}");
}

#[test]
fn a_registry_that_is_gone_is_told_and_the_others_are_verified() {
    needs!(TwoConnections);
    let (_db, mut conn) = healthy();
    sql(&mut conn, r#"DROP TABLE "A house"."Referable" CASCADE; DROP TRIGGER reference_event ON alerts"#);
    let kinds: Vec<_> = violations(&mut conn).into_iter().map(|violation| violation.kind).collect();
    assert!(kinds.contains(&MissingRegistry) && kinds.contains(&MissingTrigger) && kinds.len() == 2, "{kinds:?}");
}

#[test]
fn a_function_that_looks_like_that_of_a_renamed_target_fails_nothing() {
    needs!(TwoConnections);
    let (_db, mut conn) = healthy();
    sql(&mut conn, "CREATE TABLE notes (id BIGINT)");
    for literal in ["", "''", "'notes'", "'\".'", "'\"\".\"\"'", r"E'\'", "'a.b.c'", "'a b.c'"] {
        sql(
            &mut conn,
            &format!(
                "CREATE OR REPLACE FUNCTION release_other() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN
                     -- dt_target CONSTANT TEXT := is_in_columnstore(TG_RELID, {literal}::REGCLASS)
                     RETURN NULL;
                 END $$;
                 CREATE OR REPLACE TRIGGER other AFTER DELETE ON notes FOR EACH ROW EXECUTE FUNCTION release_other()"
            ),
        );
        assert_eq!(violations(&mut conn), [], "{literal}");
    }
}

/// A superuser's look at all targets reads nothing that could run the code of another role, and says so.
#[test]
fn what_belongs_to_another_role_is_not_read() {
    needs!(TwoConnections);
    let (db, mut conn) = healthy();
    let role = format!("other_of_{}", db.schema().replace('"', "")) + &std::process::id().to_string();
    sql(
        &mut conn,
        &format!(
            "CREATE ROLE {role}; CREATE SCHEMA theirs AUTHORIZATION {role}; CREATE TABLE theirs.log (line TEXT);
             CREATE FUNCTION theirs.write() RETURNS VOID LANGUAGE sql AS 'INSERT INTO theirs.log VALUES (current_user)';
             CREATE FUNCTION theirs.note(n INT) RETURNS INT LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM theirs.write(); RETURN n; END';
             CREATE TABLE theirs.samples (n INT, at TIMESTAMPTZ, PRIMARY KEY (n, at)); CREATE TABLE theirs.notes (n INT, at TIMESTAMPTZ);
             SELECT diesel_timescale.create_reference_target('theirs.samples', 'at');
             SELECT diesel_timescale.add_reference('theirs.notes', '{{n,at}}', 'theirs.samples');
             CREATE INDEX ON theirs.notes ((theirs.note(1) + n)); CREATE INDEX ON theirs.samples ((theirs.note(1) + n));
             DELETE FROM theirs.log;
             ALTER TABLE theirs.log OWNER TO {role}; ALTER TABLE theirs.notes OWNER TO {role}; ALTER TABLE theirs.samples OWNER TO {role};
             ALTER FUNCTION theirs.release_samples() OWNER TO {role}"
        ),
    );
    let found = violations(&mut conn);
    assert!(!found.is_empty());
    let unchecked: Vec<_> = found.iter().filter(|violation| violation.kind == Unchecked).collect();
    assert!(!unchecked.is_empty(), "{found:#?}");
    assert!(found.iter().all(|violation| violation.to_string().contains("theirs.")), "{found:#?}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM theirs.log"), "0", "their code has run");
    // So the trap is known to work.
    sql(
        &mut conn,
        "SELECT count(*) FROM theirs.notes AS n WHERE NOT EXISTS (SELECT FROM theirs.samples AS s WHERE s.n = n.n)",
    );
    assert_ne!(value(&mut conn, "SELECT count(*) FROM theirs.log"), "0");
    sql(&mut conn, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn verification_writes_nothing() {
    needs!(TwoConnections);
    let (_db, mut conn) = healthy();
    sql(&mut conn, "DROP TRIGGER reference_event ON alerts");
    sql(&mut conn, "BEGIN READ ONLY");
    assert_eq!(violations(&mut conn).len(), 1);
    assert_eq!(value(&mut conn, "SELECT pg_current_xact_id_if_assigned() IS NULL"), "true");
    sql(&mut conn, "COMMIT");
}
